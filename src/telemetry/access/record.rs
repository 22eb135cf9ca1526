//! What the access log says of one exchange. Everything is owned: the line is made on another thread.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Method};
use opentelemetry::trace::{SpanId, TraceId};

use super::REDACTED;
use super::settings::Mode;
use crate::telemetry::meters::{Refusal, TlsLabel};

/// One exchange.
#[derive(Clone, Debug)]
pub struct AccessRecord {
    /// When the request's first byte came.
    pub start: SystemTime,
    /// From there to the answer's last byte.
    pub duration: Duration,
    /// The entry point.
    pub entry_point: Arc<str>,
    /// The client: the peer, or whom its PROXY protocol header named.
    pub client: SocketAddr,
    /// `X-Forwarded-For` as it came from a trusted peer.
    pub forwarded_for: Option<String>,
    /// The user that authenticated.
    pub user: Option<String>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The request's method.
    pub method: Method,
    /// The request's `Host`, with its port if it had one.
    pub host: String,
    /// The request's path and query as they came.
    pub path: String,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub protocol: &'static str,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// The status that the client got; 499 when it left before.
    pub status: u16,
    /// Bytes of the answer's body that the client got.
    pub response_bytes: u64,
    /// The endpoint that was asked last, if one was, and what it answered.
    pub origin: Option<Origin>,
    /// How often the request was sent once more.
    pub retries: u32,
    /// The router's qualified name.
    pub router: Option<Arc<str>>,
    /// The service's qualified name.
    pub service: Option<Arc<str>>,
    /// The Ingress's namespace; empty without one.
    pub namespace: Arc<str>,
    /// The Ingress's name; empty without one.
    pub ingress: Arc<str>,
    /// The Kubernetes Service and its port.
    pub kubernetes_service: Option<(Arc<str>, String)>,
    /// The client connection's TLS.
    pub tls: Option<TlsLabel>,
    /// Why adit itself answered, or gave up.
    pub refusal: Option<Refusal>,
    /// Its span, where requests are traced.
    pub span: Option<SpanName>,
    /// The request's headers, as [`super::AccessLog::capture`] gave them.
    pub request_headers: Vec<(HeaderName, HeaderValue)>,
    /// The endpoint's headers, likewise.
    pub origin_headers: Vec<(HeaderName, HeaderValue)>,
    /// The answer's headers, likewise.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
}

/// The names of a request's own span: what log lines are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanName {
    /// The trace.
    pub trace: TraceId,
    /// The span in it.
    pub span: SpanId,
}

/// The endpoint that was asked last, and what it answered.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its URL, `http://10.42.0.9:8080`.
    pub url: String,
    /// Its address and port.
    pub address: String,
    /// Its status; `None` when it gave none.
    pub status: Option<u16>,
    /// Bytes of its answer's body.
    pub bytes: u64,
    /// From the request being sent to the answer's last byte.
    pub duration: Duration,
}

impl AccessRecord {
    /// A record with what every exchange has; the rest is empty.
    pub fn new(start: SystemTime, entry_point: Arc<str>, client: SocketAddr, method: Method) -> Self {
        let nothing: Arc<str> = Arc::from("");
        Self {
            start,
            duration: Duration::ZERO,
            entry_point,
            client,
            forwarded_for: None,
            user: None,
            scheme: "http",
            method,
            host: String::new(),
            path: String::new(),
            protocol: "HTTP/1.1",
            request_bytes: 0,
            status: 0,
            response_bytes: 0,
            origin: None,
            retries: 0,
            router: None,
            service: None,
            namespace: nothing.clone(),
            ingress: nothing,
            kubernetes_service: None,
            tls: None,
            refusal: None,
            span: None,
            request_headers: Vec::new(),
            origin_headers: Vec::new(),
            response_headers: Vec::new(),
        }
    }

    /// Who the client says it is through those we trust, else its address.
    pub(in crate::telemetry) fn client_host(&self) -> String {
        match &self.forwarded_for {
            Some(forwarded) if !forwarded.is_empty() => forwarded.clone(),
            _ => self.client.ip().to_canonical().to_string(),
        }
    }

    /// `Host` without and with its port; an IPv6 address keeps its brackets off.
    pub(in crate::telemetry) fn host_and_port(&self) -> (&str, Option<&str>) {
        match self.host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') && (!name.contains(':') || name.ends_with(']')) => {
                (name.trim_matches(['[', ']']), Some(port))
            }
            _ => (self.host.trim_matches(['[', ']']), None),
        }
    }

    /// The path and query, with the values of the query's parameters as this says.
    pub(super) fn path(&self, values: Mode) -> Cow<'_, str> {
        let Some((path, query)) = self.path.split_once('?') else { return Cow::Borrowed(&self.path) };
        match values {
            Mode::Keep => Cow::Borrowed(&self.path),
            Mode::Drop => Cow::Borrowed(path),
            Mode::Redact => Cow::Owned(format!("{path}?{}", redacted(query, |_| false))),
        }
    }

    /// Its size in memory, roughly: the parts that a client can make large.
    pub(in crate::telemetry) fn weight(&self) -> usize {
        let headers = [&self.request_headers, &self.origin_headers, &self.response_headers];
        let headers: usize = headers.into_iter().flatten().map(|(_, value)| 64 + value.len()).sum();
        let texts = [&self.forwarded_for, &self.user].into_iter().flatten().map(String::len).sum::<usize>();
        size_of::<Self>() + self.path.len() + self.host.len() + texts + headers
    }
}

/// A query with the values of all parameters redacted but those that are safe.
pub(in crate::telemetry) fn redacted(query: &str, is_safe: impl Fn(&str) -> bool) -> String {
    let parameters = query.split('&').map(|text| match text.split_once('=') {
        Some((name, _)) if is_safe(name) => Cow::Borrowed(text),
        Some((name, _)) => Cow::Owned(format!("{name}={REDACTED}")),
        // Without `=` the whole of it may be the secret.
        None if is_safe(text) => Cow::Borrowed(text),
        None => Cow::Borrowed(REDACTED),
    });
    parameters.collect::<Vec<_>>().join("&")
}
