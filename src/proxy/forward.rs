//! Forwarding: an endpoint is leased, the request sent, and another endpoint tried where that is safe.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};

use super::Error;
use super::balance::{Choice, Lease, MAX_ENDPOINTS};
use super::body::{Body, Upload, UploadState};
use super::exchange::{Exchange, Refused};
use super::headers;
use super::router::CompiledRoute;
use super::serve::replayable;
use super::upstream::{Answer, Failure, attempt};
use crate::route::{HostHeader, Protocol, Upstream};
use crate::telemetry::meters::Retry;

/// A request, ready to be sent.
pub(crate) struct Outgoing {
    pub(crate) parts: Parts,
    pub(crate) upload: Upload,
    pub(crate) state: Option<Rc<UploadState>>,
    /// The client takes trailers.
    pub(crate) trailers: bool,
}

/// Sends a request to one of the upstream's endpoints and passes its answer on.
pub(crate) async fn forward(
    mut exchange: Exchange,
    route: &Arc<CompiledRoute>,
    upstream: &Upstream,
    outgoing: Outgoing,
) -> Result<Response<Body>, Refused> {
    let Some(target) = &route.upstream else { return Err(exchange.refuse(Error::NoEndpoint)) };
    let worker = exchange.connection.worker.clone();
    let Outgoing { mut parts, upload, state, trailers } = outgoing;
    if trailers && upstream.protocol != Protocol::Http {
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let safe = replayable(&parts.method);
    let mut replay = (state.is_none() && (safe || upstream.protocol != Protocol::Http)).then(|| copy(&parts));
    let mut request = Request::from_parts(parts, upload);
    let mut choice = Choice::new(target, &request);
    target.budget.request();
    let mut last = Error::NoEndpoint;
    // The endpoint whose connection died: it may be asked again when there is no other.
    let mut died = None;
    loop {
        let lease = match (choice.pick(&worker.random, Instant::now()), died.take()) {
            (Some(lease), _) => lease,
            (None, Some(endpoint)) => choice.again(endpoint, Instant::now()),
            (None, None) => return Err(exchange.refuse(last)),
        };
        if upstream.host_header == HostHeader::Endpoint {
            request.headers_mut().insert(header::HOST, lease.endpoint().host_header.clone());
        }
        match attempt(&worker, &lease, upstream.protocol, request, state.as_ref()).await {
            Ok(Answer { response, held }) => {
                lease.answered(Instant::now(), response.status());
                return pass_on(exchange, response, held, lease, &choice);
            }
            Err(Failure { error, unsent, refused }) => {
                let again = match unsent {
                    Some(request) => Some((request, retry_reason(error))),
                    None if (safe && error == Error::UpstreamClosed) || refused => replay.take().map(|parts| {
                        (
                            Request::from_parts(parts, Upload::Empty),
                            if refused { Retry::RefusedStream } else { Retry::Reset },
                        )
                    }),
                    None => None,
                };
                if error.fault() == super::error::Fault::Upstream {
                    lease.failed(Instant::now());
                }
                let Some((next, reason)) = again else { return Err(exchange.refuse(error)) };
                if choice.tried() >= MAX_ENDPOINTS || !target.may_retry(Instant::now()) {
                    return Err(exchange.refuse(error));
                }
                exchange.retried();
                worker.shared.meters.own().retried(reason);
                route.retried();
                request = next;
                last = error;
                died = (error == Error::UpstreamClosed).then(|| lease.endpoint().clone());
            }
        }
    }
}

fn retry_reason(error: Error) -> Retry {
    match error {
        Error::Connect(_) => Retry::ConnectFailed,
        Error::ConnectTimeout => Retry::ConnectTimeout,
        Error::UpstreamTls => Retry::Tls,
        _ => Retry::Unsent,
    }
}

/// A copy of a head, for a request that may have to be sent twice.
fn copy(parts: &Parts) -> Parts {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method = parts.method.clone();
    copy.uri = parts.uri.clone();
    copy.version = parts.version;
    copy.headers = parts.headers.clone();
    copy
}

/// 12 the answer's head, cleaned; 13 its body, streamed.
fn pass_on(
    mut exchange: Exchange,
    response: Response<hyper::body::Incoming>,
    held: super::upstream::Held,
    lease: Lease,
    choice: &Choice<'_>,
) -> Result<Response<Body>, Refused> {
    let (mut parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    // Nobody asked for an upgrade here; and what is no status of HTTP is not passed on.
    if parts.status == StatusCode::SWITCHING_PROTOCOLS || status > 599 || !one_coding(&parts.headers) {
        lease.failed(Instant::now());
        return Err(exchange.refuse(Error::UpstreamProtocol));
    }
    headers::clean_response(&mut parts.headers);
    if let Some(cookie) = choice.cookie_for(lease.endpoint()) {
        parts.headers.append(header::SET_COOKIE, cookie);
    }
    exchange.answered(parts.status, &parts.headers, lease);
    Ok(Response::from_parts(parts, Body::relay(body, exchange, held)))
}

/// hyper decodes `chunked` and nothing else: any other coding would reach the client undecoded and unnamed.
fn one_coding(headers: &http::HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}
