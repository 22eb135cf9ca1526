//! The admin port: health, metrics, Traefik's API and a dashboard. [`Admin`] turns a request into an answer without
//! I/O; [`serve`] puts it on a socket of its own, away from the workers.

mod api;
mod dashboard;
mod health;
mod history;
mod io;
mod metrics;
mod model;
mod observe;
mod reply;
mod serve;
mod since;
mod view;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};

pub use history::keep_history;
pub use observe::{Counted, Observer};
pub use serve::serve;
pub use view::{Readiness, Surface, View};

use crate::config::Pages;
use crate::proxy::ServedCertificate;
use crate::proxy::explain::{Explanation, Question};
use crate::proxy::upstream::state::EndpointHealth;
use crate::route::{CertificateFacts, UpstreamId};
use crate::telemetry::meters::Meters;
use history::History;
use model::Model;
use since::Since;

/// Asks the proxy how the endpoints of an upstream do.
pub type HealthOf = Box<dyn Fn(&UpstreamId) -> Vec<EndpointHealth> + Send + Sync>;

/// Asks the data plane what would become of a request.
pub type Explain = Box<dyn Fn(&Question<'_>) -> Explanation + Send + Sync>;

/// Asks the data plane which certificate is shown to who names a host; none is the self-signed one.
pub type CertificateFor = Box<dyn Fn(Option<&str>) -> Option<CertificateFacts> + Send + Sync>;

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
    pub certificates: Box<dyn Fn() -> Vec<ServedCertificate> + Send + Sync>,
    /// Which of them a host gets.
    pub certificate_for: CertificateFor,
    /// What would become of a request.
    pub explain: Explain,
}

/// Answers requests to adit's own pages.
pub struct Admin {
    sources: AdminSources,
    history: History,
    current: RwLock<Arc<Model>>,
}

impl Admin {
    /// With nothing published yet.
    pub fn new(sources: AdminSources) -> Self {
        let history = History::new(sources.meters.clone(), &sources.surface.listeners);
        let nothing = Model::new(View::default(), Since::default());
        Self { sources, history, current: RwLock::new(Arc::new(nothing)) }
    }

    /// Shows this from now on.
    pub fn publish(&self, view: View) {
        let since = self.model().since.after(&view.report, SystemTime::now());
        let model = Arc::new(Model::new(view, since));
        let before = std::mem::replace(&mut *self.current.write().unwrap_or_else(PoisonError::into_inner), model);
        // Freed outside the lock: it may be the last holder of a large table.
        drop(before);
    }

    /// Notes what the meters say now, for the charts.
    pub fn sample(&self, now: SystemTime) {
        self.history.sample(now);
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
            if rest == "history" {
                return reply::json(StatusCode::OK, &self.history.json());
            }
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
