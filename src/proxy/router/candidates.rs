//! The routes that a lookup looks at, and what each lacks: for people who ask why. No request comes here.

use std::cmp::Reverse;

use super::entry::Entry;
use super::host::HostRoutes;
use super::{CompiledRoute, Lookup, Router, suffix};
use crate::route::{HostPattern, TlsUse};

/// A route whose host pattern matches the host of a lookup.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The pattern that it stands under.
    pub host: HostPattern,
    /// The route.
    pub compiled: CompiledRoute,
    /// What it lacks; nothing if it matches.
    pub lacks: Option<Lack>,
}

/// Why a route whose host matches does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It is for other paths.
    Path,
    /// Its path matches, but it is bound to other listeners.
    Listener,
    /// It is served over TLS only, and this came in the clear.
    Clear,
    /// It is served in the clear only, or for other hosts over TLS.
    Tls,
}

/// What of a lookup's candidates is worth a look.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Those that match, the winner first; then those that all but match; then those with the nearest paths.
    pub nearest: Vec<Candidate>,
    /// How many there are in all.
    pub total: usize,
}

impl Router {
    /// The routes that [`Router::find`] chooses from, `most` of each kind at most. Looks at every route of the host.
    pub fn candidates(&self, lookup: &Lookup<'_>, most: usize) -> Candidates {
        let patterns = [
            lookup.host.map(|host| HostPattern::Exact(host.into())),
            lookup.host.and_then(suffix).map(|suffix| HostPattern::Wildcard(suffix.into())),
            Some(HostPattern::Any),
        ];
        let hosts: Vec<_> = patterns
            .into_iter()
            .zip(self.routes_for(lookup.host))
            .filter_map(|(host, routes)| Some((host?, routes?)))
            .collect();
        let (mut matching, mut nearly, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
        let mut total = 0;
        for (host, routes) in &hosts {
            for entry in routes.entries() {
                total += 1;
                match routes.lacks(entry, lookup) {
                    None => matching.push((host, entry, None)),
                    Some(Lack::Path) => elsewhere.push((host, entry, Some(Lack::Path))),
                    lacks => nearly.push((host, entry, lacks)),
                }
            }
        }
        matching.sort_by(|(_, a, _), (_, b, _)| a.compiled.route.rank.cmp(&b.compiled.route.rank));
        // Stable: those as near as each other stay in the order of their ranks.
        elsewhere.sort_by_key(|(_, entry, _)| Reverse(shared(entry.compiled.route.path.as_str(), lookup.path)));
        let nearest = matching.iter().take(most).chain(nearly.iter().take(most)).chain(elsewhere.iter().take(most));
        let nearest = nearest.map(|&(host, entry, lacks)| Candidate {
            host: host.clone(),
            compiled: entry.compiled.clone(),
            lacks,
        });
        Candidates { nearest: nearest.collect(), total }
    }

    /// The host patterns that there are routes for.
    pub fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.table.hosts.keys()
    }
}

impl HostRoutes {
    /// By the same questions that a lookup asks, the path first.
    fn lacks(&self, entry: &Entry, lookup: &Lookup<'_>) -> Option<Lack> {
        if !self.has_path(entry, lookup) {
            return Some(Lack::Path);
        }
        if lookup.listener_tls && !lookup.tls {
            return Some(Lack::Clear);
        }
        if entry.serves(lookup) {
            return None;
        }
        let route = &entry.compiled.route;
        if !route.listeners.contains(lookup.listener) {
            return Some(Lack::Listener);
        }
        Some(if route.tls == TlsUse::Only { Lack::Clear } else { Lack::Tls })
    }
}

/// How many characters of the beginning two paths share.
fn shared(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}
