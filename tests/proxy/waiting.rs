//! Requests that wait for an endpoint (`upstream.waitForEndpoint`), and those that do not.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::backend::{Backend, read_request};
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, ingress, route, service, slice};

const WAITS: &str = "--upstream.waitForEndpoint=30s";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n";

/// An Ingress and a Service whose pods are gone.
fn nobody() -> String {
    route("app", "a.example", "/", &[])
}

/// Waits until so many requests wait.
async fn waiting(gateway: &Gateway, count: usize) {
    metric(gateway, &format!("adit_requests_waiting {count}")).await;
}

/// Waits until the metrics have this line.
async fn metric(gateway: &Gateway, line: &str) {
    eventually(line, async || gateway.admin_text("/metrics").await.lines().any(|found| found == line)).await;
}

#[tokio::test]
async fn by_default_no_request_waits_and_the_refusal_says_when_to_come_again() {
    let gateway = Gateway::start(&nobody(), &[]).await;
    let answer = get(gateway.web(), "a.example", "/").await.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (503, "no available server\n"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    metric(&gateway, r#"adit_refusals_total{reason="no_endpoints"} 1"#).await;
    metric(&gateway, r#"adit_endpoint_waits_total{outcome="expired"} 0"#).await;
}

#[tokio::test]
async fn requests_of_any_kind_wait_for_the_first_endpoint_and_lose_nothing() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&nobody(), &[WAITS]).await;
    let mut clients = Vec::new();
    for index in 0..200 {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(if index % 2 == 0 { GET } else { POST }).await;
        // Half of the bodies come while their request waits already.
        if index % 4 == 1 {
            client.send("hello").await;
        }
        clients.push(client);
    }
    waiting(&gateway, 200).await;
    for client in clients.iter_mut().skip(3).step_by(4) {
        client.send("hello").await;
    }
    gateway.edit(&route("app", "a.example", "/", &[backend.port()]));
    for client in &mut clients {
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, "app"));
        assert!(client.still_serves("a.example").await);
    }
    let seen = backend.requests();
    assert_eq!(seen.iter().filter(|seen| seen.line().starts_with("POST") && seen.body == b"hello").count(), 100);
    assert_eq!(seen.len(), 400, "each request was sent once");
    waiting(&gateway, 0).await;
    metric(&gateway, r#"adit_endpoint_waits_total{outcome="endpoint"} 200"#).await;
}

#[tokio::test]
async fn an_upgrade_waits_too() {
    let backend = Backend::on_connection(|mut stream| async move {
        let mut buffer = Vec::new();
        let _ = read_request(&mut stream, &mut buffer).await;
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = tokio::io::copy(&mut TcpStream::split(&mut stream).0, &mut tokio::io::sink()).await;
    })
    .await;
    let gateway = Gateway::start(&nobody(), &[WAITS]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    waiting(&gateway, 1).await;
    gateway.edit(&route("app", "a.example", "/", &[backend.port()]));
    assert_eq!(client.answer().await.expect("an answer").status, 101);
}

#[tokio::test]
async fn a_wait_that_was_in_vain_ends_with_503_in_time_and_not_before() {
    let gateway = Gateway::start(&nobody(), &["--upstream.waitForEndpoint=400ms"]).await;
    let start = Instant::now();
    let mut client = Raw::connect(gateway.web()).await;
    client.send(GET).await;
    let answer = client.answer().await.expect("an answer");
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert!(client.still_serves("a.example").await, "the connection is as good as before");
    waiting(&gateway, 0).await;
    metric(&gateway, r#"adit_endpoint_waits_total{outcome="expired"} 2"#).await;
}

#[tokio::test]
async fn no_wait_is_longer_than_the_answer_may_take() {
    let flags = [WAITS, "--entryPoints.web.transport.respondingTimeouts.writeTimeout=300ms"];
    let gateway = Gateway::start(&nobody(), &flags).await;
    let answer = get(gateway.web(), "a.example", "/").await.expect("an answer");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
}

#[tokio::test]
async fn a_client_that_leaves_waits_no_more() {
    let gateway = Gateway::start(&nobody(), &[WAITS, "--entryPoints.web.http2.maxConcurrentStreams=1000"]).await;
    let mut leaving = Vec::new();
    for part in [GET, POST, &format!("{POST}he"), &format!("{POST}hello")] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(part).await;
        leaving.push(client);
    }
    let stream = TcpStream::connect(gateway.web()).await.expect("connect");
    let (mut streams, connection) =
        http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    let request = http::Request::get("http://a.example/").body(Empty::new()).expect("a request");
    let stream = tokio::spawn(streams.send_request(request));
    waiting(&gateway, 5).await;
    stream.abort();
    waiting(&gateway, 4).await;
    drop(leaving);
    waiting(&gateway, 0).await;
    metric(&gateway, r#"adit_endpoint_waits_total{outcome="client_gone"} 5"#).await;
    metric(&gateway, r#"adit_refusals_total{reason="client_gone"} 5"#).await;
}

#[tokio::test]
async fn a_request_whose_endpoints_all_refuse_it_waits_for_others() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let closed = closed.expect("a port").port();
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[closed]), &[WAITS]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send(format!("{POST}hello")).await;
    waiting(&gateway, 1).await;
    // The old pod ends, there is none, and then there is a new one.
    let base = [ingress("app", "a.example", "/", ""), service("app", &[], "", "")].concat();
    gateway.edit(&[base.as_str(), &slice("app", closed, "ready: false, serving: true, terminating: true")].concat());
    eventually("the old pod drains", async || {
        gateway.admin_text("/metrics").await.contains("adit_endpoints{state=\"draining\"} 1")
    })
    .await;
    waiting(&gateway, 1).await;
    gateway.edit(&base);
    eventually("there is none", async || {
        gateway.admin_text("/metrics").await.contains("adit_endpoints{state=\"draining\"} 0")
    })
    .await;
    waiting(&gateway, 1).await;
    gateway.edit(&[base.as_str(), &slice("app", backend.port(), "serving: true")].concat());
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, backend.last().body.as_slice()), (200, &b"hello"[..]));
}

#[tokio::test]
async fn where_requests_wait_an_old_pod_is_left_alone_until_the_wait_is_over() {
    let (old, new) = (Backend::named("old").await, Backend::named("new").await);
    let base = [ingress("app", "a.example", "/", ""), service("app", &[], "", "")].concat();
    let leaving = slice("app", old.port(), "ready: false, serving: true, terminating: true");
    let gateway = Gateway::start(&[base.as_str(), &leaving].concat(), &[WAITS]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send(GET).await;
    waiting(&gateway, 1).await;
    gateway.edit(&[base.as_str(), &leaving, &slice("app", new.port(), "serving: true")].concat());
    assert_eq!(client.answer().await.expect("an answer").text(), "new");
    assert!(old.requests().is_empty());
    // Where none comes in time, the old one is better than no answer.
    let gateway = Gateway::start(&[base.as_str(), &leaving].concat(), &["--upstream.waitForEndpoint=200ms"]).await;
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").text(), "old");
    metric(&gateway, r#"adit_endpoint_waits_total{outcome="expired"} 1"#).await;
}

#[tokio::test]
async fn a_wait_for_endpoints_that_go_on_refusing_ends_as_it_would_have_without() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let manifests = route("app", "a.example", "/", &[closed.expect("a port").port()]);
    let gateway = Gateway::start(&manifests, &["--upstream.waitForEndpoint=200ms"]).await;
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 502);
    metric(&gateway, r#"adit_endpoint_waits_total{outcome="expired"} 1"#).await;
}

#[tokio::test]
async fn what_waits_for_one_service_is_not_woken_by_another() {
    let backend = Backend::named("other").await;
    let gateway = Gateway::start(&nobody(), &[WAITS]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send(GET).await;
    waiting(&gateway, 1).await;
    let other = route("other", "b.example", "/", &[backend.port()]);
    gateway.edit(&[nobody(), other].concat());
    eventually("the other is served", async || {
        get(gateway.web(), "b.example", "/").await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    waiting(&gateway, 1).await;
    let mut byte = [0];
    let heard = tokio::time::timeout(Duration::from_millis(50), client.stream.read(&mut byte)).await;
    assert!(heard.is_err(), "it still waits");
}
