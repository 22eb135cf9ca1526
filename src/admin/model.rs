//! The published tables as users of Traefik know them: routers and services by name. Built when it is first asked for,
//! since most tables are replaced before anyone looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::since::Since;
use super::view::View;
use crate::proxy::upstream::state::{EndpointHealth, HealthState};
use crate::route::{
    Action, Condition, Endpoint, ListenerSet, Observability, Origin, Redirect, RefusalReason, Route, TlsUse, Upstream,
    UpstreamId,
};

/// A published view and what was derived from it.
pub(super) struct Model {
    pub(super) view: View,
    /// Since when each of its problems is there.
    pub(super) since: Since,
    /// All routes, as `/api/routes` has them.
    routes: OnceLock<Bytes>,
    tables: OnceLock<Tables>,
}

struct Tables {
    routers: BTreeMap<Arc<str>, Router>,
    services: BTreeMap<Arc<str>, Service>,
}

/// One router: all routes of one name.
pub(super) struct Router {
    pub(super) origin: Arc<Origin>,
    pub(super) listeners: ListenerSet,
    pub(super) tls: bool,
    pub(super) observability: Observability,
    pub(super) action: RouterAction,
}

/// What a router does.
pub(super) enum RouterAction {
    Forward(Arc<Upstream>),
    Redirect(Redirect),
    Internal,
    Refuse(RefusalReason),
}

/// One service: an upstream that routers forward to.
pub(super) struct Service {
    pub(super) name: Arc<str>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) used_by: BTreeSet<Arc<str>>,
}

impl Model {
    pub(super) fn new(view: View, since: Since) -> Self {
        Self { view, since, routes: OnceLock::new(), tables: OnceLock::new() }
    }

    /// All routes as text, made by `write` when they are first asked for.
    pub(super) fn written(&self, write: impl FnOnce() -> Bytes) -> Bytes {
        self.routes.get_or_init(write).clone()
    }

    /// The routers by name.
    pub(super) fn routers(&self) -> &BTreeMap<Arc<str>, Router> {
        &self.tables().routers
    }

    /// The services, sorted by name.
    pub(super) fn services(&self) -> impl Iterator<Item = &Service> {
        self.tables().services.values()
    }

    /// Whether an upstream has no endpoints at all.
    pub(super) fn is_empty(&self, id: &UpstreamId) -> bool {
        self.view.endpoints.get(id).is_none_or(|set| set.endpoints.is_empty())
    }

    fn tables(&self) -> &Tables {
        self.tables.get_or_init(|| {
            let mut tables = Tables { routers: BTreeMap::new(), services: BTreeMap::new() };
            for route in self.view.routes.hosts.values().flat_map(|host| &host.routes) {
                tables.add(route);
            }
            tables
        })
    }
}

impl Tables {
    fn add(&mut self, route: &Route) {
        let name = &route.origin.name;
        if let Action::Forward(upstream) = &route.action {
            let service = route.origin.service.clone().unwrap_or_else(|| upstream.id.traefik_name().into());
            let service = self.services.entry(service.clone()).or_insert_with(|| Service {
                name: service,
                upstream: upstream.clone(),
                used_by: BTreeSet::new(),
            });
            service.used_by.insert(name.clone());
        }
        let tls = route.tls != TlsUse::Never;
        match self.routers.get_mut(name) {
            // An Ingress's default backend is one router with a route at each of its hosts.
            Some(router) => {
                router.listeners = ListenerSet(router.listeners.0 | route.listeners.0);
                router.tls |= tls;
            }
            None => {
                let router = Router {
                    origin: route.origin.clone(),
                    listeners: route.listeners,
                    tls,
                    observability: route.observability,
                    action: match &route.action {
                        Action::Forward(upstream) => RouterAction::Forward(upstream.clone()),
                        Action::Redirect(redirect) => RouterAction::Redirect((**redirect).clone()),
                        Action::Internal(_) => RouterAction::Internal,
                        Action::Refuse(reason) => RouterAction::Refuse(*reason),
                    },
                };
                self.routers.insert(name.clone(), router);
            }
        }
    }
}

impl Service {
    /// Its endpoints with what the proxy knows of them; those that it does not know yet are as the table says.
    pub(super) fn endpoints(
        &self,
        model: &Model,
        health_of: impl Fn(&UpstreamId) -> Vec<EndpointHealth>,
    ) -> Vec<EndpointHealth> {
        let set = model.view.endpoints.get(&self.upstream.id);
        let mut known: BTreeMap<_, _> =
            health_of(&self.upstream.id).into_iter().map(|health| (health.url.clone(), health)).collect();
        let endpoints = set.into_iter().flat_map(|set| &set.endpoints);
        endpoints
            .map(|endpoint| {
                let url = self.url(endpoint);
                known.remove(url.as_str()).unwrap_or_else(|| unknown(url.into(), endpoint.condition))
            })
            .collect()
    }

    fn url(&self, endpoint: &Endpoint) -> String {
        format!("{}://{}", self.upstream.protocol.scheme(), endpoint.address)
    }
}

fn unknown(url: Arc<str>, condition: Condition) -> EndpointHealth {
    let state = match condition {
        Condition::Ready => HealthState::Ready,
        Condition::Draining => HealthState::Draining,
    };
    EndpointHealth { url, state, in_flight: 0, latency: None, requests: 0 }
}

/// `name@provider` in its two parts.
pub(super) fn split_name(name: &str) -> (&str, &str) {
    name.rsplit_once('@').unwrap_or((name, ""))
}
