//! The client's end of a connection: its socket and what has been read from it. Shared by the loop that serves it and the
//! body of the request at hand; each borrows it for one poll.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::io::AsyncWrite;

use super::super::h1::{Decoded, Decoder, Input, Malformed, RequestHead, read_request};
use super::super::io::Io;
use super::super::trickles::Turn;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A socket, what was read from it, and where the body of the present request stands.
#[derive(Debug)]
pub(crate) struct Wire {
    io: Io,
    input: Input,
    /// The present request's number. Whoever still holds an earlier one's body must not come to read this one's.
    request: u32,
    body: Decoder,
    /// What is left to write of a `100 Continue` that the client waits for before it sends its body.
    owed: &'static [u8],
    /// The next head has been waited for.
    waited: bool,
    /// What still comes is thrown away: a body that is not whole never will be.
    lingers: bool,
}

/// Why there is no head.
#[derive(Debug)]
pub(super) enum NoHead {
    /// The client has closed, or said nothing more.
    Ended,
    Malformed(Malformed),
    /// It is not whole, and there is no memory for the rest of it.
    ShortOfMemory,
}

/// Why a request's body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the client closed within its body")]
    Cut,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Wire {
    pub(super) fn new(io: Io) -> Self {
        Self { io, input: Input::default(), request: 0, body: Decoder::Done, owed: b"", waited: false, lingers: false }
    }

    /// The next head. No buffer is held while nothing has come. `grows` is asked before more is held of one.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        grows: impl Fn() -> bool,
    ) -> Poll<Result<RequestHead, NoHead>> {
        loop {
            if !self.input.is_empty() {
                if let Some(head) = read_request(&mut self.input, most).map_err(NoHead::Malformed)? {
                    return Poll::Ready(Ok(head));
                }
                if !grows() {
                    return Poll::Ready(Err(NoHead::ShortOfMemory));
                }
            }
            // Who is woken has something to read; before that, nothing is held for it.
            if !self.waited && self.input.is_empty() && !self.io.may_have_more(cx) {
                self.waited = true;
                self.input.rest();
                return Poll::Pending;
            }
            match self.input.poll_fill(&mut self.io, cx) {
                Poll::Ready(Ok(1..)) => self.waited = false,
                Poll::Ready(_) => return Poll::Ready(Err(NoHead::Ended)),
                Poll::Pending => {
                    self.input.rest();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Whether something of what comes next is here already: of the body at hand, or of another request.
    pub(crate) fn has_begun(&self) -> bool {
        !self.input.is_empty()
    }

    /// A request begins, whose body is framed so; its number.
    pub(super) fn begin(&mut self, body: Decoder, expects: bool) -> u32 {
        self.request = self.request.wrapping_add(1);
        self.owed = if expects && body != Decoder::Done { CONTINUE } else { b"" };
        self.body = body;
        self.request
    }

    /// Whether the request's body has been read to its end.
    pub(super) fn is_end_stream(&self) -> bool {
        self.body == Decoder::Done
    }

    /// Whether the body of the request with this number has been read to its end.
    pub(crate) fn has_read(&self, request: u32) -> bool {
        request != self.request || self.is_end_stream()
    }

    /// What is left of the request's body.
    pub(crate) fn size_hint(&self, request: u32) -> SizeHint {
        if request == self.request { self.body.size_hint() } else { SizeHint::with_exact(0) }
    }

    /// The next frame of the request's body. One that comes in small pieces is read in its turn.
    pub(crate) fn poll_body(
        &mut self,
        request: u32,
        cx: &mut Context<'_>,
        turn: &mut Turn,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if request != self.request {
            return Poll::Ready(None);
        }
        if self.lingers {
            return Poll::Ready(Some(Err(BodyError::Cut)));
        }
        while !self.owed.is_empty() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, self.owed))?;
            self.owed = self.owed.get(count.max(1)..).unwrap_or_default();
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        }
        loop {
            match self.body.decode(&mut self.input)? {
                Decoded::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Decoded::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Decoded::Done => return Poll::Ready(None),
                Decoded::More => {}
            }
            if turn.is_wanted() && (!self.io.may_have_more(cx) || turn.poll(cx).is_pending()) {
                self.input.let_go();
                return Poll::Pending;
            }
            let left = self.body.size_hint().exact();
            match ready!(self.input.poll_fill_body(&mut self.io, cx, left))? {
                0 => return Poll::Ready(Some(Err(BodyError::Cut))),
                count => turn.brought(count),
            }
        }
    }

    /// Takes what is here of a body that nobody wants; whether that was all of it.
    pub(super) fn skip(&mut self) -> bool {
        // One that is waited for with `100 Continue` was not sent, and may never be.
        while self.owed.is_empty() {
            match self.body.decode(&mut self.input) {
                Ok(Decoded::Data(_) | Decoded::Trailers(_)) => {}
                Ok(Decoded::Done) => return true,
                Ok(Decoded::More) | Err(_) => return false,
            }
        }
        false
    }

    /// Ready when the client has left, while its request is being answered. What it sends meanwhile is kept, up to `most`:
    /// the next request, or with `ahead` also a body that nobody reads yet.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>, most: usize, ahead: bool) -> Poll<()> {
        while (ahead || self.is_end_stream()) && self.input.len() < most && self.io.may_have_more(cx) {
            match self.input.poll_fill(&mut self.io, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    self.input.rest();
                    return Poll::Pending;
                }
            }
        }
        Poll::Pending
    }

    /// Says that nothing more will be said, and takes no notice of what is still to come, until the client closes: were
    /// it refused, what the client has not read yet would be lost.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.lingers = true;
        if ready!(Pin::new(&mut self.io).poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        loop {
            drop(self.input.take());
            let filled = self.input.poll_fill(&mut self.io, cx);
            if filled.is_pending() {
                self.input.rest();
            }
            if !matches!(ready!(filled), Ok(1..)) {
                return Poll::Ready(());
            }
        }
    }

    /// Ends what is said, where that takes words: a plain socket says so by itself when its last holder drops it.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>, last: bool) -> Poll<()> {
        if last && self.io.is_plain() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.io).poll_shutdown(cx).map(drop)
    }

    /// The bytes themselves, and those that have come.
    pub(super) fn into_tunnel(mut self) -> (Io, BytesMut) {
        let early = self.input.take();
        (self.io, early)
    }

    /// An answer whose end is the connection's is not whole: its end must not look like one.
    pub(super) fn reset_at_end(&self) {
        self.io.reset_at_end();
    }

    pub(super) fn io(&mut self) -> Pin<&mut Io> {
        Pin::new(&mut self.io)
    }
}
