//! The life of a request, in order: checked, routed, forwarded, answered. The page to open first.

use std::rc::Rc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body as _;

use super::Error;
use super::body::{Body, ClientBody, Patience, Upload};
use super::connection::Connection;
use super::exchange::{Exchange, Refused};
use super::forward::{Outgoing, Replay, forward};
use super::forwarding::Said;
use super::h1::Framing;
use super::head::{self, Authority};
use super::headers::Marks;
use super::passes;
use super::path;
use super::router::{Found, Lookup};
use super::upgrade::Wish;
use super::{headers, redirect, upgrade};
use crate::route::{Action, Listener, Protocol, Upstream};

/// The methods that the refusal of another names.
const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// Answers one request. Never fails: what goes wrong is an answer too.
///
/// All that needs no waiting is done before there is a future, which therefore stays small: it is moved more than once.
pub(crate) fn serve(
    connection: Rc<Connection>,
    parts: Box<Parts>,
    body: ClientBody,
) -> impl Future<Output = Box<Response<Body>>> {
    let received = receive(&connection, parts, body);
    async move {
        let answered = match received {
            Ok(Next::Answer(response)) => Ok(response),
            Ok(Next::Forward { exchange, route, outgoing }) => forward(exchange, &route, outgoing).await,
            Ok(Next::Tunnel { exchange, route, outgoing, wish }) => {
                Box::pin(upgrade::tunnel(exchange, &route, outgoing, wish)).await
            }
            Err(refused) => Err(refused),
        };
        let mut response = answered.unwrap_or_else(refuse);
        if connection.last_request() {
            if connection.http2 {
                connection.close_soon();
            } else if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        *response.version_mut() = if connection.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        response
    }
}

/// What a request needs next.
enum Next {
    /// Nothing: its answer is here.
    Answer(Box<Response<Body>>),
    /// An endpoint's answer.
    Forward { exchange: Box<Exchange>, route: Found, outgoing: Box<Outgoing> },
    /// An endpoint that joins in its upgrade.
    Tunnel { exchange: Box<Exchange>, route: Found, outgoing: Box<Outgoing>, wish: Box<Wish> },
}

fn receive(connection: &Rc<Connection>, mut parts: Box<Parts>, body: ClientBody) -> Result<Next, Refused> {
    let marks = Marks::of(&parts.headers);
    let mut exchange = Exchange::begin(connection, &parts, marks);
    if !connection.worker.shared.memory.takes_requests() {
        return Err(exchange.refuse(Error::ShortOfMemory));
    }
    // 5 host → path → first match
    let (route, port) = match find(connection, &mut parts, marks, !body.is_end_stream()) {
        Ok(found) => found,
        Err(error) => return Err(exchange.refuse(error)),
    };
    let Some(route) = route else { return Err(exchange.refuse(Error::NoRoute)) };
    exchange.routed(&route);
    // 7 action
    if let Some(target) = &route.upstream {
        if parts.method == Method::OPTIONS && is_last_hop(&mut parts.headers) {
            return Ok(Next::Answer(Box::new(options(&mut exchange))));
        }
        let wish = if marks.upgrade { upgrade::requested(&parts) } else { None };
        let received = Received { parts, marks, body, port };
        let outgoing = match prepare(connection, &mut exchange, &target.spec, received, wish.is_some()) {
            Ok(outgoing) => outgoing,
            Err(error) => return Err(exchange.refuse(error)),
        };
        return Ok(match wish {
            Some(wish) => Next::Tunnel { exchange, route, outgoing, wish: Box::new(wish) },
            None => Next::Forward { exchange, route, outgoing },
        });
    }
    match &route.route.action {
        // Without an upstream there is no endpoint either.
        Action::Forward(_) => Err(exchange.refuse(Error::NoEndpoint)),
        Action::Redirect(redirect) => match redirect::answer(&mut exchange, redirect, &parts) {
            Ok(response) => Ok(Next::Answer(Box::new(response))),
            Err(error) => Err(exchange.refuse(error)),
        },
        Action::Internal(page) => {
            let response = (connection.worker.shared.internal)(*page, &parts);
            exchange.refused(response.status(), None, response.body().len());
            Ok(Next::Answer(Box::new(response.map(Body::from))))
        }
        Action::Refuse(reason) => Err(exchange.refuse(Error::Refused(*reason))),
    }
}

/// RFC 9110 §7.6.2: an OPTIONS may say how often it may be passed on. Counts down; true when it is ours to answer.
pub(super) fn is_last_hop(headers: &mut HeaderMap) -> bool {
    let Some(left) = headers.get_mut(header::MAX_FORWARDS) else { return false };
    match left.to_str().ok().and_then(|left| left.parse::<u32>().ok()) {
        Some(0) => return true,
        Some(count) => *left = HeaderValue::from(count - 1),
        None => {}
    }
    false
}

/// What we say of ourselves.
fn options(exchange: &mut Exchange) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(header::ALLOW, ALLOWED);
    exchange.refused(StatusCode::OK, None, 0);
    response
}

/// The route that wins, and the port that the client named. The path is brought into its one form first: what is
/// matched is what is forwarded.
fn find(
    connection: &Connection,
    parts: &mut Parts,
    marks: Marks,
    has_body: bool,
) -> Result<(Option<Found>, Option<u16>), Error> {
    let listener = &connection.listener;
    let (cleaned, authority) = read(listener, parts, marks, has_body)?;
    let port = authority.as_ref().and_then(|authority| authority.port);
    let route = connection.worker.find(&Lookup {
        listener: connection.index,
        listener_tls: listener.tls,
        tls: connection.tls.is_some(),
        host: authority.as_ref().map(|authority| authority.name.as_ref()),
        path: cleaned.as_deref().unwrap_or(parts.uri.path()),
    });
    let host = match (parts.version, parts.uri.authority()) {
        (Version::HTTP_2, Some(authority)) => HeaderValue::from_str(authority.as_str()).ok(),
        _ => None,
    };
    if let Some(host) = host {
        parts.headers.insert(header::HOST, host);
    }
    if cleaned.is_some() || parts.uri.authority().is_some() {
        parts.uri = origin_form(&parts.uri, cleaned.as_deref()).ok_or(Error::Internal)?;
    }
    Ok((route, port))
}

/// What a request is routed by: its path in the one form, where that is another than it came in, and its host.
#[inline]
pub(super) fn read<'p>(
    listener: &Listener,
    parts: &'p Parts,
    marks: Marks,
    has_body: bool,
) -> Result<(Option<String>, Option<Authority<'p>>), Error> {
    let cleaned = match path::canonical(parts.uri.path(), listener.sanitize_path, listener.encoded_characters) {
        Ok(std::borrow::Cow::Owned(path)) => Some(path),
        Ok(std::borrow::Cow::Borrowed(_)) => None,
        Err(error) => {
            // A head that breaks another rule says so first.
            head::check(parts, marks, has_body)?;
            return Err(error.into());
        }
    };
    Ok((cleaned, head::check(parts, marks, has_body)?))
}

/// The target as an endpoint gets it: path and query alone.
pub(super) fn origin_form(uri: &Uri, path: Option<&str>) -> Option<Uri> {
    match path {
        Some(path) => match uri.query() {
            Some(query) => Uri::try_from(format!("{path}?{query}")).ok(),
            None => Uri::try_from(path).ok(),
        },
        None => {
            let target = uri.path_and_query()?;
            let plain = Uri::from(target.clone());
            // `http://a.example?b` has no path, and its query alone is no target.
            if plain.path().starts_with('/') && target.as_str().starts_with('/') {
                return Some(plain);
            }
            origin_form(uri, Some(uri.path()))
        }
    }
}

/// A request that was found a route.
struct Received {
    parts: Box<Parts>,
    marks: Marks,
    body: ClientBody,
    /// The port that the client named.
    port: Option<u16>,
}

/// 10 hop-by-hop and forwarded headers; the body's framing, made anew.
fn prepare(
    connection: &Connection,
    exchange: &mut Exchange,
    upstream: &Upstream,
    received: Received,
    upgrading: bool,
) -> Result<Box<Outgoing>, Error> {
    let Received { mut parts, marks, body, port } = received;
    let listener = &connection.listener;
    let websocket = upgrading && parts.headers.contains_key(header::SEC_WEBSOCKET_KEY);
    let kept = headers::clean_request(
        &mut parts.headers,
        marks,
        connection.trusted,
        &listener.forwarded_headers,
        listener.underscore_headers,
    )
    .map_err(|headers::UnderscoreRejected| Error::UnderscoreHeader)?;
    if connection.http2 {
        headers::join_cookies(&mut parts.headers);
    }
    if kept.trailers && upstream.protocol != Protocol::Http {
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let timeouts = &listener.timeouts;
    let (upload, state) = if body.is_end_stream() {
        (Upload::Empty, None)
    } else {
        let until =
            (!timeouts.read.is_zero()).then(|| tokio::time::Instant::from_std(exchange.started) + timeouts.read);
        let (patience, turn) = (Patience { idle: timeouts.body_idle, until }, connection.worker.trickles.turn());
        let (upload, state) = Upload::stream(body, patience, turn);
        exchange.uploading(state.clone());
        (upload, Some(state))
    };
    match upload.framing() {
        Framing::Length(0) if upload.is_end_stream() && !marks.content_length => {}
        Framing::Length(length) => {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        Framing::Chunked | Framing::Close => {
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    parts.version = Version::HTTP_11;
    if marks.passed {
        passes::count(&mut parts.headers).map_err(|passes::Loop| Error::Loop)?;
    }
    let before = marks.forwarding && connection.trusted;
    let mut said = Some(Said { before, port, websocket, passed: marks.passed });
    // What a trusted peer has said is among the fields, and is joined with what we say.
    if let Some(said) = said.take_if(|said| said.before) {
        connection.add_forwarding(&mut parts.headers, said);
    }
    let replay = (state.is_none() && upstream.protocol != Protocol::Http).then(|| Replay::of(&parts, said));
    let request = Some(Request::from_parts(*parts, upload));
    Ok(Box::new(Outgoing { request, state, said, replay, repeated: false }))
}

/// The answer to a request that is not forwarded, or whose endpoint failed.
fn refuse((mut exchange, error): Refused) -> Box<Response<Body>> {
    let response = refusal(error, &exchange.connection);
    let bytes = response.body().size_hint().exact().unwrap_or_default();
    exchange.tell_refusal(error);
    exchange.refused(error.status(), Some(error.reason()), usize::try_from(bytes).unwrap_or_default());
    response
}

/// What a client is told of an error.
pub(crate) fn refusal(error: Error, connection: &Connection) -> Box<Response<Body>> {
    let mut response = Box::new(Response::new(Body::from(error.body(&connection.listener))));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if error == Error::MethodNotAllowed {
        headers.insert(header::ALLOW, ALLOWED);
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    // All that the request has, over HTTP/1, is its connection.
    if error.closes() && !connection.http2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Whether a method promises no effect.
pub(crate) fn replayable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
