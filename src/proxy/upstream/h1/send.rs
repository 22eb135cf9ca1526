//! A request on its way out: its head, then its body as it comes, framed anew.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Request;
use http_body::Body as _;
use tokio::io::AsyncWrite;

use super::super::super::body::Upload;
use super::super::super::headers::write_field;
use super::super::super::io::Io;
use super::head;

/// What is left to write of a request.
#[derive(Debug)]
pub(super) struct Sending {
    /// The head, or what stands before data.
    before: Vec<u8>,
    /// How much of it has been written.
    written: usize,
    data: Bytes,
    /// What stands after data.
    after: &'static [u8],
    upload: Upload,
    framing: Framing,
    stage: Stage,
    /// A byte has gone out, or a frame of the body has been taken.
    begun: bool,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// By its length, of which so much is to come.
    Length(u64),
    Chunked,
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

impl Default for Sending {
    fn default() -> Self {
        Self {
            before: Vec::new(),
            written: 0,
            data: Bytes::new(),
            after: b"",
            upload: Upload::Empty,
            framing: Framing::Length(0),
            stage: Stage::Done,
            begun: false,
        }
    }
}

impl Sending {
    /// Begins with a request. `more` are lines of its head that are not in its fields.
    pub(super) fn begin(&mut self, request: &mut Request<Upload>, more: impl FnOnce(&mut Vec<u8>)) {
        let upload = std::mem::take(request.body_mut());
        self.before.clear();
        self.written = 0;
        head::write(&mut self.before, request, more);
        self.framing = upload.size_hint().exact().map_or(Framing::Chunked, Framing::Length);
        self.stage = if upload.is_end_stream() { Stage::Rest } else { Stage::Body };
        self.upload = upload;
        self.begun = false;
    }

    /// Whether all of it has been written.
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether it still goes on.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.stage, Stage::Body | Stage::Rest)
    }

    /// Whether it was the client that broke it off.
    pub(super) fn is_broken_by_client(&self) -> bool {
        self.stage == Stage::Failed(Broken::ByClient)
    }

    /// The body, of which nothing has been taken, of a request of which not a byte has gone out.
    pub(super) fn take_back(&mut self) -> Option<Upload> {
        (!self.begun).then(|| std::mem::take(&mut self.upload))
    }

    /// Writes what can be written. Ready when nothing more will be: see [`Sending::is_done`] for how it ended.
    pub(super) fn poll(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<()> {
        let sent = ready!(self.poll_all(io, cx));
        self.stage = sent.map_or_else(Stage::Failed, |()| Stage::Done);
        self.data = Bytes::new();
        if self.begun {
            self.upload = Upload::Empty;
        }
        Poll::Ready(())
    }

    fn poll_all(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            let mut waits = false;
            if self.stage == Stage::Body && self.data.is_empty() && self.after.is_empty() {
                waits = self.poll_upload(cx)?.is_pending();
            }
            if self.is_empty() {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(|_| Broken::ByEndpoint)?;
                match (waits, self.stage) {
                    (true, _) => return Poll::Pending,
                    (false, Stage::Rest) => return Poll::Ready(Ok(())),
                    (false, _) => continue,
                }
            }
            let count = ready!(self.poll_write(io, cx)).map_err(|_| Broken::ByEndpoint)?;
            if count == 0 {
                return Poll::Ready(Err(Broken::ByEndpoint));
            }
            self.begun = true;
            self.advance(count);
        }
    }

    /// Takes the body's next frame, for which there is room.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let frame = ready!(Pin::new(&mut self.upload).poll_frame(cx));
        self.begun = true;
        let chunked = self.framing == Framing::Chunked;
        match frame.transpose().map_err(|_| Broken::ByClient)?.map(http_body::Frame::into_data) {
            Some(Ok(data)) if data.is_empty() => {}
            Some(Ok(data)) => {
                if let Framing::Length(left) = &mut self.framing {
                    *left = left.checked_sub(data.len() as u64).ok_or(Broken::ByClient)?;
                }
                let last = self.upload.is_end_stream();
                if chunked {
                    self.put_before(format_args!("{:x}\r\n", data.len()));
                    self.after = if last { b"\r\n0\r\n\r\n" } else { b"\r\n" };
                }
                self.data = data;
                if last {
                    self.end()?;
                }
            }
            Some(Err(frame)) => {
                if chunked {
                    self.put_before(format_args!("0\r\n"));
                    for (name, value) in &frame.into_trailers().unwrap_or_default() {
                        write_field(&mut self.before, name, value);
                    }
                    self.put_before(format_args!("\r\n"));
                }
                self.end()?;
            }
            None => {
                if chunked {
                    self.put_before(format_args!("0\r\n\r\n"));
                }
                self.end()?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The body has no more frames. One that is shorter than it said must not look whole.
    fn end(&mut self) -> Result<(), Broken> {
        if matches!(self.framing, Framing::Length(left) if left > 0) {
            return Err(Broken::ByClient);
        }
        self.stage = Stage::Rest;
        Ok(())
    }

    fn put_before(&mut self, text: std::fmt::Arguments<'_>) {
        if self.written == self.before.len() {
            self.before.clear();
            self.written = 0;
        }
        let _ = io::Write::write_fmt(&mut self.before, text);
    }

    fn is_empty(&self) -> bool {
        self.written == self.before.len() && self.data.is_empty() && self.after.is_empty()
    }

    fn poll_write(&self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let before = self.before.get(self.written..).unwrap_or_default();
        if self.data.is_empty() && self.after.is_empty() {
            return Pin::new(io).poll_write(cx, before);
        }
        let pieces = [IoSlice::new(before), IoSlice::new(&self.data), IoSlice::new(self.after)];
        Pin::new(io).poll_write_vectored(cx, &pieces)
    }

    fn advance(&mut self, mut count: usize) {
        let before = count.min(self.before.len() - self.written);
        self.written += before;
        count -= before;
        let data = count.min(self.data.len());
        self.data.advance(data);
        count -= data;
        self.after = self.after.get(count..).unwrap_or_default();
    }
}

/// Who broke it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    ByClient,
    ByEndpoint,
}
