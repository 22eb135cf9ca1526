//! Whoever does not read holds back whoever writes, and nothing piles up in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::backend::{Backend, read_request};
use crate::support::client::Raw;
use crate::support::gateway::{Gateway, route};

const SIZE: usize = 128 << 20;
/// Far more than a few buffers, far less than a body.
const ROOM: usize = 16 << 20;
static BLOCK: [u8; 64 << 10] = [b'x'; 64 << 10];

/// Waits until nothing more is written, and says how much was: the sockets' buffers are full then.
async fn standstill(written: &AtomicUsize) -> usize {
    let mut before = 0;
    loop {
        let now = written.load(Relaxed);
        if now > 0 && now == before {
            return now;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn write_all_of_it(mut stream: impl AsyncWriteExt + Unpin, written: &AtomicUsize) {
    while written.load(Relaxed) < SIZE {
        if stream.write_all(&BLOCK).await.is_err() {
            return;
        }
        written.fetch_add(BLOCK.len(), Relaxed);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_back_its_backend() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let backend = Backend::on_connection(move |mut stream| {
        let count = count.clone();
        async move {
            let mut buffer = Vec::new();
            if read_request(&mut stream, &mut buffer).await.is_some() {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                write_all_of_it(stream, &count).await;
            }
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let before = gateway.peak_memory();
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert!(standstill(&sent).await < SIZE, "the whole body was taken from the backend while nobody read it");
    assert_eq!(client.answer().await.expect("the rest of the answer").body.len(), SIZE);
    let grown = gateway.peak_memory() - before;
    assert!(grown < ROOM, "{grown} bytes more for a body of {SIZE}");
}

#[tokio::test]
async fn a_backend_that_does_not_read_holds_back_its_client() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let backend = Backend::on_connection(move |mut stream| {
        let mut gate = gate.clone();
        async move {
            let mut bytes = Vec::new();
            let head = loop {
                if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                    break end + 4;
                }
                if !stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
                    return;
                }
            };
            let _ = gate.wait_for(|open| *open).await;
            let mut rest = stream.take((SIZE + head - bytes.len()) as u64);
            let read = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.unwrap_or_default() as usize;
            let text = (read + bytes.len() - head).to_string();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            let _ = rest.into_inner().write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let before = gateway.peak_memory();
    let stream = tokio::net::TcpStream::connect(gateway.web()).await.expect("connect");
    let (mut reader, mut writer) = stream.into_split();
    let head = format!("POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: {SIZE}\r\n\r\n");
    writer.write_all(head.as_bytes()).await.expect("send");
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let upload = tokio::spawn(async move {
        write_all_of_it(&mut writer, &count).await;
        // Kept open until the answer is there.
        writer
    });
    assert!(standstill(&sent).await < SIZE, "the whole body was taken from the client while nobody read it");
    release.send(true).expect("the backend waits");
    let mut answer = String::new();
    reader.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&SIZE.to_string()), "{answer}");
    drop(upload.await);
    let grown = gateway.peak_memory() - before;
    assert!(grown < ROOM, "{grown} bytes more for a body of {SIZE}");
}
