//! Power of two choices: of two endpoints drawn at random, the one whose latency times requests in flight is less.
//!
//! Three things keep it from being fooled. Costs within a factor of two count as equal, so that like endpoints share
//! evenly. A peak must be confirmed by the next two answers, so that a slow path does not look like a slow pod. And the
//! estimate of an endpoint that nobody waits for fades, so that it is tried again, by one request at a time.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::random;
use crate::proxy::upstream::state::EndpointState;

/// An unused endpoint's estimate halves in this time (2^31 ns, 2.1 s): one that looked 400 times slower than the rest
/// is tried again after some 18 s.
const HALF_LIFE_BITS: u32 = 31;

/// What an unanswered or failed request counts at least: a fast refusal must not look like a fast endpoint.
const PENALTY: u64 = 1_000_000_000;

/// A few milliseconds more or less are the scheduler's, on either machine, and say nothing of an endpoint.
const NOISE: u64 = 5_000_000;

/// No estimate is longer than a minute.
const LONGEST: u64 = 60_000_000_000;

/// One request in flight whose answer has not begun.
const WAITING: u64 = 1 << 32;

/// One request in flight.
const IN_FLIGHT: u64 = 1;

/// Draws before the endpoints are searched one by one.
const DRAWS: usize = 8;

/// What is known of one endpoint's load. Every request writes it; see how [`EndpointState`] lays it out.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Low half: requests in flight. High half: those whose answer has not begun.
    requests: AtomicU64,
    /// Estimated time to the head of an answer, nanoseconds; 0 is unknown.
    latency: AtomicU64,
    /// The last two measured ones, newest first.
    previous: [AtomicU64; 2],
    /// When the estimate was last brought up to date.
    stamp: AtomicU64,
    /// The upstream's turn at which it was last chosen.
    last_used: AtomicU64,
    /// Requests ever.
    total: AtomicU64,
}

/// What a finished wait says of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    /// An answer's head came after this many nanoseconds.
    Answer(u64),
    /// An error of the application came: it may have come too fast to count as work, but is no slower than that.
    Error(u64),
    /// No answer that anyone could use came.
    Failure(u64),
    /// The client left after that time: the answer would have taken at least as long.
    Cancelled(u64),
}

impl Load {
    /// A load whose latency is assumed: that of its group.
    pub(crate) fn assume(latency: u64, now: u64) -> Self {
        Self {
            latency: latency.into(),
            previous: [latency.into(), latency.into()],
            stamp: now.into(),
            ..Self::default()
        }
    }

    /// A request is on its way.
    pub(crate) fn begin(&self, turn: u64) {
        self.requests.fetch_add(WAITING | IN_FLIGHT, Relaxed);
        self.last_used.store(turn, Relaxed);
        self.total.fetch_add(1, Relaxed);
    }

    /// Its wait is over.
    pub(crate) fn end_wait(&self) {
        self.requests.fetch_sub(WAITING, Relaxed);
    }

    /// It is over.
    pub(crate) fn end(&self) {
        self.requests.fetch_sub(IN_FLIGHT, Relaxed);
    }

    /// Learns from a finished wait. Two workers may do so at once and one of them be lost: it is an estimate.
    pub(crate) fn learn(&self, sample: Sample, now: u64) {
        let before = fade(self.latency.load(Relaxed), now.saturating_sub(self.stamp.load(Relaxed)));
        let latency = match sample {
            Sample::Answer(latency) => latency,
            Sample::Failure(latency) => latency.max(PENALTY),
            // Neither may make an endpoint look faster than it is.
            Sample::Error(latency) | Sample::Cancelled(latency) if latency <= before => return,
            Sample::Error(latency) | Sample::Cancelled(latency) => latency,
        };
        let latency = latency.clamp(1, LONGEST);
        let last = self.previous[0].swap(latency, Relaxed);
        let confirmed = latency.min(last).min(self.previous[1].swap(last, Relaxed));
        let after = match before {
            // One failure is no measure of anything.
            0 if matches!(sample, Sample::Failure(_)) => confirmed,
            // The first answer comes over a new connection, perhaps from a cold process: it is not confirmed yet.
            0 => latency.min(NOISE),
            _ if confirmed > before => confirmed,
            _ => before - before / 8 + latency.min(before.saturating_mul(2)) / 8,
        };
        self.latency.store(after, Relaxed);
        self.stamp.store(now, Relaxed);
    }

    /// Forgets the estimate: the endpoint has come back from an ejection and what was known of it is no longer so.
    pub(crate) fn forget(&self) {
        self.latency.store(0, Relaxed);
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.requests.load(Relaxed) as u32
    }

    /// Requests ever.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// The estimate as it was last learned, nanoseconds; 0 is unknown.
    pub(crate) fn latency(&self) -> u64 {
        self.latency.load(Relaxed)
    }

    /// The estimate to choose by. While somebody waits for an answer it does not fade: a silent endpoint does not
    /// become better by being silent, and one that is tried again is tried by one request.
    fn expected(&self, now: u64) -> u64 {
        let latency = self.latency.load(Relaxed);
        if self.requests.load(Relaxed) >= WAITING {
            return latency;
        }
        fade(latency, now.saturating_sub(self.stamp.load(Relaxed)))
    }

    /// Whether this one is to be chosen rather than `other`.
    fn beats(&self, other: &Load, now: u64) -> bool {
        let (mine, theirs) = (self.in_flight(), other.in_flight());
        let (mut expected, mut others) = (self.expected(now), other.expected(now));
        // What is unknown is taken to be like the other.
        if expected == 0 {
            expected = others.max(1);
        }
        if others == 0 {
            others = expected;
        }
        let cost = expected.saturating_add(NOISE).saturating_mul(u64::from(mine) + 1);
        let others = others.saturating_add(NOISE).saturating_mul(u64::from(theirs) + 1);
        if cost > others.saturating_mul(2) {
            return false;
        }
        if others > cost.saturating_mul(2) {
            return true;
        }
        (mine, self.last_used.load(Relaxed)) < (theirs, other.last_used.load(Relaxed))
    }
}

/// `latency` after `idle` nanoseconds without use; a straight line between the halvings is near enough.
fn fade(latency: u64, idle: u64) -> u64 {
    let halved = u32::try_from(idle >> HALF_LIFE_BITS).ok().and_then(|times| latency.checked_shr(times)).unwrap_or(0);
    let part = (idle & ((1 << HALF_LIFE_BITS) - 1)) >> (HALF_LIFE_BITS - 16);
    halved - ((halved / 2).saturating_mul(part) >> 16)
}

/// Chooses among the endpoints that are `eligible`. One that is `urgent` is taken as soon as it is drawn.
pub(crate) fn choose<'a>(
    endpoints: &'a [Arc<EndpointState>],
    eligible: impl Fn(&EndpointState) -> bool,
    urgent: impl Fn(&EndpointState) -> bool,
    random: &Cell<u64>,
    now: u64,
) -> Option<&'a Arc<EndpointState>> {
    let (first, second) = two(endpoints, eligible, random);
    let (first, second) = match (first, second) {
        (Some(first), Some(second)) => (first, second),
        (one, other) => return one.or(other),
    };
    if urgent(first) {
        return Some(first);
    }
    if urgent(second) || second.load.beats(&first.load, now) {
        return Some(second);
    }
    Some(first)
}

/// Two different eligible endpoints, if there are two.
fn two<'a>(
    endpoints: &'a [Arc<EndpointState>],
    eligible: impl Fn(&EndpointState) -> bool,
    random: &Cell<u64>,
) -> (Option<&'a Arc<EndpointState>>, Option<&'a Arc<EndpointState>>) {
    let mut first: Option<&Arc<EndpointState>> = None;
    let start = random::below(random, endpoints.len());
    if endpoints.len() > 2 {
        for _ in 0..DRAWS {
            let Some(drawn) = endpoints.get(random::below(random, endpoints.len())) else { break };
            if first.is_some_and(|first| Arc::ptr_eq(first, drawn)) || !eligible(drawn) {
                continue;
            }
            match first {
                None => first = Some(drawn),
                Some(first) => return (Some(first), Some(drawn)),
            }
        }
    }
    // Few are eligible, or there are only two: look at each, beginning anywhere so that none is favoured.
    let (before, after) = endpoints.split_at(start);
    for endpoint in after.iter().chain(before) {
        if first.is_some_and(|first| Arc::ptr_eq(first, endpoint)) || !eligible(endpoint) {
            continue;
        }
        match first {
            None => first = Some(endpoint),
            Some(first) => return (Some(first), Some(endpoint)),
        }
    }
    (first, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const SECOND: u64 = 1_000 * MS;

    fn measured(latency: u64) -> Load {
        Load::assume(latency, 0)
    }

    #[test]
    fn costs_within_a_factor_of_two_go_to_fewer_in_flight_and_then_to_the_least_recently_used() {
        let (near, far) = (measured(10 * MS), measured(19 * MS));
        near.begin(2);
        far.begin(1);
        assert!(far.beats(&near, 0) && !near.beats(&far, 0), "least recently used");
        near.begin(3);
        far.begin(4);
        near.end();
        assert!(near.beats(&far, 0) && !far.beats(&near, 0), "fewer in flight");
    }

    #[test]
    fn more_than_twice_the_cost_loses_whatever_else() {
        let (fast, slow) = (measured(100 * MS), measured(216 * MS));
        fast.begin(9);
        fast.end();
        assert!(fast.beats(&slow, 0) && !slow.beats(&fast, 0));
        fast.begin(10);
        fast.begin(11);
        assert!(slow.beats(&fast, 0) && !fast.beats(&slow, 0), "three times 105 is more than 221, and more in flight");
        let slower = measured(700 * MS);
        assert!(fast.beats(&slower, 0), "315 ms against 705 ms");
    }

    #[test]
    fn an_unknown_latency_is_taken_to_be_the_others() {
        let (known, unknown) = (measured(500 * MS), Load::default());
        known.begin(1);
        assert!(unknown.beats(&known, 0));
        unknown.begin(2);
        unknown.begin(3);
        assert!(known.beats(&unknown, 0) && !unknown.beats(&known, 0));
    }

    #[test]
    fn two_slow_answers_are_not_a_slow_endpoint_and_three_in_a_row_are() {
        let load = measured(5 * MS);
        let learn = |latencies: &[u64]| {
            latencies.iter().for_each(|&latency| load.learn(Sample::Answer(latency), 0));
            load.latency()
        };
        assert!(learn(&[2 * SECOND]) < 6 * MS);
        assert!(learn(&[2 * SECOND]) < 7 * MS);
        assert!(learn(&[5 * MS, 2 * SECOND, 2 * SECOND, 5 * MS, 2 * SECOND, 2 * SECOND]) < 10 * MS);
        assert_eq!(learn(&[SECOND]), SECOND, "the least of the three");
    }

    #[test]
    fn a_fast_failure_does_not_look_fast() {
        let load = measured(100 * MS);
        load.learn(Sample::Failure(MS), 0);
        assert!(load.latency() > 100 * MS);
        load.learn(Sample::Failure(MS), 0);
        load.learn(Sample::Failure(MS), 0);
        assert_eq!(load.latency(), PENALTY);
        let new = Load::default();
        new.learn(Sample::Failure(MS), 0);
        new.learn(Sample::Failure(MS), 0);
        assert_eq!(new.latency(), 0, "still unknown");
        new.learn(Sample::Failure(MS), 0);
        assert_eq!(new.latency(), PENALTY);
    }

    #[test]
    fn errors_and_cancelled_requests_make_nothing_look_faster() {
        for sample in [Sample::Error(MS), Sample::Cancelled(MS)] {
            let load = measured(100 * MS);
            load.learn(sample, 0);
            assert_eq!(load.latency(), 100 * MS);
        }
        let silent = measured(MS);
        (0..3).for_each(|_| silent.learn(Sample::Cancelled(SECOND), 0));
        assert_eq!(silent.latency(), SECOND);
    }

    #[test]
    fn faster_answers_bring_the_estimate_down_by_an_eighth_each() {
        let load = measured(800 * MS);
        load.learn(Sample::Answer(80 * MS), 0);
        assert_eq!(load.latency(), 710 * MS);
    }

    #[test]
    fn an_estimate_fades_by_half_in_two_seconds_unless_somebody_waits() {
        let load = measured(800 * MS);
        let half_life = 1 << HALF_LIFE_BITS;
        assert_eq!(load.expected(0), 800 * MS);
        assert_eq!(load.expected(half_life), 400 * MS);
        assert_eq!(load.expected(half_life + half_life / 2), 300 * MS);
        assert_eq!(load.expected(half_life * 100), 0);
        assert_eq!(load.expected(u64::MAX), 0);
        load.begin(1);
        assert_eq!(load.expected(half_life), 800 * MS, "somebody waits");
        load.end_wait();
        assert_eq!(load.expected(half_life), 400 * MS, "in flight, but answered");
        load.learn(Sample::Answer(400 * MS), half_life);
        assert_eq!(load.latency(), 400 * MS, "what is learned is added to what is left");
    }

    #[test]
    fn the_estimate_has_an_upper_end() {
        let load = Load::default();
        for _ in 0..4 {
            load.learn(Sample::Answer(u64::MAX), 0);
        }
        assert_eq!(load.latency(), LONGEST);
    }

    #[test]
    fn a_slow_first_answer_is_believed_when_the_next_two_are_slow_as_well() {
        let load = Load::default();
        load.learn(Sample::Answer(800 * MS), 0);
        assert_eq!(load.latency(), NOISE);
        load.learn(Sample::Answer(800 * MS), 0);
        assert!(load.latency() < 10 * MS);
        load.learn(Sample::Answer(800 * MS), 0);
        assert_eq!(load.latency(), 800 * MS);
    }
}
