//! Finds the route of a request: an immutable snapshot, compiled from the routing table.
//!
//! The order of routes is [`crate::route::Rank`]'s alone. Hosts and paths only narrow down which routes are looked at,
//! and of those that match the lowest rank wins: so a path that the exact host lacks falls through to the wildcard host
//! and to host-less rules.

mod compile;
mod host;
mod paths;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hashbrown::HashTable;

use super::upstream::state::UpstreamState;
use crate::route::{Route, RouteTable};
use crate::telemetry::meters::{Sample, Series};
use host::{Found, HostRoutes};

/// A route with what serving it needs, made once.
#[derive(Debug)]
pub struct CompiledRoute {
    /// The route.
    pub route: Arc<Route>,
    /// Its upstream, if it forwards.
    pub upstream: Option<Arc<UpstreamState>>,
    /// Where its service's requests are counted, if it forwards.
    service: Option<Arc<Series>>,
    /// Where its own are.
    router: Arc<Series>,
}

impl CompiledRoute {
    /// A route, and where its requests go and are counted.
    pub fn new(
        route: Arc<Route>,
        upstream: Option<Arc<UpstreamState>>,
        service: Option<Arc<Series>>,
        router: Arc<Series>,
    ) -> Self {
        Self { route, upstream, service, router }
    }

    /// Counts one exchange. `worker` is the caller's own index.
    pub fn record(&self, worker: usize, sample: &Sample) {
        self.router.record(worker, sample);
        if let Some(service) = &self.service {
            service.record(worker, sample);
        }
    }

    /// Counts one retry.
    pub fn retried(&self) {
        if let Some(service) = &self.service {
            service.retried();
        }
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
    any: Option<Arc<HostRoutes>>,
}

impl Router {
    /// The route that wins, if any matches.
    pub fn find(&self, lookup: &Lookup<'_>) -> Option<&Arc<CompiledRoute>> {
        // A listener that is TLS only has no routes in the clear.
        if lookup.listener_tls && !lookup.tls {
            return None;
        }
        let exact = lookup.host.and_then(|host| self.exact.get(host));
        let wildcard = lookup.host.and_then(|host| self.wildcard.get(suffix(host)?));
        let mut best: Option<Found<'_>> = None;
        for routes in [exact, wildcard, self.any.as_ref()].into_iter().flatten() {
            best = routes.better(lookup, best);
        }
        best.map(|found| found.compiled)
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
    table: HashTable<Arc<HostRoutes>>,
    hasher: foldhash::fast::RandomState,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("hosts", &self.table.hosts.len()).finish_non_exhaustive()
    }
}
