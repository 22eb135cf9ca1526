//! What the tests stand on: the built program on manifests of the test's own, real sockets, real backends.
#![allow(dead_code, reason = "each target of tests uses its part")]

pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod gateway;
pub(crate) mod secure;
pub(crate) mod trusting;

use std::time::{Duration, Instant};

/// The values of a field in the head of a message.
pub(crate) fn fields<'a>(head: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Waits until `condition` holds; fails with `what` after thirty seconds.
pub(crate) async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut condition: F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if condition().await {
            return;
        }
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
