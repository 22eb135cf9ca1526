//! Clients: raw bytes over a socket, and what comes back.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer of HTTP/1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).into_iter().next()
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        super::fields(&self.head, name).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection of a client that writes its own bytes.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("no delay");
        Self::over(stream)
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("send");
    }

    /// The next answer; `None` when the connection ends without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        self.answer_to("GET").await
    }

    /// The next answer to a request with this method.
    pub(crate) async fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 4);
                if head.starts_with("HTTP/1.1 100") {
                    continue;
                }
                break head;
            }
            if !self.fill().await {
                return None;
            }
        };
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        let mut answer = Answer { status, head, body: Vec::new() };
        if method == "HEAD" || matches!(status, 101 | 204 | 304) {
            return Some(answer);
        }
        if answer.header("transfer-encoding").is_some() {
            answer.body = self.chunked().await?;
        } else if let Some(length) = answer.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
            while self.buffer.len() < length {
                if !self.fill().await {
                    return None;
                }
            }
            answer.body = self.buffer.drain(..length).collect();
        } else {
            while self.fill().await {}
            answer.body = std::mem::take(&mut self.buffer);
        }
        Some(answer)
    }

    async fn chunked(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break end;
                }
                if !self.fill().await {
                    return None;
                }
            };
            let size =
                usize::from_str_radix(std::str::from_utf8(&self.buffer[..end]).ok()?.split(';').next()?, 16).ok()?;
            while self.buffer.len() < end + 2 + size + 2 {
                if !self.fill().await {
                    return None;
                }
            }
            body.extend_from_slice(&self.buffer[end + 2..end + 2 + size]);
            self.buffer.drain(..end + 2 + size + if size > 0 { 2 } else { 0 });
            if size == 0 {
                while let Some(end) = find(&self.buffer, b"\r\n") {
                    self.buffer.drain(..end + 2);
                    if end == 0 {
                        return Some(body);
                    }
                }
                return Some(body);
            }
        }
    }

    /// Reads some bytes; false at the end.
    pub(crate) async fn fill(&mut self) -> bool {
        let read = tokio::time::timeout(Duration::from_secs(15), self.stream.read_buf(&mut self.buffer)).await;
        matches!(read.expect("bytes or an end within 15 s"), Ok(count) if count > 0)
    }

    /// Takes what has been read and not used.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Whether the other side has closed; waits for it.
    pub(crate) async fn closed(&mut self) -> bool {
        while self.fill().await {}
        true
    }

    /// Whether another request is answered on this connection.
    pub(crate) async fn still_serves(&mut self, host: &str) -> bool {
        if self.stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.is_err() {
            return false;
        }
        self.answer().await.is_some()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// One GET on a connection of its own.
pub(crate) async fn get(address: SocketAddr, host: &str, path: &str) -> io::Result<Answer> {
    request(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await
}

/// One request on a connection of its own.
pub(crate) async fn request(address: SocketAddr, bytes: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes.as_bytes()).await?;
    let mut raw = Raw { stream, buffer: Vec::new() };
    let method = bytes.split(' ').next().unwrap_or("GET").to_owned();
    raw.answer_to(&method).await.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
}
