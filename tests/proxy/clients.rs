//! Clients of every age, and many of them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::backend::{Backend, read_request};
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, route};

#[tokio::test]
async fn a_client_of_http_1_0_keeps_its_connection_only_when_it_asks_to() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    for turn in 1..=2 {
        client.send("GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n").await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, "app"), "turn {turn}");
        assert_eq!(answer.header("connection"), Some("keep-alive"), "turn {turn}: {}", answer.head);
    }
    client.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    assert!(client.closed().await);
    // What is between us and the endpoint is another matter.
    assert!(backend.last().line().ends_with("HTTP/1.1"), "{}", backend.last().line());
}

#[tokio::test]
async fn many_workers_share_the_connections_and_lose_none() {
    const CLIENTS: usize = 60;
    const REQUESTS: usize = 5;
    let backend = Backend::named("app").await;
    let flags = ["--workers=4"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let address = gateway.web();
    let clients = (0..CLIENTS).map(|_| {
        tokio::spawn(async move {
            let mut kept = Raw::connect(address).await;
            for _ in 0..REQUESTS {
                assert!(kept.still_serves("a.example").await);
                assert_eq!(get(address, "a.example", "/").await.expect("an answer").status, 200);
            }
        })
    });
    for client in futures_util::future::join_all(clients).await {
        client.expect("every request is answered");
    }
    assert_eq!(backend.requests().len(), CLIENTS * REQUESTS * 2);
    assert!(gateway.log().contains("\"workers\":4"), "four workers");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_and_room_is_found_again() {
    // Just under half of the descriptors.
    const LIMIT: usize = 90;
    let backend = Backend::named("app").await;
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let gateway = Gateway::start_with_descriptors(200, &manifests, &[]).await;
    assert!(gateway.log().contains(&format!("\"maxConnections\":{LIMIT}")), "{}", gateway.log());
    let mut held = Vec::new();
    for _ in 0..LIMIT {
        let mut client = Raw::connect(gateway.web()).await;
        assert!(client.still_serves("a.example").await);
        held.push(client);
    }
    let mut beyond = Raw::connect(gateway.web()).await;
    assert!(!beyond.still_serves("a.example").await);
    assert!(held[0].still_serves("a.example").await, "others are served");
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains("adit_connections_refused_total 1"), "{metrics}");
    assert!(metrics.contains("adit_refusals_total{reason=\"overloaded\"} 1"), "{metrics}");
    held.truncate(LIMIT / 2);
    eventually("there is room again", async || {
        get(gateway.web(), "a.example", "/").await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_their_order() {
    let backend = Backend::answering(|request| {
        let body = format!("{}+{}", request.line(), String::from_utf8_lossy(&request.body));
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    let mut all = String::new();
    for index in 0..50 {
        all.push_str(&format!("GET /{index} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        all.push_str(&format!("POST /{index} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi"));
        let chunks = "Transfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\n\r\n";
        all.push_str(&format!("PUT /{index} HTTP/1.1\r\nHost: a.example\r\n{chunks}"));
    }
    client.send(&all).await;
    for index in 0..50 {
        for (method, body) in [("GET", ""), ("POST", "hi"), ("PUT", "ho")] {
            let answer = client.answer().await.expect("an answer");
            assert_eq!(answer.text(), format!("{method} /{index} HTTP/1.1+{body}"));
        }
    }
}

#[tokio::test]
async fn a_refusal_arrives_though_the_client_is_still_sending() {
    let gateway = Gateway::start(&route("app", "a.example", "/", &[1]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    // Far more than the sockets hold: a connection that is closed now is reset, and the refusal with it.
    let body = "x".repeat(8 << 20);
    client.send(format!("POST / HTTP/1.1\r\nHost: b.example\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")));
    assert!(client.closed().await);
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_whole_to_a_client_of_http_1_0() {
    let backend = Backend::on_connection(|mut stream| async move {
        let mut buffer = Vec::new();
        if read_request(&mut stream, &mut buffer).await.is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n").await;
    let mut seen = Vec::new();
    let ended = client.stream.read_to_end(&mut seen).await;
    assert!(ended.is_err(), "it ended in order after {}", String::from_utf8_lossy(&seen));
}
