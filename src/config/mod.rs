//! What was typed (Traefik's flags, environment, YAML or TOML) and what it means.
//!
//! Two steps. The raw layer matches every key against one const table and merges the three sources; the meaning layer
//! turns what it finds there into a [`Config`]. Nothing here reads the process: arguments, environment and files are
//! passed in, so a test needs none of its own.

mod address;
mod command;
mod docs;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod meaning;
mod raw;
pub mod review;
mod scope;
mod settings;
pub mod table;

pub use command::{Command, Dialect, Flags, Format, Migration, Shadow};
pub use docs::help;
pub use error::{Error, Warning};
pub use raw::Files;
pub use settings::{
    AccessLog, AdminListener, Api, Cluster, CollectorTls, EntryPointRedirect, Ingress, InternalRoute, Limits, Metrics,
    Pages, Ping, Prometheus, ServersTransport, Source, StatusFrom, Token, Tracing,
};

use crate::objects::ObjectKey;
use crate::route::{Internal, Listener, ListenerSet};
use crate::telemetry::logs::LogSettings;

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
    pub log: LogSettings,
    /// `accessLog`; `None` when it is off.
    pub access_log: Option<AccessLog>,
    /// `tracing`; `None` when it is off.
    pub tracing: Option<Tracing>,
    /// `serversTransport`.
    pub transport: ServersTransport,
    /// `upstream.waitForEndpoint`: how long a request waits for an endpoint; zero does not wait.
    pub wait_for_endpoint: std::time::Duration,
    /// `tls.defaultCertificate`: the Secret with the certificate for hosts that have none of their own.
    pub default_certificate: Option<ObjectKey>,
    /// `tls.sniStrict`: a handshake for a host without a certificate is refused, as with Traefik's option of that name.
    pub strict_sni: bool,
    /// `workers`; `None` is as many as the CPU quota allows.
    pub workers: Option<std::num::NonZeroUsize>,
    /// `kubernetesEvents`: Events about problems are written.
    pub events: bool,
    /// `readOnly`: nothing is written to the cluster.
    pub read_only: bool,
    /// `limits`.
    pub limits: Limits,
    /// adit runs in a pod.
    pub in_cluster: bool,
}

impl Config {
    /// Reads the configuration from flags, environment (`name`, `value`) and file; `files` reads a text file.
    pub fn read(flags: Flags, variables: &[(String, String)], files: Files<'_>) -> Result<(Self, Vec<Warning>), Error> {
        let mut warnings = Vec::new();
        let settings = raw::Settings::read(flags.0, variables, files, &mut warnings)?;
        // Kubernetes tells every pod of its API server by this variable.
        let in_cluster = variables.iter().any(|(name, value)| name == "KUBERNETES_SERVICE_HOST" && !value.is_empty());
        let config = meaning::of(&settings, in_cluster, files, &mut warnings)?;
        Ok((config, warnings))
    }

    /// The URL at which `adit healthcheck` asks, from the same machine; `None` when nothing answers `/ping`.
    pub fn ping_url(&self) -> Option<String> {
        let admin = self.admin_listeners.iter().find(|listener| listener.pages.ping);
        let internal = self.internal_routes.iter().find(|route| route.page == Internal::Ping);
        let listener = internal.and_then(|route| self.listeners.get(route.listener));
        let (address, scheme) = match (admin, listener) {
            (Some(admin), _) => (&admin.address, "http"),
            (None, Some(listener)) => (&listener.address, if listener.tls { "https" } else { "http" }),
            (None, None) => return None,
        };
        let address = address::Address::parse(address).ok()?;
        Some(format!("{scheme}://{}/ping", address.local()))
    }
}

/// The flag that says where the entry point of this name listens; for the message that its port is in use.
pub fn address_flag(entry_point: &str) -> String {
    format!("--entryPoints.{entry_point}.address")
}

#[cfg(test)]
mod tests;
