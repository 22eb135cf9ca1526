//! Holds a thread to a share of one core, whatever it does.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// As much as an attacker gets.
const SHARE: f64 = 0.5;
/// How far it may be ahead of its share before it must wait.
const SLACK: Duration = Duration::from_millis(5);

/// Of the thread that made it; its tasks ask it now and then.
#[derive(Debug)]
pub(crate) struct Governor {
    since: Instant,
    used: Duration,
    asked: Cell<u32>,
}

impl Governor {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), used: used(), asked: Cell::new(0) }
    }

    /// Stops the whole thread while it has had more than its share.
    pub(crate) fn hold(&self) {
        let asked = self.asked.get().wrapping_add(1);
        self.asked.set(asked);
        if !asked.is_multiple_of(16) {
            return;
        }
        let due = self.since.elapsed().mul_f64(SHARE) + SLACK;
        if let Some(ahead) = (used() - self.used).checked_sub(due) {
            std::thread::sleep(ahead.div_f64(SHARE));
        }
    }

    /// The share that it has had.
    pub(crate) fn share(&self) -> f64 {
        (used() - self.used).as_secs_f64() / self.since.elapsed().as_secs_f64()
    }
}

/// What this thread has had of the processor.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the scheduler's counts");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds");
    Duration::from_nanos(nanos)
}
