//! A message on its way out: its head, then its body as it comes, framed anew.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::head::write_field;

/// The bytes of most heads.
const USUAL_HEAD: usize = 512;
/// Data up to this many bytes goes out in one piece with what stands before it: to copy it is less work than to hand two
/// pieces to the kernel, by more than half a microsecond.
const SMALL: usize = 2 * 1024;

/// What is left to write of a message.
#[derive(Debug)]
pub(crate) struct Sending<B> {
    /// The head, or what stands before data.
    before: Vec<u8>,
    /// How much of it has been written.
    written: usize,
    data: Bytes,
    /// What stands after data.
    after: &'static [u8],
    body: Option<B>,
    framing: Framing,
    /// Whether trailers are wanted.
    trailers: bool,
    stage: Stage,
    /// A byte has gone out, or a frame of the body has been taken.
    begun: bool,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its length, of which so much is to come.
    Length(u64),
    Chunked,
    /// By the end of the connection.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The body goes on.
    Body,
    /// What is left is in the buffers.
    Rest,
    /// All of it has been written.
    Done,
    /// It will never be whole.
    Failed(Broken),
}

/// Who broke it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// Whoever made the body.
    BySource,
    /// Whoever it is written to.
    ByPeer,
}

impl<B> Default for Sending<B> {
    fn default() -> Self {
        Self {
            before: Vec::new(),
            written: 0,
            data: Bytes::new(),
            after: b"",
            body: None,
            framing: Framing::Length(0),
            trailers: false,
            stage: Stage::Done,
            begun: false,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Sending<B> {
    /// Begins with a message. `head` writes its head, all of it.
    pub(crate) fn begin(&mut self, body: B, framing: Framing, trailers: bool, head: impl FnOnce(&mut Vec<u8>)) {
        self.before.clear();
        self.before.reserve(USUAL_HEAD);
        self.written = 0;
        head(&mut self.before);
        self.framing = framing;
        self.trailers = trailers;
        self.stage = if body.is_end_stream() && framing != Framing::Chunked { Stage::Rest } else { Stage::Body };
        self.body = Some(body);
        self.begun = false;
    }

    /// Whether all of it has been written.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether it still goes on.
    pub(crate) fn goes_on(&self) -> bool {
        matches!(self.stage, Stage::Body | Stage::Rest)
    }

    /// Whether its body ended otherwise than it should.
    pub(crate) fn is_broken_by_source(&self) -> bool {
        self.stage == Stage::Failed(Broken::BySource)
    }

    /// The body, of which nothing has been taken, of a message of which not a byte has gone out.
    pub(crate) fn take_back(&mut self) -> Option<B> {
        if self.begun { None } else { self.body.take() }
    }

    /// Holds no memory any more.
    pub(crate) fn rest(&mut self) {
        self.before = Vec::new();
        self.written = 0;
    }

    /// Writes what can be written. Ready when nothing more will be: see [`Sending::is_done`] for how it ended.
    pub(crate) fn poll(&mut self, io: &mut (impl AsyncWrite + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        let sent = ready!(self.poll_all(io, cx));
        self.stage = sent.map_or_else(Stage::Failed, |()| Stage::Done);
        self.data = Bytes::new();
        if self.begun {
            self.body = None;
        }
        Poll::Ready(())
    }

    fn poll_all(&mut self, io: &mut (impl AsyncWrite + Unpin), cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            let mut waits = false;
            if self.stage == Stage::Body && self.data.is_empty() && self.after.is_empty() {
                waits = self.poll_body(cx)?.is_pending();
            }
            if self.is_empty() {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(|_| Broken::ByPeer)?;
                match (waits, self.stage) {
                    (true, _) => return Poll::Pending,
                    (false, Stage::Rest) => return Poll::Ready(Ok(())),
                    (false, _) => continue,
                }
            }
            let count = ready!(self.poll_write(io, cx)).map_err(|_| Broken::ByPeer)?;
            if count == 0 {
                return Poll::Ready(Err(Broken::ByPeer));
            }
            self.begun = true;
            self.advance(count);
        }
    }

    /// Takes the body's next frame, for which there is room.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(body) = &mut self.body else { return Poll::Ready(self.end()) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        self.begun = true;
        let last = body.is_end_stream();
        let chunked = self.framing == Framing::Chunked;
        match frame.transpose().map_err(|_| Broken::BySource)?.map(Frame::into_data) {
            Some(Ok(data)) if data.is_empty() => {}
            Some(Ok(data)) => {
                if let Framing::Length(left) = &mut self.framing {
                    *left = left.checked_sub(data.len() as u64).ok_or(Broken::BySource)?;
                }
                if chunked {
                    let _ = write!(self.before(), "{:x}\r\n", data.len());
                    self.after = if last { b"\r\n0\r\n\r\n" } else { b"\r\n" };
                }
                if data.len() > SMALL {
                    self.data = data;
                } else {
                    let after = std::mem::take(&mut self.after);
                    self.before().extend_from_slice(&data);
                    self.before.extend_from_slice(after);
                }
                if last {
                    self.end()?;
                }
            }
            Some(Err(frame)) => {
                if chunked {
                    self.before().extend_from_slice(b"0\r\n");
                    for (name, value) in frame.into_trailers().iter().filter(|_| self.trailers).flatten() {
                        write_field(&mut self.before, name, value);
                    }
                    self.before.extend_from_slice(b"\r\n");
                }
                self.end()?;
            }
            None => {
                if chunked {
                    self.before().extend_from_slice(b"0\r\n\r\n");
                }
                self.end()?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The body has no more frames. One that is shorter than it said must not look whole.
    fn end(&mut self) -> Result<(), Broken> {
        if matches!(self.framing, Framing::Length(left) if left > 0) {
            return Err(Broken::BySource);
        }
        self.stage = Stage::Rest;
        Ok(())
    }

    /// What stands before data, without what has been written of it.
    fn before(&mut self) -> &mut Vec<u8> {
        if self.written == self.before.len() {
            self.before.clear();
            self.written = 0;
        }
        &mut self.before
    }

    fn is_empty(&self) -> bool {
        self.written == self.before.len() && self.data.is_empty() && self.after.is_empty()
    }

    fn poll_write(&self, io: &mut (impl AsyncWrite + Unpin), cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let before = self.before.get(self.written..).unwrap_or_default();
        if self.data.is_empty() && self.after.is_empty() {
            return Pin::new(io).poll_write(cx, before);
        }
        if before.is_empty() && self.after.is_empty() {
            return Pin::new(io).poll_write(cx, &self.data);
        }
        let pieces = [IoSlice::new(before), IoSlice::new(&self.data), IoSlice::new(self.after)];
        Pin::new(io).poll_write_vectored(cx, &pieces)
    }

    fn advance(&mut self, mut count: usize) {
        let before = count.min(self.before.len() - self.written);
        self.written += before;
        count -= before;
        let data = count.min(self.data.len());
        if data == self.data.len() {
            // Whoever read it may fill the same memory again.
            self.data = Bytes::new();
        } else {
            self.data.advance(data);
        }
        count -= data;
        self.after = self.after.get(count..).unwrap_or_default();
    }
}
