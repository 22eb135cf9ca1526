//! A balanced group of endpoints, and how it is spoken to. Its endpoints travel apart: pod churn rebuilds no route.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Names an upstream: a Service port. Compound and therefore free of collisions. A copy shares the names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamId(Arc<UpstreamName>);

/// What an [`UpstreamId`] is made of.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamName {
    /// The Service's namespace.
    pub namespace: Arc<str>,
    /// The Service's name.
    pub service: Arc<str>,
    /// The port as the backend names it.
    pub port: PortRef,
}

/// A Service port, by number or by name (Ingress v1, `backend.service.port`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortRef {
    /// `port.number`.
    Number(u16),
    /// `port.name`.
    Name(Arc<str>),
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl std::ops::Deref for UpstreamId {
    type Target = UpstreamName;

    fn deref(&self) -> &UpstreamName {
        &self.0
    }
}

impl UpstreamId {
    /// The port `port` of `service` in `namespace`.
    pub fn new(namespace: impl Into<Arc<str>>, service: impl Into<Arc<str>>, port: PortRef) -> Self {
        Self(Arc::new(UpstreamName { namespace: namespace.into(), service: service.into(), port }))
    }

    /// Traefik's name with its provider: `default-weather-api-service-8080@kubernetes`.
    pub fn traefik_name(&self) -> String {
        format!("{}-{}-{}@kubernetes", self.namespace, self.service, self.port)
    }
}

impl fmt::Display for UpstreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.service, self.port)
    }
}

impl fmt::Debug for UpstreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a group of endpoints is spoken to. Equal ids have equal settings: these come from the Service alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Which Service port.
    pub id: UpstreamId,
    /// What the endpoints speak.
    pub protocol: Protocol,
    /// The `Host` that they see.
    pub host_header: HostHeader,
    /// How one is chosen.
    pub balance: Balance,
    /// Cookie affinity, if any.
    pub sticky: Option<Arc<Sticky>>,
}

/// What an endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP/1.1 in the clear.
    Http,
    /// HTTP/2 in the clear, by prior knowledge.
    H2c,
    /// TLS, HTTP/2 or HTTP/1.1 by ALPN, verified against `serversTransport.rootCAs` if there are any, else
    /// against the public roots.
    Https,
}

impl Protocol {
    /// The scheme as Traefik writes it in a server's URL.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::H2c => "h2c",
            Self::Https => "https",
        }
    }
}

/// The `Host` header that an endpoint sees (`service.passhostheader`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's.
    Pass,
    /// The endpoint's own address and port.
    Endpoint,
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Power of two choices on peak-EWMA latency times requests in flight.
    #[default]
    PeakEwma,
    /// One after the other (Traefik's `wrr`).
    RoundRobin,
}

/// Cookie affinity (`service.sticky.cookie.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// The cookie's name.
    pub name: Arc<str>,
    /// `Secure`.
    pub secure: bool,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: Option<SameSite>,
    /// `Max-Age` in seconds; `None` leaves it out.
    pub max_age: Option<i64>,
    /// `Path`.
    pub path: Arc<str>,
    /// `Domain`.
    pub domain: Option<Arc<str>>,
}

/// A cookie's `SameSite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// `None`.
    None,
    /// `Lax`.
    Lax,
    /// `Strict`.
    Strict,
}

/// Where an endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An address and port.
    Socket(SocketAddr),
    /// A name to resolve when connecting (an ExternalName Service), and a port.
    Name(Arc<str>, u16),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => write!(f, "{address}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// Whether an endpoint takes new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Serving and not terminating.
    Ready,
    /// Terminating but still serving: used when nothing else is left, and by its own sticky sessions.
    Draining,
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// Whether it takes new work.
    pub condition: Condition,
}

/// The endpoints of one upstream, sorted and without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSet {
    /// The endpoints by address.
    pub endpoints: Vec<Endpoint>,
}
