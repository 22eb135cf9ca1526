//! One Ingress, with the objects it names, to routes. Knows nothing of other Ingresses.

pub(crate) mod annotations;
mod class;
mod draft;
mod limits;
mod name;
mod tls;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Settings;
use super::certificate::Certificates;
use super::resolve::{Memo, resolve};
use crate::objects::{Backend, BackendPort, Ingress, ObjectKey, Objects, Path, PathType};
use crate::route::{
    Action, AutomaticRank, Code, HostKind, HostPattern, ListenerSet, ObjectRef, Observability, Origin, PathKind,
    PathMatch, PortRef, Problem, Rank, RefusalReason, RegexBudget, Route, Severity, Tier, Upstream, UpstreamId,
};
use annotations::{Annotations, Scope};
pub(super) use draft::{Draft, Field, Translation};
pub(super) use tls::Claim;

/// Traefik's greatest priority that is not its own.
const MAX_PRIORITY: i64 = i64::MAX - 1000;
/// `creationTimestamp` when there is none: such an object is younger than any other.
const UNKNOWN_AGE: i64 = i64::MAX;

/// Translates an Ingress; `None` when it is not ours.
pub(super) fn translate(
    key: &ObjectKey,
    ingress: &Ingress,
    objects: &Objects,
    settings: &Settings,
    certificates: &mut Certificates,
) -> Option<Translation> {
    let object = ObjectRef { kind: "Ingress", namespace: key.namespace.clone(), name: key.name.clone() };
    match class::is_ours(ingress, objects, settings, &object) {
        Ok(true) => {}
        Ok(false) => return None,
        Err(problem) => {
            return Some(Translation { problems: [*problem].into(), rejected: true, ..Translation::default() });
        }
    }
    if let Some(problem) = limits::excess(ingress, &object) {
        return Some(Translation { problems: [problem].into(), rejected: true, ..Translation::default() });
    }
    let one = One {
        object,
        objects,
        settings,
        annotations: Annotations::of(&ingress.annotations),
        created: ingress.created.unwrap_or(UNKNOWN_AGE),
        drafts: Vec::new(),
        services: BTreeSet::new(),
        upstreams: BTreeMap::new(),
        problems: Vec::new(),
        memo: Memo::default(),
        regexes: RegexBudget::default(),
        index: 0,
    };
    Some(one.translate(ingress, certificates))
}

/// The work on one Ingress.
struct One<'a> {
    object: ObjectRef,
    objects: &'a Objects,
    settings: &'a Settings,
    annotations: Annotations<'a>,
    created: i64,
    drafts: Vec<Draft>,
    services: BTreeSet<ObjectKey>,
    upstreams: BTreeMap<UpstreamId, Arc<Upstream>>,
    problems: Vec<Problem>,
    memo: Memo,
    regexes: RegexBudget,
    index: u32,
}

/// What all routes of an Ingress share.
struct Common {
    listeners: ListenerSet,
    priority: Option<i64>,
    observability: Observability,
    tls_only: bool,
    blocked: bool,
}

/// What one route is for.
struct Place<'a> {
    host: &'a HostPattern,
    path: PathMatch,
    tier: Tier,
    fallback: bool,
    rule: String,
    name: String,
    field: Field,
}

impl One<'_> {
    fn translate(mut self, ingress: &Ingress, certificates: &mut Certificates) -> Translation {
        let common = self.common();
        let rules = &ingress.rules;
        let mut hosts = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let text = &*rule.host;
            match HostPattern::parse(text) {
                Ok(host) => hosts.push(Some(host)),
                Err(error) => {
                    hosts.push(None);
                    self.problem(
                        Severity::Error,
                        Code::InvalidHost,
                        format!("spec.rules[{index}].host"),
                        format!("the host {:?} {error}", limits::shown(text)),
                        "write a DNS name, or *. and a DNS name; this rule is not served",
                    );
                }
            }
        }
        let mut rule_hosts: Vec<HostPattern> = hosts.iter().flatten().cloned().collect();
        rule_hosts.sort_unstable();
        rule_hosts.dedup();
        if rule_hosts.is_empty() {
            rule_hosts.push(HostPattern::Any);
        }
        let tls = tls::read(&ingress.tls, &rule_hosts, &self.object, self.objects, certificates, &mut self.problems);
        for (index, (rule, host)) in rules.iter().zip(&hosts).enumerate() {
            let Some(host) = host else { continue };
            for (at, path) in rule.paths.iter().enumerate() {
                self.path(&common, &tls, host, path, Field::Path { rule: index, path: at });
            }
        }
        if let Some(backend) = &ingress.default_backend {
            if rules.is_empty() {
                let place = Place {
                    host: &HostPattern::Any,
                    path: PathMatch::Prefix("".into()),
                    tier: Tier::DefaultBackend,
                    fallback: true,
                    rule: "PathPrefix(\"/\")".into(),
                    name: "default-router".into(),
                    field: Field::DefaultBackend,
                };
                self.route(&common, &tls, place, backend);
            }
            for host in rule_hosts.iter().filter(|_| !rules.is_empty()) {
                let rule = name::rule(host, "PathPrefix", "/");
                let name = name::router(
                    &self.object.namespace,
                    &self.object.name,
                    &format!("{}-default-backend", name::host(host)),
                );
                let place = Place {
                    host,
                    path: PathMatch::Prefix("".into()),
                    tier: Tier::Rule,
                    fallback: true,
                    rule,
                    name,
                    field: Field::DefaultBackend,
                };
                self.route(&common, &tls, place, backend);
            }
        }
        name::distinguish(&mut self.drafts);
        self.problems.sort();
        self.problems.dedup();
        Translation {
            drafts: self.drafts.into_iter().map(Arc::new).collect(),
            claims: tls.claims.into(),
            upstreams: self.upstreams.into_values().collect(),
            services: self.services.into_iter().collect(),
            secrets: tls.secrets.into_iter().collect(),
            problems: self.problems.into(),
            created: self.created,
            rejected: false,
        }
    }

    fn problem(&mut self, severity: Severity, code: Code, field: String, reason: String, action: &str) {
        self.problems.push(Problem {
            severity,
            code,
            object: self.object.clone(),
            field,
            reason,
            action: action.into(),
        });
    }

    fn common(&mut self) -> Common {
        let blocked = self.annotations.check(Scope::Ingress, &self.object, &mut self.problems);
        let object = self.object.clone();
        let mut flag = |name: &str, default: bool| self.annotations.bool(name, default, &object, &mut self.problems);
        let observability = Observability {
            access_logs: flag("router.observability.accesslogs", true),
            metrics: flag("router.observability.metrics", true),
            tracing: flag("router.observability.tracing", true),
        };
        let tls_only = match self.annotations.get("router.tls") {
            None => false,
            // What cannot be read might have asked for TLS: serve nothing in the clear.
            Some(_) => self.annotations.flag("router.tls").unwrap_or_else(|| {
                let problem = self.annotations.invalid(
                    &object,
                    Severity::Error,
                    "router.tls",
                    "true or false; until then the Ingress is served over TLS only",
                );
                self.problems.push(problem);
                true
            }),
        };
        Common { listeners: self.listeners(), priority: self.priority(), observability, tls_only, blocked }
    }

    fn listeners(&mut self) -> ListenerSet {
        let names: Vec<&str> = self
            .annotations
            .get("router.entrypoints")
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .take(limits::MOST_ENTRY_POINTS)
            .collect();
        if names.is_empty() {
            return self.settings.default_listeners;
        }
        let mut listeners = ListenerSet::default();
        for name in names {
            let name = limits::shown(name);
            match self.settings.listeners.iter().position(|listener| *listener.name == *name) {
                Some(index) => listeners = listeners.with(index),
                None => {
                    let known: Vec<&str> = self.settings.listeners.iter().map(|listener| &*listener.name).collect();
                    let field = self.annotations.field("router.entrypoints");
                    let action =
                        format!("name one of {}, or define it with --entryPoints.{name}.address", known.join(", "));
                    self.problem(
                        Severity::Error,
                        Code::UnknownEntryPoint,
                        field,
                        format!("there is no entry point {name:?}"),
                        &action,
                    );
                }
            }
        }
        listeners
    }

    fn priority(&mut self) -> Option<i64> {
        let value = self.annotations.get("router.priority")?;
        match value.trim().parse::<i64>() {
            Ok(0) => None,
            Ok(priority) if priority <= MAX_PRIORITY => Some(priority),
            _ => {
                let problem = self.annotations.invalid(
                    &self.object,
                    Severity::Warning,
                    "router.priority",
                    &format!("a whole number up to {MAX_PRIORITY}; the automatic place is used"),
                );
                self.problems.push(problem);
                None
            }
        }
    }

    fn path(&mut self, common: &Common, tls: &tls::Tls, host: &HostPattern, path: &Path, field: Field) {
        let text = &*path.path;
        let or_root = if text.is_empty() { "/" } else { text };
        let parsed = match &path.kind {
            PathType::Exact => PathMatch::exact(text).map(|path| (path, "Path")),
            PathType::Prefix if self.settings.strict_prefix_matching => {
                PathMatch::prefix(or_root).map(|path| (path, "PathPrefix"))
            }
            PathType::Prefix => PathMatch::string_prefix(or_root).map(|path| (path, "PathPrefix")),
            PathType::ImplementationSpecific => match self.annotations.get("router.pathmatcher") {
                None | Some("PathPrefix") => PathMatch::string_prefix(or_root).map(|path| (path, "PathPrefix")),
                Some("Path") => PathMatch::exact(text).map(|path| (path, "Path")),
                Some("PathRegexp") => PathMatch::regex(text, &mut self.regexes).map(|path| (path, "PathRegexp")),
                Some(_) => {
                    let problem = self.annotations.invalid(&self.object, Severity::Error, "router.pathmatcher", "Path, PathPrefix or PathRegexp; until then paths of type ImplementationSpecific are not served");
                    self.problems.push(problem);
                    return;
                }
            },
            PathType::Unknown(other) => {
                let reason = format!("the path type {:?} is not known", limits::shown(other));
                self.problem(
                    Severity::Error,
                    Code::InvalidPath,
                    format!("{field}.pathType"),
                    reason,
                    "write Exact, Prefix or ImplementationSpecific; this path is not served",
                );
                return;
            }
        };
        let (path_match, matcher) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                self.problem(
                    Severity::Error,
                    Code::InvalidPath,
                    format!("{field}.path"),
                    format!("the path {:?} {error}", limits::shown(text)),
                    "correct it; this path is not served",
                );
                return;
            }
        };
        let rule = name::rule(host, matcher, text);
        let name = name::router(&self.object.namespace, &self.object.name, &format!("{}{text}", name::host(host)));
        let place = Place { host, path: path_match, tier: Tier::Rule, fallback: false, rule, name, field };
        self.route(common, tls, place, &path.backend);
    }

    fn route(&mut self, common: &Common, tls: &tls::Tls, place: Place<'_>, backend: &Backend) {
        let field = if place.fallback { place.field.to_string() } else { format!("{}.backend", place.field) };
        let (mut action, service) = self.backend(backend, &field);
        if common.blocked {
            action = Action::Refuse(RefusalReason::UnsupportedPolicy);
        }
        if common.listeners.is_empty() {
            return;
        }
        let own = AutomaticRank {
            tier: place.tier,
            host: match place.host {
                HostPattern::Exact(_) => HostKind::Exact,
                HostPattern::Wildcard(_) => HostKind::Wildcard,
                HostPattern::Any => HostKind::Any,
            },
            host_length: Reverse(match place.host {
                HostPattern::Wildcard(suffix) => length(suffix),
                _ => 0,
            }),
            fallback: place.fallback,
            path_length: Reverse(length(match &place.path {
                PathMatch::Regex(regex) => regex.as_str(),
                PathMatch::Exact(path) | PathMatch::Prefix(path) | PathMatch::StringPrefix(path) => path,
            })),
            path: match place.path {
                PathMatch::Exact(_) => PathKind::Exact,
                PathMatch::Regex(_) => PathKind::Regex,
                PathMatch::Prefix(_) | PathMatch::StringPrefix(_) => PathKind::Prefix,
            },
            created: self.created,
            namespace: self.object.namespace.clone(),
            name: self.object.name.clone(),
            index: self.index,
        };
        self.index += 1;
        // A default backend without rules is the last of all, whatever its annotation says, as with Traefik.
        let priority = common.priority.filter(|_| place.tier == Tier::Rule);
        let priority = priority.filter(|_| self.may_come_first(place.host, place.field));
        let origin = Origin {
            name: format!("{}@kubernetes", place.name).into(),
            priority: priority.unwrap_or(i64::try_from(place.rule.len()).unwrap_or(i64::MAX)),
            rule: place.rule.into(),
            explicit_priority: priority.is_some(),
            service,
            namespace: self.object.namespace.clone(),
            ingress: self.object.name.clone(),
        };
        let route = Route {
            rank: Rank::Automatic(own),
            listeners: common.listeners,
            tls: tls.of(place.host, common.tls_only),
            path: place.path,
            action,
            observability: common.observability,
            origin: Arc::new(origin),
        };
        self.drafts.push(Draft { host: place.host.clone(), route: Arc::new(route), priority, field: place.field });
    }

    /// Whether a priority counts for this host: where a host belongs to one namespace, a rule for many hosts must not
    /// come before it.
    fn may_come_first(&mut self, host: &HostPattern, field: Field) -> bool {
        if !self.settings.strict_hosts || matches!(host, HostPattern::Exact(_)) {
            return true;
        }
        self.problem(
            Severity::Warning,
            Code::HostTaken,
            field.to_string(),
            "with hostOwnership=strict a priority does not count for a rule without one whole host".into(),
            "name the hosts, or remove router.priority; the automatic place is used",
        );
        false
    }

    fn backend(&mut self, backend: &Backend, field: &str) -> (Action, Option<Arc<str>>) {
        let (service, port) = match backend {
            Backend::Service { name, port } => (&**name, port),
            Backend::Resource => return self.no_service(field, "a backend that is not a Service is not supported"),
            Backend::Nothing => return self.no_service(field, "the backend names no Service"),
        };
        let port = port.as_ref().map(|port| match port {
            BackendPort::Number(number) => PortRef::Number(*number),
            BackendPort::Name(name) => PortRef::Name((**name).into()),
        });
        let key = ObjectKey { namespace: self.object.namespace.clone(), name: service.into() };
        let key = self.objects.service_key(key);
        self.services.insert(key.clone());
        let Some(port) = port else {
            self.problem(
                Severity::Error,
                Code::PortNotFound,
                format!("{field}.service.port"),
                "the backend names no port".into(),
                "write port.number or port.name; until then this path answers 503",
            );
            return (Action::Refuse(RefusalReason::NoPort), None);
        };
        let id = UpstreamId::new(key.namespace, key.name, port);
        let name: Arc<str> = id.traefik_name().into();
        let resolved = resolve(self.objects, self.settings, id, &self.object, field, &mut self.memo);
        self.problems.extend(resolved.problems);
        match resolved.upstream {
            Ok(upstream) => {
                self.upstreams.insert(upstream.id.clone(), upstream.clone());
                (Action::Forward(upstream), Some(name))
            }
            Err(reason) => (Action::Refuse(reason), Some(name)),
        }
    }

    fn no_service(&mut self, field: &str, reason: &str) -> (Action, Option<Arc<str>>) {
        self.problem(
            Severity::Error,
            Code::UnsupportedBackend,
            field.to_owned(),
            reason.into(),
            "name a Service; until then this path answers 503",
        );
        (Action::Refuse(RefusalReason::Unsupported), None)
    }
}

fn length(text: &str) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}
