//! Lines as Traefik writes them, and what hostile clients cannot do to them.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use http::{Method, header};
use serde_json::{Value, json};

use super::*;
use crate::telemetry::meters::{Refusal, TlsLabel};

/// 24 July 2026, 10:33:15.25 UTC.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_784_889_195_250)
}

fn record() -> AccessRecord {
    let client = "10.42.0.1:51234".parse().expect("an address");
    AccessRecord {
        duration: Duration::from_micros(3_400),
        host: "weather.lvh.me:8000".into(),
        path: "/forecast?q=rome&token=s3cret&bare".into(),
        status: 200,
        response_bytes: 512,
        origin: Some(Origin {
            url: "http://10.42.0.9:8080".into(),
            address: "10.42.0.9:8080".into(),
            status: Some(200),
            bytes: 512,
            duration: Duration::from_micros(3_000),
        }),
        router: Some("default-weather-weather-lvh-me@kubernetes".into()),
        service: Some("default-weather-8080@kubernetes".into()),
        namespace: "default".into(),
        ingress: "weather".into(),
        ..AccessRecord::new(start(), "web".into(), client, Method::GET)
    }
}

fn logged(settings: AccessSettings, records: impl IntoIterator<Item = AccessRecord>) -> String {
    let (mut reader, pipe) = std::io::pipe().expect("a pipe");
    let log = AccessLog::start_on(settings, Target::Open(File::from(OwnedFd::from(pipe)))).expect("a thread");
    records.into_iter().for_each(|record| log.submit(record));
    log.flush();
    drop(log);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("the pipe ends with its writer");
    text
}

fn settings(format: AccessFormat) -> AccessSettings {
    AccessSettings { format, ..AccessSettings::traefik() }
}

#[test]
fn a_larger_buffer_holds_more_lines_while_nothing_is_written() {
    const LINES: usize = 3 * QUEUE_LINES;
    let dropped = |buffered_lines| {
        // Nobody reads, so that the writer stands still after the first lines.
        let (_reader, pipe) = std::io::pipe().expect("a pipe");
        let settings = AccessSettings { buffered_lines, ..AccessSettings::traefik() };
        let log = AccessLog::start_on(settings, Target::Open(File::from(OwnedFd::from(pipe)))).expect("a thread");
        let record = record();
        (0..LINES).for_each(|_| log.submit(record.clone()));
        log.drops().load(Relaxed)
    };
    assert!(dropped(0) > 0);
    assert_eq!(dropped(LINES), 0);
    assert!(dropped(1) < LINES as u64 - 1000, "a small buffer of Traefik's loses no more than none");
}

#[test]
fn the_common_format_is_traefiks_to_the_byte() {
    let text = logged(settings(AccessFormat::Common), [record(), record()]);
    let second = text.lines().nth(1).expect("two lines");
    assert_eq!(
        second,
        r#"10.42.0.1 - - [24/Jul/2026:10:33:15 +0000] "GET /forecast?q=rome&token=s3cret&bare HTTP/1.1" 200 512 "-" "-" 2 "default-weather-weather-lvh-me@kubernetes" "http://10.42.0.9:8080" 3ms"#
    );
}

#[test]
fn a_request_without_a_route_has_dashes() {
    let record =
        AccessRecord { router: None, origin: None, status: 404, response_bytes: 19, path: "/".into(), ..record() };
    let text = logged(settings(AccessFormat::Common), [record]);
    assert!(text.ends_with("\"GET / HTTP/1.1\" 404 19 \"-\" \"-\" 1 \"-\" \"-\" 3ms\n"), "{text}");
}

#[test]
fn the_generic_format_ends_with_the_user_agent() {
    let text = logged(settings(AccessFormat::GenericClf), [record()]);
    assert!(text.ends_with(" 200 512 \"-\" \"-\"\n"), "{text}");
}

#[test]
fn the_json_format_has_traefiks_fields_sorted() {
    let tls = Some(TlsLabel::of(rustls::CipherSuite::TLS13_AES_256_GCM_SHA384));
    let record = AccessRecord { tls, refusal: Some(Refusal::ClientGone), retries: 1, ..record() };
    let text = logged(settings(AccessFormat::Json), [record]);
    let value: Value = serde_json::from_str(&text).expect("one object");
    assert_eq!(
        value,
        json!({
            "ClientAddr": "10.42.0.1:51234", "ClientHost": "10.42.0.1", "ClientPort": "51234", "ClientUsername": "-",
            "DownstreamContentSize": 512, "DownstreamStatus": 200, "Duration": 3_400_000,
            "KubernetesIngressName": "weather", "KubernetesIngressNamespace": "default",
            "OriginContentSize": 512, "OriginDuration": 3_000_000, "OriginStatus": 200, "Overhead": 400_000,
            "RefusalReason": "client_gone",
            "RequestAddr": "weather.lvh.me:8000", "RequestContentSize": 0, "RequestCount": 1,
            "RequestHost": "weather.lvh.me", "RequestMethod": "GET",
            "RequestPath": "/forecast?q=rome&token=s3cret&bare", "RequestPort": "8000",
            "RequestProtocol": "HTTP/1.1", "RequestScheme": "http", "RetryAttempts": 1,
            "RouterName": "default-weather-weather-lvh-me@kubernetes",
            "ServiceAddr": "10.42.0.9:8080", "ServiceName": "default-weather-8080@kubernetes",
            "ServiceURL": "http://10.42.0.9:8080",
            "StartLocal": "2026-07-24T10:33:15.25Z", "StartUTC": "2026-07-24T10:33:15.25Z",
            "TLSCipher": "TLS_AES_256_GCM_SHA384", "TLSVersion": "1.3",
            "entryPointName": "web", "level": "info", "msg": "", "time": "2026-07-24T10:33:15Z",
        })
    );
    let keys: Vec<_> = text.match_indices("\"ClientAddr\"").chain(text.match_indices("\"time\"")).collect();
    assert!(keys.is_sorted(), "{text}");
}

#[test]
fn queries_and_fields_can_be_dropped_or_redacted() {
    let mut settings = settings(AccessFormat::Common);
    settings.query = Mode::Redact;
    settings.fields.names.insert("clienthost".into(), Mode::Drop);
    settings.fields.names.insert("routername".into(), Mode::Redact);
    let text = logged(settings, [record()]);
    assert!(text.starts_with("- - - ["), "{text}");
    assert!(text.contains("\"GET /forecast?q=REDACTED&token=REDACTED&REDACTED HTTP/1.1\""), "{text}");
    assert!(text.contains(" \"REDACTED\" \"http://"), "{text}");
}

#[test]
fn credentials_are_redacted_even_where_all_headers_are_kept() {
    let mut settings = settings(AccessFormat::Json);
    settings.headers.default = Mode::Keep;
    let log = AccessLog::start_on(settings.clone(), Target::Open(File::open("/dev/null").expect("/dev/null")))
        .expect("a thread");
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("curl"));
    let record = AccessRecord { request_headers: log.capture(&headers), ..record() };
    let value: Value = serde_json::from_str(&logged(settings, [record])).expect("one object");
    assert_eq!((&value["request_Authorization"], &value["request_User-Agent"]), (&json!("REDACTED"), &json!("curl")));
}

#[test]
fn values_of_one_header_are_joined_as_traefik_joins_them_and_redacted_once() {
    let mut settings = settings(AccessFormat::Json);
    settings.headers.default = Mode::Keep;
    let target = Target::Open(File::open("/dev/null").expect("/dev/null"));
    let log = AccessLog::start_on(settings.clone(), target).expect("a thread");
    let all = [("x-a", "1"), ("cookie", "one"), ("x-a", "2"), ("cookie", "two")];
    let all = all.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let headers: HeaderMap = all.into_iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
        headers.append(name, value);
        headers
    });
    let record = AccessRecord { request_headers: log.capture(&headers), ..record() };
    let value: Value = serde_json::from_str(&logged(settings, [record])).expect("one object");
    assert_eq!((&value["request_X-A"], &value["request_Cookie"]), (&json!("1,2"), &json!("REDACTED")));
}

#[test]
fn by_default_no_header_is_captured() {
    let log = AccessLog::start_on(AccessSettings::traefik(), Target::Open(File::open("/dev/null").expect("/dev/null")))
        .expect("a thread");
    let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static("curl"))]);
    assert!(log.capture(&headers).is_empty());
}

#[test]
fn filters_keep_when_any_of_them_does() {
    let filters = Filters {
        status_codes: vec![400..=499, 503..=503],
        retry_attempts: true,
        min_duration: Duration::from_millis(10),
        sample_rate: 0.0,
    };
    let kept =
        |status, retries, millis| filters.keep(status, retries, Duration::from_millis(millis), &AtomicU64::new(0));
    assert!(kept(404, 0, 0) && kept(503, 0, 0) && kept(200, 1, 0) && kept(200, 0, 11));
    assert!(!kept(200, 0, 10) && !kept(500, 0, 0));
    assert!(Filters::default().keep(200, 0, Duration::ZERO, &AtomicU64::new(0)));
}

#[test]
fn a_share_of_all_is_kept_besides_what_another_filter_keeps() {
    let kept = |sample_rate| {
        let filters = Filters { status_codes: vec![500..=599], sample_rate, ..Filters::default() };
        let samples = AtomicU64::new(0);
        assert!((0..100).all(|_| filters.keep(503, 0, Duration::ZERO, &samples)), "errors are all kept");
        (0..10_000).filter(|_| filters.keep(200, 0, Duration::ZERO, &samples)).count()
    };
    assert_eq!((kept(0.0), kept(1.0)), (0, 10_000));
    for (rate, expected) in [(0.01, 100), (0.5, 5_000), (0.9, 9_000)] {
        assert!(kept(rate).abs_diff(expected) <= 3, "{rate}: {}", kept(rate));
    }
}

#[test]
fn a_span_is_named_as_traefik_names_it_where_there_is_one() {
    let line = |span| {
        let text = logged(settings(AccessFormat::Json), [AccessRecord { span, ..record() }]);
        serde_json::from_str::<Value>(&text).expect("one object")
    };
    assert!(line(None).get("TraceId").is_none());
    let value = line(Some(SpanName { trace: 0xabc_u128.into(), span: 0xdef_u64.into() }));
    assert_eq!(value["TraceId"], "00000000000000000000000000000abc");
    assert_eq!(value["SpanId"], "0000000000000def");
    assert_eq!((&value["trace_id"], &value["span_id"]), (&value["TraceId"], &value["SpanId"]));
}

#[test]
fn hostile_values_stay_on_their_line_and_in_their_quotes() {
    let hostile = "a\" \"b\r\n10.0.0.1 - forged\x1b[2J";
    let mut settings = settings(AccessFormat::Common);
    settings.headers.default = Mode::Keep;
    let user_agent = HeaderValue::from_bytes(b"x\" 1 \"forged\x80\xff").expect("obs-text is a header value");
    for format in [AccessFormat::Common, AccessFormat::GenericClf, AccessFormat::Json] {
        settings.format = format;
        let record = AccessRecord {
            path: format!("/{hostile}"),
            host: hostile.into(),
            user: Some(hostile.into()),
            forwarded_for: Some(hostile.into()),
            request_headers: vec![(header::USER_AGENT, user_agent.clone())],
            ..record()
        };
        let text = logged(settings.clone(), [record]);
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.trim_end_matches('\n').chars().any(char::is_control), "{text:?}");
        if format == AccessFormat::Common {
            assert!(text.contains(r#" 200 512 "-" "x\" 1 \"forged"#), "{text}");
            assert_eq!(text.replace("\\\"", "").matches('"').count(), 10, "{text}");
        }
    }
}
