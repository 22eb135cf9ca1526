//! `/api/http/services`: the table's services with the health of their endpoints, and adit's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Scene;
use super::list::{Key, Row, any_contains};
use crate::admin::model::{RouterAction, Service, split_name};
use crate::proxy::upstream::state::{EndpointHealth, HealthState};
use crate::route::{Balance, HostHeader, SameSite, Sticky};

/// One service.
pub(super) struct ServiceRow<'a> {
    name: Arc<str>,
    used_by: Vec<Arc<str>>,
    /// `None` for adit's own.
    service: Option<&'a Service>,
    scene: Scene<'a>,
}

pub(super) fn rows(scene: Scene<'_>) -> Vec<ServiceRow<'_>> {
    let mut own: BTreeMap<&str, Vec<Arc<str>>> = BTreeMap::new();
    for listener in &scene.sources.surface.admin_listeners {
        let pages = listener.pages;
        for (name, on) in [
            ("api@internal", pages.api),
            ("dashboard@internal", pages.dashboard),
            ("ping@internal", pages.ping),
            ("prometheus@internal", pages.metrics),
        ] {
            if on {
                own.insert(name, vec![name.into()]);
            }
        }
    }
    let redirecting = scene.model.routers().values().filter(|r| matches!(r.action, RouterAction::Redirect(_)));
    own.insert("noop@internal", redirecting.map(|router| router.origin.name.clone()).collect());
    let table = scene.model.services().map(|service| ServiceRow {
        name: service.name.clone(),
        used_by: service.used_by.iter().cloned().collect(),
        service: Some(service),
        scene,
    });
    let own = own.into_iter().map(|(name, used_by)| ServiceRow { name: name.into(), used_by, service: None, scene });
    table.chain(own).collect()
}

impl ServiceRow<'_> {
    /// How many endpoints it has.
    fn size(&self) -> usize {
        let set = self.service.and_then(|service| self.scene.model.view.endpoints.get(&service.upstream.id));
        set.map_or(0, |set| set.endpoints.len())
    }

    /// For who looks for what is wrong: without endpoints, then with one that fails, then the rest.
    fn rank(&self) -> i64 {
        if self.status() != "enabled" {
            return 0;
        }
        let fails = self.endpoints().iter().any(|endpoint| endpoint.state == HealthState::Ejected);
        if fails { 1 } else { 2 }
    }

    fn endpoints(&self) -> Vec<EndpointHealth> {
        self.service.map_or_else(Vec::new, |service| service.endpoints(self.scene.model, &self.scene.sources.health_of))
    }
}

impl Row for ServiceRow<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    /// A service that nothing serves is worth a look; whether it is an error, only its owner knows.
    fn status(&self) -> &str {
        if self.service.is_some_and(|service| self.scene.model.is_empty(&service.upstream.id)) {
            "warning"
        } else {
            "enabled"
        }
    }

    fn is_own(&self) -> bool {
        self.service.is_none()
    }

    fn contains(&self, text: &str) -> bool {
        any_contains([&*self.name], text)
    }

    fn uses_service(&self, name: &str) -> bool {
        *self.name == *name
    }

    fn key(&self, by: &str) -> Key {
        match by {
            "provider" => Key::Text(split_name(&self.name).1.to_owned()),
            "type" => Key::Text(if self.service.is_some() { "loadbalancer" } else { "" }.to_owned()),
            "servers" => Key::Number(i64::try_from(self.size()).unwrap_or(i64::MAX)),
            "status" => Key::Text(self.status().to_owned()),
            "severity" => Key::Number(self.rank()),
            _ => Key::Name,
        }
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "status": self.status(),
            "name": self.name,
            "provider": split_name(&self.name).1,
        });
        if !self.used_by.is_empty() {
            value["usedBy"] = json!(self.used_by);
        }
        let Some(service) = self.service else { return value };
        let endpoints = self.endpoints();
        let upstream = &service.upstream;
        let mut balancer = json!({
            "servers": endpoints.iter().map(server).collect::<Vec<_>>(),
            "strategy": match upstream.balance { Balance::PeakEwma => "p2c", Balance::RoundRobin => "wrr" },
            "passHostHeader": upstream.host_header == HostHeader::Pass,
            "responseForwarding": { "flushInterval": "100ms" },
        });
        if let Some(sticky) = &upstream.sticky {
            balancer["sticky"] = json!({ "cookie": cookie(sticky) });
        }
        value["loadBalancer"] = balancer;
        value["type"] = "loadbalancer".into();
        if !endpoints.is_empty() {
            let up = |state| if state == HealthState::Ejected { "DOWN" } else { "UP" };
            value["serverStatus"] = endpoints.iter().map(|e| (e.url.to_string(), Value::from(up(e.state)))).collect();
            value["endpoints"] = endpoints.iter().map(endpoint).collect();
        }
        value
    }
}

fn server(endpoint: &EndpointHealth) -> Value {
    let mut server = json!({ "url": endpoint.url });
    if endpoint.state == HealthState::Draining {
        server["fenced"] = true.into();
    }
    server
}

/// What adit knows more of an endpoint than Traefik has fields for.
fn endpoint(endpoint: &EndpointHealth) -> Value {
    let state = match endpoint.state {
        HealthState::Ready => "ready",
        HealthState::Draining => "draining",
        HealthState::Ejected => "ejected",
    };
    let latency = endpoint.latency.map(|latency| (latency.as_secs_f64() * 1e6).round() / 1e3);
    json!({
        "url": endpoint.url,
        "state": state,
        "inFlight": endpoint.in_flight,
        "latencyMs": latency,
        "requests": endpoint.requests,
    })
}

fn cookie(sticky: &Sticky) -> Value {
    let mut cookie = json!({ "name": sticky.name, "path": sticky.path });
    if sticky.secure {
        cookie["secure"] = true.into();
    }
    if sticky.http_only {
        cookie["httpOnly"] = true.into();
    }
    if let Some(same_site) = sticky.same_site {
        cookie["sameSite"] = match same_site {
            SameSite::None => "none",
            SameSite::Lax => "lax",
            SameSite::Strict => "strict",
        }
        .into();
    }
    if let Some(max_age) = sticky.max_age {
        cookie["maxAge"] = max_age.into();
    }
    if let Some(domain) = &sticky.domain {
        cookie["domain"] = json!(domain);
    }
    cookie
}
