//! From what was noted of a request to its spans, after OpenTelemetry's conventions for HTTP (1.37) with Traefik's own
//! attributes beside them.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Uri};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::trace::{Attempt, Recording};
use super::{Ended, TraceSettings};
use crate::route::PathMatch;
use crate::telemetry::access::{AccessRecord, redacted};
use crate::telemetry::meters::{MethodLabel, Refusal};

/// The most bytes of a text that a client chooses: a span is no place for a path of 64 KiB.
const LONGEST: usize = 2048;

/// The spans of one request: its own, and one for each endpoint that was asked.
pub(super) fn of(ended: &Ended, settings: &TraceSettings, scope: &InstrumentationScope) -> Vec<SpanData> {
    let Some(recording) = &ended.trace.recording else { return Vec::new() };
    let own = Own { ended, recording, settings, scope };
    let attempts = recording.attempts.iter().enumerate().map(|(count, attempt)| own.client(count, attempt));
    std::iter::once(own.server()).chain(attempts).collect()
}

struct Own<'a> {
    ended: &'a Ended,
    recording: &'a Recording,
    settings: &'a TraceSettings,
    scope: &'a InstrumentationScope,
}

impl Own<'_> {
    fn server(&self) -> SpanData {
        let record = &*self.ended.record;
        let (host, port) = record.host_and_port();
        let client = record.client_host();
        let client = client.split(',').next().unwrap_or_default().trim();
        let peer = record.client.ip().to_canonical().to_string();
        let (path, query) =
            record.path.split_once('?').map_or((&*record.path, None), |(path, query)| (path, Some(query)));
        let mut all = Attributes::default();
        self.common(&mut all);
        all.text("entry_point", record.entry_point.to_string());
        all.text("url.path", cut(path));
        all.text("url.scheme", record.scheme);
        if let Some(query) = query {
            all.text("url.query", cut(&self.redacted(query)));
        }
        if !host.is_empty() {
            all.text("server.address", cut(host));
        }
        if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
            all.number("server.port", port);
        }
        all.text("client.address", cut(client));
        all.text("network.peer.address", peer);
        all.number("network.peer.port", record.client.port());
        all.number("http.request.body.size", record.request_bytes);
        all.number("http.response.body.size", record.response_bytes);
        all.number("http.response.status_code", record.status);
        if let Some(router) = &record.router {
            all.text("traefik.router.name", router.to_string());
        }
        if let Some(service) = &record.service {
            all.text("traefik.service.name", service.to_string());
        }
        all.headers("http.request.header.", &self.recording.request_headers);
        all.headers("http.response.header.", &self.recording.response_headers);
        let route = self.ended.route.as_ref().map(|route| pattern(&route.path));
        if let Some(route) = &route {
            all.text("http.route", route.clone());
        }
        if let Some(refusal) = record.refusal {
            all.text("adit.refusal_reason", refusal.as_str());
        }
        // A client's own mistake is no error of the server's (conventions, "Status").
        let failed = record.status >= 500 || record.refusal == Some(Refusal::ResponseTruncated);
        if failed {
            all.text("error.type", error_type(record.refusal, record.status));
        }
        let parent = self.ended.trace.parent.as_ref().map_or(SpanId::INVALID, SpanContext::span_id);
        SpanData {
            span_context: self.context(self.ended.trace.span),
            parent_span_id: parent,
            parent_span_is_remote: self.ended.trace.parent.is_some(),
            span_kind: SpanKind::Server,
            name: match route {
                Some(route) => format!("{} {route}", method(record)).into(),
                None => method(record).into(),
            },
            start_time: record.start,
            end_time: record.start + record.duration,
            attributes: all.0,
            ..self.blank(failed)
        }
    }

    fn client(&self, count: usize, attempt: &Attempt) -> SpanData {
        let record = &*self.ended.record;
        let mut all = Attributes::default();
        self.common(&mut all);
        let endpoint = attempt.endpoint.parse::<Uri>().unwrap_or_default();
        let (path, query) =
            record.path.split_once('?').map_or((&*record.path, None), |(path, query)| (path, Some(query)));
        let query = query.map(|query| format!("?{}", self.redacted(query))).unwrap_or_default();
        all.text("url.full", cut(&format!("{}{path}{query}", attempt.endpoint)));
        all.text("url.scheme", if endpoint.scheme_str() == Some("https") { "https" } else { "http" });
        let host = endpoint.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        all.text("network.peer.address", host.clone());
        all.text("server.address", host);
        if let Some(port) = endpoint.port_u16() {
            all.number("network.peer.port", port);
            all.number("server.port", port);
        }
        if count > 0 {
            all.number("http.request.resend_count", u16::try_from(count).unwrap_or(u16::MAX));
        }
        if let Some(service) = &record.service {
            all.text("traefik.service.name", service.to_string());
        }
        if let Some(status) = attempt.status {
            all.number("http.response.status_code", status);
        }
        // The last attempt may have ended with its request, for the request's own reason.
        let failure = attempt.failure.or(record.refusal.filter(|_| attempt.ends.is_none()));
        let failed = failure.is_some() || attempt.status.is_none_or(|status| status >= 400);
        if failed {
            all.text("error.type", error_type(failure, attempt.status.unwrap_or(record.status)));
        }
        let ends = attempt.ends.unwrap_or(record.duration).max(attempt.begins);
        SpanData {
            span_context: self.context(attempt.span),
            parent_span_id: self.ended.trace.span,
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: method(record).into(),
            start_time: record.start + attempt.begins,
            end_time: record.start + ends,
            attributes: all.0,
            ..self.blank(failed)
        }
    }

    /// What both kinds of spans say.
    fn common(&self, all: &mut Attributes) {
        let record = &*self.ended.record;
        if MethodLabel::of(&record.method) == MethodLabel::Extension {
            all.text("http.request.method", "_OTHER");
            all.text("http.request.method_original", cut(record.method.as_str()));
        } else {
            all.text("http.request.method", record.method.to_string());
        }
        all.text(
            "network.protocol.version",
            match record.protocol {
                "HTTP/1.0" => "1.0",
                "HTTP/2.0" => "2",
                _ => "1.1",
            },
        );
        if let Some(agent) = &self.recording.user_agent {
            all.text("user_agent.original", cut(&String::from_utf8_lossy(agent.as_bytes())));
        }
    }

    fn context(&self, span: SpanId) -> SpanContext {
        let state =
            self.ended.trace.parent.as_ref().map_or_else(TraceState::default, |parent| parent.trace_state().clone());
        SpanContext::new(self.ended.trace.trace, span, TraceFlags::SAMPLED, false, state)
    }

    /// A span that says nothing yet, but whether it failed.
    fn blank(&self, failed: bool) -> SpanData {
        SpanData {
            span_context: SpanContext::NONE,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: Cow::Borrowed(""),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH + Duration::ZERO,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        }
    }

    /// The query with the values of all parameters redacted but those that the settings call safe.
    fn redacted(&self, query: &str) -> String {
        redacted(query, |name| self.settings.safe_query_params.iter().any(|safe| safe == name))
    }
}

/// The name of a span: one of a closed set, whatever a client sends.
fn method(record: &AccessRecord) -> String {
    match MethodLabel::of(&record.method) {
        MethodLabel::Extension => "HTTP".to_owned(),
        known => known.as_str().to_owned(),
    }
}

/// The pattern that won, as its Ingress writes it.
fn pattern(path: &PathMatch) -> String {
    match path.as_str() {
        "" => "/".to_owned(),
        path => cut(path),
    }
}

fn error_type(reason: Option<Refusal>, status: u16) -> String {
    reason.map_or_else(|| status.to_string(), |reason| reason.as_str().to_owned())
}

/// No more of a text than fits, and never half a character.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST)].to_owned()
}

#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn text(&mut self, key: &'static str, value: impl Into<StringValue>) {
        self.0.push(KeyValue::new(key, value.into()));
    }

    fn number(&mut self, key: &'static str, value: impl TryInto<i64>) {
        self.0.push(KeyValue::new(key, value.try_into().unwrap_or(i64::MAX)));
    }

    /// One attribute for each name, with all its values.
    fn headers(&mut self, prefix: &str, headers: &[(HeaderName, HeaderValue)]) {
        for (index, (name, _)) in headers.iter().enumerate() {
            if headers.iter().take(index).any(|(earlier, _)| earlier == name) {
                continue;
            }
            let same = headers.iter().filter(|(other, _)| other == name);
            let values = same.map(|(_, value)| cut(&String::from_utf8_lossy(value.as_bytes())).into()).collect();
            self.0.push(KeyValue::new(Key::new(format!("{prefix}{name}")), Value::Array(Array::String(values))));
        }
    }
}
