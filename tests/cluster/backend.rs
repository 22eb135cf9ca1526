//! The weather API of the cluster tests, in std alone, so that one call of rustc builds it for an empty image:
//! `rustc --edition 2024 -O -C target-feature=+crt-static tests/cluster/backend.rs`.
//!
//! `/` answers at once, `/<city>/<country>/` after DELAY_MILLISECONDS; both name the pod, and how many bytes came.
//! An upgrade is answered with an echo; HTTP/2 with one for gRPC. `/drain` ends it as a good server ends: idle
//! connections closed, answers in flight finished, and soon no new connection.

#[path = "backend/streams.rs"]
mod streams;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use std::{env, process, thread};

/// How often an idle connection looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);
/// How long it still takes connections after `/drain`: who sends them has to hear of it first.
const HEARD: Duration = Duration::from_secs(1);

struct State {
    pod: String,
    delay: Duration,
    draining: AtomicBool,
    closed: AtomicBool,
    connections: AtomicUsize,
}

fn main() -> io::Result<()> {
    let delay = env::var("DELAY_MILLISECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let state = Arc::new(State {
        pod: env::var("HOSTNAME").unwrap_or_else(|_| "weather".to_owned()),
        delay: Duration::from_millis(delay),
        draining: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        connections: AtomicUsize::new(0),
    });
    let listener = TcpListener::bind("0.0.0.0:5000")?;
    for stream in listener.incoming() {
        if state.closed.load(SeqCst) {
            break;
        }
        let (Ok(stream), state) = (stream, state.clone()) else { continue };
        state.connections.fetch_add(1, SeqCst);
        thread::spawn(move || {
            // A peer that leaves is no trouble of ours.
            let _ = serve(&stream, &state);
            state.connections.fetch_sub(1, SeqCst);
        });
    }
    drop(listener);
    while state.connections.load(SeqCst) > 0 {
        thread::sleep(LOOK);
    }
    process::exit(0)
}

fn serve(stream: &TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK))?;
    let mut reader = BufReader::new(stream);
    loop {
        let Some(head) = read_head(&mut reader, state)? else { return Ok(()) };
        if head.starts_with("PRI * HTTP/2.0") {
            read_body(&mut reader, b"SM\r\n\r\n".len())?;
            return streams::serve(stream, reader, || state.draining.load(SeqCst), || state.closed.load(SeqCst));
        }
        let fields = head.to_ascii_lowercase();
        if fields.contains("\r\nupgrade: ") {
            return echo(stream, reader, state);
        }
        let length = fields.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
        let length = length.unwrap_or(0);
        read_body(&mut reader, length)?;
        let path = head.split(' ').nth(1).unwrap_or("/");
        if path == "/drain" {
            state.draining.store(true, SeqCst);
            thread::sleep(HEARD);
            state.closed.store(true, SeqCst);
            // The accepting thread looks at the flag when somebody connects.
            drop(TcpStream::connect("127.0.0.1:5000"));
        } else if path != "/" {
            thread::sleep(state.delay);
        }
        let close = state.draining.load(SeqCst) || fields.contains("\r\nconnection: close");
        let body =
            format!("{{\"path\": \"{}\", \"pod\": \"{}\", \"bytes\": {length}}}\n", path.escape_default(), state.pod);
        write!(
            &mut &*stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{}\r\n{body}",
            body.len(),
            if close { "connection: close\r\n" } else { "" },
        )?;
        if close {
            return Ok(());
        }
    }
}

/// Reads so much, and forgets it. A pause is no end.
fn read_body(reader: &mut BufReader<&TcpStream>, length: usize) -> io::Result<()> {
    let (mut left, mut chunk) = (length, [0; 4096]);
    while left > 0 {
        let most = left.min(chunk.len());
        match reader.read(&mut chunk[..most]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => left -= count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives back what comes. Once the server drains, it says goodbye (a WebSocket's frame that closes) and leaves when the
/// other side has.
fn echo(stream: &TcpStream, mut reader: BufReader<&TcpStream>, state: &State) -> io::Result<()> {
    let mut writer = stream;
    writer.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")?;
    let (mut chunk, mut leaving) = ([0; 4096], false);
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => writer.write_all(&chunk[..count])?,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        if state.draining.load(SeqCst) && !std::mem::replace(&mut leaving, true) {
            writer.write_all(&[0x88, 0])?;
        }
    }
}

/// The head of the next request; `None` when there is none or the server ends.
fn read_head(reader: &mut BufReader<&TcpStream>, state: &State) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    loop {
        match reader.read_until(b'\n', &mut head) {
            Ok(0) => return Ok(None),
            Ok(_) if head.ends_with(b"\r\n\r\n") => return Ok(Some(String::from_utf8_lossy(&head).into_owned())),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if head.is_empty() && state.closed.load(SeqCst) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
}
