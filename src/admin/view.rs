//! What the admin port is told: what is configured, what is served, and whether it is ready.

use std::sync::Arc;

use crate::config::{AdminListener, Config, Source};
use crate::route::{EndpointTable, Listener, Report, RouteTable};

/// What is served at this moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The routing table.
    pub routes: Arc<RouteTable>,
    /// The endpoints.
    pub endpoints: Arc<EndpointTable>,
    /// What translation found out.
    pub report: Arc<Report>,
}

/// Whether traffic may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// A routing table was installed once.
    pub installed: bool,
    /// The process was told to end.
    pub terminating: bool,
    /// What is missing, one short phrase each; empty when nothing is.
    pub reasons: Vec<String>,
}

impl Readiness {
    /// Installed, not ending, and nothing missing.
    pub fn is_ready(&self) -> bool {
        self.installed && !self.terminating && self.reasons.is_empty()
    }
}

/// What is configured, as far as the admin port shows it.
#[derive(Clone, Debug)]
pub struct Surface {
    /// The entry points with routes; their indices are those of the table's listener sets.
    pub listeners: Vec<Listener>,
    /// The entry points with adit's own pages.
    pub admin_listeners: Vec<AdminListener>,
    /// `api.basePath`: empty, or with a leading and without a trailing `/`.
    pub base_path: Arc<str>,
    /// `api.dashboardName`.
    pub dashboard_name: String,
    /// `ping.terminatingStatusCode`.
    pub ping_terminating_status: u16,
    /// Metrics are collected.
    pub metrics: bool,
    /// There is an access log.
    pub access_log: bool,
    /// Requests are traced.
    pub tracing: bool,
    /// Traefik's name of the source: `KubernetesIngress`.
    pub provider: Option<&'static str>,
}

impl From<&Config> for Surface {
    fn from(config: &Config) -> Self {
        Self {
            listeners: config.listeners.clone(),
            admin_listeners: config.admin_listeners.clone(),
            base_path: config.api.base_path.clone(),
            dashboard_name: config.api.dashboard_name.clone(),
            ping_terminating_status: config.ping.terminating_status,
            metrics: config.metrics.prometheus.is_some(),
            access_log: config.access_log.is_some(),
            tracing: config.tracing.is_some(),
            provider: match config.source {
                Source::None | Source::IngressRoutes(_) => None,
                Source::Cluster(_) => Some("KubernetesIngress"),
                Source::Directory(_) => Some("Directory"),
            },
        }
    }
}
