//! adit's own pages, on the admin port of the built program.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::support::backend::Backend;
use crate::support::client::Raw;
use crate::support::gateway::{Gateway, ingress, route};
use crate::support::{client, eventually};

#[tokio::test]
async fn requests_for_our_own_pages_are_counted_and_logged_only_when_that_is_asked_for() {
    let counted = r#"traefik_entrypoint_requests_total{code="200",entrypoint="traefik",method="GET",protocol="http"}"#;
    let plain = Gateway::start(&route("app", "a.example", "/", &[1]), &["--accesslog"]).await;
    assert_eq!(plain.admin_status("/ping").await, 200);
    client::get(plain.web(), "a.example", "/after").await.expect("an answer");
    // Lines come in order.
    eventually("a request of a client is logged", async || plain.log().contains("GET /after HTTP/1.1")).await;
    assert!(!plain.log().contains("GET /ping"));
    assert!(!plain.admin_text("/metrics").await.contains(counted));
    let flags =
        ["--accesslog", "--accesslog.addinternals", "--metrics.addinternals", "--metrics.prometheus.addrouterslabels"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[1]), &flags).await;
    assert_eq!(gateway.admin_status("/ping").await, 200);
    eventually("/ping is logged", async || {
        gateway.log().lines().any(|line| line.contains("GET /ping HTTP/1.1") && line.contains("ping@internal"))
    })
    .await;
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains(counted), "{metrics}");
    let router = r#"method="GET",protocol="http",router="ping@internal",service="ping@internal"}"#;
    let router = format!("traefik_router_requests_total{{code=\"200\",{router} ");
    assert!(metrics.contains(&router), "{metrics}");
}

#[tokio::test]
async fn our_own_pages_are_served_while_every_worker_has_more_than_it_can_do() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let (address, answered) = (gateway.web(), Arc::new(AtomicUsize::new(0)));
    let clients = (0..50).map(|_| {
        let answered = answered.clone();
        tokio::spawn(async move {
            let mut client = Raw::connect(address).await;
            loop {
                client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(50)).await;
                for _ in 0..50 {
                    client.answer().await.expect("an answer");
                    answered.fetch_add(1, Relaxed);
                }
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    eventually("they are served", async || answered.load(Relaxed) > 1_000).await;
    for path in ["/ping", "/readyz", "/metrics", "/api/overview"] {
        let before = answered.load(Relaxed);
        assert_eq!(gateway.admin_status(path).await, 200, "{path}");
        eventually("the clients are still being served", async || answered.load(Relaxed) > before).await;
    }
    clients.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn the_admin_ports_open_connections_are_counted_whatever_is_asked_for() {
    let gateway = Gateway::start(&route("app", "a.example", "/", &[1]), &[]).await;
    let open = "traefik_open_connections{entrypoint=\"traefik\",protocol=\"TCP\"} 1\n";
    // The one that asks; those before it may take a moment to end.
    eventually("one is open", async || gateway.admin_text("/metrics").await.contains(open)).await;
}

#[tokio::test]
async fn a_ping_on_an_entry_point_of_clients_is_counted_there_only_when_that_is_asked_for() {
    let counted = r#"traefik_entrypoint_requests_total{code="200",entrypoint="web",method="GET",protocol="http"} 1"#;
    for (flags, expected) in [(&[][..], false), (&["--metrics.addinternals", "--accesslog.addinternals"][..], true)] {
        let flags: Vec<&str> = flags.iter().copied().chain(["--ping.entrypoint=web", "--accesslog"]).collect();
        let gateway = Gateway::start(&route("app", "a.example", "/", &[1]), &flags).await;
        assert_eq!(client::get(gateway.web(), "a.example", "/ping").await.expect("an answer").status, 200);
        client::get(gateway.web(), "a.example", "/after").await.expect("an answer");
        eventually("a request of a client is logged", async || gateway.log().contains("GET /after HTTP/1.1")).await;
        assert_eq!(gateway.log().contains("GET /ping"), expected, "{}", gateway.log());
        assert_eq!(gateway.admin_text("/metrics").await.contains(counted), expected);
    }
}

#[tokio::test]
async fn what_is_explained_is_what_happens() {
    let backend = Backend::named("app").await;
    let manifests = [
        route("app", "a.example", "/", &[backend.port()]),
        route("deep", "a.example", "/deep", &[]),
        ingress("lost", "a.example", "/lost", ""),
        ingress("any", "*.example", "/any", ""),
        ingress("secure", "secure.example", "/", "traefik.ingress.kubernetes.io/router.tls: 'true'"),
    ];
    let gateway = Gateway::start(&manifests.concat(), &[]).await;
    for (method, host, target, router) in [
        ("GET", "a.example", "/", Some("default-app-a-example@kubernetes")),
        ("GET", "A.example.", "/x//../y?deep", Some("default-app-a-example@kubernetes")),
        ("GET", "a.example", "/deep/er", Some("default-deep-a-example-deep@kubernetes")),
        ("GET", "a.example", "/lost", Some("default-lost-a-example-lost@kubernetes")),
        ("GET", "b.example", "/any", Some("default-any-example-any@kubernetes")),
        ("GET", "b.example", "/none", None),
        ("GET", "secure.example", "/", None),
        ("TRACE", "a.example", "/", None),
        ("GET", "a.example", "/%00", None),
    ] {
        let asked = target.replace('%', "%25").replace('?', "%3F");
        let question = format!("/api/explain?method={method}&host={host}&path={asked}&entryPoint=web");
        let text = gateway.admin_text(&question).await;
        let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let mut client = Raw::connect(gateway.web()).await;
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let answer = client.answer().await.expect("an answer");
        if told["answer"]["kind"] == "forward" {
            assert_eq!((answer.status, answer.text().as_str()), (200, "app"), "{method} {host}{target}: {text}");
        } else {
            assert_eq!(told["answer"]["status"], answer.status, "{method} {host}{target}: {text}");
        }
        assert_eq!(told["router"]["name"].as_str(), router, "{method} {host}{target}: {text}");
    }
}

#[tokio::test]
async fn the_last_minutes_are_there_for_who_looks_later() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    for path in ["/", "/x"] {
        client::get(gateway.web(), "a.example", path).await.expect("an answer");
    }
    client::get(gateway.web(), "none.example", "/").await.expect("an answer");
    eventually("the requests are among the last minutes'", async || {
        let history: serde_json::Value = serde_json::from_str(&gateway.admin_text("/api/history").await).expect("JSON");
        let web = &history["entryPoints"][0];
        let sum = |counts: &serde_json::Value| -> u64 {
            counts.as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64).sum()
        };
        let refused = sum(&history["refusals"]["no_route"]);
        web["name"] == "web" && sum(&web["requests"]) == 3 && sum(&web["clientErrors"]) == 1 && refused == 1
    })
    .await;
}
