//! The objects of a cluster: one watch per kind and namespace, tolerant of what the role forbids.
//!
//! Each watch is a task of its own ([`watch`]); they report to one supervisor, which knows when all first lists are in,
//! what is forbidden, and whether the API server answers. Nothing is ever removed because a list failed.

mod connect;
mod inventory;
mod kind;
mod outage;
mod relist;
mod report;
mod supervisor;
mod unserved;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Endpoints, Node, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::Client;
use tokio::sync::{mpsc, watch as channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

pub use self::connect::connect;
pub use self::inventory::{Inventory, inventory};
use self::kind::{Kind, Watched};
use self::report::{Message, Scope};
use self::supervisor::Supervisor;
use self::watch::Watch;
use super::{Error, Event};
use crate::objects::{Access, Change, ObjectKey};

/// Where the API server is, when neither the pod nor `KUBECONFIG` says it.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// `endpoint`: the API server's URL; in a pod it replaces the pod's own.
    pub endpoint: Option<String>,
    /// `token`: a bearer token, or the path of a file that holds one.
    pub token: Option<String>,
    /// `certAuthFilePath`: the certificates that the API server's own is verified by.
    pub certificate_authority: Option<PathBuf>,
}

/// What is watched.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `namespaces`; empty means all.
    pub namespaces: Vec<String>,
    /// `labelSelector`, for Ingresses alone.
    pub ingress_labels: Option<String>,
    /// `ingressEndpoint.publishedService`, watched also when it lies outside `namespaces`.
    pub published_service: Option<ObjectKey>,
    /// `tls.defaultCertificate`, watched also when it lies outside `namespaces`.
    pub default_certificate: Option<ObjectKey>,
    /// Whether IngressClasses are looked up (not `disableIngressClassLookup`, not `disableClusterScopeResources`).
    pub classes: ClusterScope,
    /// Whether Nodes are looked up (not `disableClusterScopeResources`).
    pub nodes: ClusterScope,
    /// Whether to count the IngressRoutes that nothing serves (`providers.kubernetescrd` was asked for).
    pub count_ingress_routes: bool,
}

/// Whether a cluster-wide kind is looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterScope {
    /// It is.
    #[default]
    Watched,
    /// An option switched it off.
    Off,
}

/// Follows the cluster until `shutdown`, or until nobody listens.
pub async fn run(
    client: Client,
    settings: Settings,
    events: mpsc::Sender<Event>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (reports, mut reported) = mpsc::channel(REPORTS);
    let (fallback, wanted) = channel::channel(false);
    let (_always, always) = channel::channel(true);
    let mut watches = Watches { client, reports, always, wanted, tasks: JoinSet::new(), scopes: Vec::new() };
    watches.start(&settings);
    let Watches { mut tasks, scopes, .. } = watches;
    let allowed = Access {
        classes: settings.classes == ClusterScope::Watched,
        nodes: settings.nodes == ClusterScope::Watched,
        ..Access::default()
    };
    let mut supervisor = Supervisor::new(scopes, allowed, fallback);
    let mut tick = interval(Duration::from_secs(1));
    let mut shutdown = std::pin::pin!(shutdown);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            // Cancel-safe: what is received is in the batch.
            received = reported.recv_many(&mut batch, REPORTS) => {
                let now = Instant::now();
                let said = batch.drain(..).flat_map(|message| supervisor.take(message, now));
                for event in merge(said) {
                    if events.send(event).await.is_err() {
                        return Ok(());
                    }
                }
                if received == 0 {
                    return Err(Error::WatchEnded);
                }
            }
            // Cancel-safe. A watch has no end: one that ended has a bug, and serving stale routes would hide it.
            Some(_) = tasks.join_next() => return Err(Error::WatchEnded),
            _ = tick.tick() => supervisor.tick(Instant::now()),
            () = &mut shutdown => return Ok(()),
        }
    }
}

/// Only counts the IngressRoutes that nothing serves, until `shutdown`: nothing else of the cluster was asked for.
pub async fn count_ingress_routes(
    client: Client,
    namespaces: Vec<String>,
    events: mpsc::Sender<Event>,
    shutdown: impl Future<Output = ()>,
) {
    let (reports, mut reported) = mpsc::channel(REPORTS);
    let told = async {
        if events.send(Event::Synced).await.is_err() {
            return;
        }
        while let Some(message) = reported.recv().await {
            if let Message::Unserved(kind, count) = message
                && events.send(Event::Changes(vec![Change::Unserved(kind, count)])).await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = unserved::count(client, namespaces, reports) => {}
        () = told => {}
        () = shutdown => {}
    }
}

/// How many reports may wait for the supervisor.
const REPORTS: usize = 256;

/// Joins neighbouring changes: what arrived together is translated together.
fn merge(said: impl Iterator<Item = Event>) -> Vec<Event> {
    let mut merged: Vec<Event> = Vec::new();
    for event in said {
        match (merged.last_mut(), event) {
            (Some(Event::Changes(before)), Event::Changes(changes)) => before.extend(changes),
            (_, event) => merged.push(event),
        }
    }
    merged
}

/// Starts the watches.
struct Watches {
    client: Client,
    reports: mpsc::Sender<Message>,
    always: channel::Receiver<bool>,
    wanted: channel::Receiver<bool>,
    tasks: JoinSet<()>,
    scopes: Vec<Scope>,
}

impl Watches {
    fn start(&mut self, settings: &Settings) {
        let namespaces: Vec<Option<&str>> = if settings.namespaces.is_empty() {
            vec![None]
        } else {
            settings.namespaces.iter().map(|namespace| Some(namespace.as_str())).collect()
        };
        for namespace in namespaces {
            self.watch::<Ingress>(namespace, None, settings.ingress_labels.clone());
            self.watch::<Service>(namespace, None, None);
            self.watch::<EndpointSlice>(namespace, None, None);
            self.watch::<Endpoints>(namespace, None, None);
            self.watch::<Secret>(namespace, None, None);
        }
        if settings.classes == ClusterScope::Watched {
            self.watch::<IngressClass>(None, None, None);
        }
        if settings.nodes == ClusterScope::Watched {
            self.watch::<Node>(None, None, None);
        }
        let outside = |key: &&ObjectKey| {
            !settings.namespaces.is_empty()
                && !settings.namespaces.iter().any(|namespace| **namespace == *key.namespace)
        };
        if let Some(service) = settings.published_service.as_ref().filter(outside) {
            self.watch::<Service>(Some(&service.namespace), Some(&service.name), None);
        }
        if let Some(secret) = settings.default_certificate.as_ref().filter(outside) {
            self.watch::<Secret>(Some(&secret.namespace), Some(&secret.name), None);
        }
        if settings.count_ingress_routes {
            let (client, reports) = (self.client.clone(), self.reports.clone());
            self.tasks.spawn(unserved::count(client, settings.namespaces.clone(), reports));
        }
    }

    fn watch<K: Watched>(&mut self, namespace: Option<&str>, name: Option<&str>, labels: Option<String>) {
        let scope = Scope { kind: K::KIND, namespace: namespace.map(Into::into), name: name.map(Into::into) };
        self.scopes.push(scope.clone());
        let watch = Watch::<K> {
            scope,
            api: K::api(self.client.clone(), namespace),
            labels,
            wanted: if K::KIND == Kind::Endpoints { self.wanted.clone() } else { self.always.clone() },
            supervisor: self.reports.clone(),
        };
        self.tasks.spawn(watch.run());
    }
}
