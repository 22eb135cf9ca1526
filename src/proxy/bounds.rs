//! The most memory that clients can make the data plane hold, from its settings alone. Each number below is one that
//! another file keeps to; `docs/reliability.md` has the same sum in words.

use super::h1::{MAX_ANSWER, MOST_BODY, MOST_READ};
use super::http2::{SEND_BUFFER, WINDOW};
use super::upstream::STREAM_WINDOW;
use crate::route::Listener;

const KIB: usize = 1024;
/// 100 fields as a map has them.
const FIELDS: usize = 16 * KIB;
/// What a session of TLS keeps to decrypt and to encrypt.
const TLS: usize = 100 * KIB;
/// Tasks, timers, a socket on either side, a line of the access log.
const STATE: usize = 16 * KIB;
/// The allocator's share, in quarters of what is asked for.
const ALLOCATOR: usize = 5;

/// What one connection of a client can come to, and all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A connection that speaks HTTP/1, with all that its request and answer may be.
    pub http1: usize,
    /// One that speaks HTTP/2, with as many streams as it may have.
    pub http2: usize,
    /// As many as there may be, of the costlier kind, on the costliest listener.
    pub all: usize,
}

impl Bounds {
    /// Those of so many connections to these listeners.
    pub fn of<'a>(listeners: impl IntoIterator<Item = &'a Listener>, connections: usize) -> Self {
        let mut bounds = Self { http1: 0, http2: 0, all: 0 };
        for listener in listeners {
            let (http1, http2) = (http1(listener), http2(listener));
            bounds.http1 = bounds.http1.max(http1);
            bounds.http2 = bounds.http2.max(http2);
        }
        bounds.all = bounds.http1.max(bounds.http2).saturating_mul(connections);
        bounds
    }
}

/// A head while it comes, in a buffer that has doubled, and as it goes on; the answer's head likewise.
fn heads(listener: &Listener) -> usize {
    // However much was asked for, the sums below do not run over.
    let most = listener.max_header_bytes.min(usize::MAX / 8);
    2 * (most + MOST_READ) + most + 2 * MAX_ANSWER + 2 * FIELDS
}

fn http1(listener: &Listener) -> usize {
    // Of each body one piece that is read and one that is written.
    with_allocator(heads(listener) + 4 * MOST_BODY + 2 * TLS + STATE)
}

fn http2(listener: &Listener) -> usize {
    let stream = heads(listener) + (2 * MOST_READ).max(STREAM_WINDOW) + 2 * SEND_BUFFER + TLS + STATE;
    let settings = &listener.http2;
    let tables = settings.max_decoder_header_table_size as usize + settings.max_encoder_header_table_size as usize;
    let connection = WINDOW + tables + heads(listener) + TLS + STATE;
    with_allocator(stream.saturating_mul(settings.max_concurrent_streams as usize).saturating_add(connection))
}

fn with_allocator(asked: usize) -> usize {
    (asked / 4).saturating_mul(ALLOCATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_follows_the_settings_and_the_costliest_listener_counts() {
        let usual = Listener::new("web", ":80");
        let bounds = Bounds::of([&usual], 10);
        assert_eq!(bounds.all, bounds.http2 * 10);
        let mut wide = usual.clone();
        wide.max_header_bytes *= 4;
        assert!(Bounds::of([&usual, &wide], 10).http1 > bounds.http1);
        let mut narrow = usual;
        narrow.http2.max_concurrent_streams = 1;
        assert!(Bounds::of([&narrow], 10).http2 < bounds.http2 / 20);
        narrow.max_header_bytes = usize::MAX;
        assert!(Bounds::of([&narrow], usize::MAX).all > 0, "whatever is asked for");
    }
}
