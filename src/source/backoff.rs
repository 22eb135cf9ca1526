//! How long to wait before the next try: doubling, capped, and spread by chance so that replicas do not march in step.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The waits between tries.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits from `first` up to `longest`.
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// The cap.
    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }

    /// The next wait: between half of its step and the whole.
    pub(crate) fn wait(&mut self) -> Duration {
        let step = self.next.min(self.longest);
        self.next = step.saturating_mul(2).min(self.longest);
        let half = step / 2;
        half + up_to(half)
    }
}

/// A random duration below `limit`. The standard library's hasher keys are the randomness: nothing here needs better.
pub(crate) fn up_to(limit: Duration) -> Duration {
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(RandomState::new().hash_one(nanos).checked_rem(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_never_fall_below_half_a_step() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for step in [100, 200, 350, 350, 350] {
            let wait = backoff.wait();
            assert!(wait >= Duration::from_millis(step / 2), "{wait:?} of {step}");
            assert!(wait <= Duration::from_millis(step), "{wait:?} of {step}");
        }
    }

    #[test]
    fn a_random_duration_of_nothing_is_nothing() {
        assert_eq!(up_to(Duration::ZERO), Duration::ZERO);
    }
}
