//! What is sampled, what a span says, and what does not fit.

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Method, header};
use opentelemetry::trace::Status;
use opentelemetry::{InstrumentationScope, Value};
use opentelemetry_sdk::trace::SpanData;

use super::*;
use crate::telemetry::access::Origin;
use crate::telemetry::meters::{MeterSettings, Refusal};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn settings() -> TraceSettings {
    TraceSettings {
        request_headers: vec![HeaderName::from_static("x-tenant"), header::USER_AGENT],
        response_headers: vec![HeaderName::from_static("x-cache")],
        safe_query_params: vec!["page".into()],
        ..TraceSettings::default()
    }
}

fn tracer(settings: TraceSettings) -> (Arc<Tracer>, Exporter, Arc<Meters>) {
    let meters = Meters::new(MeterSettings::default());
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
    let tls = tls.expect("the usual versions").with_root_certificates(rustls::RootCertStore::empty());
    let (tracer, exporter) = Tracer::new(settings, Arc::new(tls.with_no_client_auth()), meters.clone());
    (tracer, exporter, meters)
}

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let fields = fields.iter();
    fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn record(path: &str, status: u16) -> AccessRecord {
    let client = "10.42.0.1:51234".parse().expect("an address");
    AccessRecord {
        duration: Duration::from_millis(30),
        host: "weather.lvh.me:8000".into(),
        path: path.into(),
        status,
        response_bytes: 512,
        origin: None::<Origin>,
        router: Some("default-weather@kubernetes".into()),
        service: Some("default-weather-8080@kubernetes".into()),
        forwarded_for: Some("203.0.113.7, 10.0.0.1".into()),
        ..AccessRecord::new(SystemTime::UNIX_EPOCH, "web".into(), client, Method::GET)
    }
}

fn spans(tracer: &Tracer, trace: Box<Trace>, record: AccessRecord) -> Vec<SpanData> {
    let ended = Ended { trace, record: Arc::new(record), route: None, weight: 0 };
    spans::of(&ended, &tracer.settings, &InstrumentationScope::builder("test").build())
}

fn attribute<'a>(span: &'a SpanData, name: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == name).map(|attribute| &attribute.value)
}

fn text(span: &SpanData, name: &str) -> String {
    attribute(span, name).map_or_else(|| "absent".into(), |value| value.as_str().into_owned())
}

#[test]
fn whoever_asks_decides_and_the_rate_decides_for_the_rest() {
    for (rate, parent, expected) in [
        (0.0, None, false),
        (1.0, None, true),
        (0.0, Some(PARENT), true),
        (1.0, Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), false),
        (0.0, Some("00-nonsense-01"), false),
        (1.0, Some("00-nonsense-01"), true),
    ] {
        let (tracer, ..) = tracer(TraceSettings { sample_rate: rate, ..settings() });
        let fields: Vec<_> = parent.iter().map(|parent| ("traceparent", *parent)).collect();
        assert_eq!(tracer.begin(&headers(&fields)).is_sampled(), expected, "{rate} {parent:?}");
    }
    let (half, ..) = tracer(TraceSettings { sample_rate: 0.5, ..settings() });
    let sampled = (0..1000).filter(|_| half.begin(&HeaderMap::new()).is_sampled()).count();
    assert!((350..650).contains(&sampled), "{sampled} of 1000");
}

#[test]
fn a_request_and_its_attempts_are_spans_of_the_callers_trace() {
    let (tracer, ..) = tracer(settings());
    let asked = headers(&[("traceparent", PARENT), ("user-agent", "curl/8"), ("x-tenant", "a")]);
    let mut trace = tracer.begin(&asked);
    let mut told = asked.clone();
    trace.asks(&mut told, || "http://10.42.0.8:80".into(), Duration::ZERO);
    trace.failed(Refusal::ConnectFailed, Duration::from_millis(5));
    trace.asks(&mut told, || "http://10.42.0.9:80".into(), Duration::from_millis(6));
    tracer.answered(&mut trace, 200, &headers(&[("x-cache", "hit")]));
    let name = trace.name();
    let spans = spans(&tracer, trace, record("/forecast?page=2&token=s3cret&bare", 200));
    let [server, first, second] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(server.span_context.span_id(), name.span);
    assert_eq!(server.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(server.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(server.parent_span_is_remote && server.status == Status::Unset);
    for (name, expected) in [
        ("entry_point", "web"),
        ("http.request.method", "GET"),
        ("url.path", "/forecast"),
        ("url.query", "page=2&token=REDACTED&REDACTED"),
        ("server.address", "weather.lvh.me"),
        ("server.port", "8000"),
        ("client.address", "203.0.113.7"),
        ("network.peer.address", "10.42.0.1"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "512"),
        ("user_agent.original", "curl/8"),
        ("http.request.header.x-tenant", "[\"a\"]"),
        ("http.response.header.x-cache", "[\"hit\"]"),
        ("http.request.header.user-agent", "absent"),
        ("traefik.router.name", "default-weather@kubernetes"),
        ("traefik.service.name", "default-weather-8080@kubernetes"),
        ("error.type", "absent"),
    ] {
        assert_eq!(text(server, name), expected, "{name}");
    }
    for span in [first, second] {
        assert_eq!(span.parent_span_id, name.span);
        assert_eq!(span.span_kind, SpanKind::Client);
    }
    assert_eq!((text(first, "error.type"), &first.status), ("connect_failed".into(), &Status::error("")));
    assert_eq!(text(first, "http.request.resend_count"), "absent");
    assert_eq!(first.end_time, SystemTime::UNIX_EPOCH + Duration::from_millis(5));
    assert_eq!(text(second, "http.request.resend_count"), "1");
    assert_eq!(text(second, "url.full"), "http://10.42.0.9:80/forecast?page=2&token=REDACTED&REDACTED");
    assert_eq!((text(second, "server.address"), text(second, "server.port")), ("10.42.0.9".into(), "80".into()));
    assert_eq!(second.end_time, SystemTime::UNIX_EPOCH + Duration::from_millis(30));
    assert!(told["traceparent"].to_str().expect("text").contains(&second.span_context.span_id().to_string()));
}

#[test]
fn an_error_is_one_of_the_side_that_made_it() {
    let (tracer, ..) = tracer(settings());
    let server = |status, refusal| {
        let record = AccessRecord { refusal, ..record("/", status) };
        let span = spans(&tracer, tracer.begin(&HeaderMap::new()), record).remove(0);
        (span.status != Status::Unset, text(&span, "error.type"), text(&span, "adit.refusal_reason"))
    };
    assert_eq!(server(404, Some(Refusal::NoRoute)), (false, "absent".into(), "no_route".into()));
    assert_eq!(server(502, Some(Refusal::ConnectFailed)), (true, "connect_failed".into(), "connect_failed".into()));
    assert_eq!(server(500, None), (true, "500".into(), "absent".into()));
    assert_eq!(server(200, Some(Refusal::ResponseTruncated)).1, "response_truncated");
    let mut trace = tracer.begin(&HeaderMap::new());
    trace.asks(&mut HeaderMap::new(), || "http://[2001:db8::1]:80".into(), Duration::ZERO);
    tracer.answered(&mut trace, 404, &HeaderMap::new());
    let asked = spans(&tracer, trace, record("/", 404)).remove(1);
    assert_eq!((text(&asked, "error.type"), text(&asked, "server.address")), ("404".into(), "2001:db8::1".into()));
}

#[test]
fn what_a_client_chooses_is_cut_and_names_are_of_a_closed_set() {
    let (tracer, ..) = tracer(settings());
    let mut record = record(&format!("/{}é", "x".repeat(2046)), 200);
    record.method = Method::from_bytes(b"PURGE").expect("a method");
    let span = spans(&tracer, tracer.begin(&HeaderMap::new()), record).remove(0);
    assert_eq!(text(&span, "url.path").len(), 2047, "half a character is none");
    assert_eq!(span.name, "HTTP");
    assert_eq!(text(&span, "http.request.method"), "_OTHER");
    assert_eq!(text(&span, "http.request.method_original"), "PURGE");
}

#[test]
fn what_does_not_fit_the_queue_is_dropped_and_counted_and_unsampled_requests_are_not_in_it() {
    let (tracer, _exporter, meters) = tracer(settings());
    let unsampled = headers(&[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")]);
    let one = Arc::new(record("/", 200));
    (0..QUEUE).for_each(|_| tracer.submit(tracer.begin(&unsampled), one.clone(), None));
    let large = Arc::new(record(&"x".repeat(1 << 20), 200));
    (0..20).for_each(|_| tracer.submit(tracer.begin(&HeaderMap::new()), large.clone(), None));
    let page = meters.render();
    // 16 MiB hold fifteen records of a mebibyte and a little.
    assert!(page.contains("adit_spans_dropped_total{reason=\"queue_full\"} 5\n"), "{page}");
}
