//! What was typed (Traefik's flags, environment, YAML or TOML) and what it means.
//!
//! Two steps. The raw layer matches every key against one const table and merges the three sources; the meaning layer
//! turns what it finds there into a [`Config`]. Nothing here reads the process: arguments, environment and files are
//! passed in, so a test needs none of its own.

mod settings;

pub use settings::{
    AccessFields, AccessFilters, AccessFormat, AccessLog, AdminListener, Api, Cluster, EntryPointRedirect, FieldMode,
    FieldModes, Ingress, InternalRoute, Log, LogFormat, LogLevel, Metrics, Pages, Ping, Prometheus, ServersTransport,
    Source, StatusFrom, Token,
};

use crate::route::{Listener, ListenerSet};

/// Everything that was configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The entry points that hold routes, in the order of their names; at most [`ListenerSet::MAX`].
    pub listeners: Vec<Listener>,
    /// The listeners of a route that names none (`asDefault`).
    pub default_listeners: ListenerSet,
    /// Redirects of whole entry points.
    pub entry_point_redirects: Vec<EntryPointRedirect>,
    /// adit's own pages on entry points that also hold routes.
    pub internal_routes: Vec<InternalRoute>,
    /// The entry points that hold adit's own pages only, `traefik` first.
    pub admin_listeners: Vec<AdminListener>,
    /// Where objects come from.
    pub source: Source,
    /// How Ingresses are read, whatever brought them here.
    pub ingress: Ingress,
    /// `providers.kubernetesCRD` was asked for: IngressRoutes are counted, since their silent loss would be an outage.
    pub kubernetes_crd: bool,
    /// `api`.
    pub api: Api,
    /// `ping`.
    pub ping: Ping,
    /// `metrics`.
    pub metrics: Metrics,
    /// `log`.
    pub log: Log,
    /// `accessLog`; `None` when it is off.
    pub access_log: Option<AccessLog>,
    /// `serversTransport`.
    pub transport: ServersTransport,
    /// `tls.defaultCertificate`: the Secret with the certificate for hosts that have none of their own.
    pub default_certificate: Option<crate::objects::ObjectKey>,
    /// `workers`; `None` is as many as the CPU quota allows.
    pub workers: Option<std::num::NonZeroUsize>,
}
