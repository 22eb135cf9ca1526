//! `tracing`: which requests are traced, what spans say, and where they go.

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderName, HeaderValue, Uri};

/// `tracing`.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// `serviceName`: the attribute `service.name` of everything that is sent.
    pub service_name: String,
    /// `sampleRate`: the share of requests that are traced, from 0 to 1, of those that bring no decision along.
    pub sample_rate: f64,
    /// `resourceAttributes`: more attributes of everything that is sent.
    pub resource: BTreeMap<String, String>,
    /// `capturedRequestHeaders`.
    pub request_headers: Vec<HeaderName>,
    /// `capturedResponseHeaders`.
    pub response_headers: Vec<HeaderName>,
    /// `safeQueryParams`: parameters of queries whose values are shown; all others are redacted.
    pub safe_query_params: Vec<String>,
    /// `otlp`: where spans go.
    pub collector: Collector,
}

impl Default for TraceSettings {
    /// Traefik's defaults, its service name included: what finds Traefik's traces finds adit's.
    fn default() -> Self {
        Self {
            service_name: "traefik".into(),
            sample_rate: 1.0,
            resource: BTreeMap::new(),
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            safe_query_params: Vec::new(),
            collector: Collector::default(),
        }
    }
}

/// An OpenTelemetry collector.
#[derive(Clone, PartialEq, Eq)]
pub struct Collector {
    /// How it is spoken to.
    pub transport: Transport,
    /// Its scheme, host and port, and for HTTP the path.
    pub endpoint: Uri,
    /// Fields that each message has besides.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// OTLP over HTTP/1.1, as protocol buffers.
    Http,
    /// OTLP over gRPC.
    Grpc,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            transport: Transport::Http,
            endpoint: Uri::from_static("https://localhost:4318/v1/traces"),
            headers: Vec::new(),
        }
    }
}

impl fmt::Debug for Collector {
    /// Without the headers' values, which are credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Collector")
            .field("transport", &self.transport)
            .field("endpoint", &self.endpoint)
            .field("headers", &names)
            .finish()
    }
}
