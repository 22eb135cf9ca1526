//! What a refused client is told, what the operator is told of it, and that neither learns what is the other's.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::backend::Backend;
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, ingress, route};

const SHORT: &str = "--entryPoints.web.http.maxHeaderBytes=8192";
const STRICT: &str = "--entryPoints.web.http.underscoreHeadersStrategy=reject";

/// `app.example` is served; `empty.example` has no endpoint, `lost.example` no Service, and the endpoint of
/// `shut.example` is not there.
async fn gateway(flags: &[&str]) -> (Backend, u16, Gateway) {
    let backend = Backend::named("app").await;
    let shut = Backend::named("shut").await.port();
    let manifests = [
        route("app", "app.example", "/", &[backend.port()]),
        route("empty", "empty.example", "/", &[]),
        ingress("lost", "lost.example", "/", ""),
        route("shut", "shut.example", "/", &[shut]),
    ];
    let gateway = Gateway::start(&manifests.concat(), flags).await;
    (backend, shut, gateway)
}

async fn counted(gateway: &Gateway, reason: &str) -> u64 {
    let metrics = gateway.admin_text("/metrics").await;
    let line = format!("adit_refusals_total{{reason=\"{reason}\"}} ");
    let count = metrics.lines().find_map(|found| found.strip_prefix(&line)).expect("a reason that is counted");
    count.parse().expect("a number")
}

/// The line of the log about the refusal for this reason that so many others came before, once it is there.
async fn line(gateway: &Gateway, reason: &str, before: u64) -> serde_json::Value {
    let found = || {
        let log = gateway.log();
        let values = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        values.filter(|line| line["reason"] == reason).nth(usize::try_from(before).expect("few"))
    };
    eventually(reason, async || found().is_some()).await;
    found().expect("a line")
}

#[tokio::test]
async fn a_client_is_told_what_it_can_mend_and_the_operator_where_it_was_and_what_to_do() {
    let (_backend, _, gateway) = gateway(&[SHORT, STRICT]).await;
    let large = format!("GET / HTTP/1.1\r\nHost: app.example\r\nCookie: {}\r\n\r\n", "c".repeat(9000));
    for (request, status, body, reason) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, "Bad Request: no Host\n", "bad_host"),
        (
            "POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
            "Bad Request: differing Content-Length\n",
            "bad_framing",
        ),
        (
            "GET /%zz HTTP/1.1\r\nHost: app.example\r\n\r\n",
            400,
            "the path has a malformed percent-escape\n",
            "bad_path",
        ),
        (
            "GET / HTTP/1.1\r\nHost: app.example\r\nx_y: 1\r\n\r\n",
            400,
            "has an underscore; use hyphens\n",
            "bad_header",
        ),
        (
            "POST / HTTP/1.1\r\nHost: app.example\r\nExpect: more\r\nContent-Length: 1\r\n\r\n",
            417,
            "the only expectation is 100-continue\n",
            "bad_header",
        ),
        ("?\r\n\r\n", 400, "Bad Request: its head is none\n", "bad_request"),
        (
            "POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
            "Not Implemented: the only transfer coding is chunked\n",
            "unknown_coding",
        ),
        (
            &large,
            431,
            "at most 8192 bytes and 100 fields; send fewer or smaller ones, cookies first\n",
            "header_too_large",
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: app.example\r\n\r\n",
            405,
            "CONNECT, TRACE and TRACK are not served\n",
            "method_not_allowed",
        ),
        ("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n", 404, "404 page not found\n", "no_route"),
        ("GET / HTTP/1.1\r\nHost: lost.example\r\n\r\n", 503, "Service Unavailable", "no_service"),
        ("GET / HTTP/1.1\r\nHost: empty.example\r\n\r\n", 503, "no available server\n", "no_endpoints"),
        ("GET / HTTP/1.1\r\nHost: shut.example\r\n\r\n", 502, "Bad Gateway", "connect_failed"),
        (
            "POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
            400,
            "Bad Request: the body breaks its framing, or ends before its length\n",
            "bad_framing",
        ),
    ] {
        let before = counted(&gateway, reason).await;
        let mut client = Raw::connect(gateway.web()).await;
        client.send(request).await;
        let answer = client.answer().await.unwrap_or_else(|| panic!("{body}: an answer"));
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.text().ends_with(body), "{:?} is not {body:?}", answer.text());
        for inside in ["127.0.0.1", "shut", "lost", "default", "service "] {
            assert!(!answer.text().contains(inside), "{inside} is of the inside: {}", answer.text());
        }
        assert_eq!(counted(&gateway, reason).await, before + 1, "{reason}");
        let line = line(&gateway, reason, before).await;
        assert_eq!((&line["entryPointName"], &line["status"]), (&"web".into(), &status.into()), "{line}");
        let message = line["message"].as_str().unwrap_or_default();
        let (why, mend) = message.split_once("; ").unwrap_or_else(|| panic!("no remedy: {line}"));
        assert!(why.len() > "refused: ".len() && mend.len() > 10, "{line}");
    }
}

#[tokio::test]
async fn a_failed_endpoint_is_named_in_the_log_and_in_the_access_log_alone() {
    let (_backend, shut, gateway) = gateway(&["--accesslog", "--accesslog.format=json"]).await;
    let answer = get(gateway.web(), "shut.example", "/a?token=secret").await.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (502, "Bad Gateway"));
    let endpoint = format!("127.0.0.1:{shut}");
    let told = line(&gateway, "connect_failed", 0).await;
    assert_eq!(
        (&told["endpoint"], &told["host"], &told["path"]),
        (&endpoint.clone().into(), &"shut.example".into(), &"/a".into())
    );
    assert_eq!(told["serviceName"], "default-shut-80@kubernetes", "{told}");
    assert!(told["message"].as_str().is_some_and(|text| text.contains("NetworkPolicy")), "{told}");
    eventually("a line of the access log", async || gateway.log().contains("\"RefusalReason\":\"connect_failed\""))
        .await;
    let log = gateway.log();
    let access = log.lines().find(|line| line.contains("RefusalReason")).expect("its line");
    assert!(
        access.contains(&format!("\"ServiceAddr\":\"{endpoint}\"")) && !access.contains("OriginStatus"),
        "{access}"
    );
}

#[tokio::test]
async fn a_redirect_without_a_host_says_that_it_needs_one() {
    let flags = ["--entryPoints.web.http.redirections.entryPoint.to=websecure"];
    let (_backend, _, gateway) = gateway(&flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (400, "Bad Request: no Host to redirect to\n"));
}

#[tokio::test]
async fn over_http_2_a_head_that_is_too_large_is_answered_without_a_body() {
    let (_backend, _, gateway) = gateway(&[SHORT]).await;
    let stream = TcpStream::connect(gateway.web()).await.expect("connect");
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    let request = |cookie: usize| {
        let request = http::Request::get("http://app.example/").header("cookie", "c".repeat(cookie));
        request.body(Empty::<Bytes>::new()).expect("a request")
    };
    let small = client.send_request(request(10)).await.expect("an answer");
    assert_eq!(small.status(), 200);
    let large = client.send_request(request(12_000)).await.expect("an answer");
    assert_eq!(large.status(), 431);
    assert!(large.into_body().collect().await.expect("a body").to_bytes().is_empty());
}

#[tokio::test]
async fn a_connection_that_is_refused_is_told_to_the_operator_with_what_to_do() {
    let (_backend, _, gateway) = gateway(&["--entryPoints.web.proxyProtocol.trustedIPs=127.0.0.1"]).await;
    for (reason, begins, mend) in [
        ("tls_handshake", &b"\x16\x03\x01\x00\x05hello"[..], "does the client speak TLS 1.2"),
        ("proxy_protocol", b"PROXY TCP4 nowhere\r\n", "look at what the balancer sends"),
    ] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(begins).await;
        let line = line(&gateway, reason, 0).await;
        assert_eq!(line["entryPointName"], "web", "{line}");
        let message = line["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(&format!("a connection is refused; {mend}")), "{line}");
        assert_eq!(counted(&gateway, reason).await, 1);
    }
}
