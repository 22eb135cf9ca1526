//! `/api/overview` and `/api/version`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::list::Row;
use super::{Scene, certificates, middlewares, routers, services};
use crate::admin::AdminSources;

pub(super) fn version(sources: &AdminSources) -> Value {
    let started = Timestamp::try_from(sources.started).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut version = json!({
        "Version": crate::VERSION,
        "Codename": "adit",
        "startDate": started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "disableDashboardAd": true,
    });
    let name = &sources.surface.dashboard_name;
    if !name.is_empty() {
        version["dashboardName"] = name.as_str().into();
    }
    version
}

pub(super) fn overview(scene: Scene<'_>) -> Value {
    let none = json!({ "total": 0, "warnings": 0, "errors": 0 });
    let surface = &scene.sources.surface;
    json!({
        "http": {
            "routers": count(&routers::rows(scene)),
            "services": count(&services::rows(scene)),
            "middlewares": count(&middlewares::rows(scene)),
        },
        "tcp": { "routers": none, "services": none, "middlewares": none },
        "udp": { "routers": none, "services": none },
        "certificates": count(&certificates::rows(scene)),
        "features": {
            "tracing": if surface.tracing { "OpenTelemetry" } else { "" },
            "metrics": if surface.metrics { "Prometheus" } else { "" },
            "accessLog": surface.access_log,
        },
        "providers": surface.provider.into_iter().collect::<Vec<_>>(),
        "problems": problems(scene),
    })
}

fn count<R: Row>(rows: &[R]) -> Value {
    let with = |statuses: &[&str]| rows.iter().filter(|row| statuses.contains(&row.status())).count();
    json!({ "total": rows.len(), "warnings": with(&["warning"]), "errors": with(&["disabled", "expired"]) })
}

fn problems(scene: Scene<'_>) -> Value {
    let rows = super::problems::rows(scene);
    let with = |severity| rows.iter().filter(|row| row.status() == severity).count();
    json!({ "total": rows.len(), "warnings": with("warning"), "errors": with("error") })
}
