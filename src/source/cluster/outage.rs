//! Says that the API server does not answer: once, then now and then, and when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::report::Scope;

/// A watch that has not failed again for this long is taken to be well: it may have nothing to say for minutes, while
/// one in trouble tries again, and fails, within seven seconds.
const WELL_AFTER: Duration = Duration::from_secs(15);
/// How often an outage that lasts is mentioned.
const REMIND_EVERY: Duration = Duration::from_secs(30);
/// A watch that failed within this is still in trouble: it tries again after two seconds, and connecting may take five.
const FRESH: Duration = Duration::from_secs(8);

/// The watches in trouble.
#[derive(Debug, Default)]
pub(super) struct Outage {
    troubled: BTreeMap<Scope, Trouble>,
    said: Option<Said>,
}

#[derive(Debug)]
struct Trouble {
    times: u32,
    last: Instant,
    reason: String,
}

#[derive(Debug)]
struct Said {
    first: Instant,
    last: Instant,
    last_failure: Instant,
}

impl Outage {
    /// A watch failed. One failure alone is a cut connection and not worth a line, but for the start, when it is news.
    pub(super) fn failed(&mut self, scope: Scope, reason: String, synced: bool, now: Instant) {
        let trouble = self.troubled.entry(scope).or_insert(Trouble { times: 0, last: now, reason: String::new() });
        trouble.times = trouble.times.saturating_add(1);
        trouble.last = now;
        trouble.reason = reason;
        if let Some(said) = &mut self.said {
            said.last_failure = now;
        }
        if self.said.is_none() && (trouble.times > 1 || !synced) {
            self.said = Some(Said { first: now, last: now, last_failure: now });
            warn!("the Kubernetes API server fails us: {}; {}", trouble.reason, meanwhile(synced));
        }
    }

    /// A watch got an answer.
    pub(super) fn answered(&mut self, scope: &Scope) {
        if self.troubled.remove(scope).is_some() {
            self.end_if_well();
        }
    }

    /// Mentions an outage that lasts; notices its end.
    pub(super) fn tick(&mut self, synced: bool, now: Instant) {
        self.troubled.retain(|_, trouble| now.duration_since(trouble.last) < WELL_AFTER);
        self.end_if_well();
        let (Some(said), Some(trouble)) = (&mut self.said, self.troubled.values().next()) else { return };
        if now.duration_since(said.last) >= REMIND_EVERY && now.duration_since(said.last_failure) < FRESH {
            said.last = now;
            let lasting = now.duration_since(said.first).as_secs();
            warn!("the Kubernetes API server fails us for {lasting} s now: {}; {}", trouble.reason, meanwhile(synced));
        }
    }

    fn end_if_well(&mut self) {
        if self.troubled.is_empty()
            && let Some(said) = self.said.take()
        {
            info!(
                "the Kubernetes API server answers again, after {} s",
                said.last_failure.duration_since(said.first).as_secs()
            );
        }
    }
}

fn meanwhile(synced: bool) -> &'static str {
    if synced {
        "the last routing table keeps serving, and the watches are tried again"
    } else {
        "trying again; are its address, the network between and the credentials right?"
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    fn scope(kind: Kind) -> Scope {
        Scope { kind, namespace: None, name: None }
    }

    #[test]
    fn a_single_failure_while_running_is_not_an_outage() {
        let mut outage = Outage::default();
        outage.failed(scope(Kind::Nodes), "reset".into(), true, Instant::now());
        assert!(outage.said.is_none());
    }

    #[test]
    fn the_first_failure_of_the_start_is_said_at_once() {
        let mut outage = Outage::default();
        outage.failed(scope(Kind::Nodes), "refused".into(), false, Instant::now());
        assert!(outage.said.is_some());
    }

    #[test]
    fn an_outage_ends_when_the_last_watch_is_answered() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        for kind in [Kind::Nodes, Kind::Nodes, Kind::Secrets] {
            outage.failed(scope(kind), "refused".into(), true, now);
        }
        outage.answered(&scope(Kind::Nodes));
        assert!(outage.said.is_some());
        outage.answered(&scope(Kind::Secrets));
        assert!(outage.said.is_none());
    }

    #[test]
    fn an_outage_ends_when_no_watch_fails_any_more_though_none_has_news() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        outage.failed(scope(Kind::Nodes), "refused".into(), true, now);
        outage.failed(scope(Kind::Nodes), "refused".into(), true, now);
        outage.tick(true, now + WELL_AFTER / 2);
        assert!(outage.said.is_some());
        outage.tick(true, now + WELL_AFTER);
        assert!(outage.said.is_none());
    }
}
