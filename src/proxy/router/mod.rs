//! Finds the route of a request: an immutable snapshot, compiled from the routing table.
//!
//! The order of routes is [`crate::route::Rank`]'s alone. Hosts and paths only narrow down which routes are looked at,
//! and of those that match the lowest rank wins: so a path that the exact host lacks falls through to the wildcard host
//! and to host-less rules.

mod candidates;
mod compile;
mod entry;
mod host;
mod paths;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use hashbrown::HashTable;

pub use candidates::{Candidate, Candidates, Lack};

use super::upstream::state::UpstreamState;
use crate::route::{Observability, Route, RouteTable};
use crate::telemetry::meters::{Meters, Sample, Series};
pub use host::Found;
use host::{Best, HostRoutes};

/// A route with what serving it needs, made once. What the usual request needs of the route is here a second time: of
/// tens of thousands of routes, few are in any cache.
#[derive(Clone, Debug)]
pub struct CompiledRoute {
    /// The route.
    pub route: Arc<Route>,
    /// Its upstream, if it forwards.
    pub upstream: Option<Arc<UpstreamState>>,
    /// What is recorded of its requests.
    pub observability: Observability,
    /// From the first request on.
    counts: OnceLock<Counts>,
}

/// Where the requests of a route are counted.
#[derive(Clone, Debug)]
struct Counts {
    router: Series,
    /// If it forwards.
    service: Option<Series>,
}

impl CompiledRoute {
    /// A route, and where its requests go. What is counted of its name goes on.
    pub fn new(route: Arc<Route>, upstream: Option<Arc<UpstreamState>>, meters: &Meters) -> Self {
        let observability = route.observability;
        let compiled = Self { route, upstream, observability, counts: OnceLock::new() };
        if let Some(counts) = compiled.known(meters) {
            let _ = compiled.counts.set(counts);
        }
        compiled
    }

    /// Counts one exchange. `worker` is the caller's own index.
    pub fn record(&self, meters: &Meters, worker: usize, sample: &Sample) {
        let counts = self.counts(meters);
        counts.router.record(worker, sample);
        if let Some(service) = &counts.service {
            service.record(worker, sample);
        }
    }

    /// Counts one retry.
    pub fn retried(&self, meters: &Meters) {
        if let Some(service) = &self.counts(meters).service {
            service.retried();
        }
    }

    fn counts(&self, meters: &Meters) -> &Counts {
        self.counts.get_or_init(|| {
            let (router, service) = self.names();
            let router = meters.router(router.clone(), service.cloned().unwrap_or_default());
            Counts { router, service: self.own_service().map(|service| meters.service(service.clone())) }
        })
    }

    /// Where its requests are counted, if they have been already.
    fn known(&self, meters: &Meters) -> Option<Counts> {
        let (router, service) = self.names();
        let router = meters.known_router(router, &service.cloned().unwrap_or_default())?;
        let service = match self.own_service() {
            Some(service) => Some(meters.known_service(service)?),
            None => None,
        };
        Some(Counts { router, service })
    }

    /// What its own series is called: its name and its service's.
    fn names(&self) -> (&Arc<str>, Option<&Arc<str>>) {
        (&self.route.origin.name, self.route.origin.service.as_ref())
    }

    /// The service that it forwards to.
    fn own_service(&self) -> Option<&Arc<str>> {
        self.route.origin.service.as_ref().filter(|_| self.upstream.is_some())
    }
}

/// What a request is routed by.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// The listener it came in on.
    pub listener: usize,
    /// Whether every route on that listener is TLS only.
    pub listener_tls: bool,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Its host: lower-case, without port or trailing dot.
    pub host: Option<&'a str>,
    /// Its path as it will be forwarded, without query.
    pub path: &'a str,
}

/// The compiled routing table.
#[derive(Default)]
pub struct Router {
    table: Arc<RouteTable>,
    exact: Hosts,
    /// By suffix.
    wildcard: Hosts,
    any: Option<HostRoutes>,
}

impl Router {
    /// The route that wins, if any matches.
    pub fn find(&self, lookup: &Lookup<'_>) -> Option<Found> {
        // A listener that is TLS only has no routes in the clear.
        if lookup.listener_tls && !lookup.tls {
            return None;
        }
        let mut best: Option<Best<'_>> = None;
        for routes in self.routes_for(lookup.host).into_iter().flatten() {
            best = routes.better(lookup, best);
        }
        best.map(|best| best.keep())
    }

    /// The routes for exactly this host, for its suffix and for any.
    fn routes_for(&self, host: Option<&str>) -> [Option<&HostRoutes>; 3] {
        let exact = host.and_then(|host| self.exact.get(host));
        let wildcard = host.and_then(|host| self.wildcard.get(suffix(host)?));
        [exact, wildcard, self.any.as_ref()]
    }

    /// Whether it was compiled from a table with the same routes as this one. Costs what differs.
    pub fn is_of(&self, table: &Arc<RouteTable>) -> bool {
        Arc::ptr_eq(&self.table, table) || self.table.hosts.diff(&table.hosts).next().is_none()
    }
}

/// What a wildcard host would have to be for, to match `host`: all but its first label.
fn suffix(host: &str) -> Option<&str> {
    let dot = host.bytes().position(|byte| byte == b'.')?;
    if dot == 0 { None } else { host.get(dot + 1..) }
}

/// Hosts by name. The hash is keyed: clients choose the names that are looked up.
#[derive(Clone, Default)]
struct Hosts {
    table: HashTable<HostRoutes>,
    hasher: foldhash::fast::RandomState,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("hosts", &self.table.hosts.len()).finish_non_exhaustive()
    }
}
