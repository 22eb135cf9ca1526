//! A small world: two entry points, a served route, a refused one, a redirect, endpoints in every state.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use crate::admin::*;
use crate::config::AdminListener;
use crate::proxy::explain::explain;
use crate::proxy::router::{CompiledRoute, Router};
use crate::proxy::upstream::state::{HealthState, Upstreams};
use crate::route::*;
use crate::telemetry::meters::MeterSettings;

pub(super) struct World {
    pub(super) admin: Admin,
    pub(super) installed: Arc<AtomicBool>,
    pub(super) terminating: Arc<AtomicBool>,
    pub(super) meters: Arc<Meters>,
}

pub(super) fn world() -> World {
    world_at("")
}

pub(super) fn world_at(base_path: &str) -> World {
    let installed = Arc::new(AtomicBool::new(true));
    let terminating = Arc::new(AtomicBool::new(false));
    let (is_installed, is_terminating) = (installed.clone(), terminating.clone());
    let meters = Meters::new(MeterSettings::default());
    let (upstreams, table) = (Upstreams::new(), Arc::new(routes()));
    upstreams.update_endpoints(&endpoints());
    let router = Router::compile(None, &table, |route| {
        let upstream = match &route.action {
            Action::Forward(upstream) => Some(upstreams.state(upstream)),
            _ => None,
        };
        CompiledRoute::new(route.clone(), upstream, &meters)
    });
    let admin = Admin::new(AdminSources {
        surface: surface(base_path),
        meters: meters.clone(),
        started: UNIX_EPOCH + Duration::from_secs(1_784_889_195),
        readiness: Box::new(move || Readiness {
            installed: is_installed.load(Ordering::Relaxed),
            terminating: is_terminating.load(Ordering::Relaxed),
            reasons: Vec::new(),
        }),
        health_of: Box::new(health_of),
        certificates: Box::new(|| vec![served("default/weather"), served("shop/weather")]),
        certificate_for: Box::new(|host| host.filter(|host| host.ends_with("lvh.me")).map(|_| facts())),
        explain: Box::new(move |question| explain(&router, question)),
    });
    admin.publish(View { routes: table, endpoints: Arc::new(endpoints()), report: Arc::new(report()) });
    World { admin, installed, terminating, meters }
}

fn surface(base_path: &str) -> Surface {
    Surface {
        listeners: vec![Listener::new("web", ":80"), Listener { tls: true, ..Listener::new("websecure", ":443") }],
        admin_listeners: vec![AdminListener {
            name: "traefik".into(),
            address: ":8080".into(),
            reuse_port: false,
            pages: super::ALL,
        }],
        base_path: base_path.into(),
        dashboard_name: String::new(),
        ping_terminating_status: 503,
        metrics: true,
        access_log: false,
        tracing: false,
        provider: Some("KubernetesIngress"),
    }
}

fn upstream(service: &str) -> Arc<Upstream> {
    Arc::new(Upstream {
        id: UpstreamId::new("default", service, PortRef::Number(8080)),
        protocol: Protocol::Http,
        host_header: HostHeader::Pass,
        balance: Balance::PeakEwma,
        sticky: None,
    })
}

fn route(host: &str, path: &str, service: Option<&str>, action: Action) -> Arc<Route> {
    let rank = AutomaticRank {
        tier: Tier::Rule,
        host: HostKind::Exact,
        host_length: Reverse(0),
        fallback: false,
        path_length: Reverse(path.len() as u16),
        path: PathKind::Prefix,
        created: 0,
        namespace: "default".into(),
        name: "weather".into(),
        index: 0,
    };
    let rule = format!("Host(\"{host}\") && PathPrefix(\"{path}\")");
    let slug = format!("{host}{path}").replace(['.', '/'], "-");
    Arc::new(Route {
        rank: Rank::Automatic(rank),
        listeners: ListenerSet::only(0),
        tls: TlsUse::Also,
        path: PathMatch::prefix(path).expect("a path"),
        action,
        observability: Observability::default(),
        origin: Arc::new(Origin {
            name: format!("default-weather-{}@kubernetes", slug.trim_end_matches('-')).into(),
            priority: rule.len() as i64,
            rule: rule.into(),
            explicit_priority: false,
            service: service.map(|service| format!("default-{service}-8080@kubernetes").into()),
            namespace: "default".into(),
            ingress: "weather".into(),
        }),
    })
}

fn routes() -> RouteTable {
    let mut table = RouteTable::default();
    let weather = HostPattern::parse("weather.lvh.me").expect("a host");
    let redirect = Redirect { scheme: "https".into(), port: 443, permanent: true };
    let mut to_https = (*route("any", "/", None, Action::Redirect(redirect.into()))).clone();
    to_https.origin = Arc::new(Origin {
        name: "web-to-websecure@internal".into(),
        rule: "HostRegexp(`^.+$`)".into(),
        priority: i64::MAX - 1,
        explicit_priority: true,
        service: None,
        namespace: "".into(),
        ingress: "".into(),
    });
    to_https.tls = TlsUse::Never;
    if let Rank::Automatic(rank) = &mut to_https.rank {
        rank.host = HostKind::Any;
    }
    let mut here = vec![
        route("weather.lvh.me", "/", Some("weather"), Action::Forward(upstream("weather"))),
        route("weather.lvh.me", "/admin", Some("admin"), Action::Refuse(RefusalReason::NoService)),
        route("weather.lvh.me", "/empty", Some("empty"), Action::Forward(upstream("empty"))),
    ];
    here.sort_by(|a, b| a.rank.cmp(&b.rank));
    table.hosts.insert(weather.clone(), Arc::new(VirtualHost { host: weather, routes: here }));
    let any = VirtualHost { host: HostPattern::Any, routes: vec![Arc::new(to_https)] };
    table.hosts.insert(HostPattern::Any, Arc::new(any));
    table
}

fn endpoints() -> EndpointTable {
    let endpoint =
        |last: u8, condition| Endpoint { address: Address::Socket(([10, 42, 0, last], 8080).into()), condition };
    let set = EndpointSet {
        endpoints: vec![
            endpoint(8, Condition::Ready),
            endpoint(9, Condition::Ready),
            endpoint(10, Condition::Draining),
        ],
    };
    EndpointTable::from_iter([(upstream("weather").id.clone(), Arc::new(set))])
}

/// The proxy knows two of the three.
fn health_of(id: &UpstreamId) -> Vec<EndpointHealth> {
    if &*id.service != "weather" {
        return Vec::new();
    }
    let health = |last: u8, state, latency| EndpointHealth {
        url: format!("http://10.42.0.{last}:8080").into(),
        state,
        in_flight: 2,
        latency,
        requests: 1200,
    };
    vec![
        health(8, HealthState::Ready, Some(Duration::from_micros(1234))),
        health(9, HealthState::Ejected, None),
        health(99, HealthState::Ready, None),
    ]
}

fn served(secret: &str) -> ServedCertificate {
    let hosts = vec![HostPattern::parse("weather.lvh.me").expect("a host")];
    ServedCertificate { facts: facts(), secret: secret.into(), hosts, default: secret == "shop/weather" }
}

fn facts() -> CertificateFacts {
    CertificateFacts {
        fingerprint: "ab12".into(),
        names: vec!["weather.lvh.me".into(), "*.lvh.me".into()],
        common_name: "weather.lvh.me".into(),
        organization: "Weather Ltd".into(),
        country: "DE".into(),
        issuer: "R11".into(),
        issuer_organization: "Let's Encrypt".into(),
        issuer_country: "US".into(),
        version: 3,
        serial: "4242".into(),
        not_before: 1_700_000_000,
        not_after: 4_000_000_000,
        key_type: "ECDSA",
        key_size: 256,
        public_key_fingerprint: "cd34".into(),
        signature_algorithm: "ECDSA-SHA256",
    }
}

fn report() -> Report {
    let problem = |severity, code, reason: &str| Problem {
        severity,
        code,
        object: ObjectRef { kind: "Ingress", namespace: "default".into(), name: "weather".into() },
        field: "spec.rules[0].http.paths[1].backend.service.name".into(),
        reason: reason.into(),
        action: "Create the Service, or correct the name".into(),
    };
    Report {
        problems: vec![
            problem(Severity::Error, Code::ServiceNotFound, "Service default/admin does not exist"),
            problem(Severity::Warning, Code::UnknownAnnotation, "<script>alert(1)</script> means nothing here"),
        ],
        ..Report::default()
    }
}
