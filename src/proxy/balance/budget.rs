//! The retry budget of an upstream: retries may add a fifth to its requests, and a few per second however few there are.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Requests that pay for one retry: 20 %.
const REQUESTS_PER_RETRY: f64 = 5.0;

/// Retries per second that cost nothing, so that an upstream with little traffic has retries at all.
const FREE_PER_SECOND: f64 = 10.0;

/// The most retries that are saved up: a burst after quiet hours must not double the load.
const MOST: f64 = 100.0;

/// A token bucket, shared by all workers. Requests only count; the rest is worked out when a retry is asked for.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    requests: AtomicU64,
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    tokens: f64,
    requests: u64,
    time: u64,
}

impl RetryBudget {
    /// A budget as of `now`, nanoseconds.
    pub(crate) fn new(now: u64) -> Self {
        let account = Account { tokens: FREE_PER_SECOND, requests: 0, time: now };
        Self { requests: AtomicU64::new(0), account: Mutex::new(account) }
    }

    /// A request begins, not counting its retries.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Whether one more retry may be made at `now`; if so it is paid for.
    pub(crate) fn retry(&self, now: u64) -> bool {
        let requests = self.requests.load(Relaxed);
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = now.saturating_sub(account.time) as f64 / 1e9;
        let earned = requests.saturating_sub(account.requests) as f64 / REQUESTS_PER_RETRY;
        account.tokens = (account.tokens + earned + seconds * FREE_PER_SECOND).min(MOST);
        account.requests = account.requests.max(requests);
        account.time = account.time.max(now);
        if account.tokens < 1.0 {
            return false;
        }
        account.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn granted(budget: &RetryBudget, now: u64) -> usize {
        (0..100_000).take_while(|_| budget.retry(now)).count()
    }

    #[test]
    fn a_fifth_of_the_requests_may_be_retried() {
        let budget = RetryBudget::new(0);
        granted(&budget, 0);
        for _ in 0..100 {
            budget.request();
        }
        assert_eq!(granted(&budget, 0), 20);
        assert_eq!(granted(&budget, 0), 0, "paid for once");
    }

    #[test]
    fn ten_retries_a_second_are_free_from_the_start() {
        let budget = RetryBudget::new(5 * MS);
        assert_eq!(granted(&budget, 5 * MS), 10);
        assert_eq!(granted(&budget, 105 * MS), 1);
        assert_eq!(granted(&budget, 1_105 * MS), 10);
        assert_eq!(granted(&budget, 1_000 * MS), 0, "a worker's clock that lags behind earns nothing");
    }

    #[test]
    fn what_is_saved_up_is_bounded() {
        let budget = RetryBudget::new(0);
        for _ in 0..10_000 {
            budget.request();
        }
        assert_eq!(granted(&budget, 3_600_000 * MS), 100);
    }
}
