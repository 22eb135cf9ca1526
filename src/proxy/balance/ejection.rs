//! Ejection: an endpoint that fails again and again is left alone for a while, then tried by a single request.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Points after which an endpoint is ejected, unless a success comes first.
const LIMIT: u32 = 6;

/// The first ejection; each further one doubles it. A dead pod leaves the endpoint list within seconds, so this bridges
/// that time rather than judging.
const SHORTEST: u64 = 1_000_000_000;

/// The longest ejection.
const LONGEST: u64 = 30_000_000_000;

/// How an endpoint failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It could not be connected to, broke off or did not answer: three in a row are enough.
    Broken,
    /// It answered 502, 503 or 504: six in a row.
    Gateway,
}

/// Whether an endpoint may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may.
    In,
    /// It is left alone.
    Out,
    /// It has been left alone long enough: one request may try it.
    Due,
}

/// One endpoint's failures.
#[derive(Debug, Default)]
pub(crate) struct Ejection {
    points: AtomicU32,
    /// Ejections in a row.
    times: AtomicU32,
    /// When it may be tried again, nanoseconds; 0 while it is not ejected.
    due: AtomicU64,
    /// When it last came back.
    back: AtomicU64,
}

impl Ejection {
    /// Whether it may be chosen.
    pub(crate) fn standing(&self, now: u64) -> Standing {
        match self.due.load(Relaxed) {
            0 => Standing::In,
            due if now < due => Standing::Out,
            _ => Standing::Due,
        }
    }

    /// Whether it is ejected.
    pub(crate) fn is_ejected(&self) -> bool {
        self.due.load(Relaxed) != 0
    }

    /// Takes the one try that is due. If nothing is heard of it, the next one is due after another ejection's time.
    pub(crate) fn take_try(&self, now: u64) -> bool {
        let due = self.due.load(Relaxed);
        let next = now.saturating_add(self.length());
        due != 0 && due <= now && self.due.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    /// An answer came; whether it ended an ejection.
    pub(crate) fn succeeded(&self, now: u64) -> bool {
        // Most answers come from endpoints without failures: do not write then.
        if self.points.load(Relaxed) != 0 {
            self.points.store(0, Relaxed);
        }
        if self.due.load(Relaxed) == 0 || self.due.swap(0, Relaxed) == 0 {
            return false;
        }
        self.back.store(now, Relaxed);
        true
    }

    /// It failed. `allowed` says whether the group can do without it; asked only when it comes to that.
    pub(crate) fn failed(&self, fault: Fault, a_try: bool, now: u64, allowed: impl FnOnce() -> bool) {
        if self.is_ejected() {
            // Requests that were sent before the ejection say nothing new.
            if a_try {
                self.eject(now);
            }
            return;
        }
        let points = match fault {
            Fault::Broken => 2,
            Fault::Gateway => 1,
        };
        let points = self.points.load(Relaxed).saturating_add(points);
        self.points.store(points, Relaxed);
        if points >= LIMIT && allowed() {
            // Failing again soon after coming back continues the row.
            if now.saturating_sub(self.back.load(Relaxed)) > LONGEST {
                self.times.store(0, Relaxed);
            }
            self.eject(now);
        }
    }

    fn eject(&self, now: u64) {
        let times = self.times.load(Relaxed);
        self.times.store(times.saturating_add(1).min(32), Relaxed);
        self.due.store(now.saturating_add(self.length()).max(1), Relaxed);
    }

    fn length(&self) -> u64 {
        let doublings = self.times.load(Relaxed).saturating_sub(1).min(32);
        (SHORTEST << doublings).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = SHORTEST;
    const START: u64 = 1_000 * SECOND;

    fn ejected() -> Ejection {
        let ejection = Ejection::default();
        for _ in 0..3 {
            ejection.failed(Fault::Broken, false, START, || true);
        }
        ejection
    }

    #[test]
    fn three_broken_requests_in_a_row_eject_and_two_do_not() {
        let ejection = Ejection::default();
        ejection.failed(Fault::Broken, false, START, || true);
        ejection.failed(Fault::Broken, false, START, || true);
        assert_eq!(ejection.standing(START), Standing::In);
        ejection.succeeded(START);
        ejection.failed(Fault::Broken, false, START, || true);
        ejection.failed(Fault::Broken, false, START, || true);
        assert_eq!(ejection.standing(START), Standing::In, "a success between starts the count again");
        ejection.failed(Fault::Broken, false, START, || true);
        assert_eq!(ejection.standing(START), Standing::Out);
    }

    #[test]
    fn six_gateway_errors_in_a_row_eject() {
        let ejection = Ejection::default();
        for _ in 0..5 {
            ejection.failed(Fault::Gateway, false, START, || true);
        }
        assert!(!ejection.is_ejected());
        ejection.failed(Fault::Gateway, false, START, || true);
        assert!(ejection.is_ejected());
    }

    #[test]
    fn what_the_group_cannot_do_without_stays_in_until_it_can() {
        let ejection = Ejection::default();
        for _ in 0..10 {
            ejection.failed(Fault::Broken, false, START, || false);
        }
        assert_eq!(ejection.standing(START), Standing::In);
        ejection.failed(Fault::Broken, false, START, || true);
        assert_eq!(ejection.standing(START), Standing::Out);
    }

    #[test]
    fn after_its_time_one_request_may_try_and_only_one() {
        let ejection = ejected();
        assert_eq!(ejection.standing(START + SECOND - 1), Standing::Out);
        assert!(!ejection.take_try(START + SECOND - 1));
        assert_eq!(ejection.standing(START + SECOND), Standing::Due);
        assert!(ejection.take_try(START + SECOND));
        assert_eq!(ejection.standing(START + SECOND), Standing::Out);
        assert!(!ejection.take_try(START + SECOND));
        assert_eq!(ejection.standing(START + 2 * SECOND), Standing::Due, "nothing was heard of the first try");
    }

    #[test]
    fn each_failed_try_doubles_the_time_up_to_half_a_minute() {
        let ejection = ejected();
        let mut now = START;
        for length in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(ejection.standing(now + length * SECOND - 1), Standing::Out, "{length}");
            now += length * SECOND;
            assert!(ejection.take_try(now), "{length}");
            ejection.failed(Fault::Gateway, true, now, || true);
        }
    }

    #[test]
    fn a_success_ends_it_at_once_and_says_so() {
        let ejection = ejected();
        assert!(ejection.succeeded(START + SECOND));
        assert_eq!(ejection.standing(START + SECOND), Standing::In);
        assert!(!ejection.succeeded(START + SECOND));
    }

    #[test]
    fn requests_that_were_under_way_when_it_was_ejected_do_not_lengthen_it() {
        let ejection = ejected();
        for _ in 0..20 {
            ejection.failed(Fault::Broken, false, START, || true);
        }
        assert_eq!(ejection.standing(START + SECOND), Standing::Due);
    }

    #[test]
    fn failing_again_soon_after_coming_back_doubles_and_long_after_starts_again() {
        let again = |pause: u64| {
            let ejection = ejected();
            ejection.succeeded(START + SECOND);
            let now = START + SECOND + pause;
            for _ in 0..3 {
                ejection.failed(Fault::Broken, false, now, || true);
            }
            (1..).find(|seconds| ejection.standing(now + seconds * SECOND) == Standing::Due)
        };
        assert_eq!(again(SECOND), Some(2));
        assert_eq!(again(LONGEST), Some(2));
        assert_eq!(again(LONGEST + 1), Some(1));
    }
}
