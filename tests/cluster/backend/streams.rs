//! HTTP/2 as far as an echo of gRPC's streams needs it: each message goes back as it came, and the end has its trailers.
//! Fields of requests are not looked at, so their coding need not be known.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` of the static table, and `content-type: application/grpc` as a literal by its index there.
const ANSWER: &[u8] = b"\x88\x0f\x10\x10application/grpc";
/// `grpc-status: 0`, literal.
const TRAILERS: &[u8] = b"\x00\x0bgrpc-status\x010";

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// Serves a connection after its preface, until it ends; or, once `draining` and then `closed`, until its streams have.
pub(super) fn serve(
    stream: &TcpStream,
    mut input: impl Read,
    draining: impl Fn() -> bool,
    closed: impl Fn() -> bool,
) -> io::Result<()> {
    send(stream, SETTINGS, 0, 0, &[])?;
    let (mut open, mut last, mut leaving, mut gone) = (Vec::<u32>::new(), 0, false, false);
    let mut bytes = Vec::new();
    loop {
        if !leaving && draining() {
            leaving = true;
            // No stream is refused before its sender has heard of the end (RFC 9113 §6.8).
            goaway(stream, u32::MAX >> 1)?;
        }
        if !gone && closed() {
            gone = true;
            goaway(stream, last)?;
        }
        if gone && open.is_empty() {
            return Ok(());
        }
        let Some(frame) = next(&mut input, &mut bytes)? else { continue };
        let ends = frame.flags & END_STREAM != 0;
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => send(stream, SETTINGS, ACK, 0, &[])?,
            PING if frame.flags & ACK == 0 => send(stream, PING, ACK, 0, &frame.payload)?,
            HEADERS if gone && frame.stream > last => {}
            HEADERS => {
                last = frame.stream;
                open.push(last);
                send(stream, HEADERS, END_HEADERS, last, ANSWER)?;
                if ends {
                    end(stream, last, &mut open)?;
                }
            }
            DATA if open.contains(&frame.stream) => {
                if !frame.payload.is_empty() {
                    let room = u32::try_from(frame.payload.len()).unwrap_or(0).to_be_bytes();
                    send(stream, WINDOW_UPDATE, 0, 0, &room)?;
                    send(stream, WINDOW_UPDATE, 0, frame.stream, &room)?;
                    send(stream, DATA, 0, frame.stream, &frame.payload)?;
                }
                if ends {
                    end(stream, frame.stream, &mut open)?;
                }
            }
            RST_STREAM => open.retain(|id| *id != frame.stream),
            GOAWAY => gone = true,
            CONTINUATION => return Err(ErrorKind::Unsupported.into()),
            _ => {}
        }
    }
}

fn goaway(stream: &TcpStream, last: u32) -> io::Result<()> {
    send(stream, GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

fn end(stream: &TcpStream, id: u32, open: &mut Vec<u32>) -> io::Result<()> {
    open.retain(|other| *other != id);
    send(stream, HEADERS, END_HEADERS | END_STREAM, id, TRAILERS)
}

fn send(mut stream: &TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let head = [&length[1..], &[kind, flags], &id.to_be_bytes()].concat();
    stream.write_all(&[&head, payload].concat())
}

/// The next frame, when all of it is here; `None` when nothing came for a while.
fn next(input: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Option<Frame>> {
    loop {
        if let [a, b, c, kind, flags, s1, s2, s3, s4, rest @ ..] = bytes.as_slice() {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if let Some(payload) = rest.get(..length) {
                let stream = u32::from_be_bytes([s1 & 0x7f, *s2, *s3, *s4]);
                let frame = Frame { kind: *kind, flags: *flags, stream, payload: payload.to_vec() };
                bytes.drain(..9 + length);
                return Ok(Some(frame));
            }
        }
        let mut chunk = [0; 4096];
        match input.read(&mut chunk) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
