//! Traefik's API, field for field, and what it has no word for: problems, the last minutes, explanations.

mod certificates;
mod entry_points;
mod explain;
mod list;
mod middlewares;
mod overview;
mod problems;
mod query;
mod routers;
mod routes;
mod services;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::model::Model;
use super::{AdminSources, reply};
use list::{Row, list};
use query::{Query, decode};

/// What the rows of all lists are made from.
#[derive(Clone, Copy)]
struct Scene<'a> {
    sources: &'a AdminSources,
    model: &'a Model,
}

/// Answers `GET /api/{path}?{query}`.
pub(super) fn respond(sources: &AdminSources, model: &Model, path: &str, query: &str) -> Response<Bytes> {
    let scene = Scene { sources, model };
    let (kind, name) = split(path);
    if (kind, &name) == ("explain", &None) {
        return explain::respond(scene, query);
    }
    let query = Query::parse(query);
    match (kind, name) {
        ("version", None) => reply::json(StatusCode::OK, &overview::version(sources)),
        ("overview", None) => reply::json(StatusCode::OK, &overview::overview(scene)),
        ("rawdata", None) => reply::json(StatusCode::OK, &rawdata(scene)),
        ("routes", None) => routes::all(scene),
        ("problems", None) => list(problems::rows(scene), &query),
        ("problems", Some(code)) => one("problem", problems::explanation(&code), &code),
        // Traefik gives this one whole and without paging.
        ("entrypoints", None) => reply::json(StatusCode::OK, &entry_points::all(sources)),
        ("entrypoints", Some(name)) => one("entry point", entry_points::named(sources, &name), &name),
        ("http/routers", None) => list(routers::rows(scene), &query),
        ("http/routers", Some(name)) => named("router", routers::rows(scene), &name),
        ("http/services", None) => list(services::rows(scene), &query),
        ("http/services", Some(name)) => named("service", services::rows(scene), &name),
        ("http/middlewares", None) => list(middlewares::rows(scene), &query),
        ("http/middlewares", Some(name)) => named("middleware", middlewares::rows(scene), &name),
        ("certificates", None) => list(certificates::rows(scene), &query),
        ("certificates", Some(name)) => named("certificate", certificates::rows(scene), &name),
        ("tcp/routers" | "tcp/services" | "tcp/middlewares" | "udp/routers" | "udp/services", None) => {
            list(Vec::<routers::RouterRow>::new(), &query)
        }
        _ => reply::error(StatusCode::NOT_FOUND, "404 page not found"),
    }
}

/// The kind of thing that a path is for, and the name of the one that it names.
fn split(path: &str) -> (&str, Option<String>) {
    let path = path.strip_suffix('/').unwrap_or(path);
    let slash = match path.find('/') {
        Some(slash) if matches!(path.get(..slash), Some("http" | "tcp" | "udp")) => {
            path.get(slash + 1..).and_then(|rest| rest.find('/')).map(|next| slash + 1 + next)
        }
        slash => slash,
    };
    match slash.and_then(|slash| path.split_at_checked(slash)) {
        Some((kind, name)) => (kind, Some(decode(name.trim_start_matches('/'), false))),
        None => (path, None),
    }
}

fn named<R: Row>(kind: &str, rows: Vec<R>, name: &str) -> Response<Bytes> {
    one(kind, rows.iter().find(|row| row.name() == name).map(Row::json), name)
}

fn one(kind: &str, value: Option<Value>, name: &str) -> Response<Bytes> {
    match value {
        Some(value) => reply::json(StatusCode::OK, &value),
        None => reply::error(StatusCode::NOT_FOUND, &format!("{kind} not found: {name}")),
    }
}

/// All of it in three maps; the members that a name already says are left out.
fn rawdata(scene: Scene<'_>) -> Value {
    let mut data = Map::new();
    let mut put = |key: &str, rows: Vec<(String, Value)>| {
        let map: Map<_, _> = rows
            .into_iter()
            .map(|(name, mut value)| {
                if let Some(members) = value.as_object_mut() {
                    for known in ["name", "provider", "priorityStr", "type"] {
                        members.remove(known);
                    }
                }
                (name, value)
            })
            .collect();
        if !map.is_empty() {
            data.insert(key.to_owned(), Value::Object(map));
        }
    };
    put("routers", values(routers::rows(scene)));
    put("middlewares", values(middlewares::rows(scene)));
    put("services", values(services::rows(scene)));
    json!(data)
}

fn values<R: Row>(rows: Vec<R>) -> Vec<(String, Value)> {
    rows.iter().map(|row| (row.name().to_owned(), row.json())).collect()
}
