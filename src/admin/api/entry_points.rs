//! `/api/entrypoints`: listeners in the words of Traefik's static configuration.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::admin::AdminSources;
use crate::config::AdminListener;
use crate::route::{Listener, TrustedPeers, UnderscoreHeaders};

pub(super) fn all(sources: &AdminSources) -> Vec<Value> {
    let surface = &sources.surface;
    let mut all: Vec<_> = surface.listeners.iter().map(listener).collect();
    all.extend(surface.admin_listeners.iter().map(admin_listener));
    all.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    all
}

pub(super) fn named(sources: &AdminSources, name: &str) -> Option<Value> {
    all(sources).into_iter().find(|entry_point| entry_point["name"] == name)
}

fn admin_listener(listener: &AdminListener) -> Value {
    let mut value = json!({ "address": listener.address, "name": listener.name });
    if listener.reuse_port {
        value["reusePort"] = true.into();
    }
    value
}

fn listener(listener: &Listener) -> Value {
    let timeouts = &listener.timeouts;
    let life_cycle = &listener.life_cycle;
    let mut transport = json!({
        "lifeCycle": durations([
            ("requestAcceptGraceTimeout", life_cycle.request_accept_grace),
            ("graceTimeOut", life_cycle.grace),
        ]),
        "respondingTimeouts": durations([
            ("readTimeout", timeouts.read),
            ("writeTimeout", timeouts.write),
            ("idleTimeout", timeouts.idle),
        ]),
    });
    if !life_cycle.keep_alive_max_time.is_zero() {
        transport["keepAliveMaxTime"] = go_duration(life_cycle.keep_alive_max_time).into();
    }
    if life_cycle.keep_alive_max_requests > 0 {
        transport["keepAliveMaxRequests"] = life_cycle.keep_alive_max_requests.into();
    }
    let mut forwarded = trusted(&listener.forwarded_headers.trusted);
    if !listener.forwarded_headers.connection.is_empty() {
        forwarded.insert("connection".into(), json!(listener.forwarded_headers.connection));
    }
    if listener.forwarded_headers.not_append_x_forwarded_for {
        forwarded.insert("notAppendXForwardedFor".into(), true.into());
    }
    let mut value = json!({
        "address": listener.address,
        "transport": transport,
        "forwardedHeaders": forwarded,
        "http": http(listener),
        "http2": {
            "maxConcurrentStreams": listener.http2.max_concurrent_streams,
            "maxDecoderHeaderTableSize": listener.http2.max_decoder_header_table_size,
            "maxEncoderHeaderTableSize": listener.http2.max_encoder_header_table_size,
        },
        "observability": {
            "accessLogs": listener.access_logs,
            "metrics": listener.metrics,
            "tracing": listener.tracing,
            "traceVerbosity": "minimal",
        },
        "name": listener.name,
    });
    if listener.reuse_port {
        value["reusePort"] = true.into();
    }
    let proxy = trusted(&listener.proxy_protocol.trusted);
    if !proxy.is_empty() {
        value["proxyProtocol"] = proxy.into();
    }
    value
}

fn http(listener: &Listener) -> Value {
    let allowed = listener.encoded_characters;
    let mut http = json!({
        "maxHeaderBytes": listener.max_header_bytes,
        "sanitizePath": listener.sanitize_path,
        "encodedCharacters": {
            "allowEncodedSlash": allowed.slash,
            "allowEncodedBackSlash": allowed.back_slash,
            "allowEncodedNullCharacter": allowed.null_character,
            "allowEncodedSemicolon": allowed.semicolon,
            "allowEncodedPercent": allowed.percent,
            "allowEncodedQuestionMark": allowed.question_mark,
            "allowEncodedHash": allowed.hash,
        },
        "underscoreHeadersStrategy": match listener.underscore_headers {
            UnderscoreHeaders::Keep => "keep",
            UnderscoreHeaders::Delete => "delete",
            UnderscoreHeaders::Reject => "reject",
        },
    });
    if listener.tls {
        http["tls"] = json!({});
    }
    http
}

fn trusted(peers: &TrustedPeers) -> Map<String, Value> {
    let mut map = Map::new();
    if peers.all {
        map.insert("insecure".into(), true.into());
    }
    if !peers.networks.is_empty() {
        map.insert("trustedIPs".into(), peers.networks.iter().map(ToString::to_string).collect());
    }
    map
}

/// Those that are not zero, which means no limit.
fn durations<const N: usize>(durations: [(&str, Duration); N]) -> Map<String, Value> {
    let limits = durations.into_iter().filter(|(_, duration)| !duration.is_zero());
    limits.map(|(name, duration)| (name.to_owned(), go_duration(duration).into())).collect()
}

/// As Go prints it: `3m0s`, `1h0m0s`, `1.5s`, `250ms`.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let nanos = duration.subsec_nanos();
    if seconds == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", f64::from(nanos) / 1e3),
            _ => format!("{}ms", f64::from(nanos) / 1e6),
        };
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = (seconds % 60) as f64 + f64::from(nanos) / 1e9;
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        let texts =
            [180_000, 10_000, 3_600_000, 1_500, 250, 0].map(|millis| go_duration(Duration::from_millis(millis)));
        assert_eq!(texts, ["3m0s", "10s", "1h0m0s", "1.5s", "250ms", "0s"]);
        assert_eq!(go_duration(Duration::from_micros(1500)), "1.5ms");
    }
}
