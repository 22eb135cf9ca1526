//! The contract going out: the routing table, in validated values only.
//!
//! Nothing here knows which dialect made a route, and nothing here knows how a route is looked up or served.

mod explain;
mod host;
mod listener;
mod path;
mod precedence;
mod problem;
mod rule;
mod table;
mod tls;
mod upstream;

pub use explain::Explanation;
pub use host::{HostPattern, InvalidHost};
pub use listener::{
    EncodedCharacters, ForwardedHeaders, Http2, LifeCycle, Listener, ListenerSet, ProxyProtocol, RespondingTimeouts,
    TrustedPeers, UnderscoreHeaders,
};
pub use path::{InvalidPath, PathMatch, RegexBudget};
pub use precedence::{AutomaticRank, Explicit, HostKind, PathKind, Rank, Tier};
pub use problem::{Code, Field, IngressName, ObjectRef, Problem, Report, Severity, StatusAddress};
pub use rule::{Action, Internal, Observability, Origin, Redirect, RefusalReason, Route, TlsUse};
pub use table::{EndpointTable, RouteTable, VirtualHost};
pub use tls::{Certificate, CertificateEntry, CertificateFacts};
pub use upstream::{
    Address, Balance, Condition, Endpoint, EndpointSet, HostHeader, PortRef, Protocol, SameSite, Sticky, Upstream,
    UpstreamId,
};
