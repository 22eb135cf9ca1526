//! The routes of one host, best rank first, laid out so that a lookup touches little memory.

use std::sync::Arc;

use super::paths::PathIndex;
use super::{CompiledRoute, Lookup};
use crate::route::{ListenerSet, PathMatch, Rank, Route, TlsUse};

/// Up to here the routes are tried one after the other; measured, an index does not pay before.
pub(super) const LINEAR: usize = 16;

/// The routes of one host. Never empty.
pub(super) struct HostRoutes {
    /// The host's name and all paths, in one piece.
    text: Box<str>,
    name: usize,
    /// By rank. Most hosts have one alone, which is here: that is one place in memory less to go to.
    first: Entry,
    rest: Box<[Entry]>,
    index: Option<Box<PathIndex>>,
}

/// One route, as far as matching needs it.
pub(super) struct Entry {
    pub(super) compiled: Arc<CompiledRoute>,
    listeners: ListenerSet,
    /// Where its path is in the text.
    start: usize,
    end: usize,
    pub(super) path: PathKind,
    tls: Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    Exact,
    /// By element.
    Prefix,
    /// By character.
    StringPrefix,
    Regex,
}

/// Over which transport, the hosts of [`TlsUse::Hosts`] apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Clear,
    ClearAndSomeHosts,
    Both,
    Tls,
}

/// A route that matches.
pub(super) struct Found<'a> {
    pub(super) compiled: &'a Arc<CompiledRoute>,
}

impl Found<'_> {
    fn rank(&self) -> &Rank {
        &self.compiled.route.rank
    }
}

impl HostRoutes {
    /// Lays out `routes`, which are in the order of their ranks. Compiled routes are taken from `previous` where the
    /// route is the same, else made. `None` if there are none.
    pub(super) fn build(
        name: &str,
        routes: &[Arc<Route>],
        previous: Option<&HostRoutes>,
        make: &mut impl FnMut(&Arc<Route>) -> Arc<CompiledRoute>,
    ) -> Option<Self> {
        debug_assert!(
            routes.is_sorted_by(|a, b| a.rank <= b.rank),
            "the table's routes are in the order of their ranks"
        );
        if routes.is_empty() {
            return None;
        }
        let mut text =
            String::with_capacity(name.len() + routes.iter().map(|route| path(route).1.len()).sum::<usize>());
        text.push_str(name);
        let mut old = previous.into_iter().flat_map(Self::entries).peekable();
        let mut entries = Vec::with_capacity(routes.len());
        for route in routes {
            let (path, path_text) = path(route);
            let start = text.len();
            text.push_str(path_text);
            // Both lists are in the order of ranks, and an equal route has an equal rank.
            while old.next_if(|first| first.compiled.route.rank < route.rank).is_some() {}
            let same =
                old.peek().filter(|first| Arc::ptr_eq(&first.compiled.route, route) || first.compiled.route == *route);
            entries.push(Entry {
                compiled: same.map_or_else(|| make(route), |same| same.compiled.clone()),
                listeners: route.listeners,
                start,
                end: text.len(),
                path,
                tls: match route.tls {
                    TlsUse::Never => Over::Clear,
                    TlsUse::Hosts(_) => Over::ClearAndSomeHosts,
                    TlsUse::Also => Over::Both,
                    TlsUse::Only => Over::Tls,
                },
            });
        }
        let text = text.into_boxed_str();
        let index = (entries.len() > LINEAR).then(|| Box::new(PathIndex::new(&entries, &text)));
        let mut entries = entries.into_iter();
        let first = entries.next()?;
        Some(Self { text, name: name.len(), first, rest: entries.collect(), index })
    }

    /// The host's name.
    pub(super) fn name(&self) -> &str {
        self.text.get(..self.name).unwrap_or_default()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    fn entry(&self, position: usize) -> Option<&Entry> {
        match position {
            0 => Some(&self.first),
            later => self.rest.get(later - 1),
        }
    }

    /// The better of `found` and the best of these routes that matches.
    pub(super) fn better<'a>(&'a self, lookup: &Lookup<'_>, found: Option<Found<'a>>) -> Option<Found<'a>> {
        if found.as_ref().is_some_and(|found| *found.rank() < self.first.compiled.route.rank) {
            return found;
        }
        let Some(entry) = self.matching(lookup) else { return found };
        match found {
            Some(found) if *found.rank() < entry.compiled.route.rank => Some(found),
            _ => Some(Found { compiled: &entry.compiled }),
        }
    }

    /// Whether an entry of these is for the path of a lookup.
    pub(super) fn has_path(&self, entry: &Entry, lookup: &Lookup<'_>) -> bool {
        entry.matches(lookup.path, &self.text)
    }

    /// The longest walk up in its index.
    #[cfg(test)]
    pub(super) fn deepest(&self) -> Option<usize> {
        self.index.as_deref().map(PathIndex::deepest)
    }

    fn matching(&self, lookup: &Lookup<'_>) -> Option<&Entry> {
        let Some(index) = &self.index else {
            return self.entries().find(|entry| entry.serves(lookup) && entry.matches(lookup.path, &self.text));
        };
        let position = index.first(lookup.path, &self.text, |position| {
            self.entry(position).is_some_and(|entry| {
                entry.serves(lookup) && (entry.path != PathKind::Regex || entry.matches(lookup.path, &self.text))
            })
        })?;
        self.entry(position)
    }
}

impl Entry {
    /// Where its path is in the host's text.
    pub(super) fn range(&self) -> (usize, usize) {
        (self.start, self.end)
    }

    /// Its path.
    pub(super) fn path_text<'t>(&self, text: &'t str) -> &'t [u8] {
        text.as_bytes().get(self.start..self.end).unwrap_or_default()
    }

    /// Whether it is served on this listener over this transport.
    pub(super) fn serves(&self, lookup: &Lookup<'_>) -> bool {
        self.listeners.contains(lookup.listener)
            && (lookup.listener_tls
                || match self.tls {
                    Over::Clear => !lookup.tls,
                    Over::Both => true,
                    Over::Tls => lookup.tls,
                    Over::ClearAndSomeHosts => !lookup.tls || self.covers(lookup.host),
                })
    }

    /// Whether this host is one of those that the route is served for over TLS.
    fn covers(&self, host: Option<&str>) -> bool {
        match &self.compiled.route.tls {
            TlsUse::Hosts(hosts) => hosts.iter().any(|pattern| pattern.matches(host.unwrap_or_default())),
            _ => false,
        }
    }

    fn matches(&self, path: &str, text: &str) -> bool {
        let own = self.path_text(text);
        match self.path {
            PathKind::Exact => own == path.as_bytes(),
            PathKind::Prefix => {
                path.as_bytes().strip_prefix(own).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
            }
            PathKind::StringPrefix => path.as_bytes().starts_with(own),
            PathKind::Regex => self.compiled.route.path.matches(path),
        }
    }
}

/// A route's path as it is laid out; a regular expression stays where it is.
fn path(route: &Route) -> (PathKind, &str) {
    match &route.path {
        PathMatch::Exact(path) => (PathKind::Exact, path),
        PathMatch::Prefix(path) => (PathKind::Prefix, path),
        PathMatch::StringPrefix(path) => (PathKind::StringPrefix, path),
        PathMatch::Regex(_) => (PathKind::Regex, ""),
    }
}
