//! Strict HTTP: what is ambiguous is refused, and no backend sees it.

use crate::support::backend::Backend;
use crate::support::client::Raw;
use crate::support::gateway::{Gateway, route};

async fn gateway() -> (Backend, Gateway) {
    let backend = Backend::named("app").await;
    let manifests =
        [route("app", "a.example", "/", &[backend.port()]), route("any", "", "/hostless", &[backend.port()])];
    let gateway = Gateway::start(&manifests.concat(), &[]).await;
    (backend, gateway)
}

#[tokio::test]
async fn odd_framing_is_refused_and_closes_the_connection() {
    let (backend, gateway) = gateway().await;
    for (what, request, status) in [
        (
            "differing lengths",
            "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        ("a list of lengths", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1,2\r\n\r\nab", 400),
        ("a signed length", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: +1\r\n\r\na", 400),
        (
            "chunked last but not alone",
            "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "chunked twice",
            "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "an empty coding first",
            "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "an unknown coding",
            "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            501,
        ),
        (
            "a space before the colon",
            "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "an upgrade with a body",
            "POST / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\na",
            400,
        ),
    ] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(request).await;
        let answer = client.answer().await.unwrap_or_else(|| panic!("{what}: an answer"));
        assert_eq!(answer.status, status, "{what}");
        assert!(client.closed().await, "{what}: the connection is closed");
    }
    assert!(backend.requests().is_empty(), "the backend saw {:?}", backend.requests());
}

#[tokio::test]
async fn a_length_beside_a_coding_is_refused() {
    let (backend, gateway) = gateway().await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.status, 400);
    assert!(client.closed().await);
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn odd_hosts_and_targets_are_refused() {
    let (backend, gateway) = gateway().await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example:99999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET http://u:p@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET foo HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /a%00 HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /a\\b HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /a%zz HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /a% HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /?\u{e9} HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(request).await;
        let answer = client.answer().await.unwrap_or_else(|| panic!("an answer to {request:?}"));
        assert_eq!(answer.status, 400, "{request:?}");
        assert!(client.closed().await, "{request:?}");
    }
    assert!(backend.requests().is_empty(), "the backend saw {:?}", backend.requests());
}

#[tokio::test]
async fn connect_trace_and_strange_expectations_are_refused() {
    let (backend, gateway) = gateway().await;
    for (request, status) in [
        ("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", 405),
        ("TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n", 405),
        ("GET / HTTP/1.1\r\nHost: a.example\r\nExpect: a-miracle\r\n\r\n", 417),
    ] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(request).await;
        assert_eq!(client.answer().await.expect("an answer").status, status, "{request:?}");
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn http_1_0_without_a_host_reaches_host_less_rules_only() {
    let (_backend, gateway) = gateway().await;
    for (path, status) in [("/", 404), ("/hostless", 200)] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        assert_eq!(client.answer().await.expect("an answer").status, status, "{path}");
        assert!(client.closed().await);
    }
}

#[tokio::test]
async fn the_path_that_is_matched_is_the_path_that_is_forwarded() {
    let (public, admin) = (Backend::named("public").await, Backend::named("admin").await);
    let manifests =
        [route("public", "a.example", "/", &[public.port()]), route("admin", "a.example", "/admin", &[admin.port()])];
    let gateway = Gateway::start(&manifests.concat(), &[]).await;
    for (path, name, forwarded) in [
        ("/public/../admin/x?a=1;b=%2", "admin", "/admin/x?a=1;b=%2"),
        ("//admin", "admin", "/admin"),
        ("/public/%2e%2e/admin", "admin", "/admin"),
        ("/admin%2fx", "public", "/admin%2fx"),
        ("/%61dmin", "admin", "/admin"),
        ("/adminx", "public", "/adminx"),
        ("http://a.example/admin?b", "admin", "/admin?b"),
        ("http://a.example", "public", "/"),
        ("http://a.example?b=c", "public", "/?b=c"),
    ] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, name), "{path}");
        let backend = if name == "admin" { &admin } else { &public };
        assert_eq!(backend.last().line(), format!("GET {forwarded} HTTP/1.1"), "{path}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let (backend, gateway) = gateway().await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\nX: {}\r\n\r\n", "x".repeat(70_000))).await;
    assert_eq!(client.answer().await.expect("an answer").status, 431);
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn a_target_that_is_too_long_is_414() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.web.http.maxHeaderBytes=200000"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send(format!("GET /{} HTTP/1.1\r\nHost: a.example\r\n\r\n", "x".repeat(70_000))).await;
    assert_eq!(client.answer().await.expect("an answer").status, 414);
    assert!(backend.requests().is_empty());
}
