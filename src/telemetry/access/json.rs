//! One JSON object per line with Traefik's field names, keys sorted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;

use super::REDACTED;
use super::record::AccessRecord;
use super::settings::{AccessSettings, Mode};

pub(super) fn write(out: &mut String, record: &AccessRecord, number: u64, settings: &AccessSettings) {
    let mut fields = fields(record, number, settings);
    fields.retain(|name, value| match settings.fields.of(name) {
        Mode::Keep => true,
        Mode::Redact => {
            *value = REDACTED.into();
            true
        }
        Mode::Drop => false,
    });
    put_headers(&mut fields, "request_", &record.request_headers);
    put_headers(&mut fields, "origin_", &record.origin_headers);
    put_headers(&mut fields, "downstream_", &record.response_headers);
    fields.insert("level".into(), "info".into());
    fields.insert("msg".into(), "".into());
    fields.insert("time".into(), time(record.start, "%Y-%m-%dT%H:%M:%SZ").into());
    // A map of strings to plain values has nothing that could fail.
    out.push_str(&serde_json::to_string(&fields).unwrap_or_default());
}

type Fields = BTreeMap<Cow<'static, str>, Value>;

fn fields(record: &AccessRecord, number: u64, settings: &AccessSettings) -> Fields {
    let mut fields = Fields::new();
    let mut put = |name: &'static str, value: Value| _ = fields.insert(name.into(), value);
    put("ClientAddr", record.client.to_string().into());
    put("ClientHost", record.client_host().into());
    put("ClientPort", record.client.port().to_string().into());
    put("ClientUsername", record.user.as_deref().unwrap_or("-").into());
    put("DownstreamContentSize", record.response_bytes.into());
    put("DownstreamStatus", record.status.into());
    put("Duration", nanos(record.duration));
    let in_origin = record.origin.as_ref().map_or(Duration::ZERO, |origin| origin.duration);
    put("Overhead", nanos(record.duration.saturating_sub(in_origin)));
    put("RequestAddr", record.host.as_str().into());
    let (host, port) = record.host_and_port();
    put("RequestHost", host.into());
    put("RequestPort", port.unwrap_or("-").into());
    put("RequestContentSize", record.request_bytes.into());
    put("RequestCount", number.into());
    put("RequestMethod", record.method.as_str().into());
    put("RequestPath", record.path(settings.query).into());
    put("RequestProtocol", record.protocol.into());
    put("RequestScheme", record.scheme.into());
    put("RetryAttempts", record.retries.into());
    let start = time(record.start, "%Y-%m-%dT%H:%M:%S%.fZ");
    put("StartLocal", start.as_str().into());
    put("StartUTC", start.into());
    put("entryPointName", (*record.entry_point).into());
    if let Some(router) = &record.router {
        put("RouterName", (**router).into());
    }
    if let Some(service) = &record.service {
        put("ServiceName", (**service).into());
    }
    if let Some(origin) = &record.origin {
        put("ServiceURL", origin.url.as_str().into());
        put("ServiceAddr", origin.address.as_str().into());
        // It was asked, and may not have answered.
        if let Some(status) = origin.status {
            put("OriginContentSize", origin.bytes.into());
            put("OriginDuration", nanos(origin.duration));
            put("OriginStatus", status.into());
        }
    }
    if let Some(tls) = record.tls {
        put("TLSVersion", tls.version().into());
        put("TLSCipher", tls.cipher().into());
    }
    if !record.ingress.is_empty() {
        put("KubernetesIngressNamespace", (*record.namespace).into());
        put("KubernetesIngressName", (*record.ingress).into());
    }
    if let Some((service, port)) = &record.kubernetes_service {
        put("KubernetesServiceName", (**service).into());
        put("KubernetesServicePort", port.as_str().into());
    }
    if let Some(name) = record.span {
        let (trace, span) = (name.trace.to_string(), name.span.to_string());
        // Traefik's fields, and the names that OpenTelemetry's own log formats have for the same.
        put("trace_id", trace.as_str().into());
        put("span_id", span.as_str().into());
        put("TraceId", trace.into());
        put("SpanId", span.into());
    }
    if let Some(refusal) = record.refusal {
        put("RefusalReason", refusal.as_str().into());
    }
    fields
}

fn put_headers(fields: &mut Fields, prefix: &str, headers: &[(HeaderName, HeaderValue)]) {
    for (name, value) in headers {
        let key = format!("{prefix}{}", canonical(name.as_str()));
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match fields.get_mut(key.as_str()) {
            // Once is enough.
            Some(Value::String(before)) if before == REDACTED => {}
            Some(Value::String(before)) => {
                before.push(',');
                before.push_str(&text);
            }
            _ => _ = fields.insert(key.into(), text.into()),
        }
    }
}

/// `user-agent` as Go writes it: `User-Agent`.
fn canonical(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|char| {
            let next = if upper { char.to_ascii_uppercase() } else { char };
            upper = char == '-';
            next
        })
        .collect()
}

fn nanos(duration: Duration) -> Value {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).into()
}

fn time(at: SystemTime, format: &str) -> String {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH).strftime(format).to_string()
}
