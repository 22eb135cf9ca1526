//! The counts of one entry point, router or service: cells that each worker writes alone and a scrape adds up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use triomphe::ThinArc;

use super::{MethodLabel, ProtocolLabel, TlsLabel};

/// What is recorded of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The status; for gRPC the grpc-status.
    pub code: u16,
    /// The method.
    pub method: MethodLabel,
    /// What the exchange was used for.
    pub protocol: ProtocolLabel,
    /// From the request's first byte to the answer's last.
    pub duration: Duration,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// The client connection's TLS, if any.
    pub tls: Option<TlsLabel>,
}

/// The counts of one entry point, router or service; a copy counts in the same place, and is one word.
#[derive(Clone, Debug)]
pub struct Series(ThinArc<(), Slot>);

/// What one worker writes: no other thread stores here but for retries, so a load and a store do for an addition. All that
/// a plain exchange with the first combination of labels needs is in its two cache lines: of tens of thousands of routers,
/// few are in any cache.
#[derive(Debug)]
#[repr(align(128))] // prefetchers pull two lines in together
struct Slot {
    /// Upper bounds of the histogram, nanoseconds, ascending.
    bounds: Arc<[u64]>,
    /// The combination of labels that came first, if its buckets fit.
    first: OnceLock<u32>,
    counts: Counts<[AtomicU64; USUAL]>,
    retries: AtomicU64,
    more: OnceLock<Box<More>>,
}

/// As many buckets have room in a slot: Traefik's bounds make five.
const USUAL: usize = 6;

/// All further combinations of labels.
#[derive(Debug, Default)]
struct More {
    exchanges: [OnceLock<Box<Cell>>; 8],
    tls: OnceLock<Box<Cell>>,
}

/// The counts of one combination of labels; cells that share a place form a list that only grows.
#[derive(Debug)]
struct Cell {
    key: u32,
    counts: Counts<Box<[AtomicU64]>>,
    next: OnceLock<Box<Cell>>,
}

#[derive(Debug, Default)]
struct Counts<B> {
    duration_ns: AtomicU64,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    /// Exchanges by bucket, not cumulative; the last one is `+Inf`.
    buckets: B,
}

impl<B: AsRef<[AtomicU64]>> Counts<B> {
    fn record(&self, sample: &Sample, nanos: u64, bucket: usize) {
        add(&self.duration_ns, nanos);
        add(&self.request_bytes, sample.request_bytes);
        add(&self.response_bytes, sample.response_bytes);
        if let Some(bucket) = self.buckets.as_ref().get(bucket) {
            add(bucket, 1);
        }
    }

    fn add_to(&self, sum: &mut Sum, buckets: usize) {
        sum.buckets.resize(buckets, 0);
        for (sum, bucket) in sum.buckets.iter_mut().zip(self.buckets.as_ref()) {
            *sum = sum.wrapping_add(bucket.load(Relaxed));
        }
        sum.duration_ns = sum.duration_ns.wrapping_add(self.duration_ns.load(Relaxed));
        sum.request_bytes = sum.request_bytes.wrapping_add(self.request_bytes.load(Relaxed));
        sum.response_bytes = sum.response_bytes.wrapping_add(self.response_bytes.load(Relaxed));
    }
}

/// The sums over all workers of one combination of labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) duration_ns: u64,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) buckets: Vec<u64>,
}

impl Sum {
    /// All exchanges.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Slot {
    fn new(bounds: Arc<[u64]>) -> Self {
        Self {
            bounds,
            first: OnceLock::new(),
            counts: Counts::default(),
            retries: AtomicU64::new(0),
            more: OnceLock::new(),
        }
    }

    fn buckets(&self) -> usize {
        self.bounds.len() + 1
    }

    fn record(&self, sample: &Sample) {
        let key = exchange_key(sample);
        let nanos = u64::try_from(sample.duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.iter().take_while(|bound| nanos > **bound).count();
        if self.buckets() <= USUAL && *self.first.get_or_init(|| key) == key {
            self.counts.record(sample, nanos, bucket);
        } else if let Some(head) = self.more().exchanges.get(place(key)) {
            find(head, key, self.buckets()).counts.record(sample, nanos, bucket);
        }
        if let Some(tls) = sample.tls
            && let Some(count) = find(&self.more().tls, tls.key(), 1).counts.buckets.first()
        {
            add(count, 1);
        }
    }

    fn more(&self) -> &More {
        self.more.get_or_init(Box::default)
    }
}

impl Series {
    pub(super) fn new(workers: usize, bounds: &Arc<[u64]>) -> Self {
        Self(ThinArc::from_header_and_iter((), (0..workers).map(|_| Slot::new(bounds.clone()))))
    }

    /// How many copies there are.
    pub(super) fn holders(&self) -> usize {
        ThinArc::strong_count(&self.0)
    }

    /// Records one exchange. `worker` is the caller's own index: each index has one thread. Costs some 10 ns and shares
    /// no cache line with other workers.
    pub fn record(&self, worker: usize, sample: &Sample) {
        if let Some(slot) = self.0.slice.get(worker) {
            slot.record(sample);
        }
    }

    /// Counts one retry (of a service). Rare, so all workers share the counter.
    pub fn retried(&self) {
        if let Some(slot) = self.0.slice.first() {
            slot.retries.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn retries(&self) -> u64 {
        self.0.slice.iter().map(|slot| slot.retries.load(Relaxed)).sum()
    }

    /// The sums by exchange key.
    pub(super) fn exchanges(&self) -> BTreeMap<u32, Sum> {
        let mut sums = BTreeMap::new();
        for slot in &self.0.slice {
            if let Some(key) = slot.first.get() {
                slot.counts.add_to(sums.entry(*key).or_default(), slot.buckets());
            }
            for head in slot.more.get().into_iter().flat_map(|more| &more.exchanges) {
                collect(head, &mut sums);
            }
        }
        sums
    }

    /// The exchanges over TLS, by [`TlsLabel::key`].
    pub(super) fn tls(&self) -> BTreeMap<u32, Sum> {
        let mut sums = BTreeMap::new();
        for more in self.0.slice.iter().filter_map(|slot| slot.more.get()) {
            collect(&more.tls, &mut sums);
        }
        sums
    }
}

/// The list is short: a handful of codes and methods is all that most services ever answer with, and the sets are
/// closed, so a client cannot make it long.
fn find(head: &OnceLock<Box<Cell>>, key: u32, buckets: usize) -> &Cell {
    let mut at = head;
    loop {
        let cell = at.get_or_init(|| Cell::new(key, buckets));
        if cell.key == key {
            return cell;
        }
        at = &cell.next;
    }
}

impl Cell {
    fn new(key: u32, buckets: usize) -> Box<Self> {
        let buckets = (0..buckets).map(|_| AtomicU64::new(0)).collect();
        let counts = Counts { buckets, ..Counts::default() };
        Box::new(Self { key, counts, next: OnceLock::new() })
    }
}

fn add(cell: &AtomicU64, value: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(value), Relaxed);
}

fn collect(head: &OnceLock<Box<Cell>>, sums: &mut BTreeMap<u32, Sum>) {
    let mut at = head.get();
    while let Some(cell) = at {
        cell.counts.add_to(sums.entry(cell.key).or_default(), cell.counts.buckets.len());
        at = cell.next.get();
    }
}

/// Code, method and protocol in one number; the code in front, so that keys sort by it.
fn exchange_key(sample: &Sample) -> u32 {
    let method = sample.method.index() as u32;
    let protocol = sample.protocol.index() as u32;
    u32::from(known_code(sample.code)) << 16 | method << 8 | protocol
}

/// Which of the slot's lists a key belongs to.
fn place(key: u32) -> usize {
    let mixed = (key >> 16) ^ (key >> 8) ^ (key << 1);
    (mixed & 7) as usize
}

/// A backend may answer with any number of three digits; those that no registry knows are counted as the plain one of
/// their class, which is how RFC 9110 section 15 has them understood.
fn known_code(code: u16) -> u16 {
    match code {
        0..=16
        | 100..=104
        | 200..=208
        | 226
        | 300..=308
        | 400..=418
        | 421..=431
        | 451
        | 499
        | 500..=511
        | 520..=527 => code,
        _ => code / 100 * 100,
    }
}

/// The labels that went into an exchange key.
pub(super) fn labels_of(key: u32) -> (u16, MethodLabel, ProtocolLabel) {
    let method = MethodLabel::ALL.get((key >> 8 & 0xff) as usize).copied().unwrap_or(MethodLabel::Extension);
    let protocol = ProtocolLabel::ALL.get((key & 0xff) as usize).copied().unwrap_or(ProtocolLabel::Http);
    ((key >> 16) as u16, method, protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(code: u16, duration: Duration) -> Sample {
        Sample {
            code,
            method: MethodLabel::Get,
            protocol: ProtocolLabel::Http,
            duration,
            request_bytes: 1,
            response_bytes: 10,
            tls: None,
        }
    }

    #[test]
    fn the_cells_of_all_workers_add_up() {
        let series = Series::new(2, &[100_000_000, 300_000_000].into());
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let series = &series;
                scope.spawn(move || {
                    for millis in [50, 100, 200, 400] {
                        series.record(worker, &sample(200, Duration::from_millis(millis)));
                    }
                    series.record(worker, &sample(404, Duration::ZERO));
                });
            }
        });
        let sums: Vec<_> = series.exchanges().into_iter().collect();
        assert_eq!(sums.len(), 2);
        assert_eq!(labels_of(sums[0].0), (200, MethodLabel::Get, ProtocolLabel::Http));
        assert_eq!(sums[0].1.buckets, [4, 2, 2], "a value on the bound belongs to its bucket");
        assert_eq!(sums[0].1.duration_ns, 1_500_000_000);
        assert_eq!((sums[0].1.request_bytes, sums[0].1.response_bytes), (8, 80));
        assert_eq!(sums[1].1.count(), 2);
    }

    #[test]
    fn a_backend_cannot_make_a_series_for_every_number() {
        let series = Series::new(1, &[].into());
        for code in 100..1000 {
            series.record(0, &sample(code, Duration::ZERO));
        }
        assert!(series.exchanges().len() < 90);
    }

    #[test]
    fn more_buckets_than_usual_are_counted_as_well() {
        let bounds: Arc<[u64]> = (1..=10).map(|bound| bound * 1_000_000).collect();
        let series = Series::new(1, &bounds);
        for millis in 0..20 {
            series.record(0, &sample(200, Duration::from_millis(millis)));
        }
        let sums: Vec<_> = series.exchanges().into_values().map(|sum| sum.buckets).collect();
        assert_eq!(sums, [[2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9]]);
    }

    #[test]
    fn an_unknown_worker_is_ignored() {
        Series::new(1, &[].into()).record(7, &sample(200, Duration::ZERO));
    }
}
