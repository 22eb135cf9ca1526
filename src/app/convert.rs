//! What was configured, in the terms of each part.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::view::Board;
use crate::admin::{self, Admin, AdminSources, Counted};
use crate::config::{self, Config, Pages};
use crate::control::leader;
use crate::proxy::{self, InternalPages, Proxy};
use crate::route::{Action, Internal, Observability};
use crate::source::cluster::{ClusterScope, Connection, Settings as ClusterSettings};
use crate::telemetry::access::AccessLog;
use crate::telemetry::meters::{MeterSettings, Meters};
use crate::translate::{ListenerInfo, Settings as TranslateSettings, StaticRoute, StatusFrom};

/// What is recorded of requests to a listener of the admin port. `admin_index` lies behind those of the workers.
pub(super) fn observer(
    config: &Config,
    listener: &Arc<str>,
    meters: &Meters,
    admin_index: usize,
    access_log: Option<&Arc<AccessLog>>,
) -> admin::Observer {
    let logs = config.access_log.as_ref().is_some_and(|log| log.add_internals);
    admin::Observer {
        entry_point: listener.clone(),
        connections: meters.open_connections(listener),
        counted: config.metrics.add_internals.then(|| Mutex::new(Counted::new(meters, listener, admin_index))),
        access_log: access_log.filter(|_| logs).cloned(),
        tracer: None,
    }
}

pub(super) fn meters(config: &Config, workers: usize) -> MeterSettings {
    let prometheus = config.metrics.prometheus.clone().unwrap_or_default();
    MeterSettings {
        // And the admin port.
        workers: workers + 1,
        buckets: prometheus.buckets,
        entry_points: prometheus.entry_points,
        routers: prometheus.routers,
        services: prometheus.services,
    }
}

pub(super) fn transport(config: &Config) -> proxy::Transport {
    let transport = &config.transport;
    proxy::Transport {
        dial_timeout: transport.dial,
        response_header_timeout: transport.response_header,
        idle_timeout: transport.idle,
        max_idle_per_endpoint: transport.max_idle_per_endpoint,
        wait_for_endpoint: config.wait_for_endpoint,
        ..proxy::Transport::default()
    }
}

pub(super) fn client_tls(transport: &config::ServersTransport) -> proxy::ClientTls {
    proxy::ClientTls {
        insecure_skip_verify: transport.insecure_skip_verify,
        root_cas: transport.root_cas.iter().map(ToString::to_string).collect(),
        roots_setting: "serversTransport.rootCAs",
        ..proxy::ClientTls::default()
    }
}

/// adit's own pages on entry points that also hold routes. Nothing asks before the admin exists.
pub(super) fn internal_pages(admin: &Arc<OnceLock<Arc<Admin>>>) -> InternalPages {
    let admin = admin.clone();
    Box::new(move |page, request| {
        let pages = match page {
            Internal::Api => Pages { api: true, ..Pages::default() },
            Internal::Dashboard => Pages { dashboard: true, ..Pages::default() },
            Internal::Ping => Pages { ping: true, ..Pages::default() },
            Internal::Metrics => Pages { metrics: true, ..Pages::default() },
        };
        admin.get().map(|admin| admin.respond(pages, request)).unwrap_or_else(|| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        })
    })
}

pub(super) fn admin(config: &Config, meters: &Arc<Meters>, board: &Arc<Board>, proxy: &Arc<Proxy>) -> AdminSources {
    let board = board.clone();
    let (upstreams, certificates) = (proxy.upstreams().clone(), proxy.clone());
    let (shown, explaining) = (proxy.clone(), proxy.clone());
    AdminSources {
        surface: config.into(),
        meters: meters.clone(),
        started: SystemTime::now(),
        readiness: Box::new(move || {
            let readiness = board.readiness();
            admin::Readiness {
                installed: readiness.installed,
                terminating: board.is_terminating(),
                reasons: readiness.reasons(),
            }
        }),
        health_of: Box::new(move |id| upstreams.health(id)),
        certificates: Box::new(move || certificates.certificates()),
        certificate_for: Box::new(move |host| shown.certificate_for(host)),
        explain: Box::new(move |question| explaining.explain(question)),
    }
}

pub(super) fn translate(config: &Config) -> TranslateSettings {
    let redirects = config.entry_point_redirects.iter().map(|redirect| StaticRoute {
        listener: redirect.listener,
        path: "/".into(),
        action: Action::Redirect(redirect.redirect.clone().into()),
        priority: redirect.priority,
        name: format!("{}-redirect", config.listeners.get(redirect.listener).map_or("", |listener| &*listener.name))
            .into(),
        observability: Observability::default(),
    });
    let pages = config.internal_routes.iter().map(|route| StaticRoute {
        listener: route.listener,
        path: route.path.clone(),
        action: Action::Internal(route.page),
        priority: route.priority,
        name: match route.page {
            Internal::Api => "api",
            Internal::Dashboard => "dashboard",
            Internal::Ping => "ping",
            Internal::Metrics => "prometheus",
        }
        .into(),
        observability: Observability {
            access_logs: config.access_log.as_ref().is_some_and(|log| log.add_internals),
            metrics: config.metrics.add_internals,
            tracing: config.tracing.as_ref().is_some_and(|tracing| tracing.add_internals),
        },
    });
    let ingress = &config.ingress;
    TranslateSettings {
        listeners: config
            .listeners
            .iter()
            .map(|listener| ListenerInfo { name: listener.name.clone(), tls: listener.tls })
            .collect(),
        default_listeners: config.default_listeners,
        static_routes: redirects.chain(pages).collect(),
        ingress_class: ingress.class.clone(),
        disable_class_lookup: !ingress.class_lookup,
        allow_external_names: ingress.allow_external_name,
        native_lb_by_default: ingress.native_lb,
        strict_prefix_matching: ingress.strict_prefix,
        strict_hosts: ingress.strict_hosts,
        status: match &ingress.status {
            config::StatusFrom::Nothing => StatusFrom::Nothing,
            config::StatusFrom::Fixed { ip, hostname } => StatusFrom::Fixed { ip: *ip, hostname: hostname.clone() },
            config::StatusFrom::Service(name) => StatusFrom::Service(name.clone()),
            config::StatusFrom::NodeInternalIps => StatusFrom::NodeInternalIps,
        },
        default_certificate: config.default_certificate.clone(),
        crd_requested: config.kubernetes_crd,
    }
}

pub(super) fn connection(cluster: &config::Cluster) -> Connection {
    Connection {
        endpoint: cluster.endpoint.clone(),
        token: cluster.token.as_ref().map(|token| token.0.clone()),
        certificate_authority: cluster.certificate_authority.clone(),
    }
}

pub(super) fn cluster(config: &Config, cluster: &config::Cluster) -> ClusterSettings {
    let scope = |watched| if watched { ClusterScope::Watched } else { ClusterScope::Off };
    ClusterSettings {
        namespaces: cluster.namespaces.clone(),
        ingress_labels: Some(cluster.label_selector.clone()).filter(|labels| !labels.is_empty()),
        published_service: match &config.ingress.status {
            config::StatusFrom::Service(name) => Some(name.clone()),
            _ => None,
        },
        default_certificate: config.default_certificate.clone(),
        classes: scope(config.ingress.class_lookup),
        nodes: scope(cluster.nodes),
        count_ingress_routes: config.kubernetes_crd,
    }
}

/// The Lease lies where the pod does, and instances for different classes have different ones.
pub(super) fn lease(config: &Config) -> leader::Settings {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let file = || std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace").ok();
    let host = super::limits::host_name();
    leader::Settings {
        namespace: variable("POD_NAMESPACE")
            .or_else(file)
            .map_or_else(|| "default".into(), |namespace| namespace.trim().to_owned()),
        name: match config.ingress.class.as_deref() {
            None | Some("" | "adit") => "adit-leader".into(),
            Some(class) => format!("adit-leader-{class}"),
        },
        identity: format!("{}-{}", variable("POD_NAME").unwrap_or(host), std::process::id()),
        statuses: config.ingress.status != config::StatusFrom::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;
    use crate::demo;
    use crate::objects::Objects;
    use crate::source::manifest;

    #[test]
    fn the_demos_host_is_served_with_the_certificate_made_at_its_start() {
        let flags = Flags::parse(&demo::FLAGS).expect("known flags");
        let (config, warnings) =
            Config::read(flags, &[], &|_| Err(std::io::ErrorKind::NotFound.into())).expect("a configuration");
        // Where its manifests lie is said at the start.
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let mut objects = Objects::default();
        let manifests = demo::MANIFESTS.iter().flat_map(|(_, text)| manifest::parse(text).changes);
        for change in manifests.chain([demo::secret().expect("a certificate")]) {
            objects.apply(change);
        }
        let output = crate::translate::translate(&objects, &translate(&config));
        assert!(output.report.problems.is_empty(), "{:?}", output.report.problems);
        let entry = output.routes.default_certificate.as_ref().expect("a default certificate");
        let certificate = entry.certificate.as_ref().expect("it is sound");
        let facts = &certificate.facts;
        assert_eq!((&facts.names[..], &*facts.common_name), (&["weather.lvh.me".into()][..], "weather.lvh.me"));
        assert_eq!((facts.not_after - facts.not_before) / 86_400, 91);
    }
}
