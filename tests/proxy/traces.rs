//! Traces as a collector gets them, by HTTP, TLS and gRPC, and what a collector that does not take them cannot do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use tokio::io::AsyncWriteExt;

use crate::support::backend::Backend;
use crate::support::client::{get, request};
use crate::support::gateway::{Gateway, ingress, route, service};
use crate::support::secure::{acceptor, certificate};
use crate::support::{client, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Calls of gRPC: their heads and bodies.
type Calls = Arc<Mutex<Vec<(http::request::Parts, Vec<u8>)>>>;

/// A span, as the collector of a test reads it.
#[derive(Clone, Debug)]
struct Span {
    name: String,
    trace: String,
    id: String,
    parent: String,
    state: String,
    kind: SpanKind,
    failed: bool,
    attributes: BTreeMap<String, String>,
    resource: BTreeMap<String, String>,
    nanos: u64,
}

impl Span {
    fn says(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// The spans of a message.
fn read(message: &[u8]) -> Vec<Span> {
    let message = ExportTraceServiceRequest::decode(message).expect("a message of OTLP");
    let mut spans = Vec::new();
    for resource in message.resource_spans {
        let of = resource.resource.map(|resource| texts(&resource.attributes)).unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                kind: span.kind(),
                failed: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
                attributes: texts(&span.attributes),
                resource: of.clone(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                nanos: span.end_time_unix_nano - span.start_time_unix_nano,
                state: span.trace_state,
                name: span.name,
            });
        }
    }
    spans
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &any_value::Value| match value {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::ArrayValue(values) => format!("{} values", values.values.len()),
        other => format!("{other:?}"),
    };
    let value = |attribute: &KeyValue| attribute.value.as_ref()?.value.as_ref().map(text);
    attributes.iter().map(|attribute| (attribute.key.clone(), value(attribute).unwrap_or_default())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A collector that takes everything.
async fn collector() -> Backend {
    Backend::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await
}

fn collected(collector: &Backend) -> Vec<Span> {
    collector.requests().iter().flat_map(|seen| read(&seen.body)).collect()
}

/// Waits for so many spans.
async fn spans(collector: &Backend, count: usize) -> Vec<Span> {
    eventually("the spans come", async || collected(collector).len() >= count).await;
    let spans = collected(collector);
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans
}

fn endpoint(collector: &Backend) -> String {
    format!("--tracing.otlp.http.endpoint=http://{}", collector.address)
}

fn asking(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{fields}Connection: close\r\n\r\n")
}

fn traceparent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\n")
}

#[tokio::test]
async fn a_request_is_a_span_with_one_for_its_endpoint_that_the_endpoint_is_told_of() {
    let (collector, backend) = (collector().await, Backend::named("app").await);
    let manifests = route("app", "a.example", "/shop", &[backend.port()]);
    let gateway = Gateway::start(
        &manifests,
        &[
            &endpoint(&collector),
            "--tracing.serviceName=edge",
            "--tracing.resourceAttributes.deployment.environment.name=test",
            "--tracing.otlp.http.headers.Authorization=Bearer s3cret",
            "--tracing.capturedRequestHeaders=X-Tenant",
            "--tracing.safeQueryParams=page",
            "--accesslog",
            "--accesslog.format=json",
        ],
    )
    .await;
    let fields = "X-Tenant: one\r\nX-Tenant: two\r\nUser-Agent: test\r\ntracestate: orphan=1\r\n";
    let answer = request(gateway.web(), &asking("/shop/cart?page=2&token=s3cret", fields)).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let spans = spans(&collector, 2).await;
    let [server, asked] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((server.kind, server.name.as_str(), server.parent.as_str()), (SpanKind::Server, "GET /shop", ""));
    assert_eq!((asked.kind, asked.name.as_str(), &asked.parent), (SpanKind::Client, "GET", &server.id));
    assert_eq!(server.trace, asked.trace);
    assert!(!server.failed && !asked.failed && server.nanos >= asked.nanos && asked.nanos > 0, "{spans:?}");
    for (name, expected) in [
        ("http.route", "/shop"),
        ("url.path", "/shop/cart"),
        ("url.query", "page=2&token=REDACTED"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "3"),
        ("http.request.header.x-tenant", "2 values"),
        ("network.protocol.version", "1.1"),
        ("server.address", "a.example"),
        ("client.address", "127.0.0.1"),
        ("user_agent.original", "test"),
        ("entry_point", "web"),
        ("traefik.router.name", "default-app-a-example-shop@kubernetes"),
        ("traefik.service.name", "default-app-80@kubernetes"),
    ] {
        assert_eq!(server.says(name), expected, "{name}");
    }
    assert_eq!(asked.says("server.port"), backend.port().to_string());
    assert_eq!(server.resource["service.name"], "edge");
    assert_eq!(server.resource["deployment.environment.name"], "test");
    // Who is told, and of what.
    let told = backend.last();
    assert_eq!(told.headers("traceparent"), [format!("00-{}-{}-01", asked.trace, asked.id)]);
    assert_eq!(told.header("tracestate"), None, "a state without a trace is void");
    let message = collector.last();
    assert_eq!(message.line(), "POST /v1/traces HTTP/1.1");
    assert_eq!(message.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(message.header("content-type"), Some("application/x-protobuf"));
    // The access log has the same names.
    eventually("the line is there", async || gateway.log().contains("\"TraceId\"")).await;
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("\"TraceId\"")).expect("a line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&line["TraceId"], &line["SpanId"]), (&server.trace.as_str().into(), &server.id.as_str().into()));
    assert!(!log.contains("Bearer"), "a credential is in the log");
    eventually("they are counted", async || {
        gateway.admin_text("/metrics").await.contains("adit_spans_exported_total 2\n")
    })
    .await;
}

#[tokio::test]
async fn the_callers_decision_is_kept_whatever_the_rate() {
    let (collector, backend) = (collector().await, Backend::named("app").await);
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    for rate in ["0", "1"] {
        let before = collected(&collector).len();
        let rate = format!("--tracing.sampleRate={rate}");
        let gateway = Gateway::start(&manifests, &[&endpoint(&collector), &rate]).await;
        let no = format!("{}tracestate: a=1\r\ntracestate: b=2\r\n", traceparent("00"));
        request(gateway.web(), &asking("/no", &no)).await.expect("an answer");
        let told = backend.last();
        let parent = told.header("traceparent").expect("it is passed on").to_owned();
        assert!(parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-00"), "{parent}");
        assert!(!parent.contains(CALLER), "a hop has a span of its own: {parent}");
        assert_eq!(told.headers("tracestate"), ["a=1", "b=2"]);
        let yes = format!("{}tracestate: a=1\r\n", traceparent("01"));
        request(gateway.web(), &asking("/yes", &yes)).await.expect("an answer");
        // What is exported comes in order: had the first been sampled, it would be here.
        let spans = spans(&collector, before + 2).await;
        let [server, asked] = &spans[before..] else { panic!("{spans:?}") };
        assert_eq!((server.trace.as_str(), server.parent.as_str()), (TRACE, CALLER));
        assert_eq!((server.says("url.path"), server.state.as_str()), ("/yes", "a=1"));
        assert_eq!(backend.last().header("traceparent"), Some(&*format!("00-{TRACE}-{}-01", asked.id)));
    }
}

#[tokio::test]
async fn a_rate_of_zero_traces_nothing_that_nobody_asked_for_and_says_so_to_endpoints() {
    let (collector, backend) = (collector().await, Backend::named("app").await);
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let gateway = Gateway::start(&manifests, &[&endpoint(&collector), "--tracing.sampleRate=0"]).await;
    for _ in 0..20 {
        get(gateway.web(), "a.example", "/").await.expect("an answer");
        let told = backend.last();
        assert!(told.header("traceparent").is_some_and(|parent| parent.ends_with("-00")), "{told:?}");
    }
    request(gateway.web(), &asking("/asked", &traceparent("01"))).await.expect("an answer");
    assert!(spans(&collector, 2).await.iter().all(|span| span.trace == TRACE));
}

#[tokio::test]
async fn a_malformed_context_is_none_and_is_not_passed_on() {
    let (collector, backend) = (collector().await, Backend::named("app").await);
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let gateway = Gateway::start(&manifests, &[&endpoint(&collector)]).await;
    let twice = traceparent("01").repeat(2);
    let hostile = [
        "traceparent: 00-0-0-01\r\n".to_owned(),
        format!("traceparent: ff-{TRACE}-{CALLER}-01\r\n"),
        format!("traceparent: 00-{}-{CALLER}-01\r\n", TRACE.to_uppercase()),
        format!("traceparent: 00-{TRACE}-{CALLER}-01-{}\r\n", "x".repeat(4000)),
        "traceparent: \u{e9}\u{e9}\r\n".to_owned(),
        twice,
    ];
    for (count, fields) in hostile.iter().enumerate() {
        let answer = request(gateway.web(), &asking("/", &format!("{fields}tracestate: a=1\r\n"))).await;
        assert_eq!(answer.expect("an answer").status, 200, "{fields}");
        let spans = spans(&collector, 2 * (count + 1)).await;
        let [server, asked] = &spans[2 * count..] else { panic!("{spans:?}") };
        assert!(server.parent.is_empty() && server.trace != TRACE, "{fields}: {server:?}");
        let told = backend.last();
        assert_eq!(told.headers("traceparent"), [format!("00-{}-{}-01", asked.trace, asked.id)]);
        assert!(told.header("tracestate").is_none());
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_has_a_span_of_its_own_and_so_has_a_refusal() {
    let (collector, backend) = (collector().await, Backend::named("app").await);
    // Nothing listens on port 1.
    let dead = route("dead", "dead.example", "/", &[1]);
    let mixed = route("app", "a.example", "/", &[1, backend.port()]);
    let gateway = Gateway::start(&[dead, mixed].concat(), &[&endpoint(&collector)]).await;
    assert_eq!(get(gateway.web(), "dead.example", "/").await.expect("an answer").status, 502);
    assert_eq!(get(gateway.web(), "stranger.example", "/").await.expect("an answer").status, 404);
    eventually("both are told of", async || {
        collected(&collector).iter().filter(|span| span.kind == SpanKind::Server).count() >= 2
    })
    .await;
    let spans = collected(&collector);
    let server = |host: &str| {
        let mut found =
            spans.iter().filter(|span| span.kind == SpanKind::Server && span.says("server.address") == host);
        found.next().expect("its span").clone()
    };
    let (dead, stranger) = (server("dead.example"), server("stranger.example"));
    assert!(dead.failed && dead.says("error.type") == "connect_failed", "{dead:?}");
    let asked: Vec<_> = spans.iter().filter(|span| span.parent == dead.id).collect();
    assert!(!asked.is_empty() && asked.iter().all(|span| span.says("error.type") == "connect_failed"), "{asked:?}");
    assert!(!stranger.failed && stranger.says("adit.refusal_reason") == "no_route" && stranger.name == "GET");
    // Some request finds the dead endpoint first.
    eventually("one was sent again", async || {
        get(gateway.web(), "a.example", "/").await.expect("an answer");
        collected(&collector).iter().any(|span| span.says("http.request.resend_count") == "1" && !span.failed)
    })
    .await;
}

#[tokio::test]
async fn what_is_not_traced_is_passed_on_as_it_came() {
    let (collector, backend) = (collector().await, Backend::named("app").await);
    let quiet = "traefik.ingress.kubernetes.io/router.observability.tracing: \"false\"";
    let manifests = |annotations: &str| {
        [ingress("app", "a.example", "/", annotations), service("app", &[backend.port()], "", "")].concat()
    };
    let entry_point = "--entryPoints.web.observability.tracing=false";
    for (annotations, flags) in
        [("", vec![]), (quiet, vec![endpoint(&collector)]), ("", vec![endpoint(&collector), entry_point.to_owned()])]
    {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let mut gateway = Gateway::start(&manifests(annotations), &flags).await;
        let fields = "traceparent: anything\r\ntracestate: a=1\r\n";
        request(gateway.web(), &asking("/", fields)).await.expect("an answer");
        let told = backend.last();
        assert_eq!((told.header("traceparent"), told.header("tracestate")), (Some("anything"), Some("a=1")));
        gateway.signal("INT");
        assert_eq!(gateway.exit_code().await, Some(0));
    }
    assert!(collected(&collector).is_empty());
}

#[tokio::test]
async fn requests_to_our_own_pages_are_traced_only_when_that_is_asked_for() {
    let manifests = route("app", "a.example", "/", &[1]);
    for (flag, expected) in [("--tracing.addInternals=true", true), ("--tracing.addInternals=false", false)] {
        let collector = collector().await;
        let mut gateway = Gateway::start(&manifests, &[&endpoint(&collector), flag]).await;
        assert_eq!(gateway.admin_status("/ping").await, 200);
        // At its end it has sent all there is.
        gateway.signal("INT");
        assert_eq!(gateway.exit_code().await, Some(0));
        let spans = collected(&collector);
        let ping = spans.iter().any(|span| span.says("traefik.router.name") == "ping@internal");
        assert_eq!((ping, spans.is_empty()), (expected, !expected), "{spans:?}");
    }
}

#[tokio::test]
async fn the_last_spans_are_sent_at_the_end() {
    let (collector, backend) = (collector().await, Backend::named("app").await);
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let mut gateway = Gateway::start(&manifests, &[&endpoint(&collector)]).await;
    for _ in 0..5 {
        get(gateway.web(), "a.example", "/").await.expect("an answer");
    }
    gateway.signal("INT");
    assert_eq!(gateway.exit_code().await, Some(0));
    assert_eq!(collected(&collector).len(), 10);
}

#[tokio::test]
async fn a_collector_that_takes_nothing_costs_spans_and_one_line_of_the_log() {
    let backend = Backend::named("app").await;
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let refusing = Backend::answering(|_| b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let elsewhere = Backend::answering(|_| {
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec()
    })
    .await;
    for collector in [&refusing, &elsewhere] {
        let gateway = Gateway::start(&manifests, &[&endpoint(collector)]).await;
        for count in 1..=3 {
            assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 200);
            let dropped = format!("adit_spans_dropped_total{{reason=\"export_failed\"}} {}\n", 2 * count);
            eventually("the spans are dropped", async || gateway.admin_text("/metrics").await.contains(&dropped)).await;
        }
        assert_eq!(gateway.log().matches("spans are not exported").count(), 1, "{}", gateway.log());
        assert!(gateway.log().contains(&format!("http://{}", collector.address)));
    }
}

#[tokio::test]
async fn a_collector_that_is_down_slow_or_hostile_holds_nobody_up() {
    let backend = Backend::named("app").await;
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let silent = Backend::on_connection(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let endless = Backend::on_connection(|mut stream| async move {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head).await;
        let chunk = [b"1000\r\n".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat();
        while stream.write_all(&chunk).await.is_ok() {}
    })
    .await;
    let noise =
        Backend::on_connection(|mut stream| async move { while stream.write_all(&[0xff; 4096]).await.is_ok() {} })
            .await;
    let down = "--tracing.otlp.http.endpoint=http://127.0.0.1:1".to_owned();
    for flag in [down, endpoint(&silent), endpoint(&endless), endpoint(&noise)] {
        let mut gateway = Gateway::start(&manifests, &[&flag]).await;
        for _ in 0..50 {
            assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 200, "{flag}");
        }
        if !flag.ends_with(&silent.address.to_string()) {
            eventually("the log says so", async || gateway.log().contains("spans are not exported")).await;
        }
        gateway.signal("INT");
        assert_eq!(gateway.exit_code().await, Some(0), "{flag}");
        assert!(gateway.log().matches("spans are not exported").count() <= 1, "{}", gateway.log());
    }
}

#[tokio::test]
async fn a_message_that_was_not_taken_is_sent_again() {
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = tries.clone();
    let collector = Backend::answering(move |_| match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
    })
    .await;
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[&endpoint(&collector)]).await;
    get(gateway.web(), "a.example", "/").await.expect("an answer");
    eventually("they are exported", async || {
        gateway.admin_text("/metrics").await.contains("adit_spans_exported_total 2\n")
    })
    .await;
    let [first, second] = &collector.requests()[..] else { panic!("two messages") };
    assert_eq!(first.body, second.body);
    eventually("the log says that it is over", async || gateway.log().contains("spans are exported again")).await;
}

#[tokio::test]
async fn a_collector_is_reached_by_tls_only_with_a_certificate_that_is_trusted() {
    let (chain, key) = certificate(&["localhost"]);
    let accepts = acceptor(&chain, &key);
    let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
    let all = seen.clone();
    let collector = Backend::on_connection(move |stream| {
        let (accepts, all) = (accepts.clone(), all.clone());
        async move {
            let Ok(mut stream) = accepts.accept(stream).await else { return };
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await {
                all.lock().expect("what was seen").extend_from_slice(&buffer[..count]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let backend = Backend::named("app").await;
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let endpoint = format!("--tracing.otlp.http.endpoint=https://localhost:{}", collector.port());
    let (ca, insecure) = (format!("--tracing.otlp.http.tls.ca={chain}"), "--tracing.otlp.http.tls.insecureSkipVerify");
    let stranger = Gateway::start(&manifests, &[&endpoint]).await;
    get(stranger.web(), "a.example", "/").await.expect("an answer");
    eventually("a stranger's certificate is refused", async || stranger.log().contains("spans are not exported")).await;
    assert!(seen.lock().expect("what was seen").is_empty());
    for flag in [ca.as_str(), insecure] {
        seen.lock().expect("what was seen").clear();
        let gateway = Gateway::start(&manifests, &[&endpoint, flag]).await;
        get(gateway.web(), "a.example", "/").await.expect("an answer");
        eventually("spans come", async || seen.lock().expect("what was seen").starts_with(b"POST /v1/traces ")).await;
    }
}

#[tokio::test]
async fn spans_are_sent_by_grpc_where_that_is_asked_for() {
    let seen: Calls = Arc::default();
    let all = seen.clone();
    let collector = Backend::on_connection(move |stream| {
        let all = all.clone();
        async move {
            let mut server = h2::server::handshake(stream).await.expect("HTTP/2 by prior knowledge");
            while let Some(Ok((request, mut respond))) = server.accept().await {
                let all = all.clone();
                tokio::spawn(async move {
                    let (head, mut body) = request.into_parts();
                    let mut bytes = Vec::new();
                    while let Some(Ok(data)) = body.data().await {
                        let _ = body.flow_control().release_capacity(data.len());
                        bytes.extend_from_slice(&data);
                    }
                    all.lock().expect("what was seen").push((head, bytes));
                    let head = http::Response::builder().header("content-type", "application/grpc").body(());
                    let mut stream = respond.send_response(head.expect("a head"), false).expect("it is sent");
                    let _ = stream.send_data(Bytes::from_static(&[0; 5]), false);
                    let status = [("grpc-status".parse().expect("a name"), http::HeaderValue::from_static("0"))];
                    let _ = stream.send_trailers(http::HeaderMap::from_iter(status));
                });
            }
        }
    })
    .await;
    let backend = Backend::named("app").await;
    let endpoint = format!("--tracing.otlp.grpc.endpoint={}", collector.address);
    let flags = [endpoint.as_str(), "--tracing.otlp.grpc.insecure", "--tracing.otlp.grpc.headers.X-Key=k"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    client::get(gateway.web(), "a.example", "/").await.expect("an answer");
    let exported = "adit_spans_exported_total 2\n";
    eventually("spans are taken", async || gateway.admin_text("/metrics").await.contains(exported)).await;
    let seen = seen.lock().expect("what was seen");
    let (head, body) = seen.first().expect("a call");
    assert_eq!(head.uri.path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(head.headers["te"], "trailers");
    assert_eq!(head.headers["x-key"], "k");
    let (frame, message) = body.split_at(5);
    assert_eq!(frame, [&[0][..], &u32::try_from(message.len()).expect("a length").to_be_bytes()].concat());
    assert_eq!(read(message).len(), 2);
}
