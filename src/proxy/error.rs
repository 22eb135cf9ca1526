//! Everything that can go wrong with a request: whose fault it is, what the client sees, and whether another endpoint
//! may be tried. Matched exhaustively, and only here.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use http::StatusCode;

use super::h1::MAX_TARGET;
use super::head::{MAX_FIELDS, MAX_METHOD};
use super::path::BadPath;
use crate::route::{Listener, RefusalReason};
use crate::telemetry::meters::Refusal;

/// What went wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The head breaks a rule of HTTP that we do not bend.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// Its framing is in doubt.
    #[error("bad request: {0}")]
    BadFraming(&'static str),
    /// It names no host, or not one.
    #[error("bad request: {0}")]
    BadHost(&'static str),
    /// The path is refused.
    #[error("bad request: {0}")]
    BadPath(#[from] BadPath),
    /// A header with `_` in its name, where the entry point rejects these.
    #[error("bad request: a header name with an underscore")]
    UnderscoreHeader,
    /// Too many header fields, or too many bytes of them.
    #[error("the request head is too large")]
    HeadTooLarge,
    /// A target longer than any.
    #[error("the request target is too long")]
    TargetTooLong,
    /// CONNECT, TRACE.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// A method longer than any.
    #[error("method not implemented")]
    MethodNotImplemented,
    /// A transfer coding that we do not decode.
    #[error("transfer coding not implemented")]
    TransferCoding,
    /// An expectation other than `100-continue`.
    #[error("expectation failed")]
    Expectation,
    /// The client stopped sending its body.
    #[error("the request body stalled")]
    BodyStalled,
    /// The client's body breaks its framing, or ended early.
    #[error("the request body is malformed or was cut short")]
    BodyMalformed,
    /// The client went away.
    #[error("the client went away")]
    ClientGone,
    /// No route matches.
    #[error("no route matches")]
    NoRoute,
    /// A route matches, but it cannot be served.
    #[error("the route is refused: {0:?}")]
    Refused(RefusalReason),
    /// The upstream has no endpoint.
    #[error("no endpoint is available")]
    NoEndpoint,
    /// The endpoint could not be reached.
    #[error("connect to the endpoint: {0}")]
    Connect(io::ErrorKind),
    /// The endpoint has a name, and it is not known what it stands for.
    #[error("the endpoint's name is not resolved")]
    NameUnresolved,
    /// The kernel had no socket, or no source port, for a connection to the endpoint.
    #[error("no socket for a connection to the endpoint: {0}")]
    NoSocket(io::ErrorKind),
    /// The endpoint did not take the connection in time.
    #[error("connect to the endpoint: timed out")]
    ConnectTimeout,
    /// The endpoint's TLS is not as it must be.
    #[error("TLS with the endpoint failed")]
    UpstreamTls,
    /// The endpoint did not answer in time.
    #[error("the endpoint did not answer in time")]
    ResponseTimeout,
    /// The endpoint closed the connection before it answered.
    #[error("the endpoint closed the connection before answering")]
    UpstreamClosed,
    /// The endpoint's answer is not HTTP, or not one that may be passed on.
    #[error("the endpoint's answer is invalid")]
    UpstreamProtocol,
    /// There is no memory for it.
    #[error("memory is short")]
    ShortOfMemory,
    /// It has been here before, too often: a route leads back here.
    #[error("the request goes round in circles")]
    Loop,
    /// Something that should not happen.
    #[error("internal error")]
    Internal,
}

/// Who caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client.
    Downstream,
    /// The endpoint.
    Upstream,
    /// adit or its configuration.
    Internal,
}

/// What stands for a rule where all are meant.
const ANY: &str = "…";

impl Error {
    /// One of each, for the handbook: a rule that is broken is `…`.
    pub const EACH: [Self; 32] = [
        Self::BadFraming(ANY),
        Self::BodyMalformed,
        Self::BadHost(ANY),
        Self::BadPath(BadPath::MalformedEscape),
        Self::UnderscoreHeader,
        Self::Expectation,
        Self::BadRequest(ANY),
        Self::TransferCoding,
        Self::HeadTooLarge,
        Self::TargetTooLong,
        Self::MethodNotAllowed,
        Self::MethodNotImplemented,
        Self::BodyStalled,
        Self::ClientGone,
        Self::NoRoute,
        Self::Refused(RefusalReason::NoService),
        Self::Refused(RefusalReason::NoPort),
        Self::Refused(RefusalReason::ExternalName),
        Self::Refused(RefusalReason::Unsupported),
        Self::Refused(RefusalReason::UnsupportedPolicy),
        Self::NoEndpoint,
        Self::Connect(io::ErrorKind::ConnectionRefused),
        Self::NameUnresolved,
        Self::NoSocket(io::ErrorKind::AddrNotAvailable),
        Self::ConnectTimeout,
        Self::UpstreamTls,
        Self::ResponseTimeout,
        Self::UpstreamClosed,
        Self::UpstreamProtocol,
        Self::ShortOfMemory,
        Self::Loop,
        Self::Internal,
    ];

    /// The status that the client sees. 499 is only ever logged.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest(_)
            | Self::BadFraming(_)
            | Self::BadHost(_)
            | Self::BadPath(_)
            | Self::UnderscoreHeader
            | Self::BodyMalformed => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::MethodNotImplemented | Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::BodyStalled => StatusCode::REQUEST_TIMEOUT,
            Self::ClientGone => client_closed_request(),
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Refused(_) | Self::NoEndpoint | Self::NoSocket(_) | Self::ShortOfMemory => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Connect(_)
            | Self::NameUnresolved
            | Self::UpstreamTls
            | Self::UpstreamClosed
            | Self::UpstreamProtocol => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout | Self::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// When the client may try again, in seconds: what is missing is on its way, as a rule.
    pub fn retry_after(self) -> Option<u32> {
        match self {
            Self::NoEndpoint => Some(5),
            Self::ShortOfMemory | Self::NoSocket(_) => Some(1),
            _ => None,
        }
    }

    /// The body that the client sees. What it can mend itself it is told, with the limits of the entry point; of all else
    /// it gets Traefik's texts, which say nothing of the inside.
    pub fn body(self, limits: &Listener) -> Cow<'static, str> {
        let status = self.status().canonical_reason().unwrap_or_default();
        let text = match self {
            Self::NoRoute => return "404 page not found\n".into(),
            Self::NoEndpoint => return "no available server\n".into(),
            Self::ClientGone => return "Client Closed Request".into(),
            Self::Refused(_)
            | Self::Connect(_)
            | Self::NameUnresolved
            | Self::NoSocket(_)
            | Self::ConnectTimeout
            | Self::UpstreamTls
            | Self::ResponseTimeout
            | Self::UpstreamClosed
            | Self::UpstreamProtocol
            | Self::ShortOfMemory
            | Self::Internal => return status.into(),
            Self::BadRequest(rule) | Self::BadFraming(rule) | Self::BadHost(rule) => format!("{status}: {rule}"),
            Self::BadPath(why) => format!("{status}: {why}"),
            Self::UnderscoreHeader => format!("{status}: a header's name has an underscore; use hyphens"),
            Self::HeadTooLarge => format!(
                "{status}: at most {} bytes and {MAX_FIELDS} fields; send fewer or smaller ones, cookies first",
                limits.max_header_bytes
            ),
            Self::TargetTooLong => format!("{status}: at most {MAX_TARGET} bytes; send the rest in a body"),
            Self::MethodNotAllowed => format!("{status}: CONNECT, TRACE and TRACK are not served"),
            Self::MethodNotImplemented => format!("{status}: a method has at most {MAX_METHOD} bytes"),
            Self::TransferCoding => format!("{status}: the only transfer coding is chunked"),
            Self::Expectation => format!("{status}: the only expectation is 100-continue"),
            Self::BodyStalled => too_slow(status, limits),
            Self::BodyMalformed => format!("{status}: the body breaks its framing, or ends before its length"),
            Self::Loop => format!("{status}: the request comes back to where it was, again and again"),
        };
        (text + "\n").into()
    }

    /// Whose fault it is.
    pub fn fault(self) -> Fault {
        match self {
            Self::BadRequest(_)
            | Self::BadFraming(_)
            | Self::BadHost(_)
            | Self::BadPath(_)
            | Self::UnderscoreHeader
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::MethodNotAllowed
            | Self::MethodNotImplemented
            | Self::TransferCoding
            | Self::Expectation
            | Self::BodyStalled
            | Self::BodyMalformed
            | Self::ClientGone
            | Self::NoRoute => Fault::Downstream,
            Self::Connect(_)
            | Self::NameUnresolved
            | Self::ConnectTimeout
            | Self::UpstreamTls
            | Self::ResponseTimeout
            | Self::UpstreamClosed
            | Self::UpstreamProtocol => Fault::Upstream,
            Self::Refused(_)
            | Self::NoEndpoint
            | Self::NoSocket(_)
            | Self::ShortOfMemory
            | Self::Loop
            | Self::Internal => Fault::Internal,
        }
    }

    /// Whether the endpoint is better left alone for a while: it fails, or has as many connections as there are ports
    /// to reach it from.
    pub(crate) fn blames_endpoint(self) -> bool {
        self.fault() == Fault::Upstream || self == Self::NoSocket(io::ErrorKind::AddrNotAvailable)
    }

    /// The reason in metrics and the access log: a closed set.
    pub fn reason(self) -> Refusal {
        match self {
            Self::BadRequest(_) => Refusal::BadRequest,
            Self::BadFraming(_) => Refusal::BadFraming,
            Self::BadHost(_) => Refusal::BadHost,
            Self::BadPath(_) => Refusal::BadPath,
            Self::UnderscoreHeader | Self::Expectation => Refusal::BadHeader,
            Self::HeadTooLarge => Refusal::HeaderTooLarge,
            Self::TargetTooLong => Refusal::UriTooLong,
            Self::MethodNotAllowed | Self::MethodNotImplemented => Refusal::MethodNotAllowed,
            Self::TransferCoding => Refusal::UnknownCoding,
            Self::BodyStalled => Refusal::BodyTimeout,
            Self::BodyMalformed => Refusal::BadFraming,
            Self::ClientGone => Refusal::ClientGone,
            Self::NoRoute => Refusal::NoRoute,
            Self::Refused(RefusalReason::NoService) => Refusal::NoService,
            Self::Refused(RefusalReason::NoPort) => Refusal::NoPort,
            Self::Refused(RefusalReason::ExternalName) => Refusal::ExternalName,
            Self::Refused(RefusalReason::Unsupported) => Refusal::UnsupportedBackend,
            Self::Refused(RefusalReason::UnsupportedPolicy) => Refusal::UnsupportedPolicy,
            Self::NoEndpoint => Refusal::NoEndpoints,
            Self::Connect(_) => Refusal::ConnectFailed,
            Self::NameUnresolved => Refusal::NameUnresolved,
            Self::NoSocket(_) => Refusal::NoSocket,
            Self::ConnectTimeout => Refusal::ConnectTimeout,
            Self::UpstreamTls => Refusal::UpstreamTls,
            Self::ResponseTimeout => Refusal::ResponseTimeout,
            Self::UpstreamClosed => Refusal::UpstreamReset,
            Self::UpstreamProtocol => Refusal::UpstreamProtocol,
            Self::ShortOfMemory => Refusal::Memory,
            Self::Loop => Refusal::Loop,
            Self::Internal => Refusal::Internal,
        }
    }

    /// Whether the connection of an HTTP/1 client can be used again: not when its framing is in doubt.
    pub fn closes(self) -> bool {
        self == Self::ShortOfMemory || (self.fault() == Fault::Downstream && self != Self::NoRoute)
    }
}

fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A body that is late, and how long it may take.
fn too_slow(status: &str, limits: &Listener) -> String {
    let mut text = format!("{status}: the body did not arrive in time");
    let (pause, whole) = (limits.timeouts.body_idle, limits.timeouts.read);
    for (what, limit) in [("a pause within it", pause), ("the whole request", whole)] {
        if !limit.is_zero() {
            let _ = write!(text, "; {what} may last {limit:?}");
        }
    }
    text
}
