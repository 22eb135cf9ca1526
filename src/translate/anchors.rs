//! Where routes with a priority stand among those without: directly after the last automatic route whose Traefik number,
//! the length of its rule, is at least the priority.
//!
//! A route for one host is compared with all routes of that host, and of the rules for many hosts with those of its own
//! namespace: nobody moves it by a rule for hosts that are not his. A route for many hosts is compared with all others,
//! as in Traefik.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ingress::Draft;
use super::owner::Owner;
use crate::route::{AutomaticRank, HostPattern, Tier};

/// Rule strings are not longer than this; a higher priority comes before every automatic route without a look at them.
const LONGEST_RULE: i64 = 1 << 20;

type Drafts = BTreeMap<HostPattern, Vec<Arc<Draft>>>;

/// The places of one host's routes with a priority: by listener, priority and namespace.
type Places = BTreeMap<(usize, i64, Arc<str>), Option<AutomaticRank>>;

/// The places of all routes with a priority.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    hosts: BTreeMap<HostPattern, Places>,
}

impl Anchors {
    /// Whether one of these has a place that depends on others.
    pub(super) fn are_needed_by(drafts: &[Arc<Draft>]) -> bool {
        drafts.iter().any(|draft| asks(draft).is_some())
    }

    /// Finds them for these hosts, each of which may belong to one namespace, `strict` or not.
    pub(super) fn find(hosts: &BTreeSet<HostPattern>, drafts: &Drafts, strict: bool) -> Self {
        let mut ladders = Ladders { drafts, everything: BTreeMap::new(), broad: BTreeMap::new() };
        let mut places = |host: &HostPattern| {
            let of_host = drafts.get(host).map_or(&[][..], Vec::as_slice);
            let owner = strict.then(|| Owner::of(host, of_host)).flatten();
            let admitted =
                |draft: &&Arc<Draft>| owner.as_ref().is_none_or(|owner| owner.admits(&draft.own().namespace));
            let mut own = BTreeMap::new();
            let mut places = Places::new();
            for draft in of_host.iter().filter(admitted) {
                let Some(priority) = asks(draft) else { continue };
                for listener in draft.route.listeners.iter() {
                    let namespace = &draft.own().namespace;
                    let after = if let HostPattern::Exact(name) = host {
                        let own: &Ladder<'_> = own
                            .entry(listener)
                            .or_insert_with(|| Ladder::of(of_host.iter().filter(admitted), listener));
                        own.last(priority).max(ladders.broad(name, namespace, listener, priority))
                    } else {
                        ladders.everything(listener).last(priority)
                    };
                    places.insert((listener, priority, namespace.clone()), after.cloned());
                }
            }
            places
        };
        Self { hosts: hosts.iter().map(|host| (host.clone(), places(host))).collect() }
    }

    /// The automatic route that a route comes after on a listener, if any.
    pub(super) fn of(&self, draft: &Draft, priority: i64, listener: usize) -> Option<&AutomaticRank> {
        let place = (listener, priority, draft.own().namespace.clone());
        self.hosts.get(&draft.host)?.get(&place)?.as_ref()
    }

    /// The hosts whose places are others now than they were.
    pub(super) fn moved<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a HostPattern> {
        self.hosts.iter().filter(|(host, places)| before.hosts.get(*host) != Some(*places)).map(|(host, _)| host)
    }
}

/// The priority of a route whose place depends on others.
fn asks(draft: &Draft) -> Option<i64> {
    draft.priority.filter(|priority| *priority <= LONGEST_RULE)
}

/// Automatic routes by their Traefik numbers: the last one in rank order of those with at least that number.
#[derive(Debug, Default)]
struct Ladder<'a>(BTreeMap<i64, &'a AutomaticRank>);

impl<'a> Ladder<'a> {
    fn of(drafts: impl Iterator<Item = &'a Arc<Draft>>, listener: usize) -> Self {
        let mut ladder = Self::default();
        for draft in drafts.filter(|draft| draft.route.listeners.contains(listener)) {
            ladder.add(draft);
        }
        ladder.add_up()
    }

    fn add(&mut self, draft: &'a Draft) {
        if draft.priority.is_none() && draft.own().tier == Tier::Rule {
            let last = self.0.entry(draft.route.origin.priority).or_insert(draft.own());
            *last = (*last).max(draft.own());
        }
    }

    /// A number has what the higher ones have, too.
    fn add_up(mut self) -> Self {
        let mut last = None;
        for own in self.0.values_mut().rev() {
            *own = last.map_or(*own, |last: &AutomaticRank| last.max(own));
            last = Some(*own);
        }
        self
    }

    fn last(&self, priority: i64) -> Option<&'a AutomaticRank> {
        self.0.range(priority..).next().map(|(_, own)| *own)
    }
}

/// The ladders that several hosts have in common, each made when it is first asked for.
struct Ladders<'a> {
    drafts: &'a Drafts,
    /// By listener: all routes.
    everything: BTreeMap<usize, Ladder<'a>>,
    /// By pattern and listener: of each namespace.
    broad: BTreeMap<(HostPattern, usize), BTreeMap<&'a str, Ladder<'a>>>,
}

impl<'a> Ladders<'a> {
    fn everything(&mut self, listener: usize) -> &Ladder<'a> {
        let drafts = self.drafts;
        self.everything.entry(listener).or_insert_with(|| Ladder::of(drafts.values().flatten(), listener))
    }

    /// The last route of a namespace whose rule is for many hosts, `host` among them.
    fn broad(&mut self, host: &str, namespace: &str, listener: usize, priority: i64) -> Option<&'a AutomaticRank> {
        let wildcard = host.split_once('.').map(|(_, suffix)| HostPattern::Wildcard(suffix.into()));
        let patterns = [Some(HostPattern::Any), wildcard].into_iter().flatten();
        let last = patterns.filter_map(|pattern| {
            let drafts = self.drafts.get(&pattern)?;
            let of_pattern = self.broad.entry((pattern, listener)).or_insert_with(|| {
                let mut ladders: BTreeMap<&str, Ladder<'_>> = BTreeMap::new();
                for draft in drafts.iter().filter(|draft| draft.route.listeners.contains(listener)) {
                    ladders.entry(&draft.own().namespace).or_default().add(draft);
                }
                ladders.into_iter().map(|(namespace, ladder)| (namespace, ladder.add_up())).collect()
            });
            of_pattern.get(namespace)?.last(priority)
        });
        last.max()
    }
}
