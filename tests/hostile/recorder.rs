//! The backend behind the tables: it reads strictly, and says exactly what it saw.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::backend::Backend;
use crate::support::eventually;

/// How the backend answers the requests of a case. What the tables ask in between is always echoed.
#[derive(Clone, Default)]
pub(crate) enum Reply {
    /// 200 with the request's target as its body.
    #[default]
    Echo,
    /// These bytes; the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, then the end of the connection.
    BytesAndEnd(Vec<u8>),
    /// These bytes as soon as the head is there, then the rest of the request is read.
    Early(Vec<u8>),
    /// Nothing, and the connection stays open.
    Silence,
}

/// One thing that the backend saw.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The request in short: see [`shorten`].
    pub(crate) text: String,
    /// It was not whole when its connection ended.
    pub(crate) cut: bool,
    /// Which connection it came over, counted from 0.
    pub(crate) connection: usize,
}

#[derive(Default)]
struct State {
    log: Vec<Entry>,
    connections: usize,
    /// Connections within a request.
    busy: BTreeSet<usize>,
    /// What could be read in more than one way.
    doubts: Vec<String>,
    reply: Reply,
}

/// A backend that remembers.
pub(crate) struct Recorder {
    backend: Backend,
    state: Arc<Mutex<State>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let backend = Backend::on_connection(move |stream| {
            let state = shared.clone();
            async move {
                let connection = {
                    let mut state = state.lock().expect("the state");
                    state.connections += 1;
                    state.connections - 1
                };
                let mut reader = Reader { stream, buffer: Vec::new(), connection, state };
                while reader.exchange().await {}
            }
        })
        .await;
        Self { backend, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.backend.port()
    }

    /// How requests are answered from now on.
    pub(crate) fn answers(&self, reply: Reply) {
        self.state.lock().expect("the state").reply = reply;
    }

    /// Takes what was seen, once no request is half there.
    pub(crate) async fn take(&self) -> Vec<Entry> {
        eventually("no request is half there", async || self.state.lock().expect("the state").busy.is_empty()).await;
        let mut state = self.state.lock().expect("the state");
        assert!(state.doubts.is_empty(), "could be read in more than one way: {:?}", state.doubts);
        std::mem::take(&mut state.log)
    }

    /// How many connections were ever made.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().expect("the state").connections
    }
}

struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    connection: usize,
    state: Arc<Mutex<State>>,
}

impl Reader {
    /// One request and its answer; false at the end.
    async fn exchange(&mut self) -> bool {
        let Some(head) = self.head().await else { return false };
        let asked_in_between = head.starts_with("GET /after ") || head.starts_with("GET /probe ");
        let reply = match asked_in_between {
            true => Reply::Echo,
            false => self.state.lock().expect("the state").reply.clone(),
        };
        if let Reply::Early(bytes) = &reply {
            let _ = self.stream.write_all(bytes).await;
        }
        let mut body = Vec::new();
        let whole = self.body(&head, &mut body).await.is_some();
        self.saw(shorten(&head, &body), !whole);
        if !whole {
            return false;
        }
        let sent = match &reply {
            Reply::Echo => self.stream.write_all(&echo(&head)).await,
            Reply::Bytes(bytes) | Reply::BytesAndEnd(bytes) => self.stream.write_all(bytes).await,
            Reply::Early(_) | Reply::Silence => Ok(()),
        };
        sent.is_ok() && !matches!(reply, Reply::BytesAndEnd(_))
    }

    async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).take(end).collect::<Vec<_>>();
                let head = String::from_utf8_lossy(&head).into_owned();
                return if is_clear(&head) { Some(head) } else { self.doubt(&head) };
            }
            if self.fill().await.is_none() {
                if !self.buffer.is_empty() {
                    self.saw(String::from_utf8_lossy(&self.buffer).into_owned(), true);
                }
                return None;
            }
        }
    }

    /// The body by its one framing. Chunks are joined; trailers stand after an empty line.
    async fn body(&mut self, head: &str, body: &mut Vec<u8>) -> Option<()> {
        let fields = |name: &str| -> Vec<&str> {
            let all = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
            all.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
        };
        match (&fields("content-length")[..], &fields("transfer-encoding")[..]) {
            ([], []) => Some(()),
            ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                let length = length.parse().ok().or_else(|| self.doubt(head))?;
                self.take(length, body).await
            }
            ([], ["chunked"]) => self.chunks(body).await,
            _ => self.doubt(head),
        }
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> Option<()> {
        loop {
            let size = self.line().await?;
            let digits = size.bytes().all(|byte| byte.is_ascii_hexdigit());
            let size = usize::from_str_radix(&size, 16).ok().filter(|_| digits).or_else(|| self.doubt(&size))?;
            if size == 0 {
                break;
            }
            self.take(size, body).await?;
            let end = self.line().await?;
            if !end.is_empty() {
                return self.doubt(&end);
            }
        }
        let mut trailers = self.line().await?;
        while !trailers.is_empty() {
            body.extend_from_slice(format!("\n\n{trailers}").as_bytes());
            trailers = self.line().await?;
        }
        Some(())
    }

    /// Remembers what a strict reader cannot take for one thing.
    fn doubt<T>(&self, what: &str) -> Option<T> {
        self.state.lock().expect("the state").doubts.push(what.to_owned());
        None
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.buffer.drain(..end + 2).take(end).collect::<Vec<_>>();
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize, into: &mut Vec<u8>) -> Option<()> {
        let mut left = length;
        loop {
            let count = left.min(self.buffer.len());
            into.extend(self.buffer.drain(..count));
            left -= count;
            if left == 0 {
                return Some(());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok().filter(|&count| count > 0);
        if read.is_some() {
            self.state.lock().expect("the state").busy.insert(self.connection);
        }
        read.map(drop)
    }

    fn saw(&self, text: String, cut: bool) {
        let mut state = self.state.lock().expect("the state");
        state.log.push(Entry { text, cut, connection: self.connection });
        if cut || self.buffer.is_empty() {
            state.busy.remove(&self.connection);
        }
    }
}

/// Whether every reader takes a head for the same: lines have no ends but their own, a request line is three words, a
/// field a token, a colon and a value that begins and ends with something.
fn is_clear(head: &str) -> bool {
    let token = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let mut lines = head.split("\r\n");
    let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let asks = matches!(line[..], [method, target, "HTTP/1.1"] if token(method) && target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic()));
    asks && lines.all(|line| {
        let field = line.split_once(": ");
        let padded = |value: &str| value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']);
        let control = |value: &str| value.chars().any(|char| char.is_ascii_control() && char != '\t');
        field.is_some_and(|(name, value)| token(name) && !padded(value) && !control(value))
    })
}

fn echo(head: &str) -> Vec<u8> {
    let target = head.split(' ').nth(1).unwrap_or_default();
    let body = if head.starts_with("HEAD ") { "" } else { target };
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", target.len()).into_bytes()
}

/// A request without what every good one has: the version, `host: a.example`, and our own lines about who is asking.
/// Anything odd about these stays, and what is missing is named; so the rest is exactly what was sent.
pub(crate) fn shorten(head: &str, body: &[u8]) -> String {
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let mut kept: Vec<String> = vec![line.strip_suffix(" HTTP/1.1").unwrap_or(line).to_owned()];
    let mut fields: Vec<&str> = lines.collect();
    let host = fields.iter().find_map(|field| field.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
    for ours in [
        "x-forwarded-for: 127.0.0.1".to_owned(),
        "x-real-ip: 127.0.0.1".to_owned(),
        "x-forwarded-proto: http".to_owned(),
        format!("x-forwarded-port: {port}"),
        format!("x-forwarded-host: {host}"),
        "x-forwarded-server: ".to_owned(),
        "cdn-loop: adit".to_owned(),
        "host: a.example".to_owned(),
    ] {
        let whole = !ours.ends_with(' ');
        match fields.iter().position(|field| if whole { **field == *ours } else { field.starts_with(&ours) }) {
            Some(at) => drop(fields.remove(at)),
            None if ours.starts_with("host") => {}
            None => kept.push(format!("({ours} is missing)")),
        }
    }
    kept.extend(fields.into_iter().map(str::to_owned));
    let mut text = kept.join("\n");
    if !body.is_empty() {
        text.push_str("\n\n");
        text.push_str(&String::from_utf8_lossy(body));
    }
    text
}
