//! `/api/routes`: every route in one small row, for who searches them all at once. It is written once for each table.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::Scene;
use crate::admin::reply;
use crate::route::{Action, PathMatch, Route, TlsUse};

/// The members of a row, in their order.
const FIELDS: [&str; 11] =
    ["router", "host", "path", "pathType", "entryPoints", "tls", "action", "service", "namespace", "ingress", "state"];

/// One row; the order is that of [`FIELDS`].
#[derive(Serialize)]
struct RouteRow<'a>(&'a str, String, &'a str, &'a str, Vec<usize>, &'a str, &'a str, String, &'a str, &'a str, u8);

pub(super) fn all(scene: Scene<'_>) -> Response<Bytes> {
    let body = scene.model.written(|| write(scene));
    reply::with_type(StatusCode::OK, "application/json", body)
}

fn write(scene: Scene<'_>) -> Bytes {
    let hosts = scene.model.view.routes.hosts.values();
    let rows = hosts.flat_map(|host| {
        let name = host.host.to_string();
        host.routes.iter().map(move |route| row(scene, name.clone(), route))
    });
    let names: Vec<_> = scene.sources.surface.listeners.iter().map(|listener| &listener.name).collect();
    let page = json!({ "fields": FIELDS, "entryPoints": names });
    // The rows are written as they come: a tree of ten thousand of them would be ten times their text.
    let mut text = page.to_string();
    text.pop();
    text.push_str(",\"routes\":[");
    for (index, row) in rows.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(&row).unwrap_or_else(|_| "[]".to_owned()));
    }
    text.push_str("]}");
    text.into()
}

fn row<'a>(scene: Scene<'_>, host: String, route: &'a Route) -> RouteRow<'a> {
    let origin = &route.origin;
    let (action, service, state) = match &route.action {
        Action::Forward(upstream) => {
            let service = format!("{}:{}", upstream.id.service, upstream.id.port);
            ("forward", service, u8::from(scene.model.is_empty(&upstream.id)))
        }
        Action::Redirect(redirect) => ("redirect", redirect.scheme.to_string(), 0),
        Action::Internal(_) => ("internal", String::new(), 0),
        Action::Refuse(_) => {
            let service = origin.service.as_deref().unwrap_or_default();
            ("refuse", service.rsplit_once('@').map_or(service, |(name, _)| name).to_owned(), 2)
        }
    };
    RouteRow(
        &origin.name,
        host,
        route.path.as_str(),
        path_type(&route.path),
        route.listeners.iter().collect(),
        tls(&route.tls),
        action,
        service,
        &origin.namespace,
        &origin.ingress,
        state,
    )
}

/// How a path is matched, in one word.
pub(super) fn path_type(path: &PathMatch) -> &'static str {
    match path {
        PathMatch::Exact(_) => "Exact",
        PathMatch::Prefix(_) => "Prefix",
        PathMatch::StringPrefix(_) => "StringPrefix",
        PathMatch::Regex(_) => "Regexp",
    }
}

/// Over which transport a route is served, in one word.
fn tls(tls: &TlsUse) -> &'static str {
    match tls {
        TlsUse::Never => "never",
        TlsUse::Hosts(_) => "some",
        TlsUse::Also => "also",
        TlsUse::Only => "only",
    }
}
