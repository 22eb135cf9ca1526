//! A backend's Service and port, and how it is spoken to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::objects::{ClusterAddress, ObjectKey, Objects, Service, ServicePort, ServiceType};
use crate::route::{
    Balance, Code, HostHeader, ObjectRef, PortRef, Problem, Protocol, RefusalReason, SameSite, Severity, Sticky,
    Upstream, UpstreamId,
};

use super::Settings;
use super::ingress::annotations::{Annotations, Scope};

/// The most ports of a Service: each that is named is an upstream, with endpoints of its own.
const MOST_PORTS: usize = 256;

/// What has been found out about the Services that one Ingress names: it may name one thousands of times.
#[derive(Default)]
pub(super) struct Memo {
    /// Whether an annotation of the Service closes it.
    closed: BTreeMap<ObjectKey, bool>,
    upstreams: BTreeMap<UpstreamId, Result<Arc<Upstream>, RefusalReason>>,
}

/// What a backend comes to: an upstream, or why there is none; and what is wrong with the Service.
pub(super) struct Resolved {
    pub(super) upstream: Result<Arc<Upstream>, RefusalReason>,
    pub(super) problems: Vec<Problem>,
}

/// The port of `service` that `port` means.
pub(super) fn service_port<'a>(service: &'a Service, port: &PortRef) -> Option<&'a ServicePort> {
    service.ports.iter().find(|candidate| match port {
        PortRef::Number(number) => candidate.port == *number,
        PortRef::Name(name) => *candidate.name == **name,
    })
}

/// Whether it only names a host elsewhere.
pub(super) fn external_name(service: &Service) -> Option<&str> {
    (service.kind == ServiceType::ExternalName).then_some(&*service.external_name)
}

/// Whether it is reached by its cluster address (`service.nativelb`, else the option).
pub(super) fn native(service: &Service, settings: &Settings) -> bool {
    Annotations::of(&service.annotations).flag("service.nativelb").unwrap_or(settings.native_lb_by_default)
}

/// Whether it is reached by its nodes' ports (`service.nodeportlb`).
pub(super) fn node_port(service: &Service) -> bool {
    let wanted = Annotations::of(&service.annotations).flag("service.nodeportlb").unwrap_or(false);
    wanted && matches!(service.kind, ServiceType::NodePort | ServiceType::LoadBalancer)
}

/// Resolves a backend; what is wrong with its Service is said once in a `memo`. `field` is the backend's place in the object that names it, `who` that object.
pub(super) fn resolve(
    objects: &Objects,
    settings: &Settings,
    id: UpstreamId,
    who: &ObjectRef,
    field: &str,
    memo: &mut Memo,
) -> Resolved {
    if let Some(upstream) = memo.upstreams.get(&id) {
        return Resolved { upstream: upstream.clone(), problems: Vec::new() };
    }
    let key = ObjectKey { namespace: id.namespace.clone(), name: id.service.clone() };
    let mut problems = Vec::new();
    let refuse = |problems: &mut Vec<Problem>, reason, code, field: String, text: String, action: &str| {
        problems.push(Problem {
            severity: Severity::Error,
            code,
            object: who.clone(),
            field,
            reason: text,
            action: action.into(),
        });
        Err(reason)
    };
    let Some(service) = objects.services.get(&key) else {
        let text = format!("the Service {key} does not exist");
        let upstream = refuse(
            &mut problems,
            RefusalReason::NoService,
            Code::ServiceNotFound,
            format!("{field}.service.name"),
            text,
            "create it, or name one that exists; until then this path answers 503",
        );
        return Resolved { upstream, problems };
    };
    if let Some((field, reason)) = excess(service) {
        problems.push(Problem {
            severity: Severity::Error,
            code: Code::TooLarge,
            object: ObjectRef { kind: "Service", namespace: key.namespace, name: key.name },
            field: field.into(),
            reason,
            action: "split it; until then it answers 503".into(),
        });
        memo.upstreams.insert(id, Err(RefusalReason::Unsupported));
        return Resolved { upstream: Err(RefusalReason::Unsupported), problems };
    }
    let external = external_name(service);
    if external.is_some() && !settings.allow_external_names {
        let text = format!("the Service {key} is an ExternalName, and these are not allowed");
        let upstream = refuse(
            &mut problems,
            RefusalReason::ExternalName,
            Code::ExternalNameNotAllowed,
            format!("{field}.service.name"),
            text,
            "allow them with --providers.kubernetesingress.allowexternalnameservices, or use another Service",
        );
        return Resolved { upstream, problems };
    }
    let port = service_port(service, &id.port);
    let without_ports = external.is_some() && service.ports.is_empty();
    if port.is_none() && !(without_ports && matches!(id.port, PortRef::Number(_))) {
        let text = format!("the Service {key} has no port {}", id.port);
        let upstream = refuse(
            &mut problems,
            RefusalReason::NoPort,
            Code::PortNotFound,
            format!("{field}.service.port"),
            text,
            "name a port that the Service has; until then this path answers 503",
        );
        return Resolved { upstream, problems };
    }
    let annotations = Annotations::of(&service.annotations);
    let object = ObjectRef { kind: "Service", namespace: key.namespace.clone(), name: key.name.clone() };
    let closed = match memo.closed.get(&key) {
        Some(&closed) => closed,
        None => {
            let closed = annotations.check(Scope::Service, &object, &mut problems);
            memo.closed.insert(key, closed);
            closed
        }
    };
    let mut blocked = closed.then_some(RefusalReason::UnsupportedPolicy);
    let default = port.map_or(Protocol::Http, |port| {
        let named = port.name.starts_with("https");
        match port.protocol.as_deref() {
            Some("kubernetes.io/h2c") => Protocol::H2c,
            Some("https" | "HTTPS" | "kubernetes.io/wss") => Protocol::Https,
            Some("kubernetes.io/ws" | "http" | "HTTP") => Protocol::Http,
            _ if port.port == 443 || named => Protocol::Https,
            _ => Protocol::Http,
        }
    });
    let protocol = match annotations.get("service.serversscheme") {
        None => default,
        Some(value) => match value.to_ascii_lowercase().as_str() {
            "http" => Protocol::Http,
            "https" => Protocol::Https,
            "h2c" => Protocol::H2c,
            _ => {
                // A wrong guess could send in the clear what is to be encrypted.
                problems.push(annotations.invalid(
                    &object,
                    Severity::Error,
                    "service.serversscheme",
                    "http, https or h2c; until then this Service answers 503",
                ));
                blocked = Some(RefusalReason::Unsupported);
                default
            }
        },
    };
    annotations.bool("service.nativelb", settings.native_lb_by_default, &object, &mut problems);
    if annotations.bool("service.nodeportlb", false, &object, &mut problems) && !node_port(service) {
        problems.push(annotations.invalid(
            &object,
            Severity::Warning,
            "service.nodeportlb",
            "false, or make the Service's type NodePort: its nodes have no port for it, and its endpoints are used",
        ));
    }
    if native(service, settings) && service.address == ClusterAddress::Headless {
        problems.push(annotations.invalid(
            &object,
            Severity::Error,
            "service.nativelb",
            "false: a headless Service has no address of its own; until then it answers 503",
        ));
        blocked = Some(RefusalReason::Unsupported);
    }
    let upstream = Upstream {
        protocol,
        host_header: if annotations.bool("service.passhostheader", true, &object, &mut problems) {
            HostHeader::Pass
        } else {
            HostHeader::Endpoint
        },
        balance: match annotations.get("service.strategy") {
            None | Some("p2c") => Balance::PeakEwma,
            Some("wrr") => Balance::RoundRobin,
            Some(_) => {
                problems.push(annotations.invalid(
                    &object,
                    Severity::Warning,
                    "service.strategy",
                    "p2c or wrr; p2c is used",
                ));
                Balance::PeakEwma
            }
        },
        sticky: sticky(&annotations, &id, &object, &mut problems),
        id,
    };
    let id = upstream.id.clone();
    let upstream = blocked.map_or(Ok(Arc::new(upstream)), Err);
    memo.upstreams.insert(id, upstream.clone());
    Resolved { upstream, problems }
}

/// What a Service has too much of.
fn excess(service: &Service) -> Option<(&'static str, String)> {
    if service.ports.len() > MOST_PORTS {
        return Some(("spec.ports", format!("it has more than {MOST_PORTS} ports")));
    }
    Annotations::of(&service.annotations).excess()
}

fn sticky(
    annotations: &Annotations<'_>,
    id: &UpstreamId,
    object: &ObjectRef,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Sticky>> {
    if !annotations.bool("service.sticky.cookie", false, object, problems) {
        return None;
    }
    let name = annotations.get("service.sticky.cookie.name").map(str::to_owned);
    let token = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let name = match name {
        Some(name) if token(&name) => name,
        Some(_) => {
            problems.push(annotations.invalid(
                object,
                Severity::Warning,
                "service.sticky.cookie.name",
                "a cookie name (letters, digits and !#$%&'*+-.^_`|~); the default name is used",
            ));
            default_cookie(id)
        }
        None => default_cookie(id),
    };
    let same_site = match annotations.get("service.sticky.cookie.samesite").map(str::to_ascii_lowercase).as_deref() {
        None | Some("") => None,
        Some("none") => Some(SameSite::None),
        Some("lax") => Some(SameSite::Lax),
        Some("strict") => Some(SameSite::Strict),
        Some(_) => {
            problems.push(annotations.invalid(
                object,
                Severity::Warning,
                "service.sticky.cookie.samesite",
                "none, lax or strict; it is left out",
            ));
            None
        }
    };
    let max_age = annotations.get("service.sticky.cookie.maxage").and_then(|value| {
        let parsed = value.parse().ok();
        if parsed.is_none() {
            problems.push(annotations.invalid(
                object,
                Severity::Warning,
                "service.sticky.cookie.maxage",
                "a number of seconds; it is left out",
            ));
        }
        parsed
    });
    let mut clean = |name: &str, otherwise: &str| {
        let value = annotations.get(name)?;
        if value.bytes().all(|byte| byte > b' ' && byte != b';' && byte != b',' && byte < 0x7f) {
            return Some(value);
        }
        let expected = format!("printable ASCII without space, `;` and `,`; {otherwise}");
        problems.push(annotations.invalid(object, Severity::Warning, name, &expected));
        None
    };
    let path = clean("service.sticky.cookie.path", "/ is used").unwrap_or("/").into();
    let domain = clean("service.sticky.cookie.domain", "it is left out").map(Into::into);
    Some(Arc::new(Sticky {
        name: name.into(),
        secure: annotations.bool("service.sticky.cookie.secure", false, object, problems),
        http_only: annotations.bool("service.sticky.cookie.httponly", false, object, problems),
        same_site,
        max_age,
        path,
        domain,
    }))
}

/// Traefik's: `_` and five hexadecimal digits that stand for the service.
fn default_cookie(id: &UpstreamId) -> String {
    let name = id.traefik_name();
    let hash = super::certificate::fingerprint(name.as_bytes());
    format!("_{}", hash.get(..5).unwrap_or("adit"))
}
