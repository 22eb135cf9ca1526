//! The routes of one host, best rank first, laid out so that a lookup touches little memory.

use std::ops::Deref;
use std::sync::Arc;

use triomphe::ThinArc;

use super::entry::{Entry, PathKind, path};
use super::paths::PathIndex;
use super::{CompiledRoute, Lookup};
use crate::route::{Rank, Route};

/// Up to here the routes are tried one after the other; measured, an index does not pay before.
pub(super) const LINEAR: usize = 16;

/// The routes of one host, never empty; a copy is the same. One piece of memory holds what most lookups need, its name and
/// all paths at the end: of tens of thousands of hosts few are in any cache, and each further place would be waited for.
#[derive(Clone)]
pub(super) struct HostRoutes(ThinArc<Routes, u8>);

struct Routes {
    /// How much of the text is the host's name.
    name: usize,
    /// By rank. Most hosts have one alone, which is here.
    first: Entry,
    /// All others, and the index of all if there are many.
    rest: Option<ThinArc<Option<Box<PathIndex>>, Entry>>,
}

/// A route that was found; it holds on to its host's.
#[derive(Clone)]
pub struct Found {
    host: HostRoutes,
    position: usize,
}

impl Deref for Found {
    type Target = CompiledRoute;

    fn deref(&self) -> &CompiledRoute {
        let routes = self.host.routes();
        &routes.entry(self.position).unwrap_or(&routes.first).compiled
    }
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Found").field(&**self).finish()
    }
}

/// The best route so far.
pub(super) struct Best<'a> {
    host: &'a HostRoutes,
    position: usize,
    rank: &'a Rank,
}

impl Best<'_> {
    /// The route, to be kept.
    pub(super) fn keep(&self) -> Found {
        Found { host: self.host.clone(), position: self.position }
    }
}

impl HostRoutes {
    /// Lays out `routes`, which are in the order of their ranks. Compiled routes are taken from `previous` where the
    /// route is the same, else made. `None` if there are none.
    pub(super) fn build(
        name: &str,
        routes: &[Arc<Route>],
        previous: Option<&HostRoutes>,
        make: &mut impl FnMut(&Arc<Route>) -> CompiledRoute,
    ) -> Option<Self> {
        debug_assert!(
            routes.is_sorted_by(|a, b| a.rank <= b.rank),
            "the table's routes are in the order of their ranks"
        );
        if routes.is_empty() {
            return None;
        }
        let mut text = Vec::with_capacity(name.len() + routes.iter().map(|route| path(route).1.len()).sum::<usize>());
        text.extend_from_slice(name.as_bytes());
        let mut old = previous.into_iter().flat_map(Self::entries).peekable();
        let mut entries = Vec::with_capacity(routes.len());
        for route in routes {
            let (path, path_text) = path(route);
            let start = text.len();
            text.extend_from_slice(path_text.as_bytes());
            // Both lists are in the order of ranks, and an equal route has an equal rank.
            while old.next_if(|first| first.compiled.route.rank < route.rank).is_some() {}
            let same =
                old.peek().filter(|first| Arc::ptr_eq(&first.compiled.route, route) || first.compiled.route == *route);
            let compiled = same.map_or_else(|| make(route), |same| same.compiled.clone());
            entries.push(Entry::new(compiled, path, start..text.len()));
        }
        let index = (entries.len() > LINEAR).then(|| Box::new(PathIndex::new(&entries, &text)));
        let mut entries = entries.into_iter();
        let first = entries.next()?;
        let rest = (entries.len() > 0).then(|| ThinArc::from_header_and_iter(index, entries));
        let routes = Routes { name: name.len(), first, rest };
        Some(Self(ThinArc::from_header_and_slice(routes, &text)))
    }

    fn routes(&self) -> &Routes {
        &self.0.header.header
    }

    fn text(&self) -> &[u8] {
        &self.0.slice
    }

    /// The host's name.
    pub(super) fn name(&self) -> &[u8] {
        self.text().get(..self.routes().name).unwrap_or_default()
    }

    /// The better of `best` and the best of these routes that matches.
    pub(super) fn better<'a>(&'a self, lookup: &Lookup<'_>, best: Option<Best<'a>>) -> Option<Best<'a>> {
        let routes = self.routes();
        if best.as_ref().is_some_and(|best| *best.rank < routes.first.compiled.route.rank) {
            return best;
        }
        let Some((position, entry)) = routes.matching(lookup, self.text()) else { return best };
        match best {
            Some(best) if *best.rank < entry.compiled.route.rank => Some(best),
            _ => Some(Best { host: self, position, rank: &entry.compiled.route.rank }),
        }
    }

    /// All, by rank.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.routes().entries()
    }

    /// Whether an entry of these is for the path of a lookup.
    pub(super) fn has_path(&self, entry: &Entry, lookup: &Lookup<'_>) -> bool {
        entry.matches(lookup.path, self.text())
    }

    /// The longest walk up in its index.
    #[cfg(test)]
    pub(super) fn deepest(&self) -> Option<usize> {
        self.routes().index().map(PathIndex::deepest)
    }
}

impl Routes {
    fn rest(&self) -> &[Entry] {
        self.rest.as_ref().map(|rest| &rest.slice).unwrap_or_default()
    }

    fn index(&self) -> Option<&PathIndex> {
        self.rest.as_ref()?.header.header.as_deref()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        std::iter::once(&self.first).chain(self.rest())
    }

    fn entry(&self, position: usize) -> Option<&Entry> {
        match position {
            0 => Some(&self.first),
            later => self.rest().get(later - 1),
        }
    }

    fn matching(&self, lookup: &Lookup<'_>, text: &[u8]) -> Option<(usize, &Entry)> {
        let Some(index) = self.index() else {
            let matches = |entry: &Entry| entry.serves(lookup) && entry.matches(lookup.path, text);
            return self.entries().enumerate().find(|(_, entry)| matches(entry));
        };
        let position = index.first(lookup.path, text, |position| {
            self.entry(position).is_some_and(|entry| {
                entry.serves(lookup) && (entry.path != PathKind::Regex || entry.matches(lookup.path, text))
            })
        })?;
        Some((position, self.entry(position)?))
    }
}
