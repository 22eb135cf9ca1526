//! Who leads, from what is seen of the Lease. No I/O; only differences of our own clock count, so that clocks that
//! disagree break nothing.

use std::time::{Duration, Instant};

/// A Lease lasts this long without renewal, by the watch of whoever wants to take it.
pub(super) const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for this long stops writing: well before anybody may take over.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// How often a leader renews and a follower looks.
pub(super) const EVERY: Duration = Duration::from_secs(3);

/// What a Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Who holds it; empty when it was released.
    pub(super) holder: String,
    /// Changes with each write. Its meaning does not matter, only that it is another.
    pub(super) version: String,
    /// How long it lasts, by its holder's own word.
    pub(super) duration: Duration,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is none: make it, as ours.
    Create,
    /// It is free: write us into it.
    Take,
    /// It is ours: write it anew.
    Renew,
    /// It is somebody else's.
    Wait,
}

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    seen: Option<(Record, Instant)>,
}

impl Election {
    /// Nothing was seen yet.
    pub(super) fn new(identity: String) -> Self {
        Self { identity, seen: None }
    }

    /// The Lease as it is now.
    pub(super) fn look(&mut self, record: Option<Record>, now: Instant) -> Step {
        let Some(record) = record else {
            self.seen = None;
            return Step::Create;
        };
        if record.holder == self.identity {
            return Step::Renew;
        }
        if record.holder.is_empty() {
            return Step::Take;
        }
        // Counted from when we saw it change, not from the time that is written in it: that is another clock's.
        let since = match &self.seen {
            Some((seen, since)) if *seen == record => *since,
            _ => now,
        };
        let lasts = record.duration.max(DURATION);
        self.seen = Some((record, since));
        if now.saturating_duration_since(since) > lasts { Step::Take } else { Step::Wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: &str, version: &str) -> Option<Record> {
        Some(Record { holder: holder.into(), version: version.into(), duration: DURATION })
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_that_does_not_exist_is_made_and_a_released_one_taken_at_once() {
        let (mut election, now) = (Election::new("a".into()), Instant::now());
        assert_eq!(election.look(None, now), Step::Create);
        assert_eq!(election.look(record("", "7"), now), Step::Take);
        assert_eq!(election.look(record("a", "8"), now), Step::Renew);
    }

    #[test]
    fn a_lease_that_is_renewed_is_left_alone_for_ever() {
        let (mut election, now) = (Election::new("a".into()), Instant::now());
        for step in 0..100 {
            assert_eq!(election.look(record("b", &step.to_string()), now + seconds(step * 10)), Step::Wait);
        }
    }

    #[test]
    fn a_lease_is_taken_only_after_it_was_seen_unchanged_for_its_whole_duration() {
        let (mut election, now) = (Election::new("a".into()), Instant::now());
        assert_eq!(election.look(record("b", "1"), now), Step::Wait);
        assert_eq!(election.look(record("b", "1"), now + seconds(15)), Step::Wait);
        assert_eq!(election.look(record("b", "2"), now + seconds(16)), Step::Wait);
        assert_eq!(election.look(record("b", "2"), now + seconds(31)), Step::Wait);
        assert_eq!(election.look(record("b", "2"), now + seconds(32)), Step::Take);
    }

    #[test]
    fn a_leader_stops_before_anybody_may_take_over() {
        assert!(DEADLINE + EVERY < DURATION);
    }
}
