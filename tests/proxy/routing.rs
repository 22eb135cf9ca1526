//! Routing as the Ingress specification has it, through the built program.

use crate::support::backend::Backend;
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, ingress, route, service, slice};

#[tokio::test]
async fn hosts_and_paths_reach_their_backends() {
    let (exact, wildcard, any) =
        (Backend::named("exact").await, Backend::named("wildcard").await, Backend::named("any").await);
    let manifests = [
        route("exact", "a.example.com", "/foo", &[exact.port()]),
        route("wildcard", "*.example.com", "/", &[wildcard.port()]),
        route("any", "", "/any", &[any.port()]),
    ];
    let gateway = Gateway::start(&manifests.concat(), &[]).await;
    for (host, path, status, body) in [
        ("a.example.com", "/foo", 200, "exact"),
        ("A.EXAMPLE.com:80", "/foo/bar", 200, "exact"),
        ("a.example.com.", "/foo/", 200, "exact"),
        ("a.example.com", "/foobar", 200, "wildcard"),
        ("b.example.com", "/", 200, "wildcard"),
        ("b.c.example.com", "/", 404, "404 page not found\n"),
        ("example.com", "/", 404, "404 page not found\n"),
        ("other.org", "/any/thing", 200, "any"),
        ("other.org", "/", 404, "404 page not found\n"),
    ] {
        let answer = get(gateway.web(), host, path).await.expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{host}{path}");
    }
}

#[tokio::test]
async fn a_service_without_endpoints_is_503_and_not_404() {
    let other = Backend::named("other").await;
    let manifests = [
        ingress("gone", "a.example", "/", ""),
        route("empty", "b.example", "/", &[]),
        route("other", "*.example", "/", &[other.port()]),
    ];
    let gateway = Gateway::start(&manifests.concat(), &[]).await;
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 503);
    let empty = get(gateway.web(), "b.example", "/").await.expect("an answer");
    assert_eq!((empty.status, empty.text().as_str()), (503, "no available server\n"));
    assert_eq!(get(gateway.web(), "c.example", "/").await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_change_of_manifests_takes_effect_without_a_restart_and_the_log_says_so() {
    let (old, new) = (Backend::named("old").await, Backend::named("new").await);
    let gateway = Gateway::start(&route("app", "a.example", "/", &[old.port()]), &[]).await;
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").text(), "old");
    gateway.edit(&route("app", "a.example", "/", &[new.port()]));
    eventually("the new endpoint serves", async || {
        get(gateway.web(), "a.example", "/").await.is_ok_and(|answer| answer.text() == "new")
    })
    .await;
    gateway.edit(&route("app", "b.example", "/", &[new.port()]));
    eventually("the new host serves", async || {
        get(gateway.web(), "b.example", "/").await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 404);
    assert!(gateway.log().contains("manifests changed"), "the log says what changed");
}

#[tokio::test]
async fn a_draining_endpoint_serves_only_when_nothing_else_does() {
    let (ready, draining) = (Backend::named("ready").await, Backend::named("draining").await);
    let leaving = "ready: false, serving: true, terminating: true";
    let both = [
        ingress("app", "a.example", "/", ""),
        service("app", &[ready.port()], "", ""),
        slice("app", draining.port(), leaving),
    ]
    .concat();
    let only =
        [ingress("app", "a.example", "/", ""), service("app", &[], "", ""), slice("app", draining.port(), leaving)]
            .concat();
    let gateway = Gateway::start(&both, &[]).await;
    for _ in 0..8 {
        assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").text(), "ready");
    }
    gateway.edit(&only);
    eventually("the last endpoint serves while it drains", async || {
        get(gateway.web(), "a.example", "/").await.is_ok_and(|answer| answer.text() == "draining")
    })
    .await;
}

#[tokio::test]
async fn an_entry_point_redirects_to_another() {
    let backend = Backend::named("app").await;
    let flags = [
        "--entryPoints.web.http.redirections.entryPoint.to=:8443",
        "--entryPoints.web.http.redirections.entryPoint.scheme=https",
    ];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET /x?y=1 HTTP/1.1\r\nHost: a.example:8000\r\n\r\n").await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.header("location")), (301, Some("https://a.example:8443/x?y=1")));
    client.send("POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 308);
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn what_a_policy_that_is_not_there_would_guard_stays_closed() {
    let backend = Backend::named("app").await;
    let annotation = "traefik.ingress.kubernetes.io/router.middlewares: default-auth@kubernetescrd";
    let manifests = [ingress("app", "a.example", "/", annotation), service("app", &[backend.port()], "", "")].concat();
    let gateway = Gateway::start(&manifests, &[]).await;
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 503);
    assert!(backend.requests().is_empty());
    let problems = gateway.admin_text("/api/problems").await;
    assert!(problems.contains("router.middlewares") && problems.contains("error"), "{problems}");
}
