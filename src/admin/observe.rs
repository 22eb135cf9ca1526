//! The admin port in metrics and access log: its connections always, its requests where `addInternals` asks for it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{Response, header};

use crate::telemetry::access::{AccessLog, AccessRecord};
use crate::telemetry::meters::{Meters, MethodLabel, OpenConnections, ProtocolLabel, Sample, Series};
use crate::telemetry::traces::Tracer;

/// Records requests to one listener of the admin port.
#[derive(Default)]
pub struct Observer {
    /// The listener's name.
    pub entry_point: Arc<str>,
    /// Where its connections are counted.
    pub connections: Arc<OpenConnections>,
    /// Where requests are counted (`metrics.addInternals`).
    pub counted: Option<Mutex<Counted>>,
    /// Where they are logged (`accessLog.addInternals`).
    pub access_log: Option<Arc<AccessLog>>,
    /// What traces them (`tracing.addInternals`).
    pub tracer: Option<Arc<Tracer>>,
}

/// Where requests are counted.
#[derive(Debug)]
pub struct Counted {
    /// The index that nobody else records under. It takes one writer, and the admin port has several threads.
    index: usize,
    entry_point: Series,
    routers: [(&'static str, Series); ROUTERS.len()],
}

impl Counted {
    /// The series of a listener and of the routers of adit's own pages.
    pub fn new(meters: &Meters, entry_point: &str, index: usize) -> Self {
        Self {
            index,
            entry_point: meters.entry_point(entry_point),
            // Such a router's service has its name.
            routers: ROUTERS.map(|name| (name, meters.router(name, name))),
        }
    }

    fn record(&mut self, router: &str, sample: &Sample) {
        self.entry_point.record(self.index, sample);
        if let Some((_, series)) = self.routers.iter().find(|(name, _)| *name == router) {
            series.record(self.index, sample);
        }
    }
}

impl Observer {
    /// A request was answered.
    pub(super) fn saw(
        &self,
        request: &Parts,
        peer: SocketAddr,
        start: SystemTime,
        took: Duration,
        answer: &Response<Bytes>,
    ) {
        let (status, bytes) = (answer.status().as_u16(), answer.body().len() as u64);
        let router = router(request.uri.path());
        if let Some(counted) = &self.counted {
            let sample = Sample {
                code: status,
                method: MethodLabel::of(&request.method),
                protocol: ProtocolLabel::Http,
                duration: took,
                request_bytes: 0,
                response_bytes: bytes,
                tls: None,
            };
            counted.lock().unwrap_or_else(PoisonError::into_inner).record(router, &sample);
        }
        let log = self.access_log.as_ref().filter(|log| log.wants(status, 0, took));
        let trace = self.tracer.as_ref().map(|tracer| (tracer, tracer.begin(&request.headers)));
        if log.is_some() || trace.as_ref().is_some_and(|(_, trace)| trace.is_sampled()) {
            let mut record = AccessRecord::new(start, self.entry_point.clone(), peer, request.method.clone());
            record.duration = took;
            record.host =
                request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
            record.path = request.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            record.status = status;
            record.response_bytes = bytes;
            record.router = Some(router.into());
            record.span = trace.as_ref().map(|(_, trace)| trace.name());
            if let Some(log) = log {
                record.request_headers = log.capture(&request.headers);
                record.response_headers = log.capture(answer.headers());
            }
            let record = Arc::new(record);
            if let Some(log) = log {
                log.submit(record.clone());
            }
            if let Some((tracer, trace)) = trace {
                tracer.submit(trace, record, None);
            }
        }
    }
}

/// Traefik's names of the routers of its own pages, and ours of health.
const ROUTERS: [&str; 5] = [PING, METRICS, HEALTH, API, DASHBOARD];
const PING: &str = "ping@internal";
const METRICS: &str = "prometheus@internal";
const HEALTH: &str = "health@internal";
const API: &str = "api@internal";
const DASHBOARD: &str = "dashboard@internal";

fn router(path: &str) -> &'static str {
    match path {
        "/ping" => PING,
        "/metrics" => METRICS,
        "/healthz" | "/readyz" => HEALTH,
        _ if path.contains("/api/") => API,
        _ => DASHBOARD,
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("entry_point", &self.entry_point).finish_non_exhaustive()
    }
}
