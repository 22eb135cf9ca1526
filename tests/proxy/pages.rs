//! adit's own pages, on the admin port of the built program.

use crate::support::eventually;
use crate::support::gateway::{Gateway, route};

#[tokio::test]
async fn requests_for_our_own_pages_are_counted_and_logged_only_when_that_is_asked_for() {
    let counted = r#"traefik_entrypoint_requests_total{code="200",entrypoint="traefik",method="GET",protocol="http"}"#;
    let plain = Gateway::start(&route("app", "a.example", "/", &[1]), &["--accesslog"]).await;
    assert_eq!(plain.admin_status("/ping").await, 200);
    let metrics = plain.admin_text("/metrics").await;
    assert!(!metrics.contains(counted));
    let open = "traefik_open_connections{entrypoint=\"traefik\",protocol=\"TCP\"} 1\n";
    assert!(metrics.contains(open), "dashboards list entry points by this one\n{metrics}");
    assert!(!plain.log().contains("ping@internal"));
    let flags = ["--accesslog", "--accesslog.addinternals", "--metrics.addinternals"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[1]), &flags).await;
    assert_eq!(gateway.admin_status("/ping").await, 200);
    eventually("/ping is logged", async || {
        gateway.log().lines().any(|line| line.contains("GET /ping HTTP/1.1") && line.contains("ping@internal"))
    })
    .await;
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains(counted), "{metrics}");
}
