//! `/api/http/routers`: the table's routers and adit's own.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Scene;
use super::list::{Key, Row, any_contains};
use super::middlewares::{DASHBOARD_MIDDLEWARES, redirect_name};
use crate::admin::model::{Router, RouterAction, split_name};
use crate::config::AdminListener;
use crate::route::{Observability, RefusalReason};

/// One router.
pub(super) struct RouterRow {
    name: Arc<str>,
    rule: Arc<str>,
    service: Arc<str>,
    entry_points: Vec<Arc<str>>,
    priority: i64,
    tls: bool,
    observability: Observability,
    middlewares: Vec<String>,
    /// It belongs to adit's own pages.
    own: bool,
    status: &'static str,
    /// Why it answers 503.
    error: Option<&'static str>,
    /// The Ingress's namespace and name, the Service and its port.
    ingress: Option<[String; 4]>,
}

pub(super) fn rows(scene: Scene<'_>) -> Vec<RouterRow> {
    let table = scene.model.routers().values().map(|router| of_table(scene, router));
    table.chain(own(&scene.sources.surface.admin_listeners, &scene.sources.surface.base_path)).collect()
}

fn of_table(scene: Scene<'_>, router: &Router) -> RouterRow {
    let origin = &router.origin;
    let listeners = &scene.sources.surface.listeners;
    let service = match (&origin.service, &router.action) {
        (Some(service), _) => service.clone(),
        (None, RouterAction::Forward(upstream)) => upstream.id.traefik_name().into(),
        (None, RouterAction::Redirect(_)) => "noop@internal".into(),
        (None, RouterAction::Internal) => origin.name.clone(),
        (None, RouterAction::Refuse(_)) => "".into(),
    };
    let (kubernetes_service, port) = match &router.action {
        RouterAction::Forward(upstream) => (upstream.id.service.to_string(), upstream.id.port.to_string()),
        _ => Default::default(),
    };
    let (status, error) = state(scene, router);
    RouterRow {
        name: origin.name.clone(),
        rule: origin.rule.clone(),
        service,
        entry_points: router.listeners.iter().filter_map(|index| Some(listeners.get(index)?.name.clone())).collect(),
        priority: origin.priority,
        tls: router.tls,
        observability: router.observability,
        middlewares: match router.action {
            RouterAction::Redirect(_) => vec![redirect_name(&origin.name)],
            _ => Vec::new(),
        },
        own: matches!(router.action, RouterAction::Internal),
        status,
        error,
        ingress: (!origin.ingress.is_empty())
            .then(|| [origin.namespace.to_string(), origin.ingress.to_string(), kubernetes_service, port]),
    }
}

/// A router that is refused is disabled; one whose service has no endpoints at this moment deserves a look.
fn state(scene: Scene<'_>, router: &Router) -> (&'static str, Option<&'static str>) {
    match &router.action {
        RouterAction::Refuse(reason) => ("disabled", Some(explain(*reason))),
        RouterAction::Forward(upstream) if scene.model.is_empty(&upstream.id) => {
            ("warning", Some("the service has no endpoints"))
        }
        _ => ("enabled", None),
    }
}

pub(super) fn explain(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::NoService => "the service does not exist",
        RefusalReason::NoPort => "the service has no such port",
        RefusalReason::ExternalName => "ExternalName services are not allowed",
        RefusalReason::Unsupported => "the backend is not supported",
        RefusalReason::UnsupportedPolicy => "a middleware, TLS option or transport that it names is not supported",
    }
}

/// The routers of the admin entry points under Traefik's names and priorities.
fn own(listeners: &[AdminListener], base: &str) -> Vec<RouterRow> {
    type Has = fn(&AdminListener) -> bool;
    let kinds: [(&str, String, i64, Has); 4] = [
        ("api@internal", format!("PathPrefix(`{base}/api`)"), i64::MAX - 1, |listener| listener.pages.api),
        ("dashboard@internal", format!("PathPrefix(`{base}/`)"), i64::MAX - 2, |listener| listener.pages.dashboard),
        ("ping@internal", "PathPrefix(`/ping`)".to_owned(), i64::MAX, |listener| listener.pages.ping),
        ("prometheus@internal", "PathPrefix(`/metrics`)".to_owned(), i64::MAX, |listener| listener.pages.metrics),
    ];
    let rows = kinds.into_iter().map(|(name, rule, priority, has)| RouterRow {
        name: name.into(),
        rule: rule.into(),
        service: name.into(),
        entry_points: listeners.iter().filter(|listener| has(listener)).map(|listener| listener.name.clone()).collect(),
        priority,
        tls: false,
        observability: Observability { access_logs: false, metrics: false, tracing: false },
        middlewares: match name {
            "dashboard@internal" => DASHBOARD_MIDDLEWARES.map(|(name, ..)| name.to_owned()).to_vec(),
            _ => Vec::new(),
        },
        own: true,
        status: "enabled",
        error: None,
        ingress: None,
    });
    rows.filter(|row| !row.entry_points.is_empty()).collect()
}

impl RouterRow {
    /// Its service without the provider, when that is its own: so Traefik shows it.
    fn short_service(&self) -> &str {
        let (service, provider) = split_name(&self.service);
        if provider == split_name(&self.name).1 { service } else { &self.service }
    }
}

impl Row for RouterRow {
    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self) -> &str {
        self.status
    }

    fn is_own(&self) -> bool {
        self.own
    }

    fn contains(&self, text: &str) -> bool {
        any_contains([&*self.name, &*self.rule, &*self.service], text)
    }

    fn uses_service(&self, name: &str) -> bool {
        *self.service == *name
    }

    fn uses_middleware(&self, name: &str) -> bool {
        self.middlewares.iter().any(|middleware| middleware == name)
    }

    fn key(&self, by: &str) -> Key {
        match by {
            "status" => Key::Text(self.status().to_owned()),
            // Ours, for who looks for what is wrong: refused, then without endpoints, then the rest.
            "severity" => Key::Number(match self.status {
                "disabled" => 0,
                "warning" => 1,
                _ => 2,
            }),
            "provider" => Key::Text(split_name(&self.name).1.to_owned()),
            "priority" => Key::Number(self.priority),
            "rule" => Key::Text(self.rule.to_string()),
            "service" => Key::Text(self.service.to_string()),
            "entryPoints" => Key::Text(self.entry_points.join(",")),
            _ => Key::Name,
        }
    }

    fn json(&self) -> Value {
        let mut observability = json!({
            "accessLogs": self.observability.access_logs,
            "metrics": self.observability.metrics,
            "tracing": self.observability.tracing,
            "traceVerbosity": "minimal",
        });
        if let Some([namespace, name, service, port]) = &self.ingress {
            observability["metadata"]["ingress"] =
                json!({ "namespace": namespace, "ingressName": name, "serviceName": service, "servicePort": port });
        }
        let mut value = json!({
            "entryPoints": self.entry_points,
            "service": self.short_service(),
            "rule": self.rule,
            "priority": self.priority,
            "priorityStr": self.priority.to_string(),
            "observability": observability,
            "status": self.status(),
            "using": self.entry_points,
            "name": self.name,
            "provider": split_name(&self.name).1,
        });
        if !self.middlewares.is_empty() {
            value["middlewares"] = json!(self.middlewares);
        }
        if self.tls {
            value["tls"] = json!({ "options": "default" });
        }
        if let Some(error) = &self.error {
            value["error"] = json!([error]);
        }
        value
    }
}
