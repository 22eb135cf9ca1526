//! A listener: an address, what is spoken on it, whom it trusts and how long it waits. Traefik's entry point.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

/// One entry point, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name: `web`, `websecure`.
    pub name: Arc<str>,
    /// `host:port`; an empty host is every address of both families.
    pub address: Arc<str>,
    /// SO_REUSEPORT on its socket.
    pub reuse_port: bool,
    /// Every route on it is TLS only (`http.tls`).
    pub tls: bool,
    /// Whose forwarding headers are believed.
    pub forwarded_headers: ForwardedHeaders,
    /// From whom a PROXY protocol header is taken.
    pub proxy_protocol: ProxyProtocol,
    /// How long it waits for clients.
    pub timeouts: RespondingTimeouts,
    /// How it ends.
    pub life_cycle: LifeCycle,
    /// Limits of HTTP/2.
    pub http2: Http2,
    /// The most bytes of a request head; more is 431. Traefik's default is 1 MiB, ours 64 KiB: no one needs more, and
    /// each connection may hold that much.
    pub max_header_bytes: usize,
    /// Clean `//`, `/./` and `/../` before routing; off means byte for byte.
    pub sanitize_path: bool,
    /// Which percent-encoded characters may be in a path.
    pub encoded_characters: EncodedCharacters,
    /// What becomes of headers with `_` in their name.
    pub underscore_headers: UnderscoreHeaders,
    /// Requests on it appear in the access log.
    pub access_logs: bool,
    /// Requests on it are counted.
    pub metrics: bool,
    /// Requests on it are traced, if any are.
    pub tracing: bool,
}

impl Listener {
    /// A listener with every default.
    pub fn new(name: impl Into<Arc<str>>, address: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            address: address.into(),
            reuse_port: false,
            tls: false,
            forwarded_headers: ForwardedHeaders::default(),
            proxy_protocol: ProxyProtocol::default(),
            timeouts: RespondingTimeouts::default(),
            life_cycle: LifeCycle::default(),
            http2: Http2::default(),
            max_header_bytes: 64 * 1024,
            sanitize_path: true,
            encoded_characters: EncodedCharacters::default(),
            underscore_headers: UnderscoreHeaders::default(),
            access_logs: true,
            metrics: true,
            tracing: true,
        }
    }
}

/// A set of peers: all, or some networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedPeers {
    /// Everyone (`insecure`).
    pub all: bool,
    /// These networks.
    pub networks: Vec<IpNet>,
}

impl TrustedPeers {
    /// Whether `peer` is one of them. An IPv4 address mapped into IPv6 counts as what it is.
    pub fn contains(&self, peer: IpAddr) -> bool {
        self.all
            || (!self.networks.is_empty() && {
                let peer = peer.to_canonical();
                self.networks.iter().any(|network| network.contains(&peer))
            })
    }
}

/// `forwardedHeaders`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardedHeaders {
    /// Peers whose `X-Forwarded-*` are kept.
    pub trusted: TrustedPeers,
    /// Headers that a client's `Connection` may name and that are kept all the same; lower-case.
    pub connection: Vec<Arc<str>>,
    /// Leave `X-Forwarded-For` as it came.
    pub not_append_x_forwarded_for: bool,
}

/// `proxyProtocol`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Peers whose header is read; from others it is not looked for.
    pub trusted: TrustedPeers,
}

/// `transport.respondingTimeouts`, with the waits that Traefik has no name for: none of these is longer than the whole
/// that it is a part of. Zero means no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RespondingTimeouts {
    /// The whole of a request, head and body. Traefik's default of 60 s cuts long uploads; ours is none, since `head`
    /// and `body_idle` bound a stalled client.
    pub read: Duration,
    /// The whole of an answer.
    pub write: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// From the first byte of a head to its last, and a TLS handshake.
    pub head: Duration,
    /// Between two reads of a body.
    pub body_idle: Duration,
    /// Between two writes that make progress.
    pub write_stall: Duration,
}

impl Default for RespondingTimeouts {
    fn default() -> Self {
        Self {
            read: Duration::ZERO,
            write: Duration::ZERO,
            idle: Duration::from_secs(180),
            head: Duration::from_secs(10),
            body_idle: Duration::from_secs(60),
            write_stall: Duration::from_secs(60),
        }
    }
}

/// `transport.lifeCycle` and the keep-alive limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeCycle {
    /// From SIGTERM, how long connections are still accepted (each answer closing its connection) while load balancers
    /// learn that this pod ends. 10 s in a cluster, else 0.
    pub request_accept_grace: Duration,
    /// After that, how long requests in flight may take.
    pub grace: Duration,
    /// The longest life of a keep-alive connection; zero is no limit.
    pub keep_alive_max_time: Duration,
    /// The most requests of a keep-alive connection; zero is no limit.
    pub keep_alive_max_requests: u64,
}

impl Default for LifeCycle {
    fn default() -> Self {
        Self {
            request_accept_grace: Duration::ZERO,
            grace: Duration::from_secs(10),
            keep_alive_max_time: Duration::ZERO,
            keep_alive_max_requests: 0,
        }
    }
}

/// `http2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// Streams at once on one connection. Traefik's default is 250; 100 bounds the memory of one connection and is
    /// what browsers expect.
    pub max_concurrent_streams: u32,
    /// The HPACK table that a client may make us keep, bytes.
    pub max_decoder_header_table_size: u32,
    /// The HPACK table that we keep for a client, bytes.
    pub max_encoder_header_table_size: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self { max_concurrent_streams: 100, max_decoder_header_table_size: 4096, max_encoder_header_table_size: 4096 }
    }
}

/// `http.encodedCharacters`: what may stand percent-encoded in a path. `%00` never may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedCharacters {
    /// `%2F`.
    pub slash: bool,
    /// `%5C`.
    pub back_slash: bool,
    /// `%00`, accepted as a setting; such paths are refused whatever it says.
    pub null_character: bool,
    /// `%3B`.
    pub semicolon: bool,
    /// `%25`.
    pub percent: bool,
    /// `%3F`.
    pub question_mark: bool,
    /// `%23`.
    pub hash: bool,
}

impl Default for EncodedCharacters {
    fn default() -> Self {
        Self {
            slash: true,
            back_slash: true,
            null_character: true,
            semicolon: true,
            percent: true,
            question_mark: true,
            hash: true,
        }
    }
}

/// `http.underscoreHeadersStrategy`. Underscore twins of forwarding and identity headers are dropped whatever it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnderscoreHeaders {
    /// Pass them on.
    #[default]
    Keep,
    /// Drop them.
    Delete,
    /// Refuse the request with 400.
    Reject,
}

/// A set of listeners, by their index in the configuration's order; at most 64.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ListenerSet(pub u64);

impl ListenerSet {
    /// The most listeners there can be.
    pub const MAX: usize = 64;

    /// This listener alone.
    pub fn only(index: usize) -> Self {
        Self(1 << index)
    }

    /// These and that one.
    #[must_use]
    pub fn with(self, index: usize) -> Self {
        Self(self.0 | 1 << index)
    }

    /// Whether it is one of them.
    pub fn contains(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }

    /// Whether any is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The indices, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::MAX).filter(move |&index| self.contains(index))
    }
}

impl fmt::Debug for ListenerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_trusted_by_network_and_an_ipv4_address_in_ipv6_counts_as_what_it_is() {
        let trusts = |peers: &TrustedPeers, peer: &str| peers.contains(peer.parse().expect("an address"));
        let mut peers = TrustedPeers { all: false, networks: vec!["10.0.0.0/8".parse().expect("a network")] };
        assert!(trusts(&peers, "10.1.2.3") && trusts(&peers, "::ffff:10.1.2.3"));
        assert!(!trusts(&peers, "192.0.2.1") && !trusts(&peers, "2001:db8::1"));
        peers.all = true;
        assert!(trusts(&peers, "192.0.2.1"));
        assert!(!trusts(&TrustedPeers::default(), "10.1.2.3"));
    }
}
