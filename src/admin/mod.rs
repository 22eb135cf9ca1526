//! The admin port: health, metrics, Traefik's API and a dashboard. [`Admin`] turns a request into an answer without
//! I/O; [`serve`] puts it on a socket of its own, away from the workers.

mod api;
mod dashboard;
mod health;
mod io;
mod metrics;
mod model;
mod observe;
mod reply;
mod serve;
mod view;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};

pub use observe::{Counted, Observer};
pub use serve::serve;
pub use view::{Readiness, Surface, View};

use crate::config::Pages;
use crate::proxy::upstream::state::EndpointHealth;
use crate::route::{CertificateFacts, UpstreamId};
use crate::telemetry::meters::Meters;
use model::Model;

/// Asks the proxy how the endpoints of an upstream do.
pub type HealthOf = Box<dyn Fn(&UpstreamId) -> Vec<EndpointHealth> + Send + Sync>;

/// What the admin port tells of.
pub struct AdminSources {
    /// What is configured.
    pub surface: Surface,
    /// The metrics.
    pub meters: Arc<Meters>,
    /// When the process started.
    pub started: SystemTime,
    /// Whether it is ready, asked at every probe.
    pub readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// How the endpoints of an upstream do.
    pub health_of: HealthOf,
    /// The certificates that are served now, the default one included.
    pub certificates: Box<dyn Fn() -> Vec<CertificateFacts> + Send + Sync>,
}

/// Answers requests to adit's own pages.
pub struct Admin {
    sources: AdminSources,
    current: RwLock<Arc<Model>>,
}

impl Admin {
    /// With nothing published yet.
    pub fn new(sources: AdminSources) -> Self {
        Self { sources, current: RwLock::new(Arc::new(Model::new(View::default()))) }
    }

    /// Shows this from now on.
    pub fn publish(&self, view: View) {
        let model = Arc::new(Model::new(view));
        let before = std::mem::replace(&mut *self.current.write().unwrap_or_else(PoisonError::into_inner), model);
        // Freed outside the lock: it may be the last holder of a large table.
        drop(before);
    }

    /// Answers one request. `pages` are the optional pages of the listener that it came on; health is always there.
    /// May take milliseconds for a large table, so it belongs on a blocking thread.
    pub fn respond(&self, pages: Pages, request: &Parts) -> Response<Bytes> {
        let head = request.method == Method::HEAD;
        let answer = if head || request.method == Method::GET {
            self.page(pages, request)
        } else {
            reply::error(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed here")
        };
        reply::finish(answer, request, head)
    }

    fn page(&self, pages: Pages, request: &Parts) -> Response<Bytes> {
        let path = request.uri.path();
        match path {
            "/healthz" => return reply::text(StatusCode::OK, "OK"),
            "/readyz" => return health::readyz(&(self.sources.readiness)(), request),
            "/ping" if pages.ping => {
                return health::ping(&(self.sources.readiness)(), self.sources.surface.ping_terminating_status);
            }
            "/metrics" if pages.metrics => return metrics::page(&self.sources, &self.model()),
            _ => {}
        }
        let base: &str = &self.sources.surface.base_path;
        let Some(below) = path.strip_prefix(base) else { return reply::not_found() };
        if let Some(rest) = below.strip_prefix("/api/")
            && pages.api
        {
            return api::respond(&self.sources, &self.model(), rest, request.uri.query().unwrap_or(""));
        }
        match below {
            "" | "/" | "/dashboard" if pages.dashboard => reply::moved(&format!("{base}/dashboard/")),
            _ if pages.dashboard => dashboard::respond(below),
            _ => reply::not_found(),
        }
    }

    fn model(&self) -> Arc<Model> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("surface", &self.sources.surface).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
