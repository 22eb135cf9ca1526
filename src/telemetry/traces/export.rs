//! Takes what workers have put into the queue, makes spans of it and sends them, on the control runtime. A collector that
//! does not take them costs spans and one line of the log, and nothing else.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::collector::{Client, Failure};
use super::{Ended, TraceSettings, spans};
use crate::telemetry::meters::{Meters, SpanLoss};

/// How long spans gather. Waking the exporter for each would be a system call of the worker's.
const GATHER: Duration = Duration::from_millis(500);
/// The most spans of a message, and the most bytes of what they are made from: collectors take 4 MiB.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 1 << 20;
/// How often a message is tried, and the rest before the second time; it doubles.
const TRIES: u32 = 5;
const FIRST_REST: Duration = Duration::from_secs(1);
/// How long the last messages may take at the end.
const FLUSH_TIME: Duration = Duration::from_secs(2);
/// Between two lines that say that a collector takes nothing, however often it changes its mind.
const QUIET: Duration = Duration::from_secs(60);

/// Sends spans to the collector.
pub struct Exporter {
    ended: mpsc::Receiver<Ended>,
    waiting_bytes: Arc<AtomicUsize>,
    settings: TraceSettings,
    resource: ResourceAttributesWithSchema,
    scope: InstrumentationScope,
    client: Client,
    /// Taken out of the queue, and not yet with the collector.
    pending: Option<Pending>,
    meters: Arc<Meters>,
    outage: Option<Outage>,
}

/// A message on its way.
struct Pending {
    message: Bytes,
    spans: u64,
    tries: u32,
}

/// The collector takes nothing, or did not a short time ago, and the log says so.
struct Outage {
    said: Instant,
    lasts: bool,
}

impl Exporter {
    pub(super) fn new(
        settings: &TraceSettings,
        tls: Arc<ClientConfig>,
        ended: mpsc::Receiver<Ended>,
        waiting_bytes: Arc<AtomicUsize>,
        meters: Arc<Meters>,
    ) -> Self {
        Self {
            ended,
            waiting_bytes,
            resource: (&resource(settings)).into(),
            scope: InstrumentationScope::builder("adit").with_version(env!("CARGO_PKG_VERSION")).build(),
            client: Client::new(settings.collector.clone(), &tls),
            settings: settings.clone(),
            pending: None,
            meters,
            outage: None,
        }
    }

    /// Sends spans as they come until `stop`, and then those that are left, within [`FLUSH_TIME`].
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut gather = interval(GATHER);
        gather.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Both are cancel-safe: a message that is being sent stays pending.
            tokio::select! {
                () = &mut stop => break,
                () = async {
                    gather.tick().await;
                    while self.take() {
                        self.deliver().await;
                    }
                } => {}
            }
        }
        let last = async {
            while self.take() {
                self.attempt().await;
                // There is no time for a second try.
                self.give_up();
            }
        };
        if timeout(FLUSH_TIME, last).await.is_err() {
            tracing::warn!(collector = self.client.endpoint(), "the last spans were not exported in time");
        }
    }

    /// Makes the next message, unless one is pending; false when there is nothing to send.
    fn take(&mut self) -> bool {
        if self.pending.is_some() {
            return true;
        }
        let mut batch: Vec<SpanData> = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH
            && bytes < BATCH_BYTES
            && let Ok(ended) = self.ended.try_recv()
        {
            self.waiting_bytes.fetch_sub(ended.weight, Relaxed);
            bytes += ended.weight;
            batch.extend(spans::of(&ended, &self.settings, &self.scope));
        }
        if batch.is_empty() {
            return false;
        }
        let spans = batch.len() as u64;
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let message = ExportTraceServiceRequest { resource_spans }.encode_to_vec().into();
        self.pending = Some(Pending { message, spans, tries: 0 });
        true
    }

    /// Sends the message, again if need be, or drops it.
    async fn deliver(&mut self) {
        let mut rest = FIRST_REST;
        while let Some(later) = self.attempt().await {
            if self.pending.as_ref().is_none_or(|pending| pending.tries >= TRIES) {
                break;
            }
            sleep(rest.max(later)).await;
            rest *= 2;
        }
        self.give_up();
    }

    /// Tries once. What is returned is how long to wait before another try, which may do.
    async fn attempt(&mut self) -> Option<Duration> {
        let pending = self.pending.as_mut()?;
        pending.tries += 1;
        let (message, spans) = (pending.message.clone(), pending.spans);
        match self.client.send(&message).await {
            Ok(rejected) => {
                self.pending = None;
                let rejected = rejected.min(spans);
                self.meters.own().spans_exported(spans - rejected);
                self.meters.own().spans_dropped(SpanLoss::Rejected, rejected);
                self.recovered();
                None
            }
            Err(Failure { reason, later }) => {
                self.failed(&reason);
                later
            }
        }
    }

    fn give_up(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.meters.own().spans_dropped(SpanLoss::ExportFailed, pending.spans);
        }
    }

    fn failed(&mut self, reason: &str) {
        let now = Instant::now();
        if self.outage.as_ref().is_some_and(|outage| outage.lasts || now.duration_since(outage.said) < QUIET) {
            return;
        }
        self.outage = Some(Outage { said: now, lasts: true });
        tracing::warn!(
            collector = self.client.endpoint(),
            reason,
            "spans are not exported; they are tried again and then dropped, and counted in adit_spans_dropped_total"
        );
    }

    fn recovered(&mut self) {
        if let Some(outage) = self.outage.as_mut().filter(|outage| outage.lasts) {
            outage.lasts = false;
            tracing::info!(collector = self.client.endpoint(), "spans are exported again");
        }
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What everything that is sent says of who sends it. What was configured wins.
fn resource(settings: &TraceSettings) -> Resource {
    let own = [
        KeyValue::new("service.name", settings.service_name.clone()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("telemetry.sdk.name", "opentelemetry"),
        KeyValue::new("telemetry.sdk.language", "rust"),
    ];
    let configured = settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty().with_attributes(own).with_attributes(configured).build()
}
