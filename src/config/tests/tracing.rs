//! `tracing`: what is on, where spans go, and what is no rate.

use super::*;
use crate::telemetry::traces::Transport;

fn endpoint(arguments: &[&str]) -> (Transport, String) {
    let collector = config(arguments).tracing.expect("it is on").settings.collector;
    (collector.transport, collector.endpoint.to_string())
}

#[test]
fn traces_are_off_until_they_are_asked_for() {
    assert!(config(&[]).tracing.is_none());
    for off in [&["--tracing=false", "--tracing.sampleRate=1"][..], &["--tracing.otlp=false"]] {
        assert!(config(off).tracing.is_none(), "{off:?}");
    }
    for on in ["--tracing", "--tracing.otlp", "--tracing.otlp.http.endpoint=http://a:1", "--tracing.serviceName=a"] {
        assert!(config(&[on]).tracing.is_some(), "{on}");
    }
}

#[test]
fn the_endpoint_is_traefiks_and_grpc_goes_before_http() {
    let http = |text: &str| endpoint(&[&format!("--tracing.otlp.http.endpoint={text}")]).1;
    assert_eq!(endpoint(&["--tracing"]), (Transport::Http, "https://localhost:4318/v1/traces".into()));
    assert_eq!(http("http://collector:4318"), "http://collector:4318/v1/traces");
    assert_eq!(http("http://collector:4318/"), "http://collector:4318/v1/traces");
    assert_eq!(http("https://collector/otlp/v1/traces"), "https://collector/otlp/v1/traces");
    let grpc = "--tracing.otlp.grpc.endpoint=collector:4317";
    assert_eq!(endpoint(&["--tracing.otlp.grpc"]), (Transport::Grpc, "https://localhost:4317/".into()));
    let both = endpoint(&["--tracing.otlp.http.endpoint=http://a:1", grpc, "--tracing.otlp.grpc.insecure"]);
    assert_eq!(both, (Transport::Grpc, "http://collector:4317/".into()));
}

#[test]
fn what_is_no_endpoint_and_no_rate_ends_the_start() {
    for bad in ["collector:4318", "ftp://collector", "/v1/traces", "http://"] {
        assert!(error(&[&format!("--tracing.otlp.http.endpoint={bad}")]).contains("expected a URL"), "{bad}");
    }
    for bad in ["collector", "http://collector:4317", ":4317", "collector:port"] {
        assert!(error(&[&format!("--tracing.otlp.grpc.endpoint={bad}")]).contains("a host and a port"), "{bad}");
    }
    for bad in ["1.1", "-0.1", "NaN", "half"] {
        assert!(error(&[&format!("--tracing.sampleRate={bad}")]).contains("from 0 to 1"), "{bad}");
    }
    assert!(error(&["--tracing.otlp.http.headers.Bad Name=x"]).contains("header"));
}

#[test]
fn attributes_have_names_with_dots_and_the_newer_flag_wins() {
    let tracing = config(&[
        "--tracing.globalAttributes.a=old",
        "--tracing.globalAttributes.b=old",
        "--tracing.resourceAttributes.a=new",
        "--tracing.resourceAttributes.k8s.cluster.name=east",
    ]);
    let found = tracing.tracing.expect("it is on").settings.resource;
    let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(found, [("a", "new"), ("b", "old"), ("k8s.cluster.name", "east")]);
}

#[test]
fn credentials_are_not_printed() {
    let config =
        config(&["--tracing.otlp.http.headers.Authorization=s3cret", "--tracing.otlp.http.tls.key=-----BEGIN x"]);
    let printed = format!("{config:?}");
    assert!(!printed.contains("s3cret") && !printed.contains("BEGIN"), "{printed}");
}
