//! Endpoints that fail, stall or lie; balancing and retries over them.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::support::backend::{Backend, read_request};
use crate::support::client::{Raw, get};
use crate::support::gateway::{Gateway, ingress, route, service};

/// A port on which nobody listens.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

#[tokio::test]
async fn connections_to_endpoints_are_used_again() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    for _ in 0..20 {
        assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 200);
    }
    assert_eq!(backend.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn two_like_endpoints_share_a_sequential_client_evenly() {
    let (one, two) = (Backend::named("one").await, Backend::named("two").await);
    for annotation in ["", "adit.dev/service.strategy: wrr"] {
        let manifests =
            [ingress("app", "a.example", "/", ""), service("app", &[one.port(), two.port()], annotation, "")].concat();
        let gateway = Gateway::start(&manifests, &[]).await;
        let mut counts: HashMap<String, u32> = HashMap::new();
        for _ in 0..40 {
            *counts.entry(get(gateway.web(), "a.example", "/").await.expect("an answer").text()).or_default() += 1;
        }
        assert!(
            counts.len() == 2 && counts.values().all(|count| (15..=25).contains(count)),
            "{annotation}: {counts:?}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_costs_no_request() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port(), closed_port()]), &[]).await;
    for _ in 0..20 {
        let mut client = Raw::connect(gateway.web()).await;
        client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi").await;
        assert_eq!(client.answer().await.expect("an answer").status, 200);
    }
    assert!(gateway.admin_text("/metrics").await.contains("adit_retries_total"));
}

#[tokio::test]
async fn the_only_endpoint_refusing_is_502() {
    let gateway = Gateway::start(&route("app", "a.example", "/", &[closed_port()]), &[]).await;
    let answer = get(gateway.web(), "a.example", "/").await.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (502, "Bad Gateway"));
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains("adit_refusals_total{reason=\"connect_failed\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_connection_that_its_endpoint_closed_meanwhile_costs_no_request() {
    let (close, mut closed) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::on_connection(move |mut stream| {
        let close = close.clone();
        async move {
            let mut buffer = Vec::new();
            if read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
            drop(stream);
            let _ = close.send(());
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    for index in 0..30 {
        let request = if index % 2 == 0 {
            "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
        } else {
            "POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
        };
        let mut client = Raw::connect(gateway.web()).await;
        client.send(request).await;
        assert_eq!(client.answer().await.expect("an answer").status, 200, "request {index}");
        // Meanwhile: a body that is sent while its endpoint closes is lost to everybody.
        closed.recv().await.expect("the backend closes");
    }
}

#[tokio::test]
async fn a_get_whose_connection_dies_is_sent_once_more_and_a_post_never() {
    let backend = Backend::answering(|_| Vec::new()).await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 502);
    assert_eq!(backend.requests().len(), 2);
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!(client.answer().await.expect("an answer").status, 502);
    assert_eq!(backend.requests().len(), 3);
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_504() {
    let backend = Backend::on_connection(|mut stream| async move {
        let mut buffer = Vec::new();
        let _ = read_request(&mut stream, &mut buffer).await;
        std::future::pending::<()>().await;
    })
    .await;
    let flags = ["--serversTransport.forwardingTimeouts.responseHeaderTimeout=100ms"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    for request in [
        "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        client.send(request).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (504, "Gateway Timeout"), "{request:?}");
    }
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains("adit_refusals_total{reason=\"response_timeout\"} 2"), "{metrics}");
}

#[tokio::test]
async fn what_is_no_answer_is_502() {
    for (what, answer) in [
        ("garbage", &b"SSH-2.0-OpenSSH_9\r\n\r\n"[..]),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("an unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (
            "a coding that is no chunking",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
        ),
        ("a coding of HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a folded field", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ("a status beyond", b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let backend = Backend::on_connection(move |mut stream| async move {
            let mut buffer = Vec::new();
            if read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = stream.write_all(answer).await;
            }
        })
        .await;
        let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
        let mut client = Raw::connect(gateway.web()).await;
        client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.answer().await.expect("an answer").status, 502, "{what}");
    }
}

#[tokio::test]
async fn heads_before_the_answer_are_passed_over_but_not_without_end() {
    let backend = Backend::answering(|request| {
        let count = if request.line().contains("/endless") { 1000 } else { 3 };
        let early = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n".repeat(count);
        format!("{early}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").into_bytes()
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.header("link")), (200, None));
    client.send("GET /endless HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 502);
}

#[tokio::test]
async fn what_follows_an_answer_is_nobody_elses() {
    for (what, answer) in [
        (
            "a second answer",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        ),
        ("a body where there is none", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil"),
        (
            "a length beside a coding",
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
    ] {
        let backend = Backend::answering(move |_| answer.as_bytes().to_vec()).await;
        let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
        let mut client = Raw::connect(gateway.web()).await;
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
            let answer = client.answer().await.expect("an answer");
            assert!(answer.status == 304 || answer.text() == "ok", "{what}: {answer:?}");
        }
        assert_eq!(backend.connections.load(Ordering::Relaxed), 3, "{what}: its connection was used again");
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::on_connection(move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut buffer = Vec::new();
            if read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = tell.send("it has come");
                let _ = read_request(&mut stream, &mut buffer).await;
                let _ = tell.send("it is over");
            }
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &["--accesslog"]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(told.recv().await, Some("it has come"));
    drop(client);
    let over = tokio::time::timeout(Duration::from_secs(5), told.recv()).await.expect("the backend is told within 5 s");
    assert_eq!(over, Some("it is over"));
    crate::support::eventually("499 is logged", async || gateway.log().contains(" 499 ")).await;
}

#[tokio::test]
async fn a_sticky_cookie_leads_back_to_its_endpoint() {
    let (one, two) = (Backend::named("one").await, Backend::named("two").await);
    let annotation = "traefik.ingress.kubernetes.io/service.sticky.cookie: \"true\", traefik.ingress.kubernetes.io/service.sticky.cookie.name: seat";
    let manifests =
        [ingress("app", "a.example", "/", ""), service("app", &[one.port(), two.port()], annotation, "")].concat();
    let gateway = Gateway::start(&manifests, &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let first = client.answer().await.expect("an answer");
    let cookie = first.header("set-cookie").expect("a cookie").split(';').next().expect("its value").to_owned();
    assert!(cookie.starts_with("seat="), "{cookie}");
    for _ in 0..10 {
        client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\nCookie: a=1; {cookie}\r\n\r\n")).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.text(), answer.header("set-cookie")), (first.text(), None));
    }
}

#[tokio::test]
async fn what_went_wrong_with_a_backend_is_told_apart_in_log_and_metrics() {
    let silent = Backend::on_connection(|mut stream| async move {
        let mut buffer = Vec::new();
        let _ = read_request(&mut stream, &mut buffer).await;
        std::future::pending::<()>().await;
    })
    .await;
    let hanging_up = Backend::answering(|_| Vec::new()).await;
    let babbling = Backend::answering(|_| b"hello\r\n\r\n".to_vec()).await;
    let cases = [
        ("refusing", &[closed_port()][..], 502, "connect_failed"),
        ("hanging-up", &[hanging_up.port()], 502, "upstream_reset"),
        ("babbling", &[babbling.port()], 502, "upstream_protocol"),
        ("empty", &[], 503, "no_endpoints"),
        ("silent", &[silent.port()], 504, "response_timeout"),
    ];
    let manifests: Vec<String> =
        cases.iter().map(|(name, ports, ..)| route(name, &format!("{name}.example"), "/", ports)).collect();
    let flags =
        ["--accesslog", "--accesslog.format=json", "--serversTransport.forwardingTimeouts.responseHeaderTimeout=200ms"];
    let gateway = Gateway::start(&manifests.concat(), &flags).await;
    for (name, _, status, reason) in cases {
        let answer = get(gateway.web(), &format!("{name}.example"), "/").await.expect("an answer");
        assert_eq!(answer.status, status, "{name}");
        let metrics = gateway.admin_text("/metrics").await;
        assert!(metrics.contains(&format!("adit_refusals_total{{reason=\"{reason}\"}} 1")), "{name}: {metrics}");
        crate::support::eventually("it is logged with its reason", async || {
            gateway.log().lines().any(|line| {
                line.contains(&format!("\"RequestHost\":\"{name}.example\""))
                    && line.contains(&format!("\"DownstreamStatus\":{status}"))
                    && line.contains(&format!("\"RefusalReason\":\"{reason}\""))
            })
        })
        .await;
    }
}
