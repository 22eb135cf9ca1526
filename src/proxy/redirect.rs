//! Redirects of a whole entry point: the same URL under another scheme and port.

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::Error;
use super::body::Body;
use super::exchange::Exchange;
use super::head::parse_authority;
use crate::route::Redirect;

/// Leads elsewhere.
pub(crate) fn answer(exchange: &mut Exchange, redirect: &Redirect, parts: &Parts) -> Result<Response<Body>, Error> {
    let mut response = Response::new(Body::empty());
    let (status, location) = target(redirect, parts)?;
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    exchange.refused(response.status(), None, 0);
    Ok(response)
}

/// The status, and where it leads to: 301 for GET and 308 for the rest when permanent, else 302 and 307.
pub(super) fn target(redirect: &Redirect, parts: &Parts) -> Result<(StatusCode, HeaderValue), Error> {
    let location = location(redirect, parts).ok_or(Error::BadHost("no Host to redirect to"))?;
    let status = match (redirect.permanent, parts.method == Method::GET) {
        (true, true) => StatusCode::MOVED_PERMANENTLY,
        (true, false) => StatusCode::PERMANENT_REDIRECT,
        (false, true) => StatusCode::FOUND,
        (false, false) => StatusCode::TEMPORARY_REDIRECT,
    };
    Ok((status, location))
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
