//! Which of several matching routes wins: one derived order, smaller first.
//!
//! Ingress v1: an exact host before a wildcard before none; then the longest path; then Exact before Prefix.
//! Gateway API's tie-breaks after that: the older object, then namespace and name. Traefik's explicit priority takes its
//! place among these by [`Rank::Explicit`]'s anchor.

use std::cmp::Reverse;
use std::sync::Arc;

/// How specific the host of a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostKind {
    /// One host.
    Exact,
    /// One label under a suffix.
    Wildcard,
    /// Any host.
    Any,
}

/// Rules come before default backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// A rule's path, or the default backend of an Ingress that has rules, for its hosts.
    Rule,
    /// The default backend of an Ingress without rules.
    DefaultBackend,
}

/// How specific the path of a route is, at equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// This path alone.
    Exact,
    /// A regular expression.
    Regex,
    /// A prefix, by element or by character.
    Prefix,
}

/// The place of a route that no priority was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AutomaticRank {
    /// Rules before default backends without rules.
    pub tier: Tier,
    /// Exact before wildcard before any.
    pub host: HostKind,
    /// Longer wildcard suffixes first (they cannot both match, but the order stays total).
    pub host_length: Reverse<u16>,
    /// A rule's path before the same Ingress's default backend.
    pub fallback: bool,
    /// Longer paths first, in characters as written (a Prefix without its trailing `/`).
    pub path_length: Reverse<u16>,
    /// Exact before the rest.
    pub path: PathKind,
    /// Older objects first: seconds since the epoch of `metadata.creationTimestamp`; unknown is last.
    pub created: i64,
    /// Then by name.
    pub namespace: Arc<str>,
    /// Then by name.
    pub name: Arc<str>,
    /// Then in the order of the object's own rules.
    pub index: u32,
}

/// The place of a route that was given a priority: directly after the automatic route that anchors it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Explicit {
    /// Higher priorities first among those with the same anchor.
    pub priority: Reverse<i64>,
    /// Its own automatic place breaks the tie.
    pub own: AutomaticRank,
}

/// The place of a route in its listener's ranked list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rank {
    /// By the specification's order.
    Automatic(AutomaticRank),
    /// `router.priority` p: directly after the last automatic route whose Traefik number (the length of its rule
    /// string) is at least p, of those that it is compared with; or before all when there is none.
    Explicit {
        /// That last automatic route; `None` puts the route before all automatic ones.
        after: Option<Box<AutomaticRank>>,
        /// The order among those with the same anchor. On the heap, as is the anchor: few routes have a priority.
        explicit: Box<Explicit>,
    },
}

impl Rank {
    fn key(&self) -> (Option<&AutomaticRank>, Option<&Explicit>) {
        match self {
            Self::Automatic(rank) => (Some(rank), None),
            Self::Explicit { after, explicit } => (after.as_deref(), Some(&**explicit)),
        }
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    fn any_automatic() -> impl Strategy<Value = AutomaticRank> {
        let name = prop::sample::select(vec!["a", "b"]).prop_map(Arc::<str>::from);
        let tier = prop::sample::select(vec![Tier::Rule, Tier::DefaultBackend]);
        let host = prop::sample::select(vec![HostKind::Exact, HostKind::Wildcard, HostKind::Any]);
        let path = prop::sample::select(vec![PathKind::Exact, PathKind::Regex, PathKind::Prefix]);
        (tier, host, 0..2u16, any::<bool>(), 0..2u16, path, 0..2i64, name.clone(), name, 0..2u32).prop_map(
            |(tier, host, host_length, fallback, path_length, path, created, namespace, name, index)| AutomaticRank {
                tier,
                host,
                host_length: Reverse(host_length),
                fallback,
                path_length: Reverse(path_length),
                path,
                created,
                namespace,
                name,
                index,
            },
        )
    }

    fn any_rank() -> impl Strategy<Value = Rank> {
        let explicit =
            (prop::option::of(any_automatic()), 0..2i64, any_automatic()).prop_map(|(after, priority, own)| {
                let explicit = Box::new(Explicit { priority: Reverse(priority), own });
                Rank::Explicit { after: after.map(Box::new), explicit }
            });
        prop_oneof![any_automatic().prop_map(Rank::Automatic), explicit]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn precedence_is_a_total_order(a in any_rank(), b in any_rank(), c in any_rank()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn a_route_with_a_priority_comes_directly_after_its_anchor(anchor in any_automatic(), other in any_rank(), own in any_automatic()) {
            let explicit = Box::new(Explicit { priority: Reverse(1), own });
            let rank = Rank::Explicit { after: Some(Box::new(anchor.clone())), explicit };
            let anchor = Rank::Automatic(anchor);
            prop_assert!(anchor < rank);
            if matches!(other, Rank::Automatic(_)) {
                prop_assert!(other <= anchor || rank < other);
            }
        }
    }
}
