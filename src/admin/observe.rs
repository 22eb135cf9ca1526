//! The admin port in metrics and access log: its connections always, its requests where `addInternals` asks for it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{Response, header};

use crate::telemetry::access::{AccessLog, AccessRecord};
use crate::telemetry::meters::{MethodLabel, OpenConnections, ProtocolLabel, Sample, Series};

/// Records requests to one listener of the admin port.
#[derive(Default)]
pub struct Observer {
    /// The listener's name.
    pub entry_point: Arc<str>,
    /// Where its connections are counted.
    pub connections: Arc<OpenConnections>,
    /// Where requests are counted, and the index that nobody else records under (`metrics.addInternals`).
    pub series: Option<Mutex<(Arc<Series>, usize)>>,
    /// Where they are logged (`accessLog.addInternals`).
    pub access_log: Option<Arc<AccessLog>>,
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
        if let Some(series) = &self.series {
            let sample = Sample {
                code: status,
                method: MethodLabel::of(&request.method),
                protocol: ProtocolLabel::Http,
                duration: took,
                request_bytes: 0,
                response_bytes: bytes,
                tls: None,
            };
            // A series takes one writer for each index, and here are several threads.
            let series = series.lock().unwrap_or_else(PoisonError::into_inner);
            series.0.record(series.1, &sample);
        }
        if let Some(log) = self.access_log.as_ref().filter(|log| log.wants(status, 0, took)) {
            let mut record = AccessRecord::new(start, self.entry_point.clone(), peer, request.method.clone());
            record.duration = took;
            record.host =
                request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
            record.path = request.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            record.status = status;
            record.response_bytes = bytes;
            record.router = Some(router(request.uri.path()).into());
            record.request_headers = log.capture(&request.headers);
            record.response_headers = log.capture(answer.headers());
            log.submit(record);
        }
    }
}

/// Traefik's name of the router.
fn router(path: &str) -> &'static str {
    match path {
        "/ping" => "ping@internal",
        "/metrics" => "prometheus@internal",
        "/healthz" | "/readyz" => "health@internal",
        _ if path.contains("/api/") => "api@internal",
        _ => "dashboard@internal",
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("entry_point", &self.entry_point).finish_non_exhaustive()
    }
}
