//! The last fifteen minutes: what the meters said every few seconds, in a ring. Requests know nothing of it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tokio::time::MissedTickBehavior;

use super::Admin;
use crate::route::Listener;
use crate::telemetry::meters::{Meters, OpenConnections, Refusal, Series, Totals};

/// Between two samples.
const PERIOD: Duration = Duration::from_secs(5);
/// Fifteen minutes of intervals, each between two samples.
const SAMPLES: usize = 15 * 60 / 5 + 1;

/// What the meters said, and where it is asked.
pub(super) struct History {
    meters: Arc<Meters>,
    sources: Vec<Source>,
    samples: Mutex<VecDeque<Sample>>,
}

/// One entry point's meters.
struct Source {
    name: Arc<str>,
    series: Series,
    connections: Arc<OpenConnections>,
}

/// Counts since the start, at one moment.
struct Sample {
    /// Seconds since the epoch.
    at: f64,
    /// By entry point: the totals, and the connections that are open.
    entry_points: Vec<(Totals, u64)>,
    refusals: [u64; Refusal::ALL.len()],
}

impl History {
    pub(super) fn new(meters: Arc<Meters>, listeners: &[Listener]) -> Self {
        let source = |listener: &Listener| Source {
            name: listener.name.clone(),
            series: meters.entry_point(&listener.name),
            connections: meters.open_connections(&listener.name),
        };
        Self { sources: listeners.iter().map(source).collect(), meters, samples: Mutex::default() }
    }

    /// Looks at the meters once, and forgets what is older than fifteen minutes.
    pub(super) fn sample(&self, now: SystemTime) {
        let entry_points =
            self.sources.iter().map(|source| (source.series.totals(), source.connections.count())).collect();
        let at = now.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let sample = Sample { at, entry_points, refusals: self.meters.own().refusals() };
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// The intervals between the samples, oldest first. `times` has one more: their ends.
    pub(super) fn json(&self) -> Value {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let intervals: Vec<(&Sample, &Sample)> = samples.iter().zip(samples.iter().skip(1)).collect();
        let entry_points = self.sources.iter().enumerate().map(|(index, source)| column(source, index, &intervals));
        let refusals = Refusal::ALL.iter().filter_map(|reason| {
            let count = |sample: &Sample| sample.refusals.get(reason.index()).copied().unwrap_or(0);
            let counts: Vec<u64> = intervals.iter().map(|(a, b)| count(b).saturating_sub(count(a))).collect();
            counts.iter().any(|count| *count > 0).then(|| (reason.as_str().to_owned(), json!(counts)))
        });
        json!({
            "period": PERIOD.as_secs(),
            "kept": SAMPLES - 1,
            "bounds": self.meters.bounds(),
            "times": samples.iter().map(|sample| (sample.at * 1e3).round() / 1e3).collect::<Vec<_>>(),
            "entryPoints": entry_points.collect::<Vec<_>>(),
            "refusals": refusals.collect::<Map<_, _>>(),
        })
    }
}

/// The intervals of one entry point.
fn column(source: &Source, index: usize, intervals: &[(&Sample, &Sample)]) -> Value {
    let none = Totals::default();
    let totals = |sample: &Sample, of: &dyn Fn(&Totals) -> u64| {
        of(sample.entry_points.get(index).map_or(&none, |(totals, _)| totals))
    };
    let counts = |of: &dyn Fn(&Totals) -> u64| -> Vec<u64> {
        intervals.iter().map(|(a, b)| totals(b, of).saturating_sub(totals(a, of))).collect()
    };
    let bucket = |bucket: usize| counts(&move |totals: &Totals| totals.buckets.get(bucket).copied().unwrap_or(0));
    let buckets = intervals.last().map_or(0, |(_, last)| totals(last, &|totals| totals.buckets.len() as u64));
    let nanos = counts(&|totals| totals.nanos);
    let open = |sample: &Sample| sample.entry_points.get(index).map_or(0, |(_, open)| *open);
    json!({
        "name": source.name,
        "requests": counts(&|totals| totals.requests),
        "clientErrors": counts(&|totals| totals.client_errors),
        "serverErrors": counts(&|totals| totals.server_errors),
        // Microseconds are as exact as anyone reads them.
        "seconds": nanos.iter().map(|nanos| (*nanos as f64 / 1e3).round() / 1e6).collect::<Vec<_>>(),
        "buckets": (0..usize::try_from(buckets).unwrap_or(0)).map(bucket).collect::<Vec<_>>(),
        "connections": intervals.iter().map(|(_, b)| open(b)).collect::<Vec<_>>(),
    })
}

/// Keeps the last fifteen minutes of an admin port until `shutdown`.
pub async fn keep_history(admin: Arc<Admin>, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            _ = ticks.tick() => admin.sample(SystemTime::now()),
        }
    }
}
