//! A connection to an endpoint that speaks HTTP/1.1: one exchange after the other, driven by whoever has the exchange.
//!
//! hyper's client would need a task for each connection, two channels for each exchange, a map of fields to write a
//! head from and a copy of it in case it must be sent again. What we pass on needs none of these, and a quarter of the
//! time that a request took outside the kernel went into them. Parsing is httparse's, as it is with hyper.

mod body;
mod head;
mod send;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response};
use http_body::{Frame, SizeHint};
use tokio::io::AsyncReadExt;

use self::body::{Decoded, Decoder};
use self::send::Sending;
use super::super::body::Upload;
use super::super::io::Io;
use super::super::watch::{Alarm, Wait, Watch};

/// How much is read at once, at first …
const LEAST_READ: usize = 8 * 1024;
/// … and at most, while answers fill it.
const MOST_READ: usize = 64 * 1024;
/// The most informational answers before the final one; 100 (Continue) and 103 (Early Hints) come once or twice.
const MOST_INFORMATIONAL: u32 = 16;

/// An answer that breaks a rule of HTTP/1.1, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(&'static str);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The connection ended before a byte of it.
    #[error("the connection ended before the answer")]
    Closed,
    /// The connection ended within its head.
    #[error("the connection ended within the answer's head")]
    Cut,
    #[error("the answer is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// It did not come in time, or the endpoint stopped reading.
    #[error("waited too long: {0:?}")]
    Late(Wait),
    /// The client did not send its body.
    #[error("the request was never whole")]
    Upload,
}

/// Why an answer's body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the connection ended within the body")]
    Cut,
    #[error("read from the endpoint")]
    Io(#[source] io::Error),
    #[error("the body is malformed: {0}")]
    Malformed(#[from] Malformed),
    #[error("the endpoint stopped reading the request")]
    Stalled,
}

/// A connection to an endpoint.
#[derive(Debug)]
pub(crate) struct H1 {
    io: Io,
    watch: Arc<Watch>,
    alarm: Alarm,
    input: BytesMut,
    /// How much to read at once.
    room: usize,
    sending: Sending,
    to_head: bool,
    uploads: bool,
    /// The request has a body that its method does not ask for. An endpoint may leave it unread, and take it for the
    /// next request: there must be none.
    odd_body: bool,
    /// How long an answer may take from the end of the request; zero is no limit.
    patience: Duration,
    informational: u32,
    /// The answer's body.
    body: Decoder,
    keep_alive: bool,
}

impl H1 {
    /// A connection on which nothing has been said yet. `io` reports to `watch`.
    pub(crate) fn new(io: Io, watch: Arc<Watch>) -> Box<Self> {
        Box::new(Self {
            io,
            alarm: Alarm::new(watch.clone()),
            watch,
            input: BytesMut::new(),
            room: LEAST_READ,
            sending: Sending::default(),
            to_head: false,
            uploads: false,
            odd_body: false,
            patience: Duration::ZERO,
            informational: 0,
            body: Decoder::Done,
            keep_alive: true,
        })
    }

    /// Whether an idle connection has ended, or said something unasked. Costs no system call unless something has come.
    pub(crate) fn is_stale(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        if !self.io.may_have_more(&mut cx) {
            return false;
        }
        let stale = self.poll_fill(&mut cx).is_ready();
        self.input = BytesMut::new();
        stale
    }

    /// Begins an exchange. `more` are lines of the request's head that are not in its fields. The answer may take
    /// `patience` from `now`, or from the end of a body.
    pub(crate) fn begin(
        &mut self,
        request: &mut Request<Upload>,
        patience: Duration,
        now: Instant,
        more: impl FnOnce(&mut Vec<u8>),
    ) {
        self.to_head = request.method() == Method::HEAD;
        self.patience = patience;
        self.informational = 0;
        self.keep_alive = false;
        self.uploads = !matches!(request.body(), Upload::Empty);
        if !self.uploads {
            self.watch.expect(Wait::Answer, patience, now);
        }
        self.odd_body =
            self.uploads && matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE);
        self.sending.begin(request, more);
    }

    /// The body of a request of which not a byte has gone out.
    pub(crate) fn take_back(&mut self) -> Option<Upload> {
        self.sending.take_back()
    }

    /// The head of the answer, while the request goes out.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Lost>> {
        if self.sending.goes_on() && self.sending.poll(&mut self.io, cx).is_ready() {
            if self.sending.is_broken_by_client() {
                return Poll::Ready(Err(Lost::Upload));
            }
            if self.uploads {
                self.watch.expect(Wait::Answer, self.patience, Instant::now());
            }
        }
        loop {
            if !self.input.is_empty()
                && let Some(head) = head::read(&mut self.input, self.to_head)?
            {
                // 101 is an answer (RFC 9110 §15.2.2); the others come before one.
                if head.status.is_informational() && head.status.as_u16() != 101 {
                    self.informational += 1;
                    if self.informational > MOST_INFORMATIONAL {
                        return Poll::Ready(Err(Malformed("it has too many informational heads").into()));
                    }
                    continue;
                }
                self.watch.relax();
                self.body = head.body;
                self.keep_alive = head.keep_alive && !self.odd_body;
                let mut response = Response::new(());
                *response.status_mut() = head.status;
                *response.headers_mut() = head.headers;
                *response.extensions_mut() = head.extensions;
                return Poll::Ready(Ok(response));
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) if self.input.is_empty() => return Poll::Ready(Err(Lost::Closed)),
                Poll::Ready(_) => return Poll::Ready(Err(Lost::Cut)),
                Poll::Pending => break,
            }
        }
        self.alarm.poll(cx).map(|wait| Err(Lost::Late(wait)))
    }

    /// The next frame of the answer's body, while the rest of the request goes out.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.poll_rest(cx).is_ready() {
            return Poll::Ready(Some(Err(BodyError::Stalled)));
        }
        loop {
            match self.body.decode(&mut self.input) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(Decoded::Done) => return Poll::Ready(None),
                Ok(Decoded::More) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) if self.body == Decoder::Close => self.body = Decoder::Done,
                Poll::Ready(Ok(0)) => return Poll::Ready(Some(Err(BodyError::Cut))),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(BodyError::Io(error)))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether the answer came before all of the request had gone.
    pub(crate) fn is_early(&self) -> bool {
        self.sending.goes_on()
    }

    /// The rest of a request whose answer has come already. Ready when the endpoint has stopped reading it.
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sending.goes_on() && self.sending.poll(&mut self.io, cx).is_pending() {
            return self.alarm.poll(cx).map(drop);
        }
        Poll::Pending
    }

    /// Whether the answer's body has no more frames.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.body == Decoder::Done
    }

    /// What is left of the answer's body.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.body {
            Decoder::Done => SizeHint::with_exact(0),
            Decoder::Length(left) => SizeHint::with_exact(left),
            Decoder::Chunked(_) | Decoder::Close => SizeHint::default(),
        }
    }

    /// Whether another exchange may follow: request and answer have ended where they should, and nothing is left over.
    pub(crate) fn may_go_on(&mut self) -> bool {
        let whole = self.keep_alive && self.sending.is_done() && self.is_end_stream() && self.input.is_empty();
        if whole {
            // An idle connection holds no buffer.
            self.input = BytesMut::new();
            self.room = LEAST_READ;
        }
        whole
    }

    /// What follows a 101: the bytes themselves, and those that came with the answer.
    pub(crate) fn into_tunnel(self: Box<Self>) -> (Io, BytesMut) {
        (self.io, self.input)
    }

    /// Reads more. Ready with 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < self.room {
            self.input.reserve(self.room);
        }
        let space = self.input.capacity() - self.input.len();
        let count = ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx))?;
        if count == space {
            self.room = (self.room * 2).min(MOST_READ);
        }
        Poll::Ready(Ok(count))
    }
}
