//! The parts of a [`super::Config`], with the flags they come from. Defaults are Traefik's unless their comment says why not.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::objects::ObjectKey;
use crate::route::{Internal, Redirect};
use crate::telemetry::access::AccessSettings;
use crate::telemetry::traces::TraceSettings;

/// A redirect of a whole entry point (`http.redirections.entryPoint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPointRedirect {
    /// The listener's index.
    pub listener: usize,
    /// Where to.
    pub redirect: Redirect,
    /// Its Traefik priority; the default lets only adit's own pages come before it.
    pub priority: i64,
}

/// One of adit's own pages on an entry point that also holds routes (`ping.entryPoint`, `metrics.prometheus.entryPoint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalRoute {
    /// The listener's index.
    pub listener: usize,
    /// Which page.
    pub page: Internal,
    /// Its path, `/ping` or `/metrics`.
    pub path: Arc<str>,
    /// Its Traefik priority: before everything.
    pub priority: i64,
}

/// An entry point that holds adit's own pages only. `/healthz` and `/readyz` answer on each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminListener {
    /// Its name: `traefik`, `metrics`.
    pub name: Arc<str>,
    /// `host:port`; an empty host is every address of both families.
    pub address: Arc<str>,
    /// SO_REUSEPORT on its socket.
    pub reuse_port: bool,
    /// The optional pages it has.
    pub pages: Pages,
}

/// Which optional pages an admin listener has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// `/api/…`, below [`Api::base_path`].
    pub api: bool,
    /// `/dashboard/…` and `/`, below [`Api::base_path`].
    pub dashboard: bool,
    /// `/ping`.
    pub ping: bool,
    /// `/metrics`.
    pub metrics: bool,
}

/// Where objects come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: no provider was asked for.
    #[default]
    None,
    /// Nowhere, but the IngressRoutes of a cluster are counted (`providers.kubernetesCRD` alone): their silent loss
    /// would be an outage.
    IngressRoutes(Cluster),
    /// A cluster (`providers.kubernetesIngress`).
    Cluster(Cluster),
    /// A directory of manifests (`providers.directory.path`).
    Directory(PathBuf),
}

/// How the cluster is reached and what of it is watched (`providers.kubernetesIngress`, `providers.kubernetesCRD`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// `endpoint`: the API server's URL. In a cluster it overrides the one that is found; outside, KUBECONFIG is used
    /// when it is not given.
    pub endpoint: Option<String>,
    /// `token`.
    pub token: Option<Token>,
    /// `certAuthFilePath`: the API server's certificate authority.
    pub certificate_authority: Option<PathBuf>,
    /// `namespaces`; empty is all.
    pub namespaces: Vec<String>,
    /// `labelSelector`, for Ingresses only; empty selects all.
    pub label_selector: String,
    /// Nodes are watched (not `disableClusterScopeResources`).
    pub nodes: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            endpoint: None,
            token: None,
            certificate_authority: None,
            namespaces: Vec::new(),
            label_selector: String::new(),
            nodes: true,
        }
    }
}

/// A secret: a bearer token, or the path of a file that holds one; a key. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// How Ingresses are read (`providers.kubernetesIngress`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// `ingressClass`; `None` takes every class of ours.
    pub class: Option<Arc<str>>,
    /// IngressClasses are looked up (neither `disableIngressClassLookup` nor `disableClusterScopeResources`); else
    /// `ingressClassName` is matched by name.
    pub class_lookup: bool,
    /// `allowExternalNameServices`.
    pub allow_external_name: bool,
    /// `nativeLBByDefault`: Services are reached by their cluster address unless they say otherwise.
    pub native_lb: bool,
    /// `strictPrefixMatching`: a Prefix path matches whole elements. Traefik's default is off; the Ingress specification
    /// says on.
    pub strict_prefix: bool,
    /// `hostOwnership=strict`: a host belongs to one namespace.
    pub strict_hosts: bool,
    /// What goes into `status.loadBalancer`.
    pub status: StatusFrom,
}

impl Default for Ingress {
    fn default() -> Self {
        Self {
            class: None,
            class_lookup: true,
            allow_external_name: false,
            native_lb: false,
            strict_prefix: true,
            strict_hosts: false,
            status: StatusFrom::Nothing,
        }
    }
}

/// Where the addresses in an Ingress's status come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StatusFrom {
    /// No status is written.
    #[default]
    Nothing,
    /// `ingressEndpoint.ip` and `ingressEndpoint.hostname`; at least one is given.
    Fixed {
        /// `ip`.
        ip: Option<IpAddr>,
        /// `hostname`.
        hostname: Option<String>,
    },
    /// `ingressEndpoint.publishedService`: copied from this Service.
    Service(ObjectKey),
    /// `reportNodeInternalIPs`.
    NodeInternalIps,
}

/// `api`. Which listener has it is in [`AdminListener::pages`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// `api` was asked for; without `api.insecure` it is served nowhere.
    pub enabled: bool,
    /// `api.basePath`: begins with `/` and does not end with one; empty for the root.
    pub base_path: Arc<str>,
    /// `api.dashboardName`.
    pub dashboard_name: String,
}

/// `ping`. Where it is served is in [`AdminListener::pages`] and [`InternalRoute`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// `ping` was asked for.
    pub enabled: bool,
    /// `ping.entryPoint`; what `adit healthcheck` asks.
    pub entry_point: Arc<str>,
    /// `ping.terminatingStatusCode`, from SIGTERM on.
    pub terminating_status: u16,
}

/// `metrics`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// `metrics.addInternals`: count requests to adit's own pages too.
    pub add_internals: bool,
    /// `metrics.prometheus`.
    pub prometheus: Option<Prometheus>,
}

/// `metrics.prometheus`. Where it is served is in [`AdminListener::pages`] and [`InternalRoute`].
#[derive(Clone, Debug, PartialEq)]
pub struct Prometheus {
    /// `buckets`: upper bounds of the duration histograms in seconds, ascending.
    pub buckets: Vec<f64>,
    /// `addEntryPointsLabels`.
    pub entry_points: bool,
    /// `addRoutersLabels`.
    pub routers: bool,
    /// `addServicesLabels`.
    pub services: bool,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self { buckets: vec![0.1, 0.3, 1.2, 5.0], entry_points: true, routers: false, services: true }
    }
}

/// `accessLog`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccessLog {
    /// What is logged of which requests, where and how.
    pub settings: AccessSettings,
    /// `addInternals`: log requests to adit's own pages too.
    pub add_internals: bool,
}

/// `limits`: what clients may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `connections`; `None` is what the open files allow.
    pub connections: Option<NonZeroUsize>,
    /// `connectionsPerClient`; `None` is no limit, since a load balancer hides many clients behind one address.
    pub per_client: Option<NonZeroU32>,
    /// `memory`, bytes; `None` is what there is.
    pub memory: Option<NonZeroUsize>,
    /// `tunnelIdleTimeout`; zero is no limit, which is Traefik's default. Ours is an hour: every wait has a deadline.
    pub tunnel_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: None, per_client: None, memory: None, tunnel_idle: Duration::from_secs(3600) }
    }
}

/// `tracing`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// Which requests are traced, what spans say, and where they go.
    pub settings: TraceSettings,
    /// TLS to the collector, where its endpoint wants it.
    pub tls: CollectorTls,
    /// `addInternals`: trace requests to adit's own pages too.
    pub add_internals: bool,
}

/// `tracing.otlp.*.tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectorTls {
    /// The group that it was read from, for messages.
    pub group: &'static str,
    /// `ca`: PEM text trusted instead of the public roots.
    pub ca: Option<Arc<str>>,
    /// `cert`: PEM text.
    pub certificate: Option<Arc<str>>,
    /// `key`: PEM text.
    pub key: Option<Token>,
    /// `insecureSkipVerify`: the collector's certificate is not verified.
    pub insecure_skip_verify: bool,
}

/// `serversTransport`: how endpoints are connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServersTransport {
    /// `insecureSkipVerify`: endpoints' certificates are not verified.
    pub insecure_skip_verify: bool,
    /// `rootCAs`: PEM texts trusted for endpoints instead of the public roots, as in Traefik.
    pub root_cas: Vec<Arc<str>>,
    /// `maxIdleConnsPerHost`: idle connections kept per endpoint; zero keeps none.
    pub max_idle_per_endpoint: usize,
    /// `forwardingTimeouts.dialTimeout`: TCP connect and TLS handshake; zero is no limit. Traefik's default is 30 s, ours
    /// 5 s: another endpoint answers sooner than a dead one.
    pub dial: Duration,
    /// `forwardingTimeouts.responseHeaderTimeout`; zero is no limit, which is Traefik's default. Ours is 300 s: every
    /// wait has a deadline.
    pub response_header: Duration,
    /// `forwardingTimeouts.idleConnTimeout`.
    pub idle: Duration,
}

impl Default for ServersTransport {
    fn default() -> Self {
        Self {
            insecure_skip_verify: false,
            root_cas: Vec::new(),
            max_idle_per_endpoint: 200,
            dial: Duration::from_secs(5),
            response_header: Duration::from_secs(300),
            idle: Duration::from_secs(90),
        }
    }
}
