//! Redirects of a whole entry point: the same URL under another scheme and port.

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::Error;
use super::body::Body;
use super::exchange::Exchange;
use super::head::parse_authority;
use crate::route::Redirect;
use crate::telemetry::meters::Refusal;

/// 301 for GET and 308 for the rest when permanent, else 302 and 307; 400 without a host to redirect to.
pub(crate) fn answer(exchange: &mut Exchange, redirect: &Redirect, parts: &Parts) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let (status, location) = target(redirect, parts);
    *response.status_mut() = status;
    let reason = location.is_none().then_some(Refusal::BadHost);
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    exchange.refused(response.status(), reason, 0);
    response
}

/// The status, and where it leads to.
pub(super) fn target(redirect: &Redirect, parts: &Parts) -> (StatusCode, Option<HeaderValue>) {
    let location = location(redirect, parts);
    let status = match (&location, redirect.permanent, parts.method == Method::GET) {
        (None, ..) => StatusCode::BAD_REQUEST,
        (_, true, true) => StatusCode::MOVED_PERMANENTLY,
        (_, true, false) => StatusCode::PERMANENT_REDIRECT,
        (_, false, true) => StatusCode::FOUND,
        (_, false, false) => StatusCode::TEMPORARY_REDIRECT,
    };
    (status, location)
}

/// Only a host that passes as one is repeated to the client.
fn location(redirect: &Redirect, parts: &Parts) -> Option<HeaderValue> {
    let host = parts.headers.get(header::HOST)?;
    let authority = parse_authority(host.as_bytes()).map_err(|_: Error| ()).ok()?;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let own = if &*redirect.scheme == "https" { 443 } else { 80 };
    let url = if redirect.port == own {
        format!("{}://{}{target}", redirect.scheme, authority.name)
    } else {
        format!("{}://{}:{}{target}", redirect.scheme, authority.name, redirect.port)
    };
    HeaderValue::try_from(url).ok()
}
