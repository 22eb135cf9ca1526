//! Turns objects into the routing table. Pure: no I/O, no clock, and it cannot fail: what is wrong becomes a problem.
//!
//! Each Ingress is translated by itself, with the objects it names ([`ingress`]); the table is a fold of these by host
//! ([`fold`]). So one changed Ingress among ten thousand costs one translation and the fold of its hosts.

mod anchors;
mod certificate;
mod endpoints;
mod fold;
mod index;
mod ingress;
mod owner;
mod render;
mod resolve;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use imbl::OrdSet;

use crate::objects::{ObjectKey, Objects, Touched, pack};
use crate::route::{
    Action, CertificateEntry, Code, EndpointTable, HostPattern, ListenerSet, ObjectRef, Observability, Problem, Report,
    RouteTable, Severity, Upstream, UpstreamId,
};
use certificate::Certificates;
use fold::Fold;
use index::Index;
use ingress::Translation;
pub use ingress::annotations::{ANNOTATIONS, Annotation, Scope, Support, TRAEFIK as TRAEFIK_PREFIX};
pub use render::render;

/// A listener, as far as translation needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Every route on it is TLS only.
    pub tls: bool,
}

/// A route of the configuration: a redirect of an entry point, or one of adit's own pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// The listener's index.
    pub listener: usize,
    /// Its path; a prefix by element.
    pub path: Arc<str>,
    /// What it does.
    pub action: Action,
    /// Its Traefik priority.
    pub priority: i64,
    /// What the API calls it.
    pub name: Arc<str>,
    /// What is recorded of its requests.
    pub observability: Observability,
}

/// Where the addresses in an Ingress's status come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StatusFrom {
    /// No status is written.
    #[default]
    Nothing,
    /// These.
    Fixed {
        /// `ingressEndpoint.ip`.
        ip: Option<IpAddr>,
        /// `ingressEndpoint.hostname`.
        hostname: Option<String>,
    },
    /// This Service's.
    Service(ObjectKey),
    /// The nodes' internal addresses.
    NodeInternalIps,
}

/// How objects are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The listeners, by index.
    pub listeners: Vec<ListenerInfo>,
    /// The listeners of a route that names none.
    pub default_listeners: ListenerSet,
    /// Routes of the configuration.
    pub static_routes: Vec<StaticRoute>,
    /// The `ingressClass` option.
    pub ingress_class: Option<Arc<str>>,
    /// IngressClasses are not looked at; `ingressClassName` is matched by name.
    pub disable_class_lookup: bool,
    /// ExternalName Services are served.
    pub allow_external_names: bool,
    /// Services are reached by their cluster address unless they say otherwise.
    pub native_lb_by_default: bool,
    /// A Prefix path matches whole elements, as the Ingress specification says.
    pub strict_prefix_matching: bool,
    /// A host belongs to the namespace of its oldest Ingress alone.
    pub strict_hosts: bool,
    /// What goes into the status.
    pub status: StatusFrom,
    /// The Secret of the default certificate.
    pub default_certificate: Option<ObjectKey>,
    /// `providers.kubernetesCRD` was asked for.
    pub crd_requested: bool,
}

/// What translation makes. Each part is the same `Arc` as before when it did not change.
#[derive(Clone, Debug)]
pub struct Output {
    /// Hosts to routes and certificates.
    pub routes: Arc<RouteTable>,
    /// Upstreams to endpoints.
    pub endpoints: Arc<EndpointTable>,
    /// What is wrong, and what statuses are to say.
    pub report: Arc<Report>,
}

/// Translates everything at once.
pub fn translate(objects: &Objects, settings: &Settings) -> Output {
    Translator::new(settings.clone()).apply(objects, &[Touched::All])
}

/// Translates incrementally: it remembers what each Ingress came to.
pub struct Translator {
    settings: Settings,
    translations: BTreeMap<ObjectKey, Box<Translation>>,
    /// Who names what: Services, and Secrets, each with an Ingress.
    by_service: Index,
    by_secret: Index,
    /// How many translations name each upstream.
    upstreams: BTreeMap<UpstreamId, (Arc<Upstream>, usize)>,
    certificates: Certificates,
    fold: Fold,
    endpoints: EndpointTable,
    accepted: OrdSet<(Arc<str>, Arc<str>)>,
    output: Output,
}

impl Translator {
    /// Has seen nothing yet.
    pub fn new(settings: Settings) -> Self {
        let output = Output { routes: Arc::default(), endpoints: Arc::default(), report: Arc::default() };
        Self {
            fold: Fold::new(&settings),
            settings,
            translations: BTreeMap::new(),
            by_service: Index::default(),
            by_secret: Index::default(),
            upstreams: BTreeMap::new(),
            certificates: Certificates::default(),
            endpoints: EndpointTable::default(),
            accepted: OrdSet::new(),
            output,
        }
    }

    /// Translates what was touched, and says what everything comes to.
    pub fn apply(&mut self, objects: &Objects, touched: &[Touched]) -> Output {
        let mut ingresses = BTreeSet::new();
        let mut services = BTreeSet::new();
        let mut all_endpoints = false;
        for touched in touched {
            match touched {
                Touched::All | Touched::Classes => {
                    ingresses.extend(objects.ingresses.keys().cloned());
                    ingresses.extend(self.translations.keys().cloned());
                    all_endpoints |= *touched == Touched::All;
                }
                Touched::Nodes => all_endpoints = true,
                Touched::Report => {}
                Touched::Ingress(key) => drop(ingresses.insert(key.clone())),
                Touched::Service(key) => {
                    ingresses.extend(self.by_service.of(key).cloned());
                    services.insert(key.clone());
                }
                Touched::Endpoints(key) => drop(services.insert(key.clone())),
                Touched::Secret(key) => {
                    self.certificates.forget(key);
                    ingresses.extend(self.by_secret.of(key).cloned());
                }
            }
        }
        let mut changed_upstreams = BTreeSet::new();
        for key in ingresses {
            self.retranslate(objects, &key, &mut changed_upstreams);
        }
        self.fold.finish();
        self.update_endpoints(objects, &changed_upstreams, &services, all_endpoints);
        if touched.contains(&Touched::All) {
            self.settle();
        }
        self.output(objects)
    }

    /// Lays out anew what has come one by one.
    fn settle(&mut self) {
        pack(&mut self.translations);
        self.by_service.settle();
        self.by_secret.settle();
        pack(&mut self.upstreams);
        self.fold.settle();
    }

    fn retranslate(&mut self, objects: &Objects, key: &ObjectKey, changed: &mut BTreeSet<UpstreamId>) {
        let next = objects
            .ingresses
            .get(key)
            .and_then(|ingress| ingress::translate(key, ingress, objects, &self.settings, &mut self.certificates));
        let before = self.translations.remove(key);
        if before.as_deref() == next.as_ref() {
            if let Some(before) = before {
                self.translations.insert(key.clone(), before);
            }
            return;
        }
        let (old, new) = (before.map_or_else(Translation::default, |old| *old), next.clone().unwrap_or_default());
        self.by_service.relate(key, &old.services, &new.services);
        self.by_secret.relate(key, &old.secrets, &new.secrets);
        for upstream in &new.upstreams {
            let entry = self.upstreams.entry(upstream.id.clone()).or_insert_with(|| (upstream.clone(), 0));
            entry.0 = upstream.clone();
            entry.1 += 1;
            changed.insert(upstream.id.clone());
        }
        for upstream in &old.upstreams {
            if let Some((_, count)) = self.upstreams.get_mut(&upstream.id) {
                *count -= 1;
                if *count == 0 {
                    self.upstreams.remove(&upstream.id);
                }
            }
            changed.insert(upstream.id.clone());
        }
        self.fold.replace(key, old, &new);
        let id = (key.namespace.clone(), key.name.clone());
        match next {
            Some(next) => {
                if next.rejected {
                    self.accepted.remove(&id);
                } else {
                    self.accepted.insert(id);
                }
                self.translations.insert(key.clone(), Box::new(next));
            }
            None => drop(self.accepted.remove(&id)),
        }
    }

    fn update_endpoints(
        &mut self,
        objects: &Objects,
        changed: &BTreeSet<UpstreamId>,
        services: &BTreeSet<ObjectKey>,
        all: bool,
    ) {
        let mut ids = changed.clone();
        for service in services {
            let port = crate::route::PortRef::Number(0);
            let first = UpstreamId::new(service.namespace.clone(), service.name.clone(), port);
            let of_service = self
                .upstreams
                .range(first..)
                .take_while(|(id, _)| id.service == service.name && id.namespace == service.namespace);
            ids.extend(of_service.map(|(id, _)| id.clone()));
        }
        if all {
            ids.extend(self.upstreams.keys().cloned());
        }
        for id in ids {
            if !self.upstreams.contains_key(&id) {
                self.endpoints.remove(&id);
                continue;
            }
            let set = endpoints::endpoints(objects, &self.settings, &id);
            if self.endpoints.get(&id).is_none_or(|before| **before != set) {
                self.endpoints.insert(id, Arc::new(set));
            }
        }
    }

    fn output(&mut self, objects: &Objects) -> Output {
        let mut problems: BTreeSet<Problem> = self.fold.problems().cloned().collect();
        let default_certificate = self.default_certificate(objects, &mut problems);
        if let Some(count) = objects.unserved.get("IngressRoute").filter(|_| self.settings.crd_requested) {
            problems.insert(Problem {
                severity: Severity::Error,
                code: Code::Unserved,
                object: ObjectRef { kind: "IngressRoute", namespace: "".into(), name: "".into() },
                field: String::new(),
                reason: format!("{count} IngressRoutes exist and are not served: this version reads Ingresses only"),
                action: "write Ingresses for their routes, or keep Traefik beside adit for them".into(),
            });
        }
        problems.extend(objects.undecodable.iter().map(|((kind, key), reason)| Problem {
            severity: Severity::Error,
            code: Code::Undecodable,
            object: ObjectRef { kind, namespace: key.namespace.clone(), name: key.name.clone() },
            field: String::new(),
            reason: format!("cannot be decoded, and what it said before stays: {reason}"),
            action: "correct the object".into(),
        }));
        let routes = RouteTable {
            hosts: self.fold.hosts().clone(),
            certificates: self.fold.certificates().clone(),
            default_certificate,
        };
        let named = self.fold.named();
        let named = named.map(|(key, problem)| ((key.namespace.clone(), key.name.clone()), problem.clone()));
        let report = Report {
            problems: problems.into_iter().collect(),
            named: named.collect(),
            accepted: self.accepted.clone(),
            addresses: status::addresses(objects, &self.settings.status),
        };
        if !(self.output.routes.hosts.ptr_eq(&routes.hosts)
            && self.output.routes.certificates.ptr_eq(&routes.certificates))
            || self.output.routes.default_certificate != routes.default_certificate
        {
            self.output.routes = Arc::new(routes);
        }
        if !self.output.endpoints.ptr_eq(&self.endpoints) {
            self.output.endpoints = Arc::new(self.endpoints.clone());
        }
        if *self.output.report != report {
            self.output.report = Arc::new(report);
        }
        self.output.clone()
    }

    fn default_certificate(
        &mut self,
        objects: &Objects,
        problems: &mut BTreeSet<Problem>,
    ) -> Option<Arc<CertificateEntry>> {
        let key = self.settings.default_certificate.clone()?;
        let certificate = match self.certificates.get(&key, objects) {
            Ok(certificate) => Some(certificate),
            Err((code, reason)) => {
                problems.insert(certificate::problem(&key, code, reason, "tls.defaultCertificate names it"));
                None
            }
        };
        Some(Arc::new(CertificateEntry { host: HostPattern::Any, secret: key.to_string().into(), certificate }))
    }
}

impl std::fmt::Debug for Translator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Translator").field("ingresses", &self.translations.len()).finish_non_exhaustive()
    }
}
