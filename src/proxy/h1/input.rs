//! What has been read from a connection and not been taken yet.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is read at once, at first …
const LEAST_READ: usize = 4 * 1024;
/// … and at most of what is not a body …
pub(crate) const MOST_READ: usize = 64 * 1024;
/// … and of a body: in pieces of this size it costs the kernel half of what it costs in pieces of 64 KiB, and they still
/// fit a core's cache. The allocator keeps one at hand.
pub(crate) const MOST_BODY: usize = 256 * 1024;

/// A buffer that grows with what it holds, and is none at rest.
#[derive(Debug)]
pub(crate) struct Input {
    pub(super) bytes: BytesMut,
    /// How much to read at once, of a head or of a body.
    room: usize,
    body_room: Option<usize>,
    /// How much of a body to read at once at most.
    most_body: usize,
    /// How much of a head has been looked at in vain.
    looked: usize,
}

impl Default for Input {
    fn default() -> Self {
        Self { bytes: BytesMut::new(), room: LEAST_READ, body_room: None, most_body: MOST_BODY, looked: 0 }
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
        let (count, room) = ready!(self.poll_read(io, cx, self.room, MOST_READ))?;
        self.room = room;
        Poll::Ready(Ok(count))
    }

    /// Bodies are one of many that a client may leave where they are, or not.
    pub(crate) fn is_one_of_many(&mut self, many: bool) {
        self.most_body = if many { MOST_READ } else { MOST_BODY };
    }

    /// Reads more of a body of which so much is left, as far as that is known. Who waits for more holds no memory.
    pub(crate) fn poll_fill_body(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        left: Option<u64>,
    ) -> Poll<io::Result<usize>> {
        let left = left.map(|left| usize::try_from(left).unwrap_or(usize::MAX).clamp(LEAST_READ, self.most_body));
        // A long body is expected to come as fast as it is read; if not, less is held ready for it.
        let room = self.body_room.or(left).unwrap_or(LEAST_READ).min(left.unwrap_or(self.most_body));
        match self.poll_read(io, cx, room, self.most_body) {
            Poll::Ready(read) => {
                let (count, room) = read?;
                self.body_room = Some(room);
                Poll::Ready(Ok(count))
            }
            Poll::Pending => {
                self.let_go();
                Poll::Pending
            }
        }
    }

    /// Holds no memory while more of the same body is waited for, if there is nothing in it.
    pub(crate) fn let_go(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }

    /// Reads at most `room`; how much came, and how much to read the next time.
    fn poll_read(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        room: usize,
        most: usize,
    ) -> Poll<io::Result<(usize, usize)>> {
        let here = self.bytes.capacity() - self.bytes.len();
        if self.bytes.is_empty() {
            // What was read before may still be on its way: while there is room beside it, no more is taken.
            if !self.bytes.try_reclaim(room) && here < LEAST_READ {
                self.bytes = BytesMut::with_capacity(room);
            }
        } else if here < room {
            self.bytes.reserve(room);
        }
        let space = self.bytes.capacity() - self.bytes.len();
        let count = ready!(pin!(io.read_buf(&mut self.bytes)).poll(cx))?;
        let room = match count {
            _ if count == space => (room * 2).min(most),
            _ if count < room / 4 => (room / 2).max(LEAST_READ),
            _ => room,
        };
        Poll::Ready(Ok((count, room)))
    }

    /// Holds no memory any more, if there is nothing in it.
    pub(crate) fn rest(&mut self) {
        if self.bytes.is_empty() {
            *self = Self::default();
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
        self.body_room = None;
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
