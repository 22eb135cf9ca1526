//! `/ping` as Traefik's charts probe it, and `/readyz`, which says why not.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode, header};
use serde_json::json;

use super::reply;
use super::view::Readiness;

/// 503 until the first table, so that a probe made for Traefik sends no traffic too early; then 200 whatever the API
/// server does; and `terminating` once the process was told to end.
pub(super) fn ping(readiness: &Readiness, terminating: u16) -> Response<Bytes> {
    let status = if readiness.terminating {
        StatusCode::from_u16(terminating).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    } else if readiness.installed {
        return reply::text(StatusCode::OK, "OK");
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    reply::text(status, status.canonical_reason().unwrap_or("Terminating"))
}

/// 200 `OK`, or 503 with a line per reason; JSON for those who accept it.
pub(super) fn readyz(readiness: &Readiness, request: &Parts) -> Response<Bytes> {
    let ready = readiness.is_ready();
    let mut reasons: Vec<&str> = readiness.reasons.iter().map(String::as_str).collect();
    if readiness.terminating {
        reasons.insert(0, "the process is ending");
    } else if !readiness.installed {
        reasons.push("no routing table was installed yet");
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let accepts = request.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    if accepts.contains("application/json") {
        return reply::json(status, &json!({ "ready": ready, "reasons": reasons }));
    }
    if ready {
        return reply::text(status, "OK");
    }
    let lines: String = reasons.iter().map(|reason| format!("- {reason}\n")).collect();
    reply::text(status, format!("not ready\n{lines}"))
}
