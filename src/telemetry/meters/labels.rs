//! The closed sets of label values: a client cannot make a new time series.

/// An enum whose variants each have one name, and that knows all of them.
macro_rules! closed_set {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// All of them, in the order of their index.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The label's value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Its place in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

closed_set! {
    /// `method`: Traefik's verbs; every other method is one value.
    MethodLabel {
        /// GET.
        Get = "GET",
        /// HEAD.
        Head = "HEAD",
        /// POST.
        Post = "POST",
        /// PUT.
        Put = "PUT",
        /// DELETE.
        Delete = "DELETE",
        /// CONNECT.
        Connect = "CONNECT",
        /// OPTIONS.
        Options = "OPTIONS",
        /// TRACE.
        Trace = "TRACE",
        /// PATCH.
        Patch = "PATCH",
        /// Any other.
        Extension = "EXTENSION_METHOD",
    }
}

impl MethodLabel {
    /// The label of `method`.
    pub fn of(method: &http::Method) -> Self {
        match *method {
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            http::Method::DELETE => Self::Delete,
            http::Method::CONNECT => Self::Connect,
            http::Method::OPTIONS => Self::Options,
            http::Method::TRACE => Self::Trace,
            http::Method::PATCH => Self::Patch,
            _ => Self::Extension,
        }
    }
}

closed_set! {
    /// `protocol`: what the exchange was used for.
    ProtocolLabel {
        /// A plain request.
        Http = "http",
        /// An upgrade to a WebSocket.
        Websocket = "websocket",
        /// Server-sent events.
        Sse = "sse",
        /// gRPC; its `code` is the grpc-status.
        Grpc = "grpc",
        /// gRPC-Web.
        GrpcWeb = "grpc-web",
    }
}

closed_set! {
    /// `reason` of `adit_refusals_total`: why adit itself answered, or gave up.
    Refusal {
        /// Conflicting or odd `Content-Length` and `Transfer-Encoding`.
        BadFraming = "bad_framing",
        /// A missing, doubled or odd `Host`.
        BadHost = "bad_host",
        /// A path or target that is refused.
        BadPath = "bad_path",
        /// A header that is refused.
        BadHeader = "bad_header",
        /// Bytes that are no HTTP request.
        BadRequest = "bad_request",
        /// A transfer coding that nobody here knows (501).
        UnknownCoding = "unknown_coding",
        /// A head larger than the entry point's limit (431).
        HeaderTooLarge = "header_too_large",
        /// A request line larger than the limit (414).
        UriTooLong = "uri_too_long",
        /// CONNECT, TRACE (405).
        MethodNotAllowed = "method_not_allowed",
        /// Nothing matches (404).
        NoRoute = "no_route",
        /// The Service does not exist.
        NoService = "no_service",
        /// The Service has no such port.
        NoPort = "no_port",
        /// An ExternalName Service without leave.
        ExternalName = "external_name",
        /// A backend that cannot be served.
        UnsupportedBackend = "unsupported_backend",
        /// A policy that this version does not have.
        UnsupportedPolicy = "unsupported_policy",
        /// The Service has no endpoints that serve.
        NoEndpoints = "no_endpoints",
        /// No endpoint could be reached.
        ConnectFailed = "connect_failed",
        /// The name of an ExternalName Service was not resolved.
        NameUnresolved = "name_unresolved",
        /// There was no socket or source port for a connection to an endpoint (503).
        NoSocket = "no_socket",
        /// No endpoint accepted in time.
        ConnectTimeout = "connect_timeout",
        /// The TLS handshake with the endpoint failed.
        UpstreamTls = "upstream_tls",
        /// The endpoint closed before its answer's head.
        UpstreamReset = "upstream_reset",
        /// The endpoint's answer is no HTTP.
        UpstreamProtocol = "upstream_protocol",
        /// The endpoint's answer did not begin in time.
        ResponseTimeout = "response_timeout",
        /// The answer's body stopped before its end.
        ResponseTruncated = "response_truncated",
        /// The client left before its answer was complete (499).
        ClientGone = "client_gone",
        /// The request's head did not arrive in time.
        HeadTimeout = "head_timeout",
        /// The request's body did not arrive in time (408).
        BodyTimeout = "body_timeout",
        /// The client stopped reading.
        WriteTimeout = "write_timeout",
        /// The TLS handshake with the client failed or took too long.
        TlsHandshake = "tls_handshake",
        /// A PROXY protocol header that is not one.
        ProxyProtocol = "proxy_protocol",
        /// There were as many connections as there may be.
        Overloaded = "overloaded",
        /// One client had as many connections as it may have.
        ClientLimit = "client_limit",
        /// Memory was short.
        Memory = "memory",
        /// A request that had come by too often (508).
        Loop = "loop",
        /// A bug of ours.
        Internal = "internal",
    }
}

closed_set! {
    /// `reason` of `adit_retries_total`: why a request was sent once more.
    Retry {
        /// Connecting failed.
        ConnectFailed = "connect_failed",
        /// There was no socket or source port to connect with.
        NoSocket = "no_socket",
        /// Connecting took too long.
        ConnectTimeout = "connect_timeout",
        /// The TLS handshake failed.
        Tls = "tls",
        /// The connection ended before any byte of the request was sent.
        Unsent = "unsent",
        /// The connection died before any byte of the answer.
        Reset = "reset",
        /// The endpoint refused the stream, or said GOAWAY before it.
        RefusedStream = "refused_stream",
    }
}

closed_set! {
    /// `outcome` of `adit_endpoint_waits_total`: how a request's wait for an endpoint ended.
    Wait {
        /// There were endpoints again.
        Endpoint = "endpoint",
        /// There were none in time.
        Expired = "expired",
        /// The client left.
        ClientGone = "client_gone",
        /// It did not begin: too many wait already.
        Full = "full",
    }
}

closed_set! {
    /// `state` of `adit_endpoints`.
    EndpointLabel {
        /// Takes new work.
        Ready = "ready",
        /// Terminating but still serving.
        Draining = "draining",
        /// Set aside after failures.
        Ejected = "ejected",
    }
}

closed_set! {
    /// `severity` of `adit_problems`.
    SeverityLabel {
        /// Some traffic is refused.
        Error = "error",
        /// All traffic is served, but not quite as written.
        Warning = "warning",
    }
}

closed_set! {
    /// `reason` of `adit_spans_dropped_total`.
    SpanLoss {
        /// More waited than may.
        QueueFull = "queue_full",
        /// The collector could not be reached, or refused the message.
        ExportFailed = "export_failed",
        /// The collector took the message, and not this part of it.
        Rejected = "rejected",
    }
}

closed_set! {
    /// `log` of `adit_log_dropped_total`.
    LogLabel {
        /// The process log.
        Process = "process",
        /// The access log.
        Access = "access",
    }
}

/// `tls_version` and `tls_cipher` of a connection, as one small number: find it once per connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsLabel(u8);

/// rustls' suite, Traefik's version and cipher names (those of Go's crypto/tls).
const SUITES: &[(rustls::CipherSuite, &str, &str)] = {
    use rustls::CipherSuite as S;
    &[
        (S::TLS13_AES_128_GCM_SHA256, "1.3", "TLS_AES_128_GCM_SHA256"),
        (S::TLS13_AES_256_GCM_SHA384, "1.3", "TLS_AES_256_GCM_SHA384"),
        (S::TLS13_CHACHA20_POLY1305_SHA256, "1.3", "TLS_CHACHA20_POLY1305_SHA256"),
        (S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        (S::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        (S::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "1.2", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        (S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        (S::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        (S::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "1.2", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    ]
};

impl TlsLabel {
    /// The label of a negotiated suite, which implies the version.
    pub fn of(suite: rustls::CipherSuite) -> Self {
        let index = SUITES.iter().position(|(known, ..)| *known == suite).unwrap_or(SUITES.len());
        Self(u8::try_from(index).unwrap_or(u8::MAX))
    }

    /// `1.2` or `1.3`.
    pub fn version(self) -> &'static str {
        SUITES.get(usize::from(self.0)).map_or("unknown", |(_, version, _)| version)
    }

    /// The suite's name in Go's spelling.
    pub fn cipher(self) -> &'static str {
        SUITES.get(usize::from(self.0)).map_or("unknown", |(.., cipher)| cipher)
    }

    /// The number that stands for it in a cell's key.
    pub(super) fn key(self) -> u32 {
        u32::from(self.0)
    }

    /// The label that [`Self::key`] gave.
    pub(super) fn from_key(key: u32) -> Self {
        Self(u8::try_from(key).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_that_rustls_offers_has_a_label() {
        for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
            assert_ne!(TlsLabel::of(suite.suite()).cipher(), "unknown", "{suite:?}");
        }
    }

    #[test]
    fn methods_outside_the_set_share_one_label() {
        let method = http::Method::from_bytes(b"PROPFIND").expect("a token");
        assert_eq!(MethodLabel::of(&method).as_str(), "EXTENSION_METHOD");
        assert_eq!(MethodLabel::of(&http::Method::PATCH).as_str(), "PATCH");
    }
}
