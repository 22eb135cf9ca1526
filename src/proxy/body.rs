//! Bodies on their way through: an upload from the client, an answer to it. Frames are passed on as they come; what is
//! kept is counts, a deadline, and the end.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::Error;
use super::exchange::Exchange;
use super::h1::Framing;
use super::headers;
use super::http1::{BodyError, Wire};
use super::trickles::Turn;
use super::upstream::{Reply, ReplyError};
use super::watch::Watch;

/// How an upload went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not all of it has been read.
    #[default]
    Sending,
    /// All of it has.
    Done,
    /// The client stopped sending.
    Stalled,
    /// The client broke its framing, or went away.
    Broken,
}

impl Progress {
    /// What an upload that went so comes to, where it ended early.
    pub(crate) fn error(self) -> Option<Error> {
        match self {
            Self::Sending | Self::Done => None,
            Self::Stalled => Some(Error::BodyStalled),
            Self::Broken => Some(Error::BodyMalformed),
        }
    }
}

/// What an upload leaves behind for its exchange.
#[derive(Debug, Default)]
pub(crate) struct UploadState {
    pub(crate) bytes: Cell<u64>,
    pub(crate) progress: Cell<Progress>,
    pub(crate) ended: Cell<Option<Instant>>,
}

impl UploadState {
    fn end(&self, progress: Progress) {
        self.progress.set(progress);
        self.ended.set(Some(Instant::now()));
    }
}

/// How long a client may take over its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Between two reads; zero is no limit.
    pub(crate) idle: Duration,
    /// When the whole request must be there.
    pub(crate) until: Option<Instant>,
}

/// A request's body on its way to an endpoint.
#[derive(Debug, Default)]
pub(crate) enum Upload {
    #[default]
    Empty,
    Stream(Box<Stream>),
}

/// A request's body, as its client's connection has it.
#[derive(Debug)]
pub(crate) enum ClientBody {
    Empty,
    /// Of the request with this number.
    Http1(Rc<RefCell<Wire>>, u32),
    Http2(Incoming),
}

impl ClientBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>, turn: &mut Turn) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Http1(wire, request) => {
                wire.borrow_mut().poll_body(*request, cx, turn).map(|frame| frame.map(|frame| Ok(frame?)))
            }
            Self::Http2(incoming) => Pin::new(incoming).poll_frame(cx).map(|frame| frame.map(|frame| Ok(frame?))),
        }
    }

    /// Whether it has no more frames.
    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(wire, request) => wire.borrow().has_read(*request),
            Self::Http2(incoming) => incoming.is_end_stream(),
        }
    }

    /// Whether nothing of it has come with its head.
    fn is_awaited(&self) -> bool {
        match self {
            Self::Http1(wire, _) => !wire.borrow().has_begun(),
            Self::Empty | Self::Http2(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(wire, request) => wire.borrow().size_hint(*request),
            Self::Http2(incoming) => incoming.size_hint(),
        }
    }
}

/// A body that has frames.
#[derive(Debug)]
pub(crate) struct Stream {
    incoming: ClientBody,
    turn: Turn,
    state: Rc<UploadState>,
    patience: Patience,
    sleep: Option<Pin<Box<Sleep>>>,
    waiting_since: Option<Instant>,
}

/// Why an upload ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the client stopped sending its body")]
    Stalled,
    #[error(transparent)]
    Http1(#[from] BodyError),
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

impl Upload {
    /// Streams `incoming`, whose small pieces wait for their turn; the state tells how it went.
    pub(crate) fn stream(incoming: ClientBody, patience: Patience, turn: Turn) -> (Self, Rc<UploadState>) {
        let state = Rc::new(UploadState::default());
        let stream = Stream { incoming, turn, state: state.clone(), patience, sleep: None, waiting_since: None };
        (Self::Stream(Box::new(stream)), state)
    }

    /// Ready when it may begin: one of which nothing has come waits for its turn.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Stream(stream) if stream.incoming.is_awaited() => stream.turn.poll(cx),
            _ => Poll::Ready(()),
        }
    }

    /// How its end is told to an endpoint, in the head as after it.
    pub(crate) fn framing(&self) -> Framing {
        self.size_hint().exact().map_or(Framing::Chunked, Framing::Length)
    }
}

impl Stream {
    /// Pending is the start of a wait; one timer serves all waits of a body and is looked at again when it fires.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let since = *self.waiting_since.get_or_insert_with(Instant::now);
            let idle = (!self.patience.idle.is_zero()).then(|| since + self.patience.idle);
            let Some(deadline) = [idle, self.patience.until].into_iter().flatten().min() else { return Poll::Pending };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Self::Stream(stream) = &mut *self else { return Poll::Ready(None) };
        match stream.incoming.poll_frame(cx, &mut stream.turn) {
            Poll::Ready(Some(Ok(mut frame))) => {
                stream.waiting_since = None;
                if let Some(data) = frame.data_ref() {
                    stream.state.bytes.set(stream.state.bytes.get() + data.len() as u64);
                }
                if let Some(trailers) = frame.trailers_mut() {
                    headers::clean_request_trailers(trailers);
                }
                if stream.incoming.is_end_stream() {
                    stream.state.end(Progress::Done);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                stream.state.end(Progress::Broken);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                stream.state.end(Progress::Done);
                Poll::Ready(None)
            }
            Poll::Pending => match stream.poll_patience(cx) {
                Poll::Ready(()) => {
                    stream.state.end(Progress::Stalled);
                    Poll::Ready(Some(Err(UploadError::Stalled)))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(stream) => stream.incoming.size_hint(),
        }
    }
}

/// What a client gets.
#[derive(Debug)]
pub(crate) enum Body {
    /// A text of ours.
    Text(Option<Bytes>),
    /// An endpoint's answer.
    Relay(Box<Relay>),
}

/// Why an answer ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error("the endpoint broke off its answer")]
    Endpoint(#[source] ReplyError),
    #[error("the answer took longer than writeTimeout")]
    Overdue,
}

/// An answer's body, with all that must live until its end.
#[derive(Debug)]
pub(crate) struct Relay {
    /// When all of it must have been passed on, if ever.
    deadline: Option<Pin<Box<Sleep>>>,
    /// A frame was handed over, and nobody has come back for the next one.
    offer: Option<Arc<Watch>>,
    /// When the head came, until the first frame is asked for: in HTTP/1 that is at once, and no other time.
    answered: Option<std::time::Instant>,
    /// `None` once the end was seen.
    open: Option<(Box<Exchange>, Reply)>,
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Text(None)
    }

    /// An answer of an endpoint, whose head came `now`: the exchange ends, and the connection is free again, with its
    /// last frame.
    pub(crate) fn relay(reply: Reply, mut exchange: Box<Exchange>, now: std::time::Instant) -> Self {
        if reply.is_end_stream() {
            exchange.complete(now);
            reply.release(now);
            return Self::empty();
        }
        let deadline = exchange.deadline().map(|at| Box::pin(tokio::time::sleep_until(at)));
        exchange.streaming();
        let answered = (!exchange.connection.http2).then_some(now);
        Self::Relay(Box::new(Relay { deadline, offer: None, answered, open: Some((exchange, reply)) }))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Text((!text.is_empty()).then(|| Bytes::from_static(text.as_bytes())))
    }
}

impl From<Cow<'static, str>> for Body {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::from(text),
            Cow::Owned(text) => Self::from(Bytes::from(text)),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Text((!bytes.is_empty()).then_some(bytes))
    }
}

impl Relay {
    /// Also looked at while frames keep coming: a slow answer that never pauses is no less late.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready())
    }

    fn cut(&mut self, error: RelayError) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        if let Some((exchange, _)) = &mut self.open {
            exchange.cut_short(&error);
        }
        self.open = None;
        Poll::Ready(Some(Err(error)))
    }

    /// A client of HTTP/2 that opens no window is never seen by the socket; that nobody asks for the next frame tells.
    fn offered(&mut self) {
        if let Some((exchange, _)) = self.open.as_ref().filter(|(exchange, _)| exchange.connection.http2) {
            exchange.connection.offer();
            self.offer = Some(exchange.connection.watch.clone());
        }
    }

    fn taken(&mut self) {
        if let Some(watch) = self.offer.take() {
            watch.on_taken();
        }
    }

    fn end(&mut self, answered: Option<std::time::Instant>) {
        if let Some((mut exchange, reply)) = self.open.take() {
            let now = answered.unwrap_or_else(std::time::Instant::now);
            exchange.complete(now);
            reply.release(now);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.taken();
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let relay = match &mut *self {
            Self::Text(text) => return Poll::Ready(text.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relay(relay) => relay,
        };
        relay.taken();
        let answered = relay.answered.take();
        if relay.is_overdue(cx) {
            return relay.cut(RelayError::Overdue);
        }
        let Some((exchange, reply)) = &mut relay.open else { return Poll::Ready(None) };
        match reply.poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(data) = frame.data_ref() {
                    exchange.sent(data.len());
                }
                if let Some(trailers) = frame.trailers_mut() {
                    headers::clean_response_trailers(trailers);
                    exchange.trailers(trailers);
                }
                if reply.is_end_stream() {
                    relay.end(answered);
                } else {
                    relay.offered();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => relay.cut(RelayError::Endpoint(error)),
            Poll::Ready(None) => {
                relay.end(answered);
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Relay(relay) => relay.open.as_ref().is_none_or(|(_, reply)| reply.is_end_stream()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Relay(relay) => {
                relay.open.as_ref().map_or_else(|| SizeHint::with_exact(0), |(_, reply)| reply.size_hint())
            }
        }
    }
}
