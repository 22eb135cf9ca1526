//! The connection to a collector: one message after the other, by HTTP or gRPC, each with a deadline. Nothing that the
//! collector says can make it wait longer or hold more.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Collector, Transport};
use crate::telemetry::chain;

/// From the name's lookup to the answer's last byte.
const SEND_TIME: Duration = Duration::from_secs(10);
/// The most bytes of an answer, which is empty when all is well.
const ANSWER_BYTES: usize = 64 * 1024;
/// The most that a collector's `Retry-After` is heeded.
const LONGEST_REST: Duration = Duration::from_secs(30);

const GRPC_METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("adit/", env!("CARGO_PKG_VERSION")));

/// Sends messages to one collector.
pub(super) struct Client {
    collector: Collector,
    tls: TlsConnector,
    /// The connection of the last message, if another may follow on it.
    link: Option<Link>,
}

/// A message that the collector did not take.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// The same may be taken later, and not before this time has passed.
    pub(super) later: Option<Duration>,
}

impl Failure {
    fn for_now(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), later: Some(Duration::ZERO) }
    }

    fn for_good(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), later: None }
    }
}

/// A connection. Its driver ends with it.
struct Link {
    sender: Sender,
    _driver: JoinSet<()>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    pub(super) fn new(collector: Collector, tls: &ClientConfig) -> Self {
        let mut tls = tls.clone();
        tls.alpn_protocols = match collector.transport {
            Transport::Http => vec![b"http/1.1".to_vec()],
            Transport::Grpc => vec![b"h2".to_vec()],
        };
        Self { collector, tls: TlsConnector::from(std::sync::Arc::new(tls)), link: None }
    }

    /// Where messages go, without what may be secret in it.
    pub(super) fn endpoint(&self) -> String {
        let endpoint = &self.collector.endpoint;
        let (scheme, host) = (endpoint.scheme_str().unwrap_or_default(), endpoint.host().unwrap_or_default());
        format!("{scheme}://{host}:{}", port(endpoint))
    }

    /// Sends one message, an `ExportTraceServiceRequest`, and says how many of its spans the collector did not take.
    pub(super) async fn send(&mut self, message: &Bytes) -> Result<u64, Failure> {
        match tokio::time::timeout(SEND_TIME, self.exchange(message)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::for_now(format!("no answer within {} s", SEND_TIME.as_secs()))),
        }
    }

    /// The connection is taken out first: one that was given up in the middle does not come back.
    async fn exchange(&mut self, message: &Bytes) -> Result<u64, Failure> {
        if let Some(mut link) = self.link.take()
            && link.is_ready().await
            // A collector may close a connection that rests: then a new one is tried.
            && let Ok(answer) = link.sender.send(self.request(message)?).await
        {
            return self.hear(link, answer).await;
        }
        let mut link = self.connect().await.map_err(|error| Failure::for_now(format!("connect: {error}")))?;
        let request = self.request(message)?;
        let answer = link.sender.send(request).await.map_err(|error| Failure::for_now(chain(&error)))?;
        self.hear(link, answer).await
    }

    async fn hear(&mut self, link: Link, answer: Response<Incoming>) -> Result<u64, Failure> {
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Failure::for_now(format!("the answer: {error}")))?;
        self.link = Some(link);
        match self.collector.transport {
            Transport::Http => heard_http(head.status, &head.headers, body),
            Transport::Grpc => heard_grpc(head.status, &head.headers, body),
        }
    }

    fn request(&self, message: &Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        let endpoint = &self.collector.endpoint;
        let mut request = Request::new(Full::default());
        *request.method_mut() = http::Method::POST;
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.extend(self.collector.headers.iter().cloned());
        let (uri, body) = match self.collector.transport {
            Transport::Http => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
                let host = endpoint.authority().map(|authority| HeaderValue::from_str(host_of(authority.as_str())));
                headers.insert(header::HOST, host.and_then(Result::ok).unwrap_or(HeaderValue::from_static("")));
                let path = endpoint.path_and_query().map_or("/", |path| path.as_str());
                (path.parse::<Uri>(), message.clone())
            }
            Transport::Grpc => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                headers.insert(header::TE, HeaderValue::from_static("trailers"));
                *request.version_mut() = Version::HTTP_2;
                let (scheme, host) = (endpoint.scheme_str().unwrap_or("http"), endpoint.host().unwrap_or_default());
                (format!("{scheme}://{host}:{}{GRPC_METHOD}", port(endpoint)).parse(), framed(message))
            }
        };
        *request.uri_mut() = uri.map_err(|error| Failure::for_good(format!("the endpoint: {error}")))?;
        *request.body_mut() = Full::new(body);
        Ok(request)
    }

    async fn connect(&self) -> Result<Link, Box<dyn std::error::Error + Send + Sync>> {
        let endpoint = &self.collector.endpoint;
        let host = endpoint.host().unwrap_or_default().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, port(endpoint))).await?;
        stream.set_nodelay(true)?;
        if endpoint.scheme_str() == Some("https") {
            let name = ServerName::try_from(host.to_owned())?;
            Ok(self.open(TokioIo::new(self.tls.connect(name, stream).await?)).await?)
        } else {
            Ok(self.open(TokioIo::new(stream)).await?)
        }
    }

    async fn open<T>(&self, io: T) -> Result<Link, hyper::Error>
    where
        T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let mut driver = JoinSet::new();
        let sender = match self.collector.transport {
            Transport::Http => {
                let (sender, connection) = http1::handshake(io).await?;
                driver.spawn(async move { drop(connection.await) });
                Sender::Http1(sender)
            }
            Transport::Grpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                driver.spawn(async move { drop(connection.await) });
                Sender::Http2(sender)
            }
        };
        Ok(Link { sender, _driver: driver })
    }
}

impl Link {
    async fn is_ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }
}

impl Sender {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }
}

/// OTLP/HTTP: 429, 502, 503 and 504 may be tried again; a redirect would take our credentials elsewhere.
fn heard_http(status: StatusCode, headers: &HeaderMap, body: Collected<Bytes>) -> Result<u64, Failure> {
    if status.is_success() {
        return Ok(rejected(&body.to_bytes()));
    }
    let reason = format!("it answers {status}");
    match status.as_u16() {
        429 | 502..=504 => {
            let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let later = seconds.map_or(Duration::ZERO, Duration::from_secs).min(LONGEST_REST);
            Err(Failure { reason, later: Some(later) })
        }
        _ => Err(Failure::for_good(reason)),
    }
}

/// The status of a call is in its trailers, or in its head when there is nothing else.
fn heard_grpc(status: StatusCode, headers: &HeaderMap, body: Collected<Bytes>) -> Result<u64, Failure> {
    if status != StatusCode::OK {
        return heard_http(status, headers, body);
    }
    let trailers = body.trailers().unwrap_or(headers);
    let code = trailers.get("grpc-status").and_then(|code| code.to_str().ok()?.parse::<u16>().ok());
    match code {
        Some(0) => Ok(rejected(body.to_bytes().get(5..).unwrap_or_default())),
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS: as OTLP has it.
        Some(code @ (1 | 4 | 10 | 11 | 14 | 15)) => Err(Failure::for_now(format!("gRPC status {code}"))),
        Some(code) => Err(Failure::for_good(format!("gRPC status {code}"))),
        None => Err(Failure::for_good("its answer has no gRPC status")),
    }
}

/// How many spans a collector that took a message did not take. Nonsense is none.
fn rejected(body: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    answer.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

/// A message of gRPC: not compressed, its length, itself.
fn framed(message: &Bytes) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// An authority without the user in front.
fn host_of(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn port(endpoint: &Uri) -> u16 {
    endpoint.port_u16().unwrap_or(if endpoint.scheme_str() == Some("https") { 443 } else { 80 })
}
