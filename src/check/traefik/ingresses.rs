//! What becomes of each Ingress: its annotations and fields by the translator's own problems, and what is served in
//! another way without being wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::order::{Elsewhere, Owner};
use super::{About, Item, State};
use crate::objects::{Backend, Ingress, ObjectKey, Objects, StringMap};
use crate::route::{Code, Problem, Route, Severity, TlsUse};
use crate::translate::{Output, Settings, TRAEFIK_PREFIX};

/// An item for each Ingress, each followed by its parts; then the annotations of the Services that they name.
pub(super) fn items(
    objects: &Objects,
    output: &Output,
    settings: &Settings,
    elsewhere: &BTreeSet<Elsewhere>,
    notes: &mut Vec<String>,
) -> Vec<Item> {
    let mut routes: Vec<&Arc<Route>> = output.routes.hosts.values().flat_map(|host| &host.routes).collect();
    routes.sort_by(|a, b| id(a).cmp(&id(b)));
    let mut problems: BTreeMap<String, Vec<&Problem>> = BTreeMap::new();
    for problem in &output.report.problems {
        problems.entry(problem.object.to_string()).or_default().push(problem);
    }
    let mut requests: BTreeMap<Owner, Vec<&Elsewhere>> = BTreeMap::new();
    for request in elsewhere {
        // Told at one Ingress alone: the one that loses it, if there is one.
        if let Some(owner) = request.there.as_ref().or(request.here.as_ref()) {
            requests.entry(owner.clone()).or_default().push(request);
        }
    }
    let mut look = Look { objects, output, settings, requests, problems, routes, services: BTreeSet::new() };
    look.remark(notes);
    let mut items = Vec::new();
    for (key, ingress) in &objects.ingresses {
        let (whole, parts) = look.ingress(key, ingress);
        items.push(whole);
        items.extend(parts);
    }
    items.extend(look.service_annotations());
    items
}

fn id(route: &Route) -> (&str, &str) {
    (&route.origin.namespace, &route.origin.ingress)
}

struct Look<'a> {
    objects: &'a Objects,
    output: &'a Output,
    settings: &'a Settings,
    requests: BTreeMap<Owner, Vec<&'a Elsewhere>>,
    /// By the name of their object.
    problems: BTreeMap<String, Vec<&'a Problem>>,
    /// All routes, by Ingress.
    routes: Vec<&'a Arc<Route>>,
    /// The Services that our Ingresses name.
    services: BTreeSet<ObjectKey>,
}

impl<'a> Look<'a> {
    /// What cannot be judged, since nothing of its kind was given.
    fn remark(&self, notes: &mut Vec<String>) {
        let ingresses = || self.objects.ingresses.values();
        if self.objects.ingresses.is_empty() {
            notes.push("no Ingress is given".into());
        }
        if self.objects.services.is_empty() && !self.objects.ingresses.is_empty() {
            notes.push("no Service is given: whether those that Ingresses name are there is not looked at".into());
        }
        if self.objects.secrets.is_empty() && ingresses().any(|ingress| !ingress.tls.is_empty()) {
            notes.push("no Secret is given: certificates are not looked at".into());
        }
    }

    fn ingress(&mut self, key: &ObjectKey, ingress: &Ingress) -> (Item, Vec<Item>) {
        let object = format!("Ingress {key}");
        let whole = |state| Item::new(About::Ingress, &*object, &*object, state);
        let problems = self.problems_of(&object);
        let is_ours = self.output.report.accepted.contains(&(key.namespace.clone(), key.name.clone()));
        if !is_ours && problems.is_empty() {
            return (self.left_alone(ingress, whole), Vec::new());
        }
        self.services.extend(services(key, ingress));
        let mut parts = annotations(&object, &ingress.annotations, &problems);
        let fields = problems.iter().filter(|problem| !problem.field.starts_with("metadata.annotations["));
        parts.extend(fields.filter(|problem| self.can_judge(problem)).map(|problem| field(&object, problem)));
        parts.extend(self.secrets(&object, key, ingress));
        parts.extend(self.ways(&object, key, ingress));
        parts.extend(self.requests(&object, key));
        let state = parts.iter().map(|part| part.state).max().unwrap_or(State::Same);
        let blocks = parts.iter().any(|part| part.blocks);
        (whole(state).blocks(blocks), parts)
    }

    fn problems_of(&self, object: &str) -> Vec<&'a Problem> {
        self.problems.get(object).cloned().unwrap_or_default()
    }

    /// An Ingress that adit leaves to another controller: Traefik as well, but for one rule.
    fn left_alone(&self, ingress: &Ingress, whole: impl Fn(State) -> Item) -> Item {
        let has_class = ingress.class.is_some() || ingress.annotations.get("kubernetes.io/ingress.class").is_some();
        if has_class || self.settings.ingress_class.is_some() {
            return whole(State::Same).how("neither serves it: it is another controller's");
        }
        whole(State::Different)
            .how(
                "it names no class, and the cluster's default class is another controller's: adit leaves it to that \
                 one, Traefik takes it",
            )
            .action("set spec.ingressClassName")
            .blocks(true)
    }

    /// A Service or Secret that is not there says nothing when none was given.
    fn can_judge(&self, problem: &Problem) -> bool {
        match problem.code {
            Code::ServiceNotFound => !self.objects.services.is_empty(),
            Code::SecretNotFound => !self.objects.secrets.is_empty(),
            _ => true,
        }
    }

    /// What is wrong with the Secrets that it names.
    fn secrets(&self, object: &str, key: &ObjectKey, ingress: &Ingress) -> Vec<Item> {
        let named: BTreeSet<String> =
            ingress.tls.iter().map(|tls| format!("Secret {}/{}", key.namespace, tls.secret)).collect();
        let problems = named.iter().flat_map(|secret| self.problems_of(secret));
        problems.filter(|problem| self.can_judge(problem)).map(|problem| field(object, problem)).collect()
    }

    /// What is served in another way although nothing is wrong.
    fn ways(&self, object: &str, key: &ObjectKey, ingress: &Ingress) -> Vec<Item> {
        let mut items = Vec::new();
        if ingress.default_backend.is_some() && !ingress.rules.is_empty() {
            items.push(
                Item::new(About::Field, object, "spec.defaultBackend", State::Different)
                    .how("it answers what the rules of its hosts leave; Traefik ignores it beside rules"),
            );
        }
        let first = self.routes.partition_point(|route| id(route) < (&*key.namespace, &*key.name));
        let mut own = self.routes.iter().skip(first).take_while(|route| id(route) == (&*key.namespace, &*key.name));
        let in_the_clear = |index: usize| self.settings.listeners.get(index).is_some_and(|listener| !listener.tls);
        let also = own.any(|route| {
            matches!(route.tls, TlsUse::Also | TlsUse::Hosts(_)) && route.listeners.iter().any(in_the_clear)
        });
        if also {
            items.push(Item::new(About::Field, object, "spec.tls", State::Different).how(
                "it is served over TLS as well; Traefik answers 404 over TLS without router.tls or an entry point \
                     with http.tls",
            ));
        }
        items
    }

    /// Requests that Traefik gives to this Ingress and adit does not, or the other way round.
    fn requests(&self, object: &str, key: &ObjectKey) -> Vec<Item> {
        let name = |owner: &Option<Owner>| match owner {
            None => "404".to_owned(),
            Some((_, name)) if name.is_empty() => "a route of the configuration".to_owned(),
            Some((namespace, name)) => format!("Ingress {namespace}/{name}"),
        };
        let mine = self.requests.get(&(key.namespace.clone(), key.name.clone())).into_iter().flatten();
        mine.map(|request| {
            let how = format!("{} here, {} with Traefik", name(&request.here), name(&request.there));
            let why = if request.here.is_none() {
                "set --providers.kubernetesingress.strictprefixmatching=false if such paths are meant"
            } else {
                "Traefik takes the longest rule; give router.priority if its choice is meant"
            };
            Item::new(About::Request, object, &*request.url, State::Different).how(how).action(why)
        })
        .collect()
    }

    fn service_annotations(&self) -> Vec<Item> {
        let named = self.services.iter().filter_map(|key| Some((key, self.objects.services.get(key)?)));
        let items = named.flat_map(|(key, service)| {
            let object = format!("Service {key}");
            annotations(&object, &service.annotations, &self.problems_of(&object))
        });
        items.collect()
    }
}

/// The Services that an Ingress names.
fn services<'a>(key: &'a ObjectKey, ingress: &'a Ingress) -> impl Iterator<Item = ObjectKey> + 'a {
    let backends = ingress.rules.iter().flat_map(|rule| &rule.paths).map(|path| &path.backend);
    backends.chain(ingress.default_backend.as_deref()).filter_map(|backend| match backend {
        Backend::Service { name, .. } => Some(ObjectKey::new(key.namespace.clone(), &**name)),
        Backend::Resource | Backend::Nothing => None,
    })
}

/// An item for each annotation of Traefik's. One without a problem does what it says.
fn annotations(object: &str, all: &StringMap, problems: &[&Problem]) -> Vec<Item> {
    let ours = all.iter().filter(|(name, _)| name.starts_with(TRAEFIK_PREFIX));
    let items = ours.map(|(name, _)| {
        let field = format!("metadata.annotations[{name}]");
        match problems.iter().find(|problem| problem.field == field) {
            Some(problem) => annotation(object, name, problem),
            None => Item::new(About::Annotation, object, name, State::Same),
        }
    });
    items.collect()
}

fn annotation(object: &str, name: &str, problem: &Problem) -> Item {
    let item = |state| Item::new(About::Annotation, object, name, state).action(&*problem.action);
    match problem.code {
        Code::UnsupportedPolicy => {
            item(State::NotYet).how(&*problem.reason).blocks(problem.severity == Severity::Error)
        }
        Code::InvalidAnnotation => {
            item(State::Different).how(format!("{}; Traefik leaves the whole object out", problem.reason))
        }
        // The translator's table has Traefik's annotations: a stranger is one to both.
        Code::UnknownAnnotation => item(State::Different)
            .how("it is not known and has no effect; Traefik may leave the whole object out for it"),
        _ => item(State::Different).how(&*problem.reason),
    }
}

/// An item for what is wrong with a field, or with what it names.
fn field(object: &str, problem: &Problem) -> Item {
    let name = match (problem.object.kind, problem.field.is_empty()) {
        ("Ingress", false) => problem.field.clone(),
        _ => problem.object.to_string(),
    };
    let (state, blocks, traefik) = against(problem.code);
    let how = if traefik.is_empty() { problem.reason.clone() } else { format!("{}; {traefik}", problem.reason) };
    Item::new(About::Field, object, name, state).how(how).action(&*problem.action).blocks(blocks)
}

/// What Traefik does where adit has this problem; and whether it may serve what adit does not.
fn against(code: Code) -> (State, bool, &'static str) {
    const LEFT_OUT: &str = "Traefik leaves the path out: what else matches answers, or 404 instead of 503";
    match code {
        Code::ServiceNotFound | Code::PortNotFound | Code::ExternalNameNotAllowed | Code::UnsupportedBackend => {
            (State::Different, false, LEFT_OUT)
        }
        Code::SecretNotFound | Code::InvalidCertificate | Code::CertificateMismatch => {
            (State::Same, false, "Traefik serves no better certificate either")
        }
        Code::ClassNotFound => (State::Same, false, "Traefik does not serve it either"),
        Code::Conflict => (State::Different, false, "Traefik serves one of the two, whichever it sorts first"),
        Code::InvalidHost | Code::InvalidPath | Code::TooLarge | Code::HostTaken | Code::Undecodable => {
            (State::Different, true, "")
        }
        Code::UnsupportedPolicy | Code::Unserved => (State::NotYet, true, ""),
        Code::InvalidAnnotation | Code::UnknownAnnotation | Code::UnknownEntryPoint => (State::Different, false, ""),
    }
}
