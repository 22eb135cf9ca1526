//! Logs that cannot be written: lines are lost and counted, requests are not.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::support::backend::Backend;
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, route};

/// How many lines of a log were dropped.
async fn lost(gateway: &Gateway, log: &str) -> u64 {
    let metrics = gateway.admin_text("/metrics").await;
    let line = format!("adit_log_dropped_total{{log=\"{log}\"}} ");
    metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).expect("a count")
}

#[tokio::test]
async fn a_full_disk_costs_lines_of_the_log_and_no_request_and_heals_when_there_is_room() {
    let backend = Backend::named("app").await;
    let path = std::env::temp_dir().join(format!("adit-full-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    // Each write to it fails for want of room.
    symlink("/dev/full", &path).expect("a link");
    let flag = format!("--accesslog.filePath={}", path.display());
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let gateway = Gateway::start(&manifests, &["--accesslog", &flag]).await;
    for _ in 0..50 {
        assert_eq!(get(gateway.web(), "a.example", "/lost").await.expect("an answer").status, 200);
    }
    eventually("what is lost is counted", async || lost(&gateway, "access").await >= 50).await;
    assert_eq!(gateway.admin_status("/readyz").await, 200);

    // Somebody makes room.
    fs::remove_file(&path).and_then(|()| fs::write(&path, "")).expect("a file");
    gateway.signal("USR1");
    eventually("lines are written again", async || {
        assert_eq!(get(gateway.web(), "a.example", "/kept").await.expect("an answer").status, 200);
        fs::read_to_string(&path).is_ok_and(|log| log.contains("/kept"))
    })
    .await;
    let _ = fs::remove_file(path);
}

/// Asks for what is not there, which both logs tell, until lines of both are lost. Every request is answered.
async fn until_lines_are_lost(gateway: &Gateway, client: &mut Raw) {
    const AT_ONCE: usize = 500;
    let before = (lost(gateway, "process").await, lost(gateway, "access").await);
    // Far more than wait in a queue and a pipe.
    for _ in 0..200 {
        client.send("GET / HTTP/1.1\r\nHost: none.example\r\n\r\n".repeat(AT_ONCE)).await;
        for _ in 0..AT_ONCE {
            assert_eq!(client.answer().await.expect("an answer").status, 404);
        }
        if lost(gateway, "process").await > before.0 && lost(gateway, "access").await > before.1 {
            return;
        }
    }
    panic!("no line was lost");
}

#[tokio::test]
async fn an_output_that_nobody_reads_costs_lines_and_no_request_and_no_time_at_the_end() {
    let backend = Backend::named("app").await;
    let flags = ["--accesslog", "--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=0"];
    let mut gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    gateway.listen(false);
    until_lines_are_lost(&gateway, &mut client).await;
    assert_eq!(get(gateway.web(), "a.example", "/lost").await.expect("an answer").status, 200);
    assert_eq!(gateway.admin_status("/readyz").await, 200);

    // Somebody reads again: what waited comes out, and everything after it.
    gateway.listen(true);
    eventually("lines are written again", async || {
        assert_eq!(get(gateway.web(), "a.example", "/kept").await.expect("an answer").status, 200);
        gateway.log().contains("/kept")
    })
    .await;
    assert!(!gateway.log().contains("/lost"), "there was no room for it");

    gateway.listen(false);
    until_lines_are_lost(&gateway, &mut client).await;
    drop(client);
    let since = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.exit_code().await, Some(0));
    assert!(since.elapsed() < Duration::from_secs(5), "it waited {:?} for whoever should read", since.elapsed());
}
