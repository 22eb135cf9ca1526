//! The routing table: hosts to routes, hosts to certificates; and, apart from it, the endpoints.

use std::sync::Arc;

use imbl::OrdMap;

use super::{CertificateEntry, EndpointSet, HostPattern, Route, UpstreamId};

/// What is served. Persistent maps: a new table shares with the old one all that did not change, so that comparing and
/// compiling it costs what changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// The routes, by host.
    pub hosts: OrdMap<HostPattern, Arc<VirtualHost>>,
    /// The certificates, by host; `Exact` and `Wildcard` only.
    pub certificates: OrdMap<HostPattern, Arc<CertificateEntry>>,
    /// The certificate for all other hosts (`tls.defaultCertificate`); without it a self-signed one is made.
    pub default_certificate: Option<Arc<CertificateEntry>>,
}

/// The routes of one host pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualHost {
    /// The pattern.
    pub host: HostPattern,
    /// Its routes, best rank first. Never empty.
    pub routes: Vec<Arc<Route>>,
}

/// The endpoints of each upstream that a route names. An upstream that is not here has none.
pub type EndpointTable = OrdMap<UpstreamId, Arc<EndpointSet>>;
