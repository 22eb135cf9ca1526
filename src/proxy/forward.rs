//! Forwarding: an endpoint is leased, the request sent, and another endpoint tried where that is safe.

use std::rc::Rc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};

use super::Error;
use super::balance::{Choice, Lease, MAX_ENDPOINTS};
use super::body::{Body, Upload, UploadState};
use super::exchange::{Exchange, Refused};
use super::forwarding::Said;
use super::headers;
use super::router::Found;
use super::serve::replayable;
use super::upstream::{Answer, Failure, Reply, Sent, attempt};
use super::waiting;
use crate::route::HostHeader;
use crate::telemetry::meters::Retry;

/// A request, ready to be sent.
pub(crate) struct Outgoing {
    /// Here unless it is being sent, or was.
    pub(crate) request: Option<Request<Upload>>,
    pub(crate) state: Option<Rc<UploadState>>,
    /// Who is asking, as long as the request's fields do not say it.
    pub(crate) said: Option<Said>,
    /// What to send again over HTTP/2, which takes the request, when it came to nothing; if it has no body.
    pub(crate) replay: Option<Replay>,
    /// An endpoint has had it already, and it was sent once more.
    pub(crate) repeated: bool,
}

impl Outgoing {
    /// Whether it can be sent once more, but not a third time, and is in its place for that.
    fn again(&mut self) -> bool {
        if std::mem::replace(&mut self.repeated, true) {
            return false;
        }
        if self.request.is_none()
            && let Some(replay) = self.replay.take()
        {
            self.said = replay.said;
            self.request = Some(replay.request());
        }
        self.state.is_none() && self.request.is_some()
    }
}

/// Sends a request to one of the upstream's endpoints and passes its answer on.
pub(crate) async fn forward(
    mut exchange: Box<Exchange>,
    route: &Found,
    mut outgoing: Box<Outgoing>,
) -> Result<Box<Response<Body>>, Refused> {
    let (Some(target), Some(request)) = (&route.upstream, &mut outgoing.request) else {
        return Err(exchange.refuse(Error::NoEndpoint));
    };
    let upstream = &target.spec;
    let safe = replayable(request.method());
    if outgoing.state.is_some() {
        std::future::poll_fn(|cx| request.body_mut().poll_turn(cx)).await;
    }
    let worker = exchange.connection.worker.clone();
    let mut choice = waiting::choose(&exchange.connection, target, request);
    target.budget.request();
    let mut last = Error::NoEndpoint;
    // The endpoint whose connection died: it may be asked again when there is no other.
    let mut died = None;
    let mut now = exchange.started;
    loop {
        let died_before = died.take();
        let lease = choice.pick(&worker.random, now).or_else(|| choice.again(died_before?, now));
        let lease = match lease {
            Some(lease) => lease,
            None => match waiting::for_endpoints(&exchange, target, &mut choice, last).await {
                Ok(()) => {
                    now = Instant::now();
                    continue;
                }
                Err(error) => return Err(exchange.refuse(error)),
            },
        };
        if upstream.host_header == HostHeader::Endpoint
            && let Some(request) = &mut outgoing.request
        {
            request.headers_mut().insert(header::HOST, lease.endpoint().host_header().clone());
        }
        exchange.asks(&lease, &mut outgoing.request, now);
        let failure = match attempt(&exchange.connection, &lease, upstream.protocol, &mut outgoing, now).await {
            Ok(Answer { response, reply }) => {
                let now = Instant::now();
                lease.answered(now, response.status());
                return pass_on(exchange, response, reply, lease, &choice, now);
            }
            Err(failure) => failure,
        };
        now = Instant::now();
        let Failure { error, sent } = failure;
        exchange.unanswered(error, &lease, now);
        if error.blames_endpoint() {
            lease.failed(now);
        }
        let reason = match sent {
            Sent::Nothing => retry_reason(error),
            Sent::Unanswered if safe && error == Error::UpstreamClosed && outgoing.again() => Retry::Reset,
            Sent::Refused if outgoing.again() => Retry::RefusedStream,
            Sent::Unanswered | Sent::Refused | Sent::Answering => return Err(exchange.refuse(error)),
        };
        if choice.tried() >= MAX_ENDPOINTS || !target.may_retry(now) {
            if let Err(error) = waiting::for_endpoints(&exchange, target, &mut choice, error).await {
                return Err(exchange.refuse(error));
            }
            now = Instant::now();
        }
        exchange.retried();
        worker.shared.meters.own().retried(reason);
        route.retried(&worker.shared.meters);
        last = error;
        died = (error == Error::UpstreamClosed).then(|| lease.endpoint().clone());
    }
}

fn retry_reason(error: Error) -> Retry {
    match error {
        Error::Connect(_) | Error::NameUnresolved => Retry::ConnectFailed,
        Error::NoSocket(_) => Retry::NoSocket,
        Error::ConnectTimeout => Retry::ConnectTimeout,
        Error::UpstreamTls => Retry::Tls,
        _ => Retry::Unsent,
    }
}

/// A copy of a head without a body, for a request that may have to be sent twice: what the client said of it, as a list,
/// since most are never needed.
pub(crate) struct Replay {
    method: Method,
    uri: Uri,
    fields: Vec<(HeaderName, HeaderValue)>,
    said: Option<Said>,
}

impl Replay {
    /// A copy of a head to which nothing has been added yet.
    pub(crate) fn of(parts: &Parts, said: Option<Said>) -> Self {
        let fields = parts.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { method: parts.method.clone(), uri: parts.uri.clone(), fields, said }
    }

    fn request(self) -> Request<Upload> {
        let mut request = Request::new(Upload::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        for (name, value) in self.fields {
            request.headers_mut().append(name, value);
        }
        request
    }
}

/// 12 the answer's head, cleaned; 13 its body, streamed.
pub(crate) fn pass_on(
    mut exchange: Box<Exchange>,
    mut response: Box<Response<Body>>,
    reply: Reply,
    lease: Lease,
    choice: &Choice<'_>,
    now: Instant,
) -> Result<Box<Response<Body>>, Refused> {
    let status = response.status();
    // Nobody asked for an upgrade here; and what is no status of HTTP is not passed on.
    let odd = status == StatusCode::SWITCHING_PROTOCOLS || status.as_u16() > 599;
    if odd || headers::clean_response(response.headers_mut()).is_err() {
        lease.failed(now);
        return Err(exchange.refuse(Error::UpstreamProtocol));
    }
    if let Some(cookie) = choice.cookie_for(lease.endpoint()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    exchange.answered(status, response.headers(), lease);
    *response.body_mut() = Body::relay(reply, exchange, now);
    Ok(response)
}
