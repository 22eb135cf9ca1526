//! One attempt at one endpoint: a pooled or a new connection, the request, and the head of the answer.

use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::super::Error;
use super::super::balance::Lease;
use super::super::body::{Body, Upload, UploadState};
use super::super::connection::Connection;
use super::super::forward::Outgoing;
use super::super::watch::Wait;
use super::connect::{Connected, Purpose, connect};
use super::early::Early;
use super::h1::{H1, Lost};
use super::h2::{H2, StreamShare};
use super::reply::Reply;
use crate::route::Protocol;
use crate::telemetry::chain;

/// An endpoint's answer: its head, and its body with the connection that it is read from.
pub(crate) struct Answer {
    /// Its body is empty yet.
    pub(crate) response: Box<Response<Body>>,
    pub(crate) reply: Reply,
}

/// An attempt that brought no answer.
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) sent: Sent,
}

/// How much of a request its endpoint may have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Not a byte of it has been sent, and it is whole: any method may be tried elsewhere.
    Nothing,
    /// It has, and nothing has come back.
    Unanswered,
    /// The endpoint has said that it did not look at it (HTTP/2 REFUSED_STREAM, GOAWAY).
    Refused,
    /// An answer had begun, or the request is not whole any more.
    Answering,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, sent: Sent::Nothing }
    }
}

/// Sends the request to the leased endpoint. Stale pooled connections are skipped. `now` is when the endpoint was leased.
pub(crate) async fn attempt(
    client: &Connection,
    lease: &Lease,
    protocol: Protocol,
    outgoing: &mut Outgoing,
    now: Instant,
) -> Result<Answer, Failure> {
    let endpoint = lease.endpoint();
    let worker = &client.worker;
    if protocol != Protocol::Http
        && let Some(connection) = worker.pool.share(endpoint)
    {
        match Box::pin(send_h2(client, connection, outgoing)).await {
            Err(Failure { sent: Sent::Nothing, .. }) => {}
            result => return result,
        }
    }
    if protocol != Protocol::H2c {
        if outgoing.state.is_some() {
            // A connection that its endpoint has closed is noticed when the runtime looks at its sockets. A body can
            // only be sent once: let it look.
            tokio::task::yield_now().await;
        }
        while let Some(connection) = worker.pool.take(endpoint) {
            if outgoing.state.is_some() && !connection.is_quiet() {
                continue;
            }
            match send_h1(client, lease, connection, outgoing, now).await {
                Err(Failure { sent: Sent::Nothing, .. }) => {}
                result => return result,
            }
        }
    }
    // Rare, and large: on the heap, so that the common path stays small.
    Box::pin(attempt_anew(client, lease, protocol, outgoing)).await
}

async fn attempt_anew(
    client: &Connection,
    lease: &Lease,
    protocol: Protocol,
    outgoing: &mut Outgoing,
) -> Result<Answer, Failure> {
    let endpoint = lease.endpoint();
    match connect(&client.worker, endpoint, protocol, Purpose::Exchange).await? {
        Connected::H1(connection) => send_h1(client, lease, connection, outgoing, Instant::now()).await,
        Connected::H2(connection) => {
            client.worker.pool.add_shared(endpoint, connection.clone());
            send_h2(client, connection, outgoing).await
        }
    }
}

/// Sends an upgrade on a connection of its own.
pub(crate) async fn upgrade(
    client: &Connection,
    lease: &Lease,
    protocol: Protocol,
    outgoing: &mut Outgoing,
) -> Result<Answer, Failure> {
    match connect(&client.worker, lease.endpoint(), protocol, Purpose::Upgrade).await? {
        Connected::H1(connection) => send_h1(client, lease, connection, outgoing, Instant::now()).await,
        Connected::H2(_) => Err(Failure { error: Error::UpstreamProtocol, sent: Sent::Answering }),
    }
}

async fn send_h1(
    client: &Connection,
    lease: &Lease,
    mut connection: Box<H1>,
    outgoing: &mut Outgoing,
    now: Instant,
) -> Result<Answer, Failure> {
    let limit = client.worker.shared.transport.response_header_timeout;
    let said = outgoing.said;
    let Some(request) = &mut outgoing.request else { return Err(Error::Internal.into()) };
    let host = said.and_then(|_| request.headers().get(header::HOST).cloned());
    connection.is_one_of_many(client.http2);
    connection.begin(request, limit, now, |out| {
        if let Some(said) = said {
            client.write_forwarding(out, host.as_ref(), said);
        }
    });
    match std::future::poll_fn(|cx| connection.poll_head(cx)).await {
        Ok(response) => {
            let pool = client.worker.pool.clone();
            let endpoint = lease.endpoint().clone();
            let reply = if connection.is_early() && !connection.is_end_stream() {
                Reply::Early(Early::start(connection, pool, endpoint))
            } else {
                Reply::H1 { connection, pool, endpoint }
            };
            Ok(Answer { response, reply })
        }
        Err(lost) => Err(failure(lost, connection.take_back(), request, outgoing.state.as_deref())),
    }
}

/// What a lost answer comes to. `back` is the request's body, if nothing has been sent.
fn failure(lost: Lost, back: Option<Upload>, request: &mut Request<Upload>, state: Option<&UploadState>) -> Failure {
    tracing::debug!(error = %lost, "the endpoint did not answer");
    let sent = match (back, &lost) {
        (Some(upload), _) => {
            *request.body_mut() = upload;
            Sent::Nothing
        }
        (None, Lost::Closed | Lost::Late(_)) if state.is_none() => Sent::Unanswered,
        _ => Sent::Answering,
    };
    let error = state.and_then(|upload| upload.progress.get().error()).unwrap_or(match lost {
        Lost::Upload => Error::BodyMalformed,
        Lost::Late(Wait::Answer) => Error::ResponseTimeout,
        Lost::Malformed(_) => Error::UpstreamProtocol,
        Lost::Closed | Lost::Cut | Lost::Late(_) => Error::UpstreamClosed,
    });
    Failure { error, sent }
}

async fn send_h2(client: &Connection, connection: Rc<H2>, outgoing: &mut Outgoing) -> Result<Answer, Failure> {
    let mut sender = connection.sender();
    let share = StreamShare::new(connection);
    let Some(mut request) = outgoing.request.take() else { return Err(Error::Internal.into()) };
    if let Some(said) = outgoing.said.take() {
        client.add_forwarding(request.headers_mut(), said);
    }
    for_http_2(&mut request);
    let limit = client.worker.shared.transport.response_header_timeout;
    let done = UploadState::default();
    let upload = outgoing.state.as_deref().unwrap_or(&done);
    if outgoing.state.is_none() {
        done.ended.set(Some(tokio::time::Instant::now()));
    }
    match patient(sender.try_send_request(request), upload, limit).await {
        Ok(response) => {
            let (parts, incoming) = response.into_parts();
            Ok(Answer {
                response: Box::new(Response::from_parts(parts, Body::empty())),
                reply: Reply::H2 { incoming, share },
            })
        }
        Err(failure) => Err(failure.resolve(outgoing)),
    }
}

/// HTTP/2 wants scheme and authority in the target, and no Host.
fn for_http_2(request: &mut Request<Upload>) {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(header::HOST);
    let authority = host.as_ref().and_then(|host| http::uri::Authority::try_from(host.as_bytes()).ok());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    if let Some(authority) = authority {
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = Some(authority);
    }
    *request.uri_mut() = http::Uri::from_parts(parts).unwrap_or_default();
    request.headers_mut().remove(header::TRANSFER_ENCODING);
}

/// Undoes [`for_http_2`] for a request that came back unsent.
pub(crate) fn for_http_1(request: &mut Request<Upload>) {
    if let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = None;
    parts.authority = None;
    *request.uri_mut() = http::Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_11;
}

/// Waits for an answer, at most `limit` from the end of the upload. One timer, looked at again when it fires.
async fn patient<F, E>(sending: F, upload: &UploadState, limit: Duration) -> Result<Response<Incoming>, Unanswered>
where
    F: Future<Output = Result<Response<Incoming>, E>>,
    Unanswered: From<E>,
{
    use tokio::time::{Instant, sleep};

    let mut sending = std::pin::pin!(sending);
    let mut timer = (!limit.is_zero()).then(|| Box::pin(sleep(limit)));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = sending.as_mut().poll(cx) {
            return Poll::Ready(result.map_err(Unanswered::from));
        }
        let Some(timer) = &mut timer else { return Poll::Pending };
        while timer.as_mut().poll(cx).is_ready() {
            let deadline = upload.ended.get().unwrap_or_else(Instant::now) + limit;
            if deadline <= Instant::now() {
                return Poll::Ready(Err(Unanswered::TimedOut));
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await
}

/// How sending over HTTP/2 ended without an answer.
enum Unanswered {
    TimedOut,
    Failed(Box<TrySendError<Request<Upload>>>),
}

impl From<TrySendError<Request<Upload>>> for Unanswered {
    fn from(error: TrySendError<Request<Upload>>) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl Unanswered {
    /// What it comes to. A request that was not sent goes back to its place.
    fn resolve(self, outgoing: &mut Outgoing) -> Failure {
        let gone = |error| Failure { error, sent: Sent::Unanswered };
        let mut error = match self {
            Self::TimedOut => return gone(Error::ResponseTimeout),
            Self::Failed(error) => error,
        };
        if let Some(mut request) = error.take_message() {
            if request.version() == Version::HTTP_2 {
                for_http_1(&mut request);
            }
            outgoing.request = Some(request);
            return Error::UpstreamClosed.into();
        }
        if let Some(error) = outgoing.state.as_ref().and_then(|upload| upload.progress.get().error()) {
            return gone(error);
        }
        let error = error.into_error();
        tracing::debug!(error = %chain(&error), "the endpoint did not answer");
        if refused_stream(&error) {
            return Failure { error: Error::UpstreamClosed, sent: Sent::Refused };
        }
        gone(Error::UpstreamClosed)
    }
}

/// RFC 9113 §8.7: the server has done nothing with a stream that it refused, or that lies beyond its GOAWAY.
fn refused_stream(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.reason() == Some(h2::Reason::REFUSED_STREAM)
                || (error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR));
        }
        source = error.source();
    }
    false
}
