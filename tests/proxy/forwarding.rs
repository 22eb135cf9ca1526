//! Header fields on their way through.

use std::net::IpAddr;

use crate::support::backend::Backend;
use crate::support::client::{Raw, get};
use crate::support::eventually;
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

/// A header of the PROXY protocol's version 2, for a client at this address.
fn version_2(client: IpAddr) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    match client {
        IpAddr::V4(ip) => {
            header.extend([0x11, 0, 12]);
            header.extend([ip.octets(), [192, 0, 2, 1]].concat());
        }
        IpAddr::V6(ip) => {
            header.extend([0x21, 0, 36]);
            header.extend([ip.octets(), [0; 16]].concat());
        }
    }
    header.extend([0x13, 0x88, 0, 80]);
    header
}

#[tokio::test]
async fn the_proxy_protocol_of_a_trusted_peer_names_the_client() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.web.proxyProtocol.trustedIPs=127.0.0.1"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let address = |text: &str| text.parse().expect("an address");
    for (what, header, expected) in [
        ("none", Vec::new(), "127.0.0.1"),
        ("1", b"PROXY TCP4 192.0.2.44 192.0.2.1 5000 80\r\n".to_vec(), "192.0.2.44"),
        ("1, IPv6", b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 80\r\n".to_vec(), "2001:db8::7"),
        ("1, mapped", b"PROXY TCP6 ::ffff:192.0.2.45 ::1 5000 80\r\n".to_vec(), "192.0.2.45"),
        ("1, unknown", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        ("2", version_2(address("192.0.2.46")), "192.0.2.46"),
        ("2, IPv6", version_2(address("2001:db8::8")), "2001:db8::8"),
        ("2, mapped", version_2(address("::ffff:192.0.2.47")), "192.0.2.47"),
        ("2, its own", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), "127.0.0.1"),
    ] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send([&header, &b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"[..]].concat()).await;
        assert_eq!(client.answer().await.expect("an answer").status, 200, "version {what}");
        let seen = backend.last();
        assert_eq!(seen.headers("x-forwarded-for"), [expected], "version {what}");
        assert_eq!(seen.headers("x-real-ip"), [expected], "version {what}");
    }
    let count = backend.requests().len();
    for header in [&b"PROXY TCP4 1 2 3\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send([header, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"].concat()).await;
        assert!(client.answer().await.is_none(), "a header that is broken names nobody");
    }
    let counted = "adit_refusals_total{reason=\"proxy_protocol\"} 2";
    eventually("both are counted", async || gateway.admin_text("/metrics").await.contains(counted)).await;
    assert_eq!(backend.requests().len(), count);
}

#[tokio::test]
async fn a_route_that_leads_back_here_ends_instead_of_taking_all_connections() {
    let gateway = Gateway::start("", &[]).await;
    gateway.edit(&route("loop", "a.example", "/", &[gateway.web().port()]));
    eventually("the request has gone round", async || {
        get(gateway.web(), "a.example", "/").await.is_ok_and(|answer| answer.status == 508)
    })
    .await;
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains("adit_refusals_total{reason=\"loop\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn whom_the_proxy_protocol_names_is_who_is_trusted() {
    let backend = Backend::named("app").await;
    let flags = [
        "--entryPoints.web.proxyProtocol.trustedIPs=127.0.0.1",
        "--entryPoints.web.forwardedHeaders.trustedIPs=192.0.2.0/24",
    ];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    for (client, expected) in [("::ffff:192.0.2.47", "198.51.100.7, 192.0.2.47"), ("203.0.113.1", "203.0.113.1")] {
        let header = version_2(client.parse().expect("an address"));
        let request = b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n";
        let mut client = Raw::connect(gateway.web()).await;
        client.send([&header, &request[..]].concat()).await;
        assert_eq!(client.answer().await.expect("an answer").status, 200);
        assert_eq!(backend.last().headers("x-forwarded-for"), [expected]);
    }
}

#[tokio::test]
async fn an_address_without_a_host_takes_both_families_and_unmaps_the_old_one() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.web.address=:0"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut families = vec!["127.0.0.1"];
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        families.push("::1");
    }
    for family in families {
        let address = (family.parse::<IpAddr>().expect("an address"), gateway.web().port()).into();
        assert_eq!(get(address, "a.example", "/").await.expect("an answer").status, 200);
        assert_eq!(backend.last().headers("x-forwarded-for"), [family]);
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
