//! Logs that cannot be written: lines are lost and counted, requests are not.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::backend::Backend;
use crate::support::client::get;
use crate::support::eventually;
use crate::support::gateway::{Gateway, route};

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
    eventually("what is lost is counted", async || {
        let metrics = gateway.admin_text("/metrics").await;
        let dropped = metrics.lines().find_map(|line| line.strip_prefix("adit_log_dropped_total{log=\"access\"} "));
        dropped.is_some_and(|dropped| dropped.parse().is_ok_and(|dropped: u64| dropped >= 50))
    })
    .await;
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
