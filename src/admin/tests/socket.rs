//! The admin port on a real socket.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::sample::world;
use super::*;

#[tokio::test]
async fn it_answers_on_a_kept_connection_and_ends_when_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, Arc::new(world().admin), ALL, Observer::default(), async {
        let _ = ended.await;
    }));
    let mut client = TcpStream::connect(address).await.expect("it accepts");
    for _ in 0..2 {
        client.write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
        let answer = read_until(&mut client, "\r\n\r\nOK").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    end.send(()).expect("it is still serving");
    serving.await.expect("it ends by itself");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("an orderly end");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_huge_head_is_refused_and_others_are_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let serving =
        tokio::spawn(serve(listener, Arc::new(world().admin), ALL, Observer::default(), std::future::pending()));
    let mut hostile = TcpStream::connect(address).await.expect("it accepts");
    let head = format!("GET /ping HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    // It may close before all of it is written.
    let _ = hostile.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = hostile.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    let mut client = TcpStream::connect(address).await.expect("it accepts");
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("it reads");
    let mut page = String::new();
    client.read_to_string(&mut page).await.expect("an orderly end");
    assert!(page.contains("adit_routes 0"), "{page}");
    serving.abort();
}

async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut bytes = [0; 1024];
    while !text.ends_with(end) {
        let count = client.read(&mut bytes).await.expect("an answer");
        assert_ne!(count, 0, "it closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(bytes.get(..count).unwrap_or_default()));
    }
    text
}
