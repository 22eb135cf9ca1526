//! Backends that speak HTTP/2 and use what it has: refusals, farewells and limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Connection, SendResponse};
use http::Response;
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::support::backend::Backend;
use crate::support::client::{get, request};
use crate::support::gateway::{Gateway, ingress, service};

type Server = Connection<TcpStream, Bytes>;

async fn gateway(backend: &Backend) -> Gateway {
    let service = service("app", &[backend.port()], "", "kubernetes.io/h2c");
    Gateway::start(&[ingress("app", "a.example", "/", ""), service].concat(), &[]).await
}

async fn handshake(stream: TcpStream, builder: &Builder) -> Server {
    builder.handshake(stream).await.expect("HTTP/2 by prior knowledge")
}

fn answer(mut respond: SendResponse<Bytes>) {
    let _ = respond.send_response(Response::new(()), true);
}

#[tokio::test]
async fn a_stream_that_a_backend_refuses_is_sent_again_whatever_its_method() {
    let streams = Arc::new(AtomicUsize::new(0));
    let count = streams.clone();
    let backend = Backend::on_connection(move |stream| {
        let count = count.clone();
        async move {
            let mut server = handshake(stream, &Builder::new()).await;
            while let Some(Ok((_, mut respond))) = server.accept().await {
                // Every other one: none is served the first time.
                if count.fetch_add(1, Relaxed).is_multiple_of(2) {
                    respond.send_reset(Reason::REFUSED_STREAM);
                } else {
                    answer(respond);
                }
            }
        }
    })
    .await;
    let gateway = gateway(&backend).await;
    for method in ["GET", "POST"] {
        let text = format!("{method} / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert_eq!(request(gateway.web(), &text).await.expect("an answer").status, 200, "{method}");
    }
    assert_eq!(streams.load(Relaxed), 4);
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains("adit_retries_total{reason=\"refused_stream\"} 2"), "{metrics}");
}

#[tokio::test]
async fn a_stream_that_a_backend_resets_for_another_reason_is_502() {
    let backend = Backend::on_connection(|stream| async move {
        let mut server = handshake(stream, &Builder::new()).await;
        while let Some(Ok((_, mut respond))) = server.accept().await {
            respond.send_reset(Reason::INTERNAL_ERROR);
        }
    })
    .await;
    let gateway = gateway(&backend).await;
    let text = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(request(gateway.web(), text).await.expect("an answer").status, 502);
}

#[tokio::test]
async fn after_a_backends_goaway_requests_go_over_a_new_connection() {
    let backend = Backend::on_connection(|stream| async move {
        let mut server = handshake(stream, &Builder::new()).await;
        while let Some(Ok((_, respond))) = server.accept().await {
            answer(respond);
            server.graceful_shutdown();
        }
    })
    .await;
    let gateway = gateway(&backend).await;
    for turn in 1..=3 {
        assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 200, "turn {turn}");
    }
    assert!(backend.connections.load(Relaxed) >= 2, "a connection that said farewell is not used again");
}

#[tokio::test]
async fn streams_that_a_backends_goaway_finds_open_end_where_they_began() {
    let backend = Backend::on_connection(move |stream| async move {
        let mut server = handshake(stream, &Builder::new()).await;
        // Until its limit is known, a connection is given one stream at a time: one goes ahead.
        let Some(Ok((_, first))) = server.accept().await else { return };
        answer(first);
        let (Some(Ok((_, mut half))), Some(Ok((_, none)))) = (server.accept().await, server.accept().await) else {
            return;
        };
        // One has half an answer, one none, when both hear that there will be no other.
        let mut body = half.send_response(Response::new(()), false).expect("a head");
        server.graceful_shutdown();
        body.send_data("whole".into(), true).expect("a body");
        answer(none);
        let _ = std::future::poll_fn(|cx| server.poll_closed(cx)).await;
    })
    .await;
    let gateway = gateway(&backend).await;
    let address = gateway.web();
    assert_eq!(get(address, "a.example", "/").await.expect("an answer").status, 200);
    let both = [(); 2].map(|()| tokio::spawn(get(address, "a.example", "/")));
    let answers = futures_util::future::join_all(both).await;
    let mut bodies: Vec<_> = answers.into_iter().map(|one| one.expect("no panic").expect("an answer").text()).collect();
    bodies.sort();
    assert_eq!((bodies, backend.connections.load(Relaxed)), (vec![String::new(), "whole".into()], 1));
}

#[tokio::test]
async fn more_requests_than_a_backend_takes_streams_open_more_connections() {
    const AT_ONCE: usize = 3;
    let together = Arc::new(Barrier::new(AT_ONCE));
    let backend = Backend::on_connection(move |stream| {
        let together = together.clone();
        async move {
            let mut builder = Builder::new();
            builder.max_concurrent_streams(1);
            let mut server = handshake(stream, &builder).await;
            while let Some(Ok((_, respond))) = server.accept().await {
                let together = together.clone();
                // Nobody is answered before all are there.
                tokio::spawn(async move {
                    together.wait().await;
                    answer(respond);
                });
            }
        }
    })
    .await;
    let gateway = gateway(&backend).await;
    let address = gateway.web();
    let all = (0..AT_ONCE).map(|_| tokio::spawn(get(address, "a.example", "/")));
    for one in futures_util::future::join_all(all).await {
        assert_eq!(one.expect("no panic").expect("an answer").status, 200);
    }
    assert!(backend.connections.load(Relaxed) >= AT_ONCE);
}
