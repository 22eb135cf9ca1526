//! Tunnels open on a 101 with the token that was asked for, and on nothing else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::backend::{Backend, read_request};
use crate::support::client::Raw;
use crate::support::gateway::{Gateway, route};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Answers an upgrade with `head`, then echoes what comes.
async fn echo(head: &'static str) -> Backend {
    Backend::on_connection(move |mut stream| async move {
        let mut buffer = Vec::new();
        let Some(request) = read_request(&mut stream, &mut buffer).await else { return };
        assert!(request.header("upgrade").is_some(), "the upgrade is passed on");
        let _ = stream.write_all(head.as_bytes()).await;
        let mut bytes = [0; 1024];
        while let Ok(count) = stream.read(&mut bytes).await {
            if count == 0 || stream.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_websocket_is_tunnelled_both_ways() {
    let backend = echo("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send(UPGRADE).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(
        (answer.status, answer.header("upgrade"), answer.header("sec-websocket-accept")),
        (101, Some("websocket"), Some("x"))
    );
    for message in ["one", "two"] {
        client.send(message).await;
        let mut echoed = vec![0; message.len()];
        client.stream.read_exact(&mut echoed).await.expect("an echo");
        assert_eq!(echoed, message.as_bytes());
    }
    drop(client.stream.shutdown().await);
    assert!(client.closed().await, "the end of one side ends the other");
}

#[tokio::test]
async fn a_101_nobody_asked_for_or_with_another_token_is_502() {
    let unasked = Backend::answering(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec()
    })
    .await;
    let other = echo("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n").await;
    let manifests =
        [route("unasked", "a.example", "/", &[unasked.port()]), route("other", "a.example", "/ws", &[other.port()])];
    let gateway = Gateway::start(&manifests.concat(), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 502);
    let mut client = Raw::connect(gateway.web()).await;
    client.send(UPGRADE).await;
    assert_eq!(client.answer().await.expect("an answer").status, 502);
}

#[tokio::test]
async fn without_a_101_there_is_no_tunnel() {
    let backend = Backend::answering(|request| {
        assert!(request.line().starts_with("GET /"), "{}", request.line());
        b"HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno".to_vec()
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send(format!("{UPGRADE}GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n")).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.header("upgrade"), answer.text().as_str()), (200, None, "no"));
    assert_eq!(client.answer().await.expect("the next request's answer").status, 200);
}

#[tokio::test]
async fn an_upgrade_to_http_2_is_not_passed_on() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    let seen = backend.last();
    assert_eq!((seen.header("upgrade"), seen.header("http2-settings"), seen.header("connection")), (None, None, None));
}
