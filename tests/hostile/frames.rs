//! HTTP/2 by hand: frames of any bytes, and what comes back. Fields are written as literals that nobody indexes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The fields that every request has.
pub(crate) const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")];
pub(crate) const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")];

/// One frame (RFC 9113 §4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A block of fields (RFC 7541 §6.2.2), each a literal.
pub(crate) fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            integer(&mut bytes, text.len());
            bytes.extend(text);
        }
    }
    bytes
}

/// RFC 7541 §5.1, with a prefix of seven bits.
fn integer(bytes: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        return bytes.push(value as u8);
    }
    bytes.push(127);
    value -= 127;
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A whole block of fields in one frame.
pub(crate) fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(stream: u32, ends: bool, fields: &[(N, V)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | if ends { END_STREAM } else { 0 }, stream, &block(fields))
}

pub(crate) fn data(stream: u32, ends: bool, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    frame(DATA, if ends { END_STREAM } else { 0 }, stream, bytes.as_ref())
}

pub(crate) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answer(u16),
    Reset(u32),
    GoAway(u32),
    Closed,
}

impl End {
    /// It was refused, in whatever way.
    pub(crate) fn is_refusal(self) -> bool {
        !matches!(self, Self::Answer(status) if status != 400)
    }
}

/// A client's connection.
pub(crate) struct H2<S = TcpStream> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

impl H2 {
    /// Connects and says hello.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("no delay");
        Self::over(stream, &[]).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> H2<S> {
    /// Says hello, with these settings beside a table for answers that holds nothing.
    pub(crate) async fn over(stream: S, settings: &[(u16, u32)]) -> Self {
        let mut client = Self { stream, buffer: Vec::new() };
        let mut payload = Vec::new();
        for (name, value) in [(1, 0)].iter().chain(settings) {
            payload.extend(u16::to_be_bytes(*name));
            payload.extend(u32::to_be_bytes(*value));
        }
        client.send([PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat()).await;
        client
    }

    /// Sends bytes; whether the other side still takes them.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// The next frame, or `None` at the end. Settings and pings are acknowledged.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        self.fill(9).await?;
        let length = u32::from_be_bytes([0, self.buffer[0], self.buffer[1], self.buffer[2]]) as usize;
        self.fill(9 + length).await?;
        let payload = self.buffer[9..9 + length].to_vec();
        let (kind, flags) = (self.buffer[3], self.buffer[4]);
        let stream = u32::from_be_bytes(self.buffer[5..9].try_into().expect("four bytes"));
        self.buffer.drain(..9 + length);
        if matches!(kind, SETTINGS | PING) && flags & ACK == 0 {
            let echo: &[u8] = if kind == PING { &payload } else { &[] };
            self.send(frame(kind, ACK, 0, echo)).await;
        }
        Some(Frame { kind, flags, stream, payload })
    }

    async fn fill(&mut self, count: usize) -> Option<()> {
        while self.buffer.len() < count {
            let read = tokio::time::timeout(Duration::from_secs(15), self.stream.read_buf(&mut self.buffer)).await;
            read.expect("a frame or an end within 15 s").ok().filter(|&count| count > 0)?;
        }
        Some(())
    }

    /// What becomes of a stream: its answer's status, or how it was refused.
    pub(crate) async fn end_of(&mut self, stream: u32) -> End {
        while let Some(frame) = self.next().await {
            match frame.kind {
                HEADERS if frame.stream == stream => return End::Answer(status(&frame.payload)),
                RST_STREAM if frame.stream == stream => return End::Reset(code(&frame.payload)),
                GOAWAY if code(&frame.payload[4..]) != 0 => return End::GoAway(code(&frame.payload[4..])),
                _ => {}
            }
        }
        End::Closed
    }

    /// The body and the trailers' block of a stream whose head has been read; `None` if it is cut short.
    pub(crate) async fn rest_of(&mut self, stream: u32) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        loop {
            let frame = self.next().await?;
            match frame.kind {
                DATA if frame.stream == stream => body.extend(&frame.payload),
                HEADERS if frame.stream == stream => trailers = frame.payload,
                RST_STREAM if frame.stream == stream => return None,
                GOAWAY if code(&frame.payload[4..]) != 0 => return None,
                _ => continue,
            }
            if frame.stream == stream && frame.flags & END_STREAM != 0 {
                return Some((body, trailers));
            }
        }
    }
}

fn code(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes))
}

/// The status that a block begins with (RFC 7541 appendix A, and B for its digits).
fn status(block: &[u8]) -> u16 {
    let mut rest = block;
    while rest[0] & 0xe0 == 0x20 {
        // The size of a table.
        rest = &rest[1..];
    }
    match rest[0] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        0x08 | 0x18 | 0x48 if rest[1] & 0x80 == 0 => {
            std::str::from_utf8(&rest[2..5]).ok().and_then(|digits| digits.parse().ok()).expect("a status")
        }
        0x08 | 0x18 | 0x48 => digits(&rest[2..2 + usize::from(rest[1] & 0x7f)]),
        other => panic!("a block that begins with {other:x}"),
    }
}

/// Three digits in Huffman's code: 0 to 2 have five bits, the others six.
fn digits(bytes: &[u8]) -> u16 {
    let bits = bytes.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let mut left = bytes.len() as u32 * 8;
    let mut number = 0;
    for _ in 0..3 {
        let five = bits >> (left - 5) & 31;
        let digit = if five < 3 { five } else { (bits >> (left - 6) & 63) - 0x16 };
        left -= if five < 3 { 5 } else { 6 };
        number = number * 10 + digit as u16;
    }
    number
}

#[test]
fn a_status_is_read_in_all_its_forms() {
    assert_eq!(status(&[0x20, 0x88]), 200);
    assert_eq!(status(&[0x08, 3, b'5', b'0', b'2']), 502);
    // 4 = 011010, 2 = 00010, 1 = 00001
    assert_eq!(status(&[0x48, 0x82, 0b0110_1000, 0b0100_0001]), 421);
}
