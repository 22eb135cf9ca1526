//! The weather API of the cluster tests, in std alone, so that one call of rustc builds it for an empty image:
//! `rustc --edition 2024 -O -C target-feature=+crt-static tests/cluster/backend.rs`.
//!
//! `GET /` answers at once, `GET /<city>/<country>/` after DELAY_MILLISECONDS; both name the pod. `GET /drain` ends it
//! as a good server ends: no new connection, idle ones closed, answers in flight finished.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use std::{env, process, thread};

/// How often an idle connection looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

struct State {
    pod: String,
    delay: Duration,
    draining: AtomicBool,
    connections: AtomicUsize,
}

fn main() -> io::Result<()> {
    let delay = env::var("DELAY_MILLISECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let state = Arc::new(State {
        pod: env::var("HOSTNAME").unwrap_or_else(|_| "weather".to_owned()),
        delay: Duration::from_millis(delay),
        draining: AtomicBool::new(false),
        connections: AtomicUsize::new(0),
    });
    let listener = TcpListener::bind("0.0.0.0:5000")?;
    for stream in listener.incoming() {
        if state.draining.load(SeqCst) {
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
        let path = head.split(' ').nth(1).unwrap_or("/");
        if path == "/drain" {
            state.draining.store(true, SeqCst);
            // The accepting thread looks at the flag when somebody connects.
            drop(TcpStream::connect("127.0.0.1:5000"));
        } else if path != "/" {
            thread::sleep(state.delay);
        }
        let close = state.draining.load(SeqCst) || head.to_ascii_lowercase().contains("\r\nconnection: close");
        let body = format!("{{\"path\": \"{}\", \"pod\": \"{}\"}}\n", path.escape_default(), state.pod);
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

/// The head of the next request; `None` when there is none or the server drains. Requests here have no body.
fn read_head(reader: &mut BufReader<&TcpStream>, state: &State) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    loop {
        match reader.read_until(b'\n', &mut head) {
            Ok(0) => return Ok(None),
            Ok(_) if head.ends_with(b"\r\n\r\n") => return Ok(Some(String::from_utf8_lossy(&head).into_owned())),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if head.is_empty() && state.draining.load(SeqCst) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
}
