//! One route among those of its host: on which listeners, over which transport and for which path it is.

use std::ops::Range;

use super::{CompiledRoute, Lookup};
use crate::route::{ListenerSet, PathMatch, Route, TlsUse};

/// One route, as far as matching needs it.
pub(super) struct Entry {
    pub(super) compiled: CompiledRoute,
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

impl Entry {
    /// The entry of a route whose path is in this range of its host's text.
    pub(super) fn new(compiled: CompiledRoute, path: PathKind, range: Range<usize>) -> Self {
        let route = &compiled.route;
        let tls = match route.tls {
            TlsUse::Never => Over::Clear,
            TlsUse::Hosts(_) => Over::ClearAndSomeHosts,
            TlsUse::Also => Over::Both,
            TlsUse::Only => Over::Tls,
        };
        Self { listeners: route.listeners, start: range.start, end: range.end, path, tls, compiled }
    }

    /// Where its path is in the host's text.
    pub(super) fn range(&self) -> (usize, usize) {
        (self.start, self.end)
    }

    /// Its path.
    pub(super) fn path_text<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start..self.end).unwrap_or_default()
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

    /// Whether it is for this path.
    pub(super) fn matches(&self, path: &str, text: &[u8]) -> bool {
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
pub(super) fn path(route: &Route) -> (PathKind, &str) {
    match &route.path {
        PathMatch::Exact(path) => (PathKind::Exact, path),
        PathMatch::Prefix(path) => (PathKind::Prefix, path),
        PathMatch::StringPrefix(path) => (PathKind::StringPrefix, path),
        PathMatch::Regex(_) => (PathKind::Regex, ""),
    }
}
