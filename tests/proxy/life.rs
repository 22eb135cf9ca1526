//! Deadlines on every wait.

use std::time::{Duration, Instant};

use crate::support::backend::Backend;
use crate::support::client::Raw;
use crate::support::gateway::{Gateway, route};

const QUICK: [&str; 2] = [
    "--entryPoints.web.transport.respondingTimeouts.idleTimeout=200ms",
    "--entryPoints.web.transport.respondingTimeouts.readTimeout=300ms",
];

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &QUICK).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    let since = Instant::now();
    assert!(client.closed().await);
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_body_that_takes_longer_than_it_may_is_408() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &QUICK).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhe").await;
    assert_eq!(client.answer().await.expect("an answer").status, 408);
    assert!(client.closed().await);
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn a_connection_serves_no_more_requests_than_it_may() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.web.transport.keepAliveMaxRequests=2"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    for expected in [None, Some("close")] {
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        assert_eq!(client.answer().await.expect("an answer").header("connection"), expected);
    }
    assert!(client.closed().await);
}
