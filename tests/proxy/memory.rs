//! Memory that runs short: who is let go, who is turned away, and that neither lasts.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Empty;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::http2::prior_knowledge;
use crate::support::backend::Backend;
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, route};

/// What the gateway may hold in tests of memory; the program itself is a third of it.
const MEMORY: usize = 96 << 20;

/// One with that much; what is for `none.example` waits for an endpoint.
async fn with_little_memory(flags: &[&str]) -> (Backend, Gateway) {
    let backend = Backend::named("app").await;
    let manifests =
        format!("{}{}", route("app", "a.example", "/", &[backend.port()]), route("none", "none.example", "/", &[]));
    let gateway = Gateway::start(&manifests, &[&["--limits.memory=96Mi"], flags].concat()).await;
    (backend, gateway)
}

/// How many were turned away for want of memory.
async fn turned_away(gateway: &Gateway) -> u64 {
    let metrics = gateway.admin_text("/metrics").await;
    let line = "adit_refusals_total{reason=\"memory\"} ";
    metrics.lines().find_map(|found| found.strip_prefix(line)?.parse().ok()).expect("a count")
}

/// So many connections with the beginning of a head, all of which are let in before the first one is of any weight.
async fn crowd(gateway: &Gateway, count: usize) -> Vec<Raw> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        let mut client = Raw::connect(gateway.web()).await;
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n").await;
        crowd.push(client);
    }
    let open = format!("traefik_open_connections{{entrypoint=\"web\",protocol=\"TCP\"}} {count}\n");
    eventually("all are let in", async || gateway.admin_text("/metrics").await.contains(&open)).await;
    crowd
}

#[tokio::test]
async fn while_memory_is_short_half_heads_are_let_go_and_everybody_else_is_served_soon() {
    let (_backend, gateway) = with_little_memory(&[]).await;
    let mut crowd = crowd(&gateway, 1600).await;
    let more = format!("X: {}", "y".repeat(60_000));
    for client in &mut crowd {
        // Those who have said no more for a second may be gone by now.
        let _ = client.stream.write_all(more.as_bytes()).await;
    }
    eventually("memory is short", async || gateway.log().contains("memory is short")).await;
    assert_eq!(gateway.admin_status("/readyz").await, 200, "it is ready all the same");
    // Though the crowd is still there.
    eventually("there is memory again", async || {
        get(gateway.web(), "a.example", "/").await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    assert!(turned_away(&gateway).await > 0);
    let peak = gateway.peak_memory();
    assert!(peak < MEMORY, "{peak} bytes were held");
}

#[tokio::test]
async fn while_memory_is_very_short_requests_are_refused_and_those_under_way_go_on() {
    const CONNECTIONS: usize = 30;
    let (_backend, gateway) = with_little_memory(&["--upstream.waitForEndpoint=1h"]).await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(prior_knowledge(gateway.web()).await);
    }
    // Each waits for an endpoint that never comes, and is held meanwhile.
    let mut answers = JoinSet::new();
    let large = "y".repeat(50_000);
    for nth in 0..99 * CONNECTIONS {
        let client = &mut clients[nth % CONNECTIONS];
        client.ready().await.expect("a connection");
        let request = Request::get("http://none.example/").header("x", &large).body(Empty::new());
        answers.spawn(client.send_request(request.expect("a request")));
    }
    let first = tokio::time::timeout(Duration::from_secs(60), answers.join_next()).await;
    let refusal =
        first.expect("memory was never very short").expect("an answer").expect("no panic").expect("an answer");
    assert_eq!(
        (refusal.status(), &refusal.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().expect("a value"))
    );
    assert_eq!(gateway.admin_status("/readyz").await, 200, "it is ready all the same");
    assert!(gateway.log().contains("memory is very short"), "{}", gateway.log());
    assert!(!Raw::connect(gateway.web()).await.still_serves("a.example").await, "nobody new");
    assert!(turned_away(&gateway).await >= 2, "a request and a connection");
    drop((answers, clients));
    eventually("there is memory again", async || {
        get(gateway.web(), "a.example", "/").await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    let peak = gateway.peak_memory();
    assert!(peak < MEMORY, "{peak} bytes were held");
}
