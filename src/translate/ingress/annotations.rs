//! The annotations: one table that drives reading, documentation and tests.

use crate::objects::StringMap;
use crate::route::{Code, ObjectRef, Problem, Severity};

/// What an annotation may stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// An Ingress.
    Ingress,
    /// A Service.
    Service,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what it says.
    Supported,
    /// It has no effect yet, and traffic is served all the same.
    Ignored,
    /// It guards something that would stand open without it: what names it answers 503.
    FailsClosed,
}

/// One annotation.
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// Its name without prefix, lower-case. `*` at the end stands for any rest.
    pub name: &'static str,
    /// What it stands on.
    pub scope: Scope,
    /// What becomes of it.
    pub support: Support,
    /// What it does, for people.
    pub doc: &'static str,
}

const fn annotation(scope: Scope, name: &'static str, support: Support, doc: &'static str) -> Annotation {
    Annotation { name, scope, support, doc }
}

/// All annotations under Traefik's prefix and ours.
pub const ANNOTATIONS: &[Annotation] = {
    use Scope::{Ingress, Service};
    use Support::{FailsClosed, Ignored, Supported};
    &[
        annotation(
            Ingress,
            "router.entrypoints",
            Supported,
            "comma-separated names of the entry points that serve the Ingress",
        ),
        annotation(Ingress, "router.middlewares", FailsClosed, "middlewares; a later version has them"),
        annotation(Ingress, "router.priority", Supported, "the place among all routes; 0 is automatic"),
        annotation(Ingress, "router.rulesyntax", Ignored, "the syntax of rules, which an Ingress does not have"),
        annotation(
            Ingress,
            "router.pathmatcher",
            Supported,
            "Path, PathPrefix or PathRegexp for paths of type ImplementationSpecific",
        ),
        annotation(Ingress, "router.tls", Supported, "true: the Ingress is served over TLS only"),
        annotation(Ingress, "router.tls.certresolver", Ignored, "ACME; use cert-manager and spec.tls"),
        annotation(Ingress, "router.tls.domains.*", Ignored, "the domains of ACME certificates"),
        annotation(
            Ingress,
            "router.tls.options",
            FailsClosed,
            "TLS options such as client certificates; a later version has them",
        ),
        annotation(
            Ingress,
            "router.observability.accesslogs",
            Supported,
            "false: requests are left out of the access log",
        ),
        annotation(Ingress, "router.observability.metrics", Supported, "false: requests are not counted"),
        annotation(Ingress, "router.observability.tracing", Supported, "false: requests are not traced"),
        annotation(Ingress, "router.observability.traceverbosity", Ignored, "the detail of traces"),
        annotation(Service, "service.serversscheme", Supported, "http, https or h2c: what the endpoints speak"),
        annotation(
            Service,
            "service.serverstransport",
            FailsClosed,
            "transport settings such as a private CA; a later version has them",
        ),
        annotation(Service, "service.middlewares", FailsClosed, "middlewares of a Service; a later version has them"),
        annotation(Service, "service.passhostheader", Supported, "false: endpoints see their own address as Host"),
        annotation(
            Service,
            "service.nativelb",
            Supported,
            "true: the Service's cluster address is used instead of its endpoints",
        ),
        annotation(Service, "service.nodeportlb", Supported, "true: the nodes' addresses and the node port are used"),
        annotation(Service, "service.sticky.cookie", Supported, "true: a cookie keeps a client with its endpoint"),
        annotation(Service, "service.sticky.cookie.name", Supported, "its name"),
        annotation(Service, "service.sticky.cookie.secure", Supported, "true: Secure"),
        annotation(Service, "service.sticky.cookie.httponly", Supported, "true: HttpOnly"),
        annotation(Service, "service.sticky.cookie.samesite", Supported, "none, lax or strict"),
        annotation(Service, "service.sticky.cookie.maxage", Supported, "Max-Age in seconds"),
        annotation(Service, "service.sticky.cookie.path", Supported, "Path"),
        annotation(Service, "service.sticky.cookie.domain", Supported, "Domain"),
        annotation(
            Service,
            "service.strategy",
            Supported,
            "p2c (power of two choices, the default) or wrr (round robin)",
        ),
    ]
};

/// Traefik's prefix.
pub const TRAEFIK: &str = "traefik.ingress.kubernetes.io/";
/// Ours.
const ADIT: &str = "adit.dev/";
/// The most annotations under both: there are half as many.
const MOST: usize = 64;
/// The class annotation from before IngressClass.
const CLASS: &str = "kubernetes.io/ingress.class";

/// The annotations of one object.
pub(crate) struct Annotations<'a> {
    all: &'a StringMap,
}

impl<'a> Annotations<'a> {
    pub(crate) fn of(all: &'a StringMap) -> Self {
        Self { all }
    }

    /// The value under either prefix; names count in any case, as with Traefik.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.known().find(|(found, ..)| found.eq_ignore_ascii_case(name)).map(|(_, _, value)| value)
    }

    /// The class annotation.
    pub(crate) fn class(&self) -> Option<&'a str> {
        self.all.get(CLASS)
    }

    /// Names without prefix, whole names and values of those under our prefixes.
    fn known(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> + use<'a> {
        self.all.iter().filter_map(|(name, value)| {
            let short = name.strip_prefix(TRAEFIK).or_else(|| name.strip_prefix(ADIT))?;
            Some((short, name, value))
        })
    }

    /// What is wrong when there are too many: each is compared with all that there are.
    pub(crate) fn excess(&self) -> Option<(&'static str, String)> {
        let many = self.known().nth(MOST).is_some();
        many.then(|| {
            ("metadata.annotations", format!("it has more than {MOST} annotations under {TRAEFIK} and {ADIT}"))
        })
    }

    /// The boolean value, if there is one that is one.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        parse_bool(self.get(name)?)
    }

    /// The boolean value; one that is none is a problem, and then the default.
    pub(crate) fn bool(&self, name: &str, default: bool, object: &ObjectRef, problems: &mut Vec<Problem>) -> bool {
        match self.get(name).map(parse_bool) {
            None => default,
            Some(Some(value)) => value,
            Some(None) => {
                problems.push(self.invalid(
                    object,
                    Severity::Warning,
                    name,
                    &format!("true or false; {default} is used"),
                ));
                default
            }
        }
    }

    /// A value that is none.
    pub(crate) fn invalid(&self, object: &ObjectRef, severity: Severity, name: &str, expected: &str) -> Problem {
        let value: String = self.get(name).unwrap_or_default().chars().take(60).collect();
        Problem {
            severity,
            code: Code::InvalidAnnotation,
            object: object.clone(),
            field: self.field(name),
            reason: format!("the value {value:?} is not valid here"),
            action: format!("write {expected}"),
        }
    }

    /// The field path of an annotation, as it is written on the object.
    pub(crate) fn field(&self, name: &str) -> String {
        let written =
            self.known().find(|(found, ..)| found.eq_ignore_ascii_case(name)).map(|(_, whole, _)| whole.to_owned());
        format!("metadata.annotations[{}]", written.unwrap_or_else(|| format!("{TRAEFIK}{name}")))
    }

    /// Reports names that mean nothing here, or nothing yet; whether one of them must fail closed.
    pub(crate) fn check(&self, scope: Scope, object: &ObjectRef, problems: &mut Vec<Problem>) -> bool {
        let mut closed = false;
        for (short, whole, value) in self.known() {
            let lower = short.to_ascii_lowercase();
            let found = ANNOTATIONS.iter().find(|annotation| match annotation.name.strip_suffix('*') {
                Some(prefix) => lower.starts_with(prefix),
                None => annotation.name == lower,
            });
            let problem = |severity, code, reason: String, action: String| Problem {
                severity,
                code,
                object: object.clone(),
                field: format!("metadata.annotations[{whole}]"),
                reason,
                action,
            };
            match found.filter(|annotation| annotation.scope == scope) {
                None => {
                    let action = match (found, nearest(&lower, scope)) {
                        (Some(_), _) => {
                            format!("put it on the {}", if scope == Scope::Ingress { "Service" } else { "Ingress" })
                        }
                        (None, Some(near)) => format!("did you mean {near}? Remove or correct it"),
                        (None, None) => "remove it, or correct its name".into(),
                    };
                    problems.push(problem(
                        Severity::Warning,
                        Code::UnknownAnnotation,
                        "the annotation is not known here and has no effect".into(),
                        action,
                    ));
                }
                Some(annotation) => match annotation.support {
                    Support::Supported => {}
                    Support::Ignored => problems.push(problem(
                        Severity::Warning,
                        Code::UnsupportedPolicy,
                        format!("the annotation has no effect: {}", annotation.doc),
                        "remove it if it is not needed".into(),
                    )),
                    Support::FailsClosed
                        if value.trim().is_empty()
                            || (annotation.name == "router.tls.options" && value.trim() == "default") => {}
                    Support::FailsClosed => {
                        closed = true;
                        problems.push(problem(
                            Severity::Error,
                            Code::UnsupportedPolicy,
                            format!(
                                "this version cannot honour it ({}), so what it guards answers 503",
                                annotation.doc
                            ),
                            "remove it if the routes may be served without it".into(),
                        ));
                    }
                },
            }
        }
        closed
    }
}

/// Go's `strconv.ParseBool`, which Traefik's users are used to.
fn parse_bool(value: &str) -> Option<bool> {
    match value.trim() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn nearest(name: &str, scope: Scope) -> Option<&'static str> {
    let candidates =
        ANNOTATIONS.iter().filter(|annotation| annotation.scope == scope && !annotation.name.ends_with('*'));
    candidates
        .map(|annotation| (strsim::jaro_winkler(name, annotation.name), annotation.name))
        .filter(|(score, _)| *score > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
