//! Memory that runs short: who keeps it waiting is let go, nobody new comes in, and that does not last.

use tokio::io::AsyncWriteExt;

use crate::support::backend::Backend;
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, route};

/// What may come beyond what the program itself holds, until memory is short.
const ROOM: usize = 16 << 20;
/// As many as fill half as much again with their heads.
const CROWD: usize = 400;
const HEAD: usize = 60_000;

#[tokio::test]
async fn while_memory_is_short_half_heads_are_let_go_and_everybody_else_is_served_soon() {
    let backend = Backend::named("app").await;
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let alone = {
        let gateway = Gateway::start(&manifests, &[]).await;
        assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 200);
        gateway.peak_memory()
    };
    // At four fifths of the limit it is short.
    let limit = format!("--limits.memory={}", (alone + ROOM) / 4 * 5);
    let gateway = Gateway::start(&manifests, &[&limit]).await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut client = Raw::connect(gateway.web()).await;
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n").await;
        crowd.push(client);
    }
    // All of them are in before the first one is of any weight: who comes while memory is short would not be let in.
    let open = format!("traefik_open_connections{{entrypoint=\"web\",protocol=\"TCP\"}} {CROWD}\n");
    eventually("all are let in", async || gateway.admin_text("/metrics").await.contains(&open)).await;
    let more = format!("X: {}", "y".repeat(HEAD));
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
    let metrics = gateway.admin_text("/metrics").await;
    let count = metrics.lines().find_map(|line| line.strip_prefix("adit_refusals_total{reason=\"memory\"} "));
    assert!(count.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count > 0), "{metrics}");
    drop(crowd);
}
