//! Header fields on their way through.

use crate::support::backend::Backend;
use crate::support::client::Raw;
use crate::support::gateway::{Gateway, ingress, route, service};

#[tokio::test]
async fn a_strangers_forwarding_headers_are_replaced_and_hop_by_hop_ones_removed() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client
        .send("GET / HTTP/1.1\r\nHost: a.example:8000\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Real-Ip: 1.1.1.1\r\nX-Forwarded-Prefix: /x\r\nX_Forwarded_For: 2.2.2.2\r\nConnection: keep-alive, X-Secret, X-Forwarded-For, Host\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy: http://evil\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nCookie: a=1\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    let seen = backend.last();
    assert_eq!(seen.headers("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.header("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-port"), Some("8000"));
    assert_eq!(seen.header("x-forwarded-host"), Some("a.example:8000"));
    assert!(seen.header("x-forwarded-server").is_some());
    assert_eq!(seen.header("host"), Some("a.example:8000"));
    assert_eq!(seen.header("cookie"), Some("a=1"));
    for gone in [
        "x-forwarded-prefix",
        "x_forwarded_for",
        "x-secret",
        "keep-alive",
        "te",
        "proxy",
        "upgrade",
        "http2-settings",
        "connection",
    ] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
}

#[tokio::test]
async fn a_trusted_peers_forwarding_headers_grow() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.0/8"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nConnection: X-Forwarded-For\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    let seen = backend.last();
    assert_eq!(seen.headers("x-forwarded-for"), ["198.51.100.7, 127.0.0.1"]);
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn the_proxy_protocol_of_a_trusted_peer_names_the_client() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.web.proxyProtocol.trustedIPs=127.0.0.1"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    for head in ["PROXY TCP4 192.0.2.44 192.0.2.1 5000 80\r\n", ""] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(format!("{head}GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")).await;
        assert_eq!(client.answer().await.expect("an answer").status, 200);
        let expected = if head.is_empty() { "127.0.0.1" } else { "192.0.2.44" };
        assert_eq!(backend.last().header("x-forwarded-for"), Some(expected));
    }
}

#[tokio::test]
async fn the_proxy_protocol_of_a_stranger_is_no_request() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("PROXY TCP4 192.0.2.44 192.0.2.1 5000 80\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(400));
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn the_endpoints_own_address_is_its_host_when_the_service_says_so() {
    let backend = Backend::named("app").await;
    let annotation = "traefik.ingress.kubernetes.io/service.passhostheader: \"false\"";
    let manifests = [ingress("app", "a.example", "/", ""), service("app", &[backend.port()], annotation, "")].concat();
    let gateway = Gateway::start(&manifests, &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    assert_eq!(backend.last().header("host"), Some(backend.address.to_string().as_str()));
}

#[tokio::test]
async fn an_answer_loses_what_belongs_to_its_hop() {
    let backend = Backend::answering(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: x-inside\r\nX-Inside: 1\r\nKeep-Alive: 5\r\nX-Outside: 2\r\nContent-Length: 2\r\n\r\nok".to_vec()
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(
        (answer.header("x-inside"), answer.header("keep-alive"), answer.header("x-outside")),
        (None, None, Some("2"))
    );
}
