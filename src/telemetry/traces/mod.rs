//! Traces: each request that is sampled becomes spans, which go to an OpenTelemetry collector. A worker notes what
//! happened and puts it into a bounded queue; all else is done on the control runtime.

mod collector;
mod context;
mod export;
mod settings;
mod spans;
mod trace;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::trace::{SpanKind, TraceContextExt as _};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample as _};
use rustls::ClientConfig;
use tokio::sync::mpsc;

pub use export::Exporter;
pub use settings::{Collector, TraceSettings, Transport};
pub use trace::Trace;

use super::access::AccessRecord;
use super::meters::{Meters, SpanLoss};
use crate::route::Route;

/// Requests that may wait for the exporter, which looks twice a second.
const QUEUE: usize = 16 * 1024;
/// The most bytes that wait: paths and headers may be long, and a collector that is down must not become a full memory.
const QUEUE_BYTES: usize = 16 << 20;

/// Traces requests.
pub struct Tracer {
    settings: TraceSettings,
    sampler: Sampler,
    queue: mpsc::Sender<Ended>,
    waiting_bytes: Arc<AtomicUsize>,
    meters: Arc<Meters>,
}

/// A request that has ended, on its way to the exporter.
#[derive(Debug)]
struct Ended {
    trace: Box<Trace>,
    record: Arc<AccessRecord>,
    route: Option<Arc<Route>>,
    weight: usize,
}

impl Tracer {
    /// A tracer, and what exports its spans once it runs. `tls` is how the collector is spoken to when its endpoint is
    /// `https`.
    pub fn new(settings: TraceSettings, tls: Arc<ClientConfig>, meters: Arc<Meters>) -> (Arc<Self>, Exporter) {
        let (queue, ended) = mpsc::channel(QUEUE);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let exporter = Exporter::new(&settings, tls, ended, waiting_bytes.clone(), meters.clone());
        // Whoever sent the request has decided; where nobody has, the trace's name does, so that all who see it agree.
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_rate)));
        (Arc::new(Self { settings, sampler, queue, waiting_bytes, meters }), exporter)
    }

    /// A request has come with these headers.
    pub fn begin(&self, headers: &HeaderMap) -> Box<Trace> {
        let parent = context::extract(headers);
        let trace = match &parent {
            Some(parent) => parent.trace_id(),
            None => RandomIdGenerator::default().new_trace_id(),
        };
        let context = parent.clone().map(|parent| Context::new().with_remote_span_context(parent));
        let result = self.sampler.should_sample(context.as_ref(), trace, "", &SpanKind::Server, &[], &[]);
        let sampled = result.decision == SamplingDecision::RecordAndSample;
        Box::new(Trace::new(parent, trace, sampled, headers, &self.settings.request_headers))
    }

    /// An endpoint has answered with this head.
    pub fn answered(&self, trace: &mut Trace, status: u16, headers: &HeaderMap) {
        trace.answered(status, headers, &self.settings.response_headers);
    }

    /// Hands over what is known of a request that has ended, if it is sampled. Never blocks: what does not fit the queue
    /// is dropped and counted.
    pub fn submit(&self, trace: Box<Trace>, record: Arc<AccessRecord>, route: Option<Arc<Route>>) {
        let Some(recording) = &trace.recording else { return };
        let spans = 1 + recording.attempts.len() as u64;
        let weight = trace.weight() + record.weight();
        let before = self.waiting_bytes.fetch_add(weight, Relaxed);
        let full = before.saturating_add(weight) > QUEUE_BYTES;
        if full || self.queue.try_send(Ended { trace, record, route, weight }).is_err() {
            self.waiting_bytes.fetch_sub(weight, Relaxed);
            self.meters.own().spans_dropped(SpanLoss::QueueFull, spans);
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
