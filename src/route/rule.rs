//! One route: what it matches beyond its host, and what is done with a request that it wins.

use std::sync::Arc;

use super::{HostPattern, ListenerSet, PathMatch, Rank, Upstream};

/// One match and its one action, within a [`super::VirtualHost`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its place in the order of all routes.
    pub rank: Rank,
    /// The listeners it is bound to.
    pub listeners: ListenerSet,
    /// Whether it is served over TLS, in the clear, or both.
    pub tls: TlsUse,
    /// The paths it is for.
    pub path: PathMatch,
    /// What is done.
    pub action: Action,
    /// What is recorded of its requests.
    pub observability: Observability,
    /// Where it comes from and what users call it.
    pub origin: Arc<Origin>,
}

/// Over which transport a route is served. A listener with `http.tls` is TLS only whatever this says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsUse {
    /// In the clear only.
    Never,
    /// In the clear, and over TLS for these hosts (`spec.tls[].hosts` of a rule whose host is wider than they are).
    Hosts(Arc<[HostPattern]>),
    /// Both: `spec.tls` covers the rule's host.
    Also,
    /// TLS only: `router.tls: "true"`.
    Only,
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Proxy it.
    Forward(Arc<Upstream>),
    /// Answer with a redirect to the same URL elsewhere.
    Redirect(Arc<Redirect>),
    /// Answer with one of adit's own pages, where `api`, `ping` or `metrics` name an entry point that also holds routes.
    Internal(Internal),
    /// Answer 503: the rule stands, but what it names is missing or not supported. Never a 404 that hides it.
    Refuse(RefusalReason),
}

/// adit's own pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Internal {
    /// `/api/…`.
    Api,
    /// `/dashboard/…` and `/`.
    Dashboard,
    /// `/ping`.
    Ping,
    /// `/metrics`.
    Metrics,
}

/// A redirect of a whole entry point (`http.redirections.entryPoint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `https` or `http`.
    pub scheme: Arc<str>,
    /// The port of the new URL; left out when it is the scheme's own.
    pub port: u16,
    /// 301 for GET and 308 for the rest when true, else 302 and 307.
    pub permanent: bool,
}

/// Why a route answers 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// The Service does not exist.
    NoService,
    /// The Service has no such port.
    NoPort,
    /// An ExternalName Service, which `allowExternalNameServices` does not allow.
    ExternalName,
    /// The backend cannot be served (a `resource` backend, a bad annotation on the Service).
    Unsupported,
    /// The route names a middleware, TLS option or transport that this version does not have: a lock that is not
    /// there must not open the door.
    UnsupportedPolicy,
}

/// Per-route switches of `router.observability.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observability {
    /// Its requests appear in the access log.
    pub access_logs: bool,
    /// Its requests are counted.
    pub metrics: bool,
    /// Its requests are traced.
    pub tracing: bool,
}

impl Default for Observability {
    fn default() -> Self {
        Self { access_logs: true, metrics: true, tracing: true }
    }
}

/// Where a route comes from; what logs, metrics and the API call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Traefik's name of the router with its provider, `default-weather-weather-lvh-me@kubernetes`.
    pub name: Arc<str>,
    /// Traefik's rule, ``Host("weather.lvh.me") && PathPrefix("/")``.
    pub rule: Arc<str>,
    /// Traefik's number: the length of the rule, or the priority that was given.
    pub priority: i64,
    /// Whether the priority was given.
    pub explicit_priority: bool,
    /// Traefik's name of the service with its provider, `default-weather-api-8080@kubernetes`, if it forwards.
    pub service: Option<Arc<str>>,
    /// The Ingress's namespace; empty for routes of the configuration.
    pub namespace: Arc<str>,
    /// The Ingress's name; empty for routes of the configuration.
    pub ingress: Arc<str>,
}
