//! `/api/explain`: what would become of a request, with reasons. The data plane's own router decides; here are the words.

mod question;
mod reasons;

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::list::Row;
use super::{Scene, certificates, routers, routes, services};
use crate::admin::reply;
use crate::proxy::explain::{Explanation, Outcome, Question};
use crate::proxy::router::{Candidate, CompiledRoute};
use crate::route::{Action, HostPattern, Listener};
use question::Asked;

/// Answers `GET /api/explain?{query}`.
pub(super) fn respond(scene: Scene<'_>, query: &str) -> Response<Bytes> {
    let listeners = &scene.sources.surface.listeners;
    let asked = match question::read(query, listeners) {
        Ok(asked) => asked,
        Err(message) => return reply::error(StatusCode::BAD_REQUEST, &message),
    };
    let Some(listener) = listeners.get(asked.index) else { return reply::not_found() };
    let question = Question { listener, index: asked.index, tls: asked.tls, parts: asked.parts.clone() };
    let explanation = (scene.sources.explain)(&question);
    reply::json(StatusCode::OK, &Told { scene, asked: &asked, listener, explanation: &explanation }.json())
}

/// All that is told of one question.
struct Told<'a> {
    scene: Scene<'a>,
    asked: &'a Asked,
    listener: &'a Listener,
    explanation: &'a Explanation,
}

impl Told<'_> {
    fn json(&self) -> Value {
        let Explanation { host, path, route, candidates, .. } = self.explanation;
        let parts = &self.asked.parts;
        let service = route.as_ref().and_then(|route| self.service(route));
        json!({
            "request": {
                "method": parts.method.as_str(),
                "entryPoint": self.listener.name,
                "tls": self.asked.tls,
                "host": host,
                "path": path,
                "target": parts.uri.to_string(),
            },
            "answer": self.answer(),
            "steps": self.steps(service.as_ref()),
            "router": route.as_ref().and_then(|route| self.router(route)),
            "service": service,
            "candidates": candidates.nearest.iter().map(|it| self.candidate(it)).collect::<Vec<_>>(),
            "considered": candidates.total,
        })
    }

    /// What the client gets, in short.
    fn answer(&self) -> Value {
        match &self.explanation.outcome {
            Outcome::Forward => json!({ "kind": "forward", "text": "An endpoint of the service answers" }),
            Outcome::Redirect(status, location) => json!({
                "kind": "redirect",
                "status": status.as_u16(),
                "location": String::from_utf8_lossy(location.as_bytes()),
                "text": "The entry point redirects",
            }),
            Outcome::Internal => json!({ "kind": "internal", "text": "One of adit’s own pages answers" }),
            Outcome::LastHop => json!({
                "kind": "internal",
                "status": 200,
                "text": "Max-Forwards is 0: adit answers in place of the service",
            }),
            Outcome::Refuse(error) => json!({
                "kind": "refuse",
                "status": error.status().as_u16(),
                "reason": error.reason().as_str(),
                "text": sentence(&self.refusal().unwrap_or_else(|| error.to_string())),
                "mend": sentence(error.reason().explain().mend),
            }),
        }
    }

    /// Why a route that was found refuses, in the words of the list of routers.
    fn refusal(&self) -> Option<String> {
        let route = &self.explanation.route.as_ref()?.route;
        if let Action::Refuse(reason) = &route.action {
            return Some(routers::explain(*reason).to_owned());
        }
        None
    }

    /// The way to the answer; the last step is where it ends.
    fn steps(&self, service: Option<&Value>) -> Vec<Value> {
        let mut steps = Vec::new();
        let mut step = |name: &str, text: String| steps.push(json!({ "step": name, "text": text }));
        let Listener { name, address, .. } = self.listener;
        step("entryPoint", format!("{name} ({address}): {}", self.asked.because));
        if self.asked.tls {
            step("certificate", self.certificate());
        }
        let Explanation { host, path, route, candidates, meant, outcome } = self.explanation;
        let Some(path) = path else {
            if let Outcome::Refuse(error) = outcome {
                step("request", format!("refused before it is routed: {error}"));
            }
            return steps;
        };
        let came = self.asked.parts.uri.path();
        step("host", hosts(host.as_deref(), &candidates.nearest, candidates.total, meant.as_deref()));
        step("path", if came == path { path.clone() } else { format!("{came} is brought into its one form, {path}") });
        step("route", self.chosen());
        if let Some(route) = route {
            step("action", action(route, service));
        }
        steps
    }

    fn certificate(&self) -> String {
        let host = self.explanation.host.as_deref();
        match (self.scene.sources.certificate_for)(host) {
            Some(facts) => {
                let names: Vec<_> = facts.names.iter().map(|name| &**name).collect();
                format!("for {}, valid until {}", names.join(", "), certificates::time(facts.not_after))
            }
            None => "none is for this host: the self-signed one, which no browser trusts".to_owned(),
        }
    }

    /// Which route wins, and over what.
    fn chosen(&self) -> String {
        let Explanation { route, candidates, .. } = self.explanation;
        let Some(route) = route else {
            return if self.listener.tls && !self.asked.tls {
                format!("none: every route of {} is TLS only, and this came in the clear", self.listener.name)
            } else {
                "none matches".to_owned()
            };
        };
        let name = &route.route.origin.name;
        let mut others = candidates.nearest.iter().filter(|it| it.lacks.is_none() && !same(it, route));
        match others.next() {
            None => format!("{name}: no other matches"),
            Some(second) => {
                let reason = reasons::before(&route.route.rank, &second.compiled.route.rank);
                format!("{name} comes before {}: {reason}", second.compiled.route.origin.name)
            }
        }
    }

    fn candidate(&self, candidate: &Candidate) -> Value {
        let route = &candidate.compiled.route;
        let (chosen, why) = match (&self.explanation.route, candidate.lacks) {
            (Some(winner), None) if same(candidate, winner) => (true, "it wins".to_owned()),
            (Some(winner), None) => {
                (false, format!("matches, but {}", reasons::before(&winner.route.rank, &route.rank)))
            }
            (None, None) => (false, "matches".to_owned()),
            (_, Some(lack)) => (false, reasons::lack(lack, self.explanation.path.as_deref().unwrap_or_default())),
        };
        let listeners = &self.scene.sources.surface.listeners;
        let points = route.listeners.iter().filter_map(|index| Some(&listeners.get(index)?.name));
        json!({
            "router": route.origin.name,
            "rule": route.origin.rule,
            "host": candidate.host.to_string(),
            "path": route.path.as_str(),
            "pathType": routes::path_type(&route.path),
            "entryPoints": points.collect::<Vec<_>>(),
            "namespace": route.origin.namespace,
            "ingress": route.origin.ingress,
            "matches": candidate.lacks.is_none(),
            "chosen": chosen,
            "why": why,
        })
    }

    fn router(&self, route: &CompiledRoute) -> Option<Value> {
        let rows = routers::rows(self.scene);
        rows.iter().find(|row| *row.name() == *route.route.origin.name).map(Row::json)
    }

    fn service(&self, route: &CompiledRoute) -> Option<Value> {
        let upstream = &route.upstream.as_ref()?.spec;
        let name = route.route.origin.service.as_deref().map_or_else(|| upstream.id.traefik_name(), str::to_owned);
        let mut value = services::rows(self.scene).iter().find(|row| row.name() == name).map(Row::json)?;
        // Who else uses it is not asked, and may be thousands.
        if let Some(members) = value.as_object_mut() {
            members.remove("usedBy");
        }
        Some(value)
    }
}

fn same(candidate: &Candidate, route: &CompiledRoute) -> bool {
    Arc::ptr_eq(&candidate.compiled.route, &route.route)
}

/// Which host it is, and what there is for it.
fn hosts(host: Option<&str>, nearest: &[Candidate], total: usize, meant: Option<&str>) -> String {
    let Some(host) = host else { return format!("it names none: {total} routes are for any host") };
    let mut patterns: Vec<&HostPattern> = nearest.iter().map(|candidate| &candidate.host).collect();
    patterns.dedup();
    patterns.sort();
    patterns.dedup();
    let patterns: Vec<_> = patterns.into_iter().map(ToString::to_string).collect();
    let meant = meant.map(|meant| format!("; is {meant} meant?")).unwrap_or_default();
    match total {
        0 => format!("{host}: no route is for it{meant}"),
        1 => format!("{host}: 1 route is for it, under {}{meant}", patterns.join(", ")),
        _ => format!("{host}: {total} routes are for it, under {}{meant}", patterns.join(", ")),
    }
}

/// What the route does.
fn action(route: &CompiledRoute, service: Option<&Value>) -> String {
    match &route.route.action {
        Action::Forward(upstream) => {
            let endpoints = service.and_then(|service| service["endpoints"].as_array());
            let count = |state: &str| {
                endpoints.map_or(0, |all| all.iter().filter(|endpoint| endpoint["state"] == state).count())
            };
            let (ready, draining, ejected) = (count("ready"), count("draining"), count("ejected"));
            let id = &upstream.id;
            match (ready, draining, ejected) {
                (0, 0, 0) => format!("{id} has no endpoints: 503 until a pod is ready"),
                (_, 0, 0) => format!("{id}: {ready} ready"),
                _ => format!("{id}: {ready} ready, {draining} draining, {ejected} set aside after failures"),
            }
        }
        Action::Redirect(redirect) => format!("redirects to {} on port {}", redirect.scheme, redirect.port),
        Action::Internal(_) => "adit’s own pages".to_owned(),
        Action::Refuse(reason) => format!("503: {}", routers::explain(*reason)),
    }
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
