//! Compiles a routing table into a router, anew only for the hosts that changed.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use imbl::ordmap::DiffItem;

use super::host::HostRoutes;
use super::{CompiledRoute, Hosts, Router};
use crate::route::{HostPattern, Route, RouteTable, VirtualHost};

impl Router {
    /// Compiles `table`. What did not change since `previous` is taken from it: the index of a host whose routes are
    /// the same, and the compiled form (with its running state) of a route that is the same. `make` compiles the rest.
    pub fn compile(
        previous: Option<&Router>,
        table: &Arc<RouteTable>,
        mut make: impl FnMut(&Arc<Route>) -> CompiledRoute,
    ) -> Self {
        let empty = Router::default();
        let previous = previous.unwrap_or(&empty);
        let mut router = Router {
            table: table.clone(),
            exact: previous.exact.clone(),
            wildcard: previous.wildcard.clone(),
            any: previous.any.clone(),
        };
        if previous.table.hosts.is_empty() {
            router.exact.reserve(table.hosts.len());
        }
        for change in previous.table.hosts.diff(&table.hosts) {
            match change {
                DiffItem::Add(_, host) | DiffItem::Update { new: (_, host), .. } => router.set(host, &mut make),
                DiffItem::Remove(pattern, _) => router.remove(pattern),
            }
        }
        router
    }

    fn set(&mut self, host: &VirtualHost, make: &mut impl FnMut(&Arc<Route>) -> CompiledRoute) {
        let (hosts, name) = match &host.host {
            HostPattern::Exact(name) => (&mut self.exact, name),
            HostPattern::Wildcard(suffix) => (&mut self.wildcard, suffix),
            HostPattern::Any => {
                self.any = HostRoutes::build("", &host.routes, self.any.as_ref(), make);
                return;
            }
        };
        hosts.set(name, |previous| HostRoutes::build(name, &host.routes, previous, make));
    }

    fn remove(&mut self, pattern: &HostPattern) {
        match pattern {
            HostPattern::Exact(name) => self.exact.remove(name),
            HostPattern::Wildcard(suffix) => self.wildcard.remove(suffix),
            HostPattern::Any => self.any = None,
        }
    }
}

impl Hosts {
    pub(super) fn get(&self, name: &str) -> Option<&HostRoutes> {
        // Most tables have no wildcards: what is empty is not hashed for.
        if self.table.is_empty() {
            return None;
        }
        let name = name.as_bytes();
        self.table.find(self.hasher.hash_one(name), |routes| routes.name() == name)
    }

    /// Puts what `build` makes of a host's routes so far in their place.
    fn set(&mut self, name: &str, build: impl FnOnce(Option<&HostRoutes>) -> Option<HostRoutes>) {
        let Self { table, hasher } = self;
        let name = name.as_bytes();
        match table.entry(hasher.hash_one(name), |routes| routes.name() == name, |other| hasher.hash_one(other.name()))
        {
            Entry::Occupied(mut slot) => match build(Some(slot.get())) {
                Some(routes) => *slot.get_mut() = routes,
                None => drop(slot.remove()),
            },
            Entry::Vacant(slot) => {
                if let Some(routes) = build(None) {
                    slot.insert(routes);
                }
            }
        }
    }

    fn remove(&mut self, name: &str) {
        let name = name.as_bytes();
        if let Ok(entry) = self.table.find_entry(self.hasher.hash_one(name), |routes| routes.name() == name) {
            entry.remove();
        }
    }

    fn reserve(&mut self, more: usize) {
        let Self { table, hasher } = self;
        table.reserve(more, |other| hasher.hash_one(other.name()));
    }
}
