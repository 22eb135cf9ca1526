//! adit's own metrics: what Traefik has no name for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::catalog as c;
use super::page::Page;
use super::{EndpointLabel, LogLabel, Refusal, Retry, SeverityLabel, SpanLoss, Wait};

/// Bounds of `adit_event_to_swap_seconds`: 0.5 ms to 1 s.
const SWAP_BOUNDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// adit's own metrics. Every method may be called from any thread.
#[derive(Debug, Default)]
pub struct Own {
    swap_counts: [AtomicU64; SWAP_BOUNDS.len() + 1],
    swap_ns: AtomicU64,
    routes: AtomicU64,
    hosts: AtomicU64,
    upstreams: AtomicU64,
    endpoints: [AtomicU64; EndpointLabel::ALL.len()],
    problems: [AtomicU64; SeverityLabel::ALL.len()],
    retries: [AtomicU64; Retry::ALL.len()],
    refusals: Tally,
    waiting: AtomicU64,
    waits: [AtomicU64; Wait::ALL.len()],
    leader: AtomicU64,
    spans_exported: AtomicU64,
    spans_dropped: [AtomicU64; SpanLoss::ALL.len()],
    dropped: Mutex<Vec<(LogLabel, Arc<AtomicU64>)>>,
}

/// Counts by [`Refusal`]; arrays longer than 32 have no `Default`.
#[derive(Debug)]
struct Tally([AtomicU64; Refusal::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Refusal::ALL.len()])
    }
}

/// How large the table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSize {
    /// Routes.
    pub routes: usize,
    /// Host patterns.
    pub hosts: usize,
    /// Service ports that routes name.
    pub upstreams: usize,
    /// Problems that are errors.
    pub errors: usize,
    /// Problems that are warnings.
    pub warnings: usize,
}

impl Own {
    /// Counts one event that reached the data plane after `took`.
    pub fn swapped(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = SWAP_BOUNDS.iter().take_while(|bound| seconds > **bound).count();
        if let Some(count) = self.swap_counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.swap_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Sets the sizes of the table that is served now.
    pub fn sized(&self, size: TableSize) {
        self.routes.store(size.routes as u64, Relaxed);
        self.hosts.store(size.hosts as u64, Relaxed);
        self.upstreams.store(size.upstreams as u64, Relaxed);
        set(&self.problems, SeverityLabel::Error.index(), size.errors as u64);
        set(&self.problems, SeverityLabel::Warning.index(), size.warnings as u64);
    }

    /// Sets the number of endpoints in `state`.
    pub fn endpoints(&self, state: EndpointLabel, count: usize) {
        set(&self.endpoints, state.index(), count as u64);
    }

    /// Counts one request sent once more.
    pub fn retried(&self, reason: Retry) {
        count(&self.retries, reason.index());
    }

    /// Counts one request that was refused or given up.
    pub fn refused(&self, reason: Refusal) {
        count(&self.refusals.0, reason.index());
    }

    /// Counts a request that waits for an endpoint from now on.
    pub fn wait_begins(&self) {
        self.waiting.fetch_add(1, Relaxed);
    }

    /// Counts one wait for an endpoint, which has ended; or, as [`Wait::Full`], did not begin.
    pub fn wait_ended(&self, outcome: Wait) {
        if outcome != Wait::Full {
            self.waiting.fetch_sub(1, Relaxed);
        }
        count(&self.waits, outcome.index());
    }

    /// How many requests were refused or given up, by [`Refusal::ALL`].
    pub fn refusals(&self) -> [u64; Refusal::ALL.len()] {
        self.refusals.0.each_ref().map(|count| count.load(Relaxed))
    }

    /// Says whether this replica writes statuses.
    pub fn leads(&self, leads: bool) {
        self.leader.store(u64::from(leads), Relaxed);
    }

    /// Counts spans that the collector has taken.
    pub fn spans_exported(&self, spans: u64) {
        self.spans_exported.fetch_add(spans, Relaxed);
    }

    /// Counts spans that it never will.
    pub fn spans_dropped(&self, reason: SpanLoss, spans: u64) {
        if let Some(cell) = self.spans_dropped.get(reason.index()) {
            cell.fetch_add(spans, Relaxed);
        }
    }

    /// Shows `drops`, which the log's writer counts up.
    pub fn watch_drops(&self, log: LogLabel, drops: Arc<AtomicU64>) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push((log, drops));
    }

    pub(super) fn write(&self, page: &mut Page) {
        page.number(c::BUILD, &[crate::VERSION], 1.0);
        let counts: Vec<u64> = self.swap_counts.iter().map(|count| count.load(Relaxed)).collect();
        page.histogram(c::EVENT_TO_SWAP, &[], SWAP_BOUNDS, &counts, seconds(self.swap_ns.load(Relaxed)));
        page.number(c::ROUTES, &[], number(&self.routes));
        page.number(c::HOSTS, &[], number(&self.hosts));
        page.number(c::UPSTREAMS, &[], number(&self.upstreams));
        for (label, cell) in EndpointLabel::ALL.iter().zip(&self.endpoints) {
            page.number(c::ENDPOINTS, &[label.as_str()], number(cell));
        }
        for (label, cell) in SeverityLabel::ALL.iter().zip(&self.problems) {
            page.number(c::PROBLEMS, &[label.as_str()], number(cell));
        }
        for (label, cell) in Retry::ALL.iter().zip(&self.retries) {
            page.number(c::RETRIES, &[label.as_str()], number(cell));
        }
        for (label, cell) in Refusal::ALL.iter().zip(&self.refusals.0) {
            page.number(c::REFUSALS, &[label.as_str()], number(cell));
        }
        let overloaded = self.refusals.0.get(Refusal::Overloaded.index());
        page.number(c::CONNECTIONS_REFUSED, &[], overloaded.map_or(0.0, number));
        page.number(c::REQUESTS_WAITING, &[], number(&self.waiting));
        for (label, cell) in Wait::ALL.iter().zip(&self.waits) {
            page.number(c::ENDPOINT_WAITS, &[label.as_str()], number(cell));
        }
        page.number(c::LEADER, &[], number(&self.leader));
        page.number(c::SPANS_EXPORTED, &[], number(&self.spans_exported));
        for (label, cell) in SpanLoss::ALL.iter().zip(&self.spans_dropped) {
            page.number(c::SPANS_DROPPED, &[label.as_str()], number(cell));
        }
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        for label in LogLabel::ALL {
            let sum: u64 = dropped.iter().filter(|(log, _)| log == label).map(|(_, drops)| drops.load(Relaxed)).sum();
            page.number(c::LOG_DROPPED, &[label.as_str()], sum as f64);
        }
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn number(cell: &AtomicU64) -> f64 {
    cell.load(Relaxed) as f64
}

fn set(cells: &[AtomicU64], index: usize, value: u64) {
    if let Some(cell) = cells.get(index) {
        cell.store(value, Relaxed);
    }
}

fn count(cells: &[AtomicU64], index: usize) {
    if let Some(cell) = cells.get(index) {
        cell.fetch_add(1, Relaxed);
    }
}
