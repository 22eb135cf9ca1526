//! Why one route comes before another, and why a route is none for a request: in words.

use crate::proxy::router::Lack;
use crate::route::{AutomaticRank, Rank};

/// Why `first` comes before `second`: what decides is the first thing in which they differ.
pub(super) fn before(first: &Rank, second: &Rank) -> String {
    let (Rank::Automatic(first), Rank::Automatic(second)) = (first, second) else {
        return match (priority(first), priority(second)) {
            (Some(first), Some(second)) => format!("the one has priority {first}, the other {second}"),
            (Some(first), None) => format!("priority {first} puts it there"),
            (None, Some(second)) => format!("priority {second} puts the other after it"),
            (None, None) => "their order is the table's".to_owned(),
        };
    };
    // Every field, so that a new one cannot be forgotten here.
    let AutomaticRank { tier, host, host_length, fallback, path_length, path, created, namespace, name, index } = first;
    let differences = [
        (*tier != second.tier, "a rule comes before the default backend of an Ingress without rules"),
        (*host != second.host, "an exact host comes before a wildcard, and a wildcard before no host"),
        (*host_length != second.host_length, "a longer wildcard host comes first"),
        (*fallback != second.fallback, "a rule’s path comes before its Ingress’s default backend"),
        (*path_length != second.path_length, "a longer path comes first"),
        (*path != second.path, "of equal paths Exact comes first, then a regular expression, then Prefix"),
        (*created != second.created, "the older Ingress comes first"),
        (*namespace != second.namespace, "of the same age, the namespace that sorts first wins"),
        (*name != second.name, "of the same age, the name that sorts first wins"),
        (*index != second.index, "of one Ingress, the rule that is written first wins"),
    ];
    let decides = differences.into_iter().find(|(differ, _)| *differ);
    decides.map_or("they are the same", |(_, reason)| reason).to_owned()
}

fn priority(rank: &Rank) -> Option<i64> {
    match rank {
        Rank::Automatic(_) => None,
        Rank::Explicit { explicit, .. } => Some(explicit.priority.0),
    }
}

/// Why a route whose host matches is none for this request.
pub(super) fn lack(lack: Lack, path: &str) -> String {
    match lack {
        Lack::Path => format!("its path is not for {path}"),
        Lack::Listener => "it is bound to other entry points".to_owned(),
        Lack::Clear => "it is served over TLS only, and this came in the clear".to_owned(),
        Lack::Tls => "it is not served over TLS for this host".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;
    use crate::route::{Explicit, HostKind, PathKind, Tier};

    fn rank() -> AutomaticRank {
        AutomaticRank {
            tier: Tier::Rule,
            host: HostKind::Exact,
            host_length: Reverse(9),
            fallback: false,
            path_length: Reverse(4),
            path: PathKind::Exact,
            created: 10,
            namespace: "a".into(),
            name: "a".into(),
            index: 0,
        }
    }

    type Step = (&'static str, fn(&mut AutomaticRank));

    #[test]
    fn the_reason_is_the_first_thing_in_which_they_differ() {
        // Each differs from the first in one thing more.
        let steps: [Step; 9] = [
            ("written first", |rank| rank.index = 1),
            ("name that sorts", |rank| rank.name = "b".into()),
            ("namespace that sorts", |rank| rank.namespace = "b".into()),
            ("older", |rank| rank.created = 11),
            ("Exact comes first", |rank| rank.path = PathKind::Prefix),
            ("longer path", |rank| rank.path_length = Reverse(3)),
            ("default backend", |rank| rank.fallback = true),
            ("exact host", |rank| rank.host = HostKind::Any),
            ("without rules", |rank| rank.tier = Tier::DefaultBackend),
        ];
        let mut other = rank();
        for (expected, step) in steps {
            step(&mut other);
            assert!(rank() < other, "{expected}");
            let said = before(&Rank::Automatic(rank()), &Rank::Automatic(other.clone()));
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }

    #[test]
    fn a_priority_that_was_given_is_the_reason() {
        let given = |priority| Rank::Explicit {
            after: None,
            explicit: Box::new(Explicit { priority: Reverse(priority), own: rank() }),
        };
        let automatic = Rank::Automatic(rank());
        assert_eq!(before(&given(7), &given(3)), "the one has priority 7, the other 3");
        assert_eq!(before(&given(7), &automatic), "priority 7 puts it there");
        assert_eq!(before(&automatic, &given(3)), "priority 3 puts the other after it");
    }
}
