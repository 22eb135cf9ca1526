//! The table as text, for `adit check` and the golden tests: hosts, routes in rank order, endpoints, certificates.

use std::fmt::Write as _;

use super::{Output, Settings};
use crate::route::{Action, Balance, Condition, EndpointTable, HostHeader, Route, SameSite, TlsUse, Upstream};

/// Everything that is served, one route a line, best first within its host.
pub fn render(output: &Output, settings: &Settings) -> String {
    let mut text = String::new();
    for host in output.routes.hosts.values() {
        let _ = writeln!(text, "{}", host.host);
        for route in &host.routes {
            let _ = writeln!(text, "  {}", line(route, settings));
        }
    }
    let mut upstreams: Vec<&Upstream> = output
        .routes
        .hosts
        .values()
        .flat_map(|host| &host.routes)
        .filter_map(|route| match &route.action {
            Action::Forward(upstream) => Some(&**upstream),
            _ => None,
        })
        .collect();
    upstreams.sort_by(|a, b| a.id.cmp(&b.id));
    upstreams.dedup_by(|a, b| a.id == b.id);
    for upstream in upstreams {
        let _ = writeln!(text, "upstream {}", self::upstream(upstream));
        for endpoint in endpoints(&output.endpoints, upstream) {
            let _ = writeln!(text, "  {endpoint}");
        }
    }
    for (host, entry) in &output.routes.certificates {
        let names = entry
            .certificate
            .as_ref()
            .map_or("none, the last good one is kept".to_owned(), |certificate| certificate.facts.names.join(", "));
        let _ = writeln!(text, "certificate {host} from {}: {names}", entry.secret);
    }
    if let Some(entry) = &output.routes.default_certificate {
        let _ = writeln!(
            text,
            "default certificate from {}{}",
            entry.secret,
            if entry.certificate.is_some() { "" } else { ": none" }
        );
    }
    text
}

fn line(route: &Route, settings: &Settings) -> String {
    let names: Vec<&str> = route
        .listeners
        .iter()
        .map(|index| settings.listeners.get(index).map_or("?", |listener| &listener.name))
        .collect();
    let tls = match &route.tls {
        TlsUse::Never => "clear".to_owned(),
        TlsUse::Also => "clear+tls".to_owned(),
        TlsUse::Only => "tls".to_owned(),
        TlsUse::Hosts(hosts) => {
            format!("clear+tls for {}", hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        }
    };
    let action = match &route.action {
        Action::Forward(upstream) => format!("-> {}", upstream.id),
        Action::Redirect(redirect) => format!(
            "-> redirect to {} port {}{}",
            redirect.scheme,
            redirect.port,
            if redirect.permanent { ", permanent" } else { "" }
        ),
        Action::Internal(page) => format!("-> {page:?} of adit"),
        Action::Refuse(reason) => format!("-> 503 {reason:?}"),
    };
    let mut line = format!("{} [{}] {tls} {action}", route.path, names.join(","));
    let origin = &route.origin;
    if origin.explicit_priority {
        let _ = write!(line, " priority {}", origin.priority);
    }
    for (kept, what) in [
        (route.observability.access_logs, "access log"),
        (route.observability.metrics, "metrics"),
        (route.observability.tracing, "traces"),
    ] {
        if !kept && !origin.ingress.is_empty() {
            let _ = write!(line, " no {what}");
        }
    }
    if origin.ingress.is_empty() {
        let _ = write!(line, " ({})", origin.name);
    } else {
        let _ = write!(line, " (Ingress {}/{})", origin.namespace, origin.ingress);
    }
    line
}

fn upstream(upstream: &Upstream) -> String {
    let mut text = format!("{} {}", upstream.id, upstream.protocol.scheme());
    if upstream.host_header == HostHeader::Endpoint {
        text.push_str(", own host header");
    }
    if upstream.balance == Balance::RoundRobin {
        text.push_str(", round robin");
    }
    if let Some(sticky) = &upstream.sticky {
        let _ = write!(text, ", sticky by cookie {} Path={}", sticky.name, sticky.path);
        for (set, attribute) in [(sticky.secure, "Secure"), (sticky.http_only, "HttpOnly")] {
            if set {
                let _ = write!(text, " {attribute}");
            }
        }
        match sticky.same_site {
            None => {}
            Some(SameSite::None) => text.push_str(" SameSite=None"),
            Some(SameSite::Lax) => text.push_str(" SameSite=Lax"),
            Some(SameSite::Strict) => text.push_str(" SameSite=Strict"),
        }
        if let Some(age) = sticky.max_age {
            let _ = write!(text, " Max-Age={age}");
        }
        if let Some(domain) = &sticky.domain {
            let _ = write!(text, " Domain={domain}");
        }
    }
    text
}

fn endpoints(table: &EndpointTable, upstream: &Upstream) -> Vec<String> {
    let Some(set) = table.get(&upstream.id).filter(|set| !set.endpoints.is_empty()) else {
        return vec!["no endpoints: 503".to_owned()];
    };
    let endpoint = |endpoint: &crate::route::Endpoint| match endpoint.condition {
        Condition::Ready => endpoint.address.to_string(),
        Condition::Draining => format!("{} draining", endpoint.address),
    };
    set.endpoints.iter().map(endpoint).collect()
}
