//! Which requests would go elsewhere: each path that some route has is asked of adit's order, and of Traefik's, where the
//! longest rule wins and a prefix is one of characters.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::route::{
    Action, AutomaticRank, HostPattern, PathMatch, Rank, RefusalReason, Route, Tier, TlsUse, VirtualHost,
};
use crate::translate::{Output, Settings};

/// The most routes that one request may be for; a host with more is not looked at.
const MOST_ROUTES: usize = 256;

/// How Traefik reads `pathType: Prefix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefixes {
    /// By character.
    Characters,
    /// By element: `strictPrefixMatching`.
    Elements,
}

impl Prefixes {
    pub(super) fn of(strict: bool) -> Self {
        if strict { Self::Elements } else { Self::Characters }
    }
}

/// Namespace and name of an Ingress.
pub(super) type Owner = (Arc<str>, Arc<str>);

/// A request that goes elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Elsewhere {
    pub(super) url: String,
    /// Who has it here; `None` is 404.
    pub(super) here: Option<Owner>,
    /// And with Traefik.
    pub(super) there: Option<Owner>,
}

/// All such requests, by Ingress.
pub(super) fn elsewhere(
    output: &Output,
    settings: &Settings,
    prefixes: Prefixes,
    notes: &mut Vec<String>,
) -> BTreeSet<Elsewhere> {
    let hosts = &output.routes.hosts;
    let of = |pattern: &HostPattern| hosts.get(pattern).map_or(&[][..], |host| &host.routes[..]);
    let mut found = BTreeSet::new();
    for host in hosts.values() {
        let wider = match &host.host {
            HostPattern::Exact(name) => name.split_once('.').map(|(_, parent)| HostPattern::Wildcard(parent.into())),
            HostPattern::Wildcard(_) | HostPattern::Any => None,
        };
        let any = if host.host == HostPattern::Any { &[][..] } else { of(&HostPattern::Any) };
        let mut routes: Vec<&Route> =
            host.routes.iter().chain(wider.iter().flat_map(&of)).chain(any).map(|route| &**route).collect();
        if routes.len() > MOST_ROUTES {
            notes.push(format!("{}: more than {MOST_ROUTES} routes, whose order is not compared", host.host));
            continue;
        }
        routes.sort_by(|a, b| a.rank.cmp(&b.rank));
        for listener in 0..settings.listeners.len() {
            compare(host, &routes, listener, settings, prefixes, &mut found);
        }
    }
    found
}

fn compare(
    host: &VirtualHost,
    routes: &[&Route],
    listener: usize,
    settings: &Settings,
    prefixes: Prefixes,
    found: &mut BTreeSet<Elsewhere>,
) {
    let tls = settings.listeners.get(listener).is_some_and(|listener| listener.tls);
    let bound =
        |route: &&&Route| route.listeners.iter().any(|own| own == listener) && (tls || route.tls != TlsUse::Only);
    let routes: Vec<&Route> = routes.iter().filter(bound).copied().collect();
    let paths: BTreeSet<String> = routes.iter().flat_map(|route| samples(&route.path)).collect();
    for path in paths {
        let here = routes.iter().copied().find(|route| route.path.matches(&path));
        let theirs = || routes.iter().copied().filter(|route| is_there(route) && matches(route, &path, prefixes));
        let best = theirs().map(priority).max();
        // Among equals Traefik has no order: no difference if ours is one of them.
        let there = theirs()
            .filter(|route| Some(priority(route)) == best)
            .max_by_key(|route| here.is_some_and(|here| target(here) == target(route)));
        let refused_here = here.is_some_and(|here| !is_there(here));
        if there.map(target) == here.map(target) || (there.is_none() && (refused_here || here.is_none())) {
            continue;
        }
        let name = match &host.host {
            HostPattern::Exact(name) => name.to_string(),
            HostPattern::Wildcard(suffix) => format!("*.{suffix}"),
            HostPattern::Any => "*".into(),
        };
        let owner = |route: &Route| (route.origin.namespace.clone(), route.origin.ingress.clone());
        found.insert(Elsewhere { url: format!("{name}{path}"), here: here.map(owner), there: there.map(owner) });
    }
}

/// Paths at which an order shows: the route's own, and one that its characters begin and its elements do not.
fn samples(path: &PathMatch) -> Vec<String> {
    match path {
        PathMatch::Exact(path) | PathMatch::StringPrefix(path) => vec![path.to_string()],
        PathMatch::Prefix(path) if path.is_empty() => vec!["/".into()],
        PathMatch::Prefix(path) => vec![path.to_string(), format!("{path}-and-more")],
        PathMatch::Regex(_) => Vec::new(),
    }
}

/// Where a request ends up.
fn target(route: &Route) -> (&str, &str, Option<&str>) {
    (&route.origin.namespace, &route.origin.ingress, route.origin.service.as_deref())
}

/// Whether Traefik has the route at all: it leaves out what has no Service, and default backends beside rules.
fn is_there(route: &Route) -> bool {
    use RefusalReason::{ExternalName, NoPort, NoService, Unsupported};
    let missing = matches!(route.action, Action::Refuse(NoService | NoPort | ExternalName | Unsupported));
    let own = own(route);
    !missing && (!own.fallback || own.tier == Tier::DefaultBackend)
}

fn own(route: &Route) -> &AutomaticRank {
    match &route.rank {
        Rank::Automatic(own) => own,
        Rank::Explicit { explicit, .. } => &explicit.own,
    }
}

fn priority(route: &Route) -> i64 {
    if own(route).tier == Tier::DefaultBackend { i64::MIN } else { route.origin.priority }
}

fn matches(route: &Route, path: &str, prefixes: Prefixes) -> bool {
    match &route.path {
        // Kept without the slash at its end, which Traefik takes as it is written.
        PathMatch::Prefix(prefix) if prefixes == Prefixes::Characters => {
            let with_slash = !prefix.is_empty() && route.origin.rule.ends_with("/\")");
            path.starts_with(&**prefix)
                && (!with_slash || path.get(prefix.len()..).is_some_and(|rest| rest.starts_with('/')))
        }
        other => other.matches(path),
    }
}
