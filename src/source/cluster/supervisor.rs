//! Knows when all first lists are in and what is forbidden; turns the watches' reports into events. No I/O.

use std::collections::BTreeMap;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::kind::Kind;
use super::outage::Outage;
use super::report::{Message, Scope};
use crate::objects::{Access, Change};
use crate::source::Event;

/// The state of all watches of a cluster.
#[derive(Debug)]
pub(super) struct Supervisor {
    watches: BTreeMap<Scope, State>,
    /// Switches the watches of core/v1 Endpoints on while EndpointSlices are forbidden.
    fallback: watch::Sender<bool>,
    /// What the options leave to see; a role can only take from it.
    allowed: Access,
    said: Access,
    waiting: Vec<String>,
    synced: bool,
    outage: Outage,
}

#[derive(Debug, Default)]
struct State {
    /// A complete list has been seen.
    listed: bool,
    /// The last try was refused.
    refused: bool,
    /// Switched off.
    resting: bool,
    /// Why it is not listed yet.
    trouble: Option<String>,
}

impl Supervisor {
    /// Supervises the watches of `scopes`. Those of Endpoints rest until `fallback` wakes them.
    pub(super) fn new(scopes: impl IntoIterator<Item = Scope>, allowed: Access, fallback: watch::Sender<bool>) -> Self {
        let watches = scopes
            .into_iter()
            .map(|scope| {
                let resting = scope.kind == Kind::Endpoints;
                (scope, State { resting, ..State::default() })
            })
            .collect();
        let (said, waiting) = (Access::default(), Vec::new());
        Self { watches, fallback, allowed, said, waiting, synced: false, outage: Outage::default() }
    }

    /// Takes a report in.
    pub(super) fn take(&mut self, message: Message, now: Instant) -> Vec<Event> {
        let mut changes = match message {
            Message::Changes { scope, changes, listed } => {
                self.outage.answered(&scope);
                if listed {
                    self.listed(&scope);
                }
                changes
            }
            Message::Refused { scope, reason } => {
                // The API server answers, if not what we hoped for.
                self.outage.answered(&scope);
                self.refused(&scope, &reason);
                Vec::new()
            }
            Message::Failed { scope, reason } => {
                if let Some(state) = self.watches.get_mut(&scope) {
                    state.trouble = Some(reason.clone());
                }
                self.outage.failed(scope, reason, self.synced, now);
                Vec::new()
            }
            Message::Unserved(kind, count) => vec![Change::Unserved(kind, count)],
        };
        // In one batch with the objects that it is about, so that nothing is missing in between.
        let access = self.access();
        if access != self.said {
            self.said = access;
            changes.push(Change::Access(access));
        }
        let mut events = Vec::new();
        if !changes.is_empty() {
            events.push(Event::Changes(changes));
        }
        events.extend(self.progress());
        events
    }

    /// Says from time to time what lasts.
    pub(super) fn tick(&mut self, now: Instant) {
        self.outage.tick(self.synced, now);
    }

    fn listed(&mut self, scope: &Scope) {
        let Some(state) = self.watches.get_mut(scope) else { return };
        let healed = std::mem::take(&mut state.refused);
        state.listed = true;
        state.trouble = None;
        if healed {
            info!("{scope} can be read now");
        }
        if healed && scope.kind == Kind::Slices {
            self.set_fallback();
        }
    }

    fn refused(&mut self, scope: &Scope, reason: &str) {
        let Some(state) = self.watches.get_mut(scope) else { return };
        if std::mem::replace(&mut state.refused, true) {
            return;
        }
        state.trouble = Some(format!("forbidden; add to the {}: {}", scope.kind.role(), scope.kind.rule()));
        let (kind, rule, role) = (scope.kind, scope.kind.rule(), scope.kind.role());
        if scope.is_required() {
            error!("{scope} are forbidden: {}. Add this rule to the {role}: {rule} ({reason})", kind.without());
        } else if state.listed {
            warn!(
                "{scope} are forbidden now: what is known of them stays. Add this rule to the {role}: {rule} ({reason})"
            );
        } else if kind == Kind::Nodes {
            // adit's own role leaves them out, and few need them.
            info!("{scope} are forbidden: {}. Add this rule to the {role}: {rule} ({reason})", kind.without());
        } else {
            warn!("{scope} are forbidden: {}. Add this rule to the {role}: {rule} ({reason})", kind.without());
        }
        if kind == Kind::Slices {
            self.set_fallback();
        }
    }

    /// EndpointSlices forbidden anywhere wake the watches of Endpoints everywhere: one way of reading for all Services.
    fn set_fallback(&mut self) {
        let wanted = self.of(Kind::Slices).any(|state| state.refused);
        for (_, state) in self.watches.iter_mut().filter(|(scope, _)| scope.kind == Kind::Endpoints) {
            if state.resting == wanted {
                *state = State { resting: !wanted, ..State::default() };
            }
        }
        self.fallback.send_if_modified(|now| std::mem::replace(now, wanted) != wanted);
    }

    /// What can be seen. What could be read once stays known, so it still counts as seen.
    fn access(&self) -> Access {
        let seen = |kind| self.of(kind).all(|state| state.listed || !state.refused);
        Access {
            classes: self.allowed.classes && seen(Kind::Classes),
            slices: self.allowed.slices && self.slices_are_better(),
            secrets: self.allowed.secrets && seen(Kind::Secrets),
            nodes: self.allowed.nodes && seen(Kind::Nodes),
        }
    }

    /// Endpoints take over only when they are all in, so that no Service is without endpoints meanwhile.
    fn slices_are_better(&self) -> bool {
        if self.of(Kind::Slices).all(|state| !state.refused) {
            return true;
        }
        let in_place = self.of(Kind::Endpoints).all(|state| !state.resting && (state.listed || state.refused));
        let known_before = self.of(Kind::Slices).all(|state| state.listed);
        !in_place || (known_before && !self.of(Kind::Endpoints).any(|state| state.listed))
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &State> {
        let whole = move |scope: &Scope| scope.kind == kind && scope.name.is_none();
        self.watches.iter().filter(move |(scope, _)| whole(scope)).map(|(_, state)| state)
    }

    fn progress(&mut self) -> Option<Event> {
        if self.synced {
            return None;
        }
        let waiting: Vec<_> = self
            .watches
            .iter()
            .filter(|(scope, state)| !(state.resting || state.listed || (state.refused && !scope.is_required())))
            .map(|(scope, state)| match &state.trouble {
                Some(trouble) => format!("the first list of {scope}: {trouble}"),
                None => format!("the first list of {scope}"),
            })
            .collect();
        if waiting.is_empty() {
            self.synced = true;
            return Some(Event::Synced);
        }
        if waiting == self.waiting {
            return None;
        }
        self.waiting.clone_from(&waiting);
        Some(Event::Waiting(waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(kind: Kind) -> Scope {
        Scope { kind, namespace: None, name: None }
    }

    fn supervisor() -> (Supervisor, watch::Receiver<bool>) {
        let (fallback, wanted) = watch::channel(false);
        let kinds = [Kind::Ingresses, Kind::Services, Kind::Slices, Kind::Endpoints, Kind::Secrets, Kind::Classes];
        (Supervisor::new(kinds.map(scope), Access::default(), fallback), wanted)
    }

    fn list(supervisor: &mut Supervisor, kind: Kind) -> Vec<Event> {
        let message = Message::Changes { scope: scope(kind), changes: Vec::new(), listed: true };
        supervisor.take(message, Instant::now())
    }

    fn refuse(supervisor: &mut Supervisor, kind: Kind) -> Vec<Event> {
        supervisor.take(Message::Refused { scope: scope(kind), reason: String::new() }, Instant::now())
    }

    fn is_synced(events: &[Event]) -> bool {
        events.iter().any(|event| matches!(event, Event::Synced))
    }

    fn access(events: &[Event]) -> Option<Access> {
        events.iter().find_map(|event| match event {
            Event::Changes(changes) => changes.iter().find_map(|change| match change {
                Change::Access(access) => Some(*access),
                _ => None,
            }),
            _ => None,
        })
    }

    #[test]
    fn the_source_is_synced_when_the_last_first_list_is_in_and_says_so_once() {
        let (mut supervisor, _wanted) = supervisor();
        for kind in [Kind::Ingresses, Kind::Services, Kind::Slices, Kind::Secrets] {
            assert!(!is_synced(&list(&mut supervisor, kind)));
        }
        assert!(is_synced(&list(&mut supervisor, Kind::Classes)));
        assert!(!is_synced(&list(&mut supervisor, Kind::Classes)));
    }

    #[test]
    fn a_forbidden_optional_kind_does_not_hold_up_the_start() {
        let (mut supervisor, _wanted) = supervisor();
        for kind in [Kind::Ingresses, Kind::Services, Kind::Slices] {
            list(&mut supervisor, kind);
        }
        let events = refuse(&mut supervisor, Kind::Secrets);
        assert_eq!(access(&events), Some(Access { secrets: false, ..Access::default() }));
        let events = refuse(&mut supervisor, Kind::Classes);
        assert!(is_synced(&events));
        assert_eq!(access(&events), Some(Access { secrets: false, classes: false, ..Access::default() }));
    }

    #[test]
    fn forbidden_ingresses_hold_up_the_start_until_the_rule_is_there() {
        let (mut supervisor, _wanted) = supervisor();
        for kind in [Kind::Services, Kind::Slices, Kind::Secrets, Kind::Classes] {
            list(&mut supervisor, kind);
        }
        let events = refuse(&mut supervisor, Kind::Ingresses);
        let [Event::Waiting(reasons)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(reasons.len(), 1);
        assert!(reasons[0].contains("add to the role"), "{reasons:?}");
        assert!(is_synced(&list(&mut supervisor, Kind::Ingresses)));
    }

    #[test]
    fn forbidden_slices_are_replaced_by_endpoints_before_the_start_is_complete() {
        let (mut supervisor, wanted) = supervisor();
        for kind in [Kind::Ingresses, Kind::Services, Kind::Secrets, Kind::Classes] {
            list(&mut supervisor, kind);
        }
        assert!(!is_synced(&refuse(&mut supervisor, Kind::Slices)));
        assert!(*wanted.borrow());
        let events = list(&mut supervisor, Kind::Endpoints);
        assert!(is_synced(&events));
        assert_eq!(access(&events), Some(Access { slices: false, ..Access::default() }));
    }

    #[test]
    fn slices_take_over_again_when_the_rule_is_added() {
        let (mut supervisor, wanted) = supervisor();
        refuse(&mut supervisor, Kind::Slices);
        list(&mut supervisor, Kind::Endpoints);
        assert_eq!(access(&list(&mut supervisor, Kind::Slices)), Some(Access::default()));
        assert!(!*wanted.borrow());
        // And back: not before the Endpoints are listed anew.
        assert_eq!(access(&refuse(&mut supervisor, Kind::Slices)), None);
        assert!(*wanted.borrow());
        let events = list(&mut supervisor, Kind::Endpoints);
        assert_eq!(access(&events), Some(Access { slices: false, ..Access::default() }));
    }

    #[test]
    fn a_kind_forbidden_after_it_was_read_stays_as_it_was() {
        let (mut supervisor, _wanted) = supervisor();
        list(&mut supervisor, Kind::Secrets);
        assert_eq!(access(&refuse(&mut supervisor, Kind::Secrets)), None);
    }

    #[test]
    fn the_start_completes_even_when_slices_and_endpoints_are_both_forbidden() {
        let (mut supervisor, _wanted) = supervisor();
        for kind in [Kind::Ingresses, Kind::Services, Kind::Secrets, Kind::Classes] {
            list(&mut supervisor, kind);
        }
        refuse(&mut supervisor, Kind::Slices);
        assert!(is_synced(&refuse(&mut supervisor, Kind::Endpoints)));
    }
}
