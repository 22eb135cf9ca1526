//! A connection to an endpoint that speaks HTTP/1.1: one exchange after the other, driven by whoever has the exchange.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};

use super::super::body::{Body, Upload};
use super::super::h1::{Decoded, Decoder, Input, Malformed, Sending, read_response, write_request_line};
use super::super::io::Io;
use super::super::watch::{Alarm, Wait, Watch};

/// The most informational answers before the final one; 100 (Continue) and 103 (Early Hints) come once or twice.
const MOST_INFORMATIONAL: u32 = 16;

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
    input: Input,
    sending: Sending<Upload>,
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
            input: Input::default(),
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
        let stale = self.input.poll_fill(&mut self.io, &mut cx).is_ready();
        self.input.rest();
        stale
    }

    /// Whether nothing has come on an idle connection, as the kernel knows at this moment.
    pub(crate) fn is_quiet(&self) -> bool {
        self.io.is_quiet()
    }

    /// Whether the client asks for many answers at once, and may leave them all with us: less of each is read ahead.
    pub(crate) fn is_one_of_many(&mut self, many: bool) {
        self.input.is_one_of_many(many);
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
        let upload = std::mem::take(request.body_mut());
        let framing = upload.framing();
        self.sending.begin(upload, framing, true, |out| {
            write_request_line(out, request);
            more(out);
            out.extend_from_slice(b"\r\n");
        });
    }

    /// The body of a request of which not a byte has gone out.
    pub(crate) fn take_back(&mut self) -> Option<Upload> {
        self.sending.take_back()
    }

    /// The head of the answer, while the request goes out.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Box<Response<Body>>, Lost>> {
        if self.sending.goes_on() && self.sending.poll(&mut self.io, cx).is_ready() {
            if self.sending.is_broken_by_source() {
                return Poll::Ready(Err(Lost::Upload));
            }
            if self.uploads {
                self.watch.expect(Wait::Answer, self.patience, Instant::now());
            }
        }
        loop {
            if !self.input.is_empty()
                && let Some(head) = read_response(&mut self.input, self.to_head)?
            {
                let status = head.response.status();
                // 101 is an answer (RFC 9110 §15.2.2); the others come before one.
                if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                    self.informational += 1;
                    if self.informational > MOST_INFORMATIONAL {
                        return Poll::Ready(Err(Malformed::Rule("it has too many informational heads").into()));
                    }
                    continue;
                }
                self.watch.relax();
                self.body = head.body;
                self.keep_alive = head.keep_alive && !self.odd_body;
                return Poll::Ready(Ok(head.response));
            }
            match self.input.poll_fill(&mut self.io, cx) {
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
            match self.input.poll_fill_body(&mut self.io, cx, self.body.size_hint().exact()) {
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
        self.body.size_hint()
    }

    /// Whether another exchange may follow: request and answer have ended where they should, and nothing is left over.
    pub(crate) fn may_go_on(&mut self) -> bool {
        let whole = self.keep_alive && self.sending.is_done() && self.is_end_stream() && self.input.is_empty();
        if whole {
            self.input.rest();
        }
        whole
    }

    /// What follows a 101: the bytes themselves, and those that came with the answer.
    pub(crate) fn into_tunnel(mut self: Box<Self>) -> (Io, BytesMut) {
        let early = self.input.take();
        (self.io, early)
    }
}
