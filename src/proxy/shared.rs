//! What all workers share: settings, the snapshot, certificates, meters.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Response, request};
use tokio::sync::mpsc;

use super::admission::Admission;
use super::memory::Memory;
use super::router::Router;
use super::upstream::Waiters;
use super::worker::{Command, CurrentPhase, Load};
use crate::route::{Internal, Listener};
use crate::telemetry::access::AccessLog;
use crate::telemetry::meters::{Meters, OpenConnections, Series};
use crate::telemetry::traces::Tracer;

/// How endpoints are spoken to (`serversTransport`).
#[derive(Clone, Debug)]
pub struct Transport {
    /// `forwardingTimeouts.dialTimeout`, TLS handshake included. Traefik's 30 s would hold a client longer than it
    /// waits; 5 s leaves time for a retry elsewhere.
    pub dial_timeout: Duration,
    /// `forwardingTimeouts.responseHeaderTimeout`: from the end of the request to the head of its answer. Zero is none.
    pub response_header_timeout: Duration,
    /// `forwardingTimeouts.idleConnTimeout`.
    pub idle_timeout: Duration,
    /// `maxIdleConnsPerHost`, over all workers.
    pub max_idle_per_endpoint: usize,
    /// Between two writes to an endpoint that make progress.
    pub write_stall: Duration,
    /// `upstream.waitForEndpoint`: how long a request waits for an endpoint that can be reached. Zero does not wait.
    pub wait_for_endpoint: Duration,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            dial_timeout: Duration::from_secs(5),
            response_header_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(90),
            max_idle_per_endpoint: 200,
            write_stall: Duration::from_secs(60),
            wait_for_endpoint: Duration::ZERO,
        }
    }
}

/// Answers requests for adit's own pages.
pub type InternalPages = Box<dyn Fn(Internal, &request::Parts) -> Response<Bytes> + Send + Sync>;

/// Everything that workers share.
pub(crate) struct Shared {
    pub(crate) epoch: Instant,
    pub(crate) seed: u64,
    pub(crate) listeners: Vec<Arc<Listener>>,
    pub(crate) listener_meters: Vec<Series>,
    pub(crate) open_connections: Vec<Arc<OpenConnections>>,
    pub(crate) transport: Transport,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) host_name: HeaderValue,
    pub(crate) router: Arc<ArcSwap<Router>>,
    pub(crate) server_tls: Arc<rustls::ServerConfig>,
    pub(crate) client_tls: Arc<rustls::ClientConfig>,
    pub(crate) client_tls_http1: Arc<rustls::ClientConfig>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) access_log: Option<Arc<AccessLog>>,
    pub(crate) tracer: Option<Arc<Tracer>>,
    pub(crate) internal: InternalPages,
    pub(crate) phase: CurrentPhase,
    pub(crate) memory: Arc<Memory>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) tunnel_idle: Duration,
    pub(crate) loads: Vec<Load>,
    pub(crate) commands: OnceLock<Vec<mpsc::UnboundedSender<Command>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}
