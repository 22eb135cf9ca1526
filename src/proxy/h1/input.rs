//! What has been read from a connection and not been taken yet.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is read at once, at first …
const LEAST_READ: usize = 4 * 1024;
/// … and at most, while messages fill it or a body is known to be that long: in pieces of this size a body costs the
/// kernel half of what it costs in pieces of 64 KiB, and they still fit a core's cache. The allocator keeps one at hand.
const MOST_READ: usize = 256 * 1024;

/// A buffer that grows with what it holds, and is none at rest.
#[derive(Debug)]
pub(crate) struct Input {
    pub(super) bytes: BytesMut,
    /// How much to read at once.
    room: usize,
    /// How much of a head has been looked at in vain.
    looked: usize,
}

impl Default for Input {
    fn default() -> Self {
        Self { bytes: BytesMut::new(), room: LEAST_READ, looked: 0 }
    }
}

impl Input {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reads more. Ready with 0 at the end.
    pub(crate) fn poll_fill(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.is_empty() && !self.bytes.try_reclaim(self.room) {
            // To make room would grow what is there, and is not needed.
            self.bytes = BytesMut::with_capacity(self.room);
        } else if self.bytes.capacity() - self.bytes.len() < self.room {
            self.bytes.reserve(self.room);
        }
        let space = self.bytes.capacity() - self.bytes.len();
        let count = ready!(pin!(io.read_buf(&mut self.bytes)).poll(cx))?;
        if count == space {
            self.room = (self.room * 2).min(MOST_READ);
        } else if count < self.room / 4 {
            self.room = (self.room / 2).max(LEAST_READ);
        }
        Poll::Ready(Ok(count))
    }

    /// Reads more of a body of which so much is left, as far as that is known. Who waits for more holds no memory.
    pub(crate) fn poll_fill_body(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        left: Option<u64>,
    ) -> Poll<io::Result<usize>> {
        if let Some(left) = left {
            self.room = usize::try_from(left).unwrap_or(usize::MAX).clamp(LEAST_READ, MOST_READ);
        }
        let filled = self.poll_fill(io, cx);
        if filled.is_pending() && self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        filled
    }

    /// Holds no memory any more, if there is nothing in it.
    pub(crate) fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
            self.looked = 0;
            self.room = LEAST_READ;
        }
    }

    /// Gives up what is left.
    pub(crate) fn take(&mut self) -> BytesMut {
        std::mem::take(&mut self.bytes)
    }

    /// Whether a whole head may be here: the first look parses, later ones wait for an empty line. A head that comes in
    /// single bytes is not parsed with each.
    pub(super) fn may_hold_head(&self) -> bool {
        if self.looked == 0 {
            return !self.bytes.is_empty();
        }
        let new = self.bytes.get(self.looked.saturating_sub(3)..).unwrap_or_default();
        new.windows(2).any(|pair| pair == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n")
    }

    /// Remembers that there was no whole head.
    pub(super) fn looked(&mut self) {
        self.looked = self.bytes.len();
    }

    /// Takes a head off the front.
    pub(super) fn take_head(&mut self, length: usize) -> Bytes {
        self.looked = 0;
        self.bytes.split_to(length).freeze()
    }
}

#[cfg(any(test, fuzzing))]
impl Input {
    /// As if `bytes` had been read.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(any(test, fuzzing))]
impl From<&[u8]> for Input {
    fn from(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_in_pieces_is_looked_at_again_when_an_empty_line_has_come() {
        for end in ["\r\n\r\n", "\n\n", "\n\r\n"] {
            for cut in 0..=end.len() {
                let mut input = Input { bytes: BytesMut::from("GET / HTTP/1.1"), ..Input::default() };
                assert!(input.may_hold_head());
                input.bytes.extend_from_slice(&end.as_bytes()[..cut]);
                input.looked();
                input.bytes.extend_from_slice(b"x");
                assert!(cut == end.len() || !input.may_hold_head(), "{end:?} cut at {cut}");
                input.bytes.truncate(input.bytes.len() - 1);
                input.bytes.extend_from_slice(&end.as_bytes()[cut..]);
                assert!(input.may_hold_head(), "{end:?} cut at {cut}");
            }
        }
    }
}
