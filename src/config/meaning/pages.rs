//! `api`, `ping` and `metrics`: what there is of adit's own pages, and which entry points are asked for them.

use std::sync::Arc;

use crate::config::error::Error;
use crate::config::raw::Settings;
use crate::config::scope::{Scope, bad};
use crate::config::{Api, Metrics, Ping, Prometheus};

/// The entry point that holds adit's own pages unless another is named; Traefik's name of it.
pub(super) const INTERNAL: &str = "traefik";

/// Who asks for which page on which entry point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// `api.insecure`: the API on `traefik`.
    pub(super) api: bool,
    /// And the dashboard.
    pub(super) dashboard: bool,
    /// The entry point of `/ping`, and the flag that names it.
    pub(super) ping: Option<Named>,
    /// The entry point of `/metrics`, and the flag that names it.
    pub(super) metrics: Option<Named>,
}

/// An entry point that a page is wanted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) entry_point: Arc<str>,
    pub(super) flag: &'static str,
}

impl Named {
    /// Whether it is this entry point.
    pub(super) fn is(&self, name: &str) -> bool {
        self.entry_point.eq_ignore_ascii_case(name)
    }
}

pub(super) fn asked(settings: &Settings) -> Result<Asked, Error> {
    let scope = Scope::new(settings, "");
    let (mut insecure, mut dashboard) = (false, true);
    scope.boolean("api.insecure", &mut insecure)?;
    scope.boolean("api.dashboard", &mut dashboard)?;
    let api = settings.is_on("api") && insecure;
    Ok(Asked {
        api,
        dashboard: api && dashboard,
        ping: named(settings, "ping", "ping.entryPoint", "ping.manualRouting")?,
        metrics: named(
            settings,
            "metrics.prometheus",
            "metrics.prometheus.entryPoint",
            "metrics.prometheus.manualRouting",
        )?,
    })
}

/// With manual routing a page is for routes of other providers to name, and Ingresses cannot.
fn named(settings: &Settings, group: &str, flag: &'static str, manual: &str) -> Result<Option<Named>, Error> {
    let scope = Scope::new(settings, "");
    let mut manually = false;
    scope.boolean(manual, &mut manually)?;
    let entry_point = scope.text(flag).unwrap_or(INTERNAL).into();
    Ok((settings.is_on(group) && !manually).then_some(Named { entry_point, flag }))
}

pub(super) fn api(settings: &Settings) -> Result<Api, Error> {
    let scope = Scope::new(settings, "api.");
    let mut base_path: Arc<str> = "".into();
    scope.parsed("basePath", base, "a path that begins with /", &mut base_path)?;
    let dashboard_name = scope.text("dashboardName").unwrap_or_default().to_owned();
    Ok(Api { enabled: settings.is_on("api"), base_path, dashboard_name })
}

fn base(text: &str) -> Option<Arc<str>> {
    let path = text.trim().trim_end_matches('/');
    (text.starts_with('/') && !path.contains(['?', '#', ' ', '%'])).then(|| path.into())
}

pub(super) fn ping(settings: &Settings) -> Result<Ping, Error> {
    let scope = Scope::new(settings, "ping.");
    let mut terminating_status = 503;
    let status = |text: &str| text.trim().parse().ok().filter(|status| (200..=599).contains(status));
    scope.parsed("terminatingStatusCode", status, "a status from 200 to 599", &mut terminating_status)?;
    let entry_point = scope.text("entryPoint").unwrap_or(INTERNAL).into();
    Ok(Ping { enabled: settings.is_on("ping"), entry_point, terminating_status })
}

pub(super) fn metrics(settings: &Settings) -> Result<Metrics, Error> {
    let scope = Scope::new(settings, "metrics.");
    let mut metrics = Metrics::default();
    scope.boolean("addInternals", &mut metrics.add_internals)?;
    if !settings.is_on("metrics.prometheus") {
        return Ok(metrics);
    }
    let mut prometheus = Prometheus::default();
    scope.boolean("prometheus.addEntryPointsLabels", &mut prometheus.entry_points)?;
    scope.boolean("prometheus.addRoutersLabels", &mut prometheus.routers)?;
    scope.boolean("prometheus.addServicesLabels", &mut prometheus.services)?;
    if let Some(setting) = scope.get("prometheus.buckets") {
        let bounds: Option<Vec<f64>> = setting.values().iter().map(|text| text.parse().ok()).collect();
        let ascending = |bounds: &Vec<f64>| {
            let finite = bounds.iter().all(|bound| bound.is_finite() && *bound > 0.0);
            finite && !bounds.is_empty() && bounds.windows(2).all(|pair| matches!(pair, [a, b] if a < b))
        };
        prometheus.buckets =
            bounds.filter(ascending).ok_or_else(|| bad(setting, "positive seconds in ascending order, 0.1,0.3,1.2"))?;
    }
    metrics.prometheus = Some(prometheus);
    Ok(metrics)
}
