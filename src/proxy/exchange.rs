//! One request and its answer, for the record: counted when it ends, however it ends.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Request, StatusCode, Version};

use super::Error;
use super::balance::Lease;
use super::body::{RelayError, Upload, UploadState};
use super::connection::Connection;
use super::headers::Marks;
use super::router::Found;
use crate::route::Action;
use crate::telemetry::access::{AccessLog, AccessRecord, Origin};
use crate::telemetry::meters::{MethodLabel, ProtocolLabel, Refusal, Sample};
use crate::telemetry::traces::Trace;

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No answer yet.
    Waiting,
    /// Its head has been passed on, its body is under way.
    Streaming,
    /// Recorded.
    Ended,
}

/// One request and its answer.
pub(crate) struct Exchange {
    pub(crate) connection: Rc<Connection>,
    pub(crate) started: Instant,
    stage: Stage,
    method: MethodLabel,
    protocol: ProtocolLabel,
    status: u16,
    reason: Option<Refusal>,
    upload: Option<Rc<UploadState>>,
    sent: u64,
    retries: u32,
    route: Option<Found>,
    lease: Option<Lease>,
    grpc_status: Option<u16>,
    /// For the access log, for the spans, or for both.
    log: Option<Box<AccessRecord>>,
    trace: Option<Box<Trace>>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("stage", &self.stage).field("status", &self.status).finish_non_exhaustive()
    }
}

/// A request that is not answered by an endpoint, and why.
pub(crate) type Refused = (Box<Exchange>, Error);

impl Exchange {
    /// A request has come. On the heap, since it goes from hand to hand until the answer's end.
    pub(crate) fn begin(connection: &Rc<Connection>, parts: &Parts, marks: Marks) -> Box<Self> {
        connection.begin();
        let shared = &connection.worker.shared;
        let access = shared.access_log.as_deref().filter(|_| connection.listener.access_logs);
        let tracer = shared.tracer.as_ref().filter(|_| connection.listener.tracing);
        let trace = tracer.map(|tracer| tracer.begin(&parts.headers));
        let sampled = trace.as_ref().is_some_and(|trace| trace.is_sampled());
        let told = access.is_some() || sampled || tracing::enabled!(tracing::Level::DEBUG);
        let log = told.then(|| Box::new(record(access, connection, parts)));
        Box::new(Self {
            connection: connection.clone(),
            started: Instant::now(),
            stage: Stage::Waiting,
            method: MethodLabel::of(&parts.method),
            protocol: if marks.names_protocol { protocol(parts) } else { ProtocolLabel::Http },
            status: 0,
            reason: None,
            upload: None,
            sent: 0,
            retries: 0,
            route: None,
            lease: None,
            grpc_status: None,
            log,
            trace,
        })
    }

    /// The route that won.
    pub(crate) fn routed(&mut self, route: &Found) {
        if self.trace.is_some() && !route.observability.tracing {
            self.trace = None;
        }
        self.route = Some(route.clone());
    }

    /// An endpoint is asked, and told which span asks it.
    pub(crate) fn asks(&mut self, lease: &Lease, request: &mut Option<Request<Upload>>, now: Instant) {
        if let (Some(trace), Some(request)) = (&mut self.trace, request) {
            let after = now.saturating_duration_since(self.started);
            trace.asks(request.headers_mut(), || lease.endpoint().url(), after);
        }
    }

    /// The endpoint that was asked last gave no answer.
    pub(crate) fn unanswered(&mut self, error: Error, lease: &Lease, now: Instant) {
        let endpoint = lease.endpoint();
        tracing::debug!(endpoint = %endpoint.address, %error, "an endpoint failed a request");
        if let Some(log) = &mut self.log {
            let (url, address) = (endpoint.url(), endpoint.address.to_string());
            log.origin = Some(Origin { url, address, status: None, bytes: 0, duration: Duration::ZERO });
        }
        if let Some(trace) = &mut self.trace {
            trace.failed(error.reason(), now.saturating_duration_since(self.started));
        }
    }

    /// The request's body, which counts its own bytes.
    pub(crate) fn uploading(&mut self, upload: Rc<UploadState>) {
        self.upload = Some(upload);
    }

    /// Another endpoint is tried.
    pub(crate) fn retried(&mut self) {
        self.retries += 1;
    }

    /// The endpoint has answered with this head, which is passed on.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap, lease: Lease) {
        self.status = status.as_u16();
        if self.protocol == ProtocolLabel::Http && is_event_stream(headers) {
            self.protocol = ProtocolLabel::Sse;
        }
        if self.protocol == ProtocolLabel::Grpc {
            self.grpc_status = grpc_status(headers);
        }
        if let Some(log) = &mut self.log {
            let endpoint = lease.endpoint();
            log.origin = Some(Origin {
                url: endpoint.url(),
                address: endpoint.address.to_string(),
                status: Some(self.status),
                bytes: 0,
                duration: self.started.elapsed(),
            });
            if let Some(access) = &self.connection.worker.shared.access_log {
                log.origin_headers = access.capture(headers);
                log.response_headers = log.origin_headers.clone();
            }
        }
        if let (Some(trace), Some(tracer)) = (&mut self.trace, &self.connection.worker.shared.tracer) {
            tracer.answered(trace, self.status, headers);
        }
        self.lease = Some(lease);
    }

    /// Tells whoever looks for the cause what was refused, where, why, and what to do. The query may hold secrets.
    pub(crate) fn tell_refusal(&self, error: Error) {
        let Some(log) = &self.log else { return };
        let route = self.route.as_ref().map(|route| &route.route.origin);
        tracing::debug!(
            entryPointName = %log.entry_point,
            peer = %log.client,
            method = %log.method,
            host = log.host,
            path = log.path.split('?').next(),
            routerName = route.map(|route| &*route.name),
            serviceName = route.and_then(|route| route.service.as_deref()),
            endpoint = log.origin.as_ref().map(|origin| &*origin.address),
            status = error.status().as_u16(),
            reason = error.reason().as_str(),
            "refused: {error}; {}",
            error.reason().explain().mend
        );
    }

    /// Leaves the answer to whoever makes refusals.
    pub(crate) fn refuse(self: Box<Self>, error: Error) -> Refused {
        (self, error)
    }

    /// A refusal or redirect of ours, with this many bytes, is on its way: nothing more will be heard of it.
    pub(crate) fn refused(&mut self, status: StatusCode, reason: Option<Refusal>, bytes: usize) {
        self.status = status.as_u16();
        self.reason = reason;
        self.sent = bytes as u64;
        self.complete(Instant::now());
    }

    /// When the whole answer must have been passed on, if the entry point bounds it.
    pub(crate) fn deadline(&self) -> Option<tokio::time::Instant> {
        let write = self.connection.listener.timeouts.write;
        (!write.is_zero()).then(|| tokio::time::Instant::from_std(self.started) + write)
    }

    /// The answer's body is under way.
    pub(crate) fn streaming(&mut self) {
        self.stage = Stage::Streaming;
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Counts the bytes that came from the client of a tunnel.
    pub(crate) fn tunnelled(&mut self, received: u64, sent: u64) {
        let upload = UploadState::default();
        upload.bytes.set(received);
        self.upload = Some(Rc::new(upload));
        self.sent += sent;
    }

    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        if self.protocol == ProtocolLabel::Grpc {
            self.grpc_status = grpc_status(trailers).or(self.grpc_status);
        }
    }

    /// The answer ends before its body does.
    pub(crate) fn cut_short(&mut self, error: &RelayError) {
        tracing::debug!(%error, "an answer was cut short");
        self.reason = Some(Refusal::ResponseTruncated);
        let now = Instant::now();
        // An answer that took too long may be the client's doing.
        if let (Some(lease), RelayError::Endpoint(_)) = (&self.lease, error) {
            lease.failed(now);
        }
        self.complete(now);
    }

    /// The answer has ended well, or as well as it ever will.
    pub(crate) fn complete(&mut self, now: Instant) {
        if self.stage == Stage::Ended {
            return;
        }
        self.stage = Stage::Ended;
        self.lease = None;
        self.record(now);
        self.connection.end(now);
    }

    fn record(&mut self, now: Instant) {
        let duration = now.saturating_duration_since(self.started);
        let connection = &self.connection;
        let shared = &connection.worker.shared;
        let request_bytes = self.upload.as_ref().map_or(0, |upload| upload.bytes.get());
        if let Some(reason) = self.reason {
            shared.meters.own().refused(reason);
        }
        let observed = self.route.as_ref().is_none_or(|route| route.observability.metrics);
        if connection.listener.metrics && observed {
            let sample = Sample {
                code: self.grpc_status.unwrap_or(self.status),
                method: self.method,
                protocol: self.protocol,
                duration,
                request_bytes,
                response_bytes: self.sent,
                tls: connection.tls,
            };
            let worker = connection.worker.id;
            if let Some(series) = shared.listener_meters.get(connection.index) {
                series.record(worker, &sample);
            }
            if let Some(route) = &self.route {
                route.record(&shared.meters, worker, &sample);
            }
        }
        if let Some(log) = self.log.take() {
            self.tell(*log, duration, request_bytes);
        }
    }

    /// Hands what is known to the access log and to the tracer, to each if it wants it.
    fn tell(&mut self, log: AccessRecord, duration: Duration, request_bytes: u64) {
        let connection = self.connection.clone();
        let shared = &connection.worker.shared;
        let logged =
            connection.listener.access_logs && self.route.as_ref().is_none_or(|route| route.observability.access_logs);
        let access = shared.access_log.as_ref().filter(|_| logged);
        let access = access.filter(|access| access.wants(self.status, self.retries, duration));
        let tracer = shared.tracer.as_ref();
        let traced = tracer.zip(self.trace.take_if(|trace| trace.is_sampled()));
        if access.is_none() && traced.is_none() {
            return;
        }
        let name = traced.as_ref().map(|(_, trace)| trace.name()).or(self.trace.as_ref().map(|trace| trace.name()));
        let record = Arc::new(AccessRecord { span: name, ..self.finish(log, duration, request_bytes) });
        if let Some(access) = access {
            access.submit(record.clone());
        }
        if let Some((tracer, trace)) = traced {
            tracer.submit(trace, record, self.route.as_ref().map(|route| route.route.clone()));
        }
    }

    fn finish(&self, mut log: AccessRecord, duration: Duration, request_bytes: u64) -> AccessRecord {
        log.status = self.status;
        log.duration = duration;
        log.request_bytes = request_bytes;
        log.response_bytes = self.sent;
        log.retries = self.retries;
        log.refusal = self.reason;
        if let Some(origin) = log.origin.as_mut().filter(|origin| origin.status.is_some()) {
            origin.bytes = self.sent;
        }
        if let Some(route) = &self.route {
            let origin = &route.route.origin;
            log.router = Some(origin.name.clone());
            log.service = origin.service.clone();
            log.namespace = origin.namespace.clone();
            log.ingress = origin.ingress.clone();
            if let Action::Forward(upstream) = &route.route.action {
                log.kubernetes_service = Some((upstream.id.service.clone(), upstream.id.port.to_string()));
            }
        }
        log
    }
}

impl Drop for Exchange {
    /// A client that leaves takes its exchange with it.
    fn drop(&mut self) {
        match self.stage {
            Stage::Ended => {}
            Stage::Waiting => {
                self.status = Error::ClientGone.status().as_u16();
                self.reason = Some(Refusal::ClientGone);
                if self.connection.http2 {
                    self.connection.taken_back();
                }
                self.complete(Instant::now());
            }
            Stage::Streaming => {
                self.reason = Some(Refusal::ClientGone);
                self.complete(Instant::now());
            }
        }
    }
}

fn protocol(parts: &Parts) -> ProtocolLabel {
    if let Some(kind) = parts.headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes()) {
        if kind.starts_with(b"application/grpc-web") {
            return ProtocolLabel::GrpcWeb;
        }
        if kind.starts_with(b"application/grpc") {
            return ProtocolLabel::Grpc;
        }
    }
    match parts.headers.get(header::UPGRADE) {
        Some(token) if token.as_bytes().eq_ignore_ascii_case(b"websocket") => ProtocolLabel::Websocket,
        _ => ProtocolLabel::Http,
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

fn record(access: Option<&AccessLog>, connection: &Connection, parts: &Parts) -> AccessRecord {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let entry_point = connection.listener.name.clone();
    let mut record = AccessRecord::new(SystemTime::now(), entry_point, connection.peer, parts.method.clone());
    let forwarded = parts.headers.get("x-forwarded-for").filter(|_| connection.trusted);
    record.forwarded_for = forwarded.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    record.scheme = if connection.tls.is_some() { "https" } else { "http" };
    record.host = host.to_owned();
    record.path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    record.protocol = match parts.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    };
    record.tls = connection.tls;
    record.request_headers = access.map(|access| access.capture(&parts.headers)).unwrap_or_default();
    record
}
