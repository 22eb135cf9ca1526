//! Traefik's names of routers and its rule strings, which users know from dashboards, logs and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Draft;
use crate::route::{HostPattern, Origin};
use crate::translate::certificate::fingerprint;

/// `default-weather-weather-lvh-me`: letters and digits, and one `-` for everything between.
pub(super) fn router(namespace: &str, name: &str, rest: &str) -> String {
    let whole = format!("{namespace}-{name}-{rest}");
    whole.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// The host as a rule writes it.
pub(super) fn host(host: &HostPattern) -> String {
    if *host == HostPattern::Any { String::new() } else { host.to_string() }
}

/// ``Host("a.example") && PathPrefix("/foo")``.
pub(super) fn rule(pattern: &HostPattern, matcher: &str, path: &str) -> String {
    let host = (*pattern != HostPattern::Any).then(|| format!("Host({:?})", host(pattern)));
    let path = (!path.is_empty()).then(|| format!("{matcher}({path:?})"));
    match (host, path) {
        (Some(host), Some(path)) => format!("{host} && {path}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "PathPrefix(\"/\")".into(),
    }
}

/// Routers of one Ingress that come to the same name get a hash of their rule after it.
pub(super) fn distinguish(drafts: &mut [Draft]) {
    let mut count: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    for draft in drafts.iter() {
        *count.entry(draft.route.origin.name.clone()).or_default() += 1;
    }
    for draft in drafts.iter_mut().filter(|draft| count.get(&draft.route.origin.name).is_some_and(|count| *count > 1)) {
        let hash = fingerprint(draft.route.origin.rule.as_bytes());
        let name = draft.route.origin.name.strip_suffix("@kubernetes").unwrap_or(&draft.route.origin.name);
        let name = format!("{name}-{}@kubernetes", hash.get(..20).unwrap_or_default());
        let origin = Arc::new(Origin { name: name.into(), ..(*draft.route.origin).clone() });
        Arc::make_mut(&mut draft.route).origin = origin;
    }
}
