//! One attempt at one endpoint: a pooled or a new connection, the request, and the head of the answer.

use std::task::Poll;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::super::Error;
use super::super::balance::Lease;
use super::super::body::{Progress, Upload, UploadState};
use super::super::forward::Outgoing;
use super::super::watch::Wait;
use super::super::worker::Worker;
use super::connect::{Connected, Purpose, connect};
use super::pool::{H1, Held, StreamShare};
use crate::route::Protocol;

/// An endpoint's answer, and the connection that it is read from.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) held: Held,
}

/// An attempt that brought no answer. Its request is back in its place when not a byte of it has been sent: any method
/// may be tried elsewhere.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// The endpoint has said that it did not look at the request (HTTP/2 REFUSED_STREAM, GOAWAY).
    pub(crate) refused: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, refused: false }
    }
}

/// Sends the request to the leased endpoint. Stale pooled connections are skipped: what hyper hands back goes to the
/// next. `now` is when the endpoint was leased.
pub(crate) async fn attempt(
    worker: &Worker,
    lease: &Lease,
    protocol: Protocol,
    outgoing: &mut Outgoing,
    now: Instant,
) -> Result<Answer, Failure> {
    let endpoint = lease.endpoint();
    if protocol != Protocol::Http
        && let Some(connection) = worker.pool.share(endpoint)
    {
        let sender = connection.sender.clone();
        let share = StreamShare::new(connection);
        match Box::pin(send_h2(worker, sender, outgoing, share)).await {
            Err(_) if outgoing.request.is_some() => {}
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
            match send_h1(worker, lease, connection, outgoing, now).await {
                Err(_) if outgoing.request.is_some() => {}
                result => return result,
            }
        }
    }
    // Rare, and large: on the heap, so that the common path stays small.
    Box::pin(attempt_anew(worker, lease, protocol, outgoing)).await
}

async fn attempt_anew(
    worker: &Worker,
    lease: &Lease,
    protocol: Protocol,
    outgoing: &mut Outgoing,
) -> Result<Answer, Failure> {
    let endpoint = lease.endpoint();
    match connect(worker, endpoint, protocol, Purpose::Exchange).await? {
        Connected::H1(connection) => send_h1(worker, lease, connection, outgoing, Instant::now()).await,
        Connected::H2(sender, most) => {
            let connection = worker.pool.add_shared(endpoint, sender.clone(), most);
            send_h2(worker, sender, outgoing, StreamShare::new(connection)).await
        }
    }
}

/// Sends an upgrade on a connection of its own.
pub(crate) async fn upgrade(
    worker: &Worker,
    lease: &Lease,
    protocol: Protocol,
    outgoing: &mut Outgoing,
) -> Result<Answer, Failure> {
    match connect(worker, lease.endpoint(), protocol, Purpose::Upgrade).await? {
        Connected::H1(connection) => send_h1(worker, lease, connection, outgoing, Instant::now()).await,
        Connected::H2(..) => {
            outgoing.request = None;
            Err(Error::UpstreamProtocol.into())
        }
    }
}

async fn send_h1(
    worker: &Worker,
    lease: &Lease,
    mut connection: H1,
    outgoing: &mut Outgoing,
    now: Instant,
) -> Result<Answer, Failure> {
    let limit = worker.shared.transport.response_header_timeout;
    let Some(request) = outgoing.request.take() else { return Err(Error::Internal.into()) };
    let sending = connection.sender.try_send_request(request);
    let result = match &outgoing.state {
        // The connection's own watch bounds the wait: no timer for a request without a body.
        None => {
            connection.watch.expect(Wait::Answer, limit, now);
            sending.await.map_err(Sent::from)
        }
        Some(upload) => patient(sending, upload, limit).await,
    };
    match result {
        Ok(response) => {
            connection.watch.relax();
            let held = Held::H1 {
                pool: worker.pool.clone(),
                endpoint: lease.endpoint().clone(),
                connection,
                upload: outgoing.state.clone(),
            };
            Ok(Answer { response, held })
        }
        Err(failure) => {
            let timed_out = connection.watch.expired() == Some(Wait::Answer);
            Err(failure.resolve(timed_out, outgoing))
        }
    }
}

async fn send_h2(
    worker: &Worker,
    mut sender: hyper::client::conn::http2::SendRequest<Upload>,
    outgoing: &mut Outgoing,
    share: StreamShare,
) -> Result<Answer, Failure> {
    let Some(mut request) = outgoing.request.take() else { return Err(Error::Internal.into()) };
    for_http_2(&mut request);
    let limit = worker.shared.transport.response_header_timeout;
    let done = UploadState::default();
    let upload = outgoing.state.as_deref().unwrap_or(&done);
    if outgoing.state.is_none() {
        done.ended.set(Some(tokio::time::Instant::now()));
    }
    match patient(sender.try_send_request(request), upload, limit).await {
        Ok(response) => Ok(Answer { response, held: Held::H2(share) }),
        Err(failure) => Err(failure.resolve(false, outgoing)),
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
async fn patient<F, E>(sending: F, upload: &UploadState, limit: Duration) -> Result<Response<Incoming>, Sent>
where
    F: Future<Output = Result<Response<Incoming>, E>>,
    Sent: From<E>,
{
    use tokio::time::{Instant, sleep};

    let mut sending = std::pin::pin!(sending);
    let mut timer = (!limit.is_zero()).then(|| Box::pin(sleep(limit)));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = sending.as_mut().poll(cx) {
            return Poll::Ready(result.map_err(Sent::from));
        }
        let Some(timer) = &mut timer else { return Poll::Pending };
        while timer.as_mut().poll(cx).is_ready() {
            let deadline = upload.ended.get().unwrap_or_else(Instant::now) + limit;
            if deadline <= Instant::now() {
                return Poll::Ready(Err(Sent::TimedOut));
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await
}

/// How sending ended without an answer.
enum Sent {
    TimedOut,
    Failed(Box<TrySendError<Request<Upload>>>),
}

impl From<TrySendError<Request<Upload>>> for Sent {
    fn from(error: TrySendError<Request<Upload>>) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl Sent {
    /// What it comes to. A request that was not sent goes back to its place.
    fn resolve(self, timed_out: bool, outgoing: &mut Outgoing) -> Failure {
        let mut error = match self {
            Self::TimedOut => return Error::ResponseTimeout.into(),
            Self::Failed(error) => error,
        };
        if let Some(mut request) = error.take_message() {
            if request.version() == Version::HTTP_2 {
                for_http_1(&mut request);
            }
            outgoing.request = Some(request);
            return Error::UpstreamClosed.into();
        }
        match outgoing.state.as_ref().map(|upload| upload.progress.get()) {
            Some(Progress::Stalled) => return Error::BodyStalled.into(),
            Some(Progress::Broken) => return Error::BodyMalformed.into(),
            _ => {}
        }
        let error = error.into_error();
        tracing::debug!(error = %chain(&error), "the endpoint did not answer");
        let refused = refused_stream(&error);
        let error = if timed_out {
            Error::ResponseTimeout
        } else if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
            Error::UpstreamProtocol
        } else {
            Error::UpstreamClosed
        };
        Failure { error, refused }
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

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
