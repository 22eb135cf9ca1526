//! Entry points and which of them hold routes.

use std::time::Duration;

use super::*;
use crate::route::{Redirect, UnderscoreHeaders};
use crate::telemetry::logs::Level;

/// The arguments of Traefik's classic installation.
const CLASSIC: &str = "
    - --log.level=DEBUG
    - --api
    - --api.insecure
    - --entrypoints.web.address=:80
    - --providers.kubernetesingress
";

/// The arguments that Traefik's chart makes with default values.
const CHART: &str = "
    - --entryPoints.metrics.address=:9100/tcp
    - --entryPoints.traefik.address=:8080/tcp
    - --entryPoints.web.address=:8000/tcp
    - --entryPoints.websecure.address=:8443/tcp
    - --api.dashboard=true
    - --ping=true
    - --metrics.prometheus=true
    - --metrics.prometheus.entrypoint=metrics
    - --providers.kubernetescrd
    - --providers.kubernetescrd.allowEmptyServices=true
    - --providers.kubernetesingress
    - --providers.kubernetesingress.allowEmptyServices=true
    - --providers.kubernetesingress.ingressendpoint.publishedservice=default/traefik
    - --entryPoints.websecure.http.tls=true
    - --log.level=INFO
";

#[test]
fn the_classic_arguments_are_web_on_80_and_the_api_on_8080() {
    let (config, warnings) = read(&lines(CLASSIC)).expect("a configuration");
    assert_eq!(warnings, []);
    assert_eq!(names(&config), ["web"]);
    assert_eq!(&*config.listeners[0].address, ":80");
    let [admin] = &config.admin_listeners[..] else { panic!("{:?}", config.admin_listeners) };
    assert_eq!((&*admin.name, &*admin.address), ("traefik", ":8080"));
    assert_eq!(admin.pages, Pages { api: true, dashboard: true, ping: false, metrics: false });
    assert_eq!(config.log.level, Level::Debug);
    assert!(matches!(config.source, Source::Cluster(_)));
    assert_eq!(config.ingress.status, StatusFrom::Nothing);
}

#[test]
fn the_crd_provider_alone_has_its_routes_counted_where_it_says() {
    let flags = ["--providers.kubernetescrd.endpoint=http://10.0.0.1:6443", "--providers.kubernetescrd.namespaces=a,b"];
    let (config, warnings) = read(&flags).expect("a configuration");
    let Source::IngressRoutes(cluster) = config.source else { panic!("{:?}", config.source) };
    assert_eq!(cluster.endpoint.as_deref(), Some("http://10.0.0.1:6443"));
    assert_eq!(cluster.namespaces, ["a", "b"]);
    assert!(config.kubernetes_crd);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let (config, _) = read(&["--providers.kubernetescrd", "--providers.kubernetesingress"]).expect("a configuration");
    assert_eq!(config.source, Source::Cluster(Cluster::default()));
}

#[test]
fn the_charts_arguments_keep_routes_off_the_entry_point_for_metrics() {
    let (config, warnings) = read(&lines(CHART)).expect("a configuration");
    let [Warning(crd)] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(crd.starts_with("--providers.kubernetescrd (and 1 more like it) is not supported yet"), "{crd}");
    assert!(config.kubernetes_crd);
    assert_eq!(names(&config), ["web", "websecure"]);
    assert_eq!(config.default_listeners, ListenerSet::only(0).with(1));
    assert_eq!(config.listeners.iter().map(|it| it.tls).collect::<Vec<_>>(), [false, true]);
    assert_eq!(config.internal_routes, []);
    let [traefik, metrics] = &config.admin_listeners[..] else { panic!("{:?}", config.admin_listeners) };
    assert_eq!((&*traefik.name, &*traefik.address), ("traefik", ":8080"));
    assert_eq!(traefik.pages, Pages { ping: true, ..Pages::default() });
    assert_eq!((&*metrics.name, &*metrics.address), ("metrics", ":9100"));
    assert_eq!(metrics.pages, Pages { metrics: true, ..Pages::default() });
    let service = ObjectKey::parse("default/traefik").expect("a name");
    assert_eq!(config.ingress.status, StatusFrom::Service(service));
}

#[test]
fn without_entry_points_there_is_http_on_80() {
    let config = config(&[]);
    assert_eq!(config.listeners, [Listener::new("http", ":80")]);
    assert_eq!(config.default_listeners, ListenerSet::only(0));
}

#[test]
fn entry_points_are_in_the_order_of_their_names() {
    let config = config(&["--entryPoints.b.address=:2", "--entryPoints.a.address=:1", "--entryPoints.c.address=:3"]);
    assert_eq!(names(&config), ["a", "b", "c"]);
}

#[test]
fn routes_without_entry_points_are_on_those_marked_as_default() {
    let config = config(&[
        "--entryPoints.a.address=:1",
        "--entryPoints.b.address=:2",
        "--entryPoints.b.asDefault",
        "--entryPoints.traefik.address=:9000",
        "--entryPoints.traefik.asDefault",
    ]);
    assert_eq!(config.default_listeners, ListenerSet::only(1));
    assert_eq!(names(&config), ["a", "b"]);
}

#[test]
fn an_entry_point_without_an_address_says_so() {
    assert_eq!(
        error(&["--entryPoints.web.asDefault"]),
        "entry point web has settings and no address: set --entryPoints.web.address=[host]:port, or correct its name \
         where it is set"
    );
}

#[test]
fn a_bad_address_is_refused_and_udp_by_name() {
    assert_eq!(
        error(&["--entryPoints.web.address=80"]),
        "--entryPoints.web.address=80: expected [host]:port, such as :80 or 127.0.0.1:8080"
    );
    assert_eq!(
        error(&["--entryPoints.dns.address=:53/udp"]),
        "--entryPoints.dns.address=:53/udp: adit serves HTTP over TCP; an entry point cannot be UDP"
    );
}

#[test]
fn two_entry_points_on_one_port_are_refused_unless_both_share_it() {
    let same = ["--entryPoints.a.address=:80", "--entryPoints.b.address=127.0.0.1:80"];
    assert_eq!(
        error(&same),
        "--entryPoints.a.address=:80 and --entryPoints.b.address=127.0.0.1:80 are the same port; change one of them"
    );
    let sharing = [same[0], same[1], "--entryPoints.a.reusePort", "--entryPoints.b.reusePort"];
    assert_eq!(names(&config(&sharing)), ["a", "b"]);
}

#[test]
fn there_can_be_64_entry_points() {
    let arguments: Vec<String> =
        (0..65).map(|number| format!("--entryPoints.e{number}.address=:{}", 1000 + number)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(config(&arguments[..64]).listeners.len(), 64);
    assert_eq!(error(&arguments), "there can be at most 64 entry points");
}

#[test]
fn connections_are_accepted_a_while_after_sigterm_in_a_cluster_only() {
    let grace = |arguments: &[&str], variables: &[(&str, &str)]| {
        let variables: Vec<_> = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let flags = Flags::parse(arguments).expect("known flags");
        let (config, _) = Config::read(flags, &variables, &no_files).expect("a configuration");
        config.listeners[0].life_cycle.request_accept_grace
    };
    let cluster = [("KUBERNETES_SERVICE_HOST", "10.96.0.1")];
    assert_eq!(grace(&[], &[]), Duration::ZERO);
    assert_eq!(grace(&[], &cluster), Duration::from_secs(10));
    let given = ["--entryPoints.http.transport.lifeCycle.requestAcceptGraceTimeout=0"];
    assert_eq!(grace(&given, &cluster), Duration::ZERO);
}

#[test]
fn every_setting_of_an_entry_point_is_its_own() {
    let config = config(&[
        "--entryPoints.a.address=:1",
        "--entryPoints.b.address=:2",
        "--entryPoints.b.forwardedHeaders.trustedIPs=10.0.0.0/8, 192.168.1.7,::ffff:172.16.0.0/108",
        "--entryPoints.b.forwardedHeaders.connection=X-Token",
        "--entryPoints.b.transport.respondingTimeouts.readTimeout=1m30s",
        "--entryPoints.b.http.underscoreHeadersStrategy=Reject",
        "--entryPoints.b.http2.maxConcurrentStreams=250",
    ]);
    let [a, b] = &config.listeners[..] else { panic!("{:?}", config.listeners) };
    assert_eq!(*a, Listener::new("a", ":1"));
    let trusted = &b.forwarded_headers.trusted;
    assert!(trusted.contains("192.168.1.7".parse().expect("an address")));
    assert!(trusted.contains("::ffff:10.1.2.3".parse().expect("an address")));
    assert!(trusted.contains("172.20.0.1".parse().expect("an address")));
    assert!(!trusted.contains("192.168.1.8".parse().expect("an address")));
    assert_eq!(b.forwarded_headers.connection, ["x-token".into()]);
    assert_eq!(b.timeouts.read, Duration::from_secs(90));
    assert_eq!(b.underscore_headers, UnderscoreHeaders::Reject);
    assert_eq!(b.http2.max_concurrent_streams, 250);
}

#[test]
fn what_bounds_the_whole_of_a_request_or_answer_bounds_its_parts() {
    let config = config(&[
        "--entryPoints.a.address=:1",
        "--entryPoints.a.transport.respondingTimeouts.readTimeout=3s",
        "--entryPoints.a.transport.respondingTimeouts.writeTimeout=4s",
        "--entryPoints.b.address=:2",
        "--entryPoints.b.transport.respondingTimeouts.readTimeout=1h",
        "--entryPoints.b.transport.respondingTimeouts.writeTimeout=1h",
    ]);
    let [a, b] = &config.listeners[..] else { panic!("{:?}", config.listeners) };
    let parts = |listener: &Listener| {
        let timeouts = &listener.timeouts;
        [timeouts.head, timeouts.body_idle, timeouts.write_stall].map(|limit| limit.as_secs())
    };
    assert_eq!(parts(a), [3, 3, 4]);
    assert_eq!(parts(b), [10, 60, 60], "a long whole does not loosen what stalls");
}

#[test]
fn a_network_that_is_none_is_refused() {
    assert_eq!(
        error(&["--entryPoints.a.address=:1", "--entryPoints.a.proxyProtocol.trustedIPs=10.0.0.0/33"]),
        "--entryPoints.a.proxyProtocol.trustedIPs=10.0.0.0/33: expected addresses or networks such as 10.0.0.0/8, \
         192.168.1.7 or fd00::/8"
    );
}

#[test]
fn a_redirect_goes_to_the_port_of_an_entry_point_or_to_a_port() {
    let redirect = |to: &str| {
        let to = format!("--entryPoints.web.http.redirections.entryPoint.to={to}");
        let config = config(&["--entryPoints.web.address=:80", "--entryPoints.websecure.address=:8443", &to]);
        config.entry_point_redirects
    };
    let expected = |port| EntryPointRedirect {
        listener: 0,
        redirect: Redirect { scheme: "https".into(), port, permanent: true },
        priority: i64::MAX - 1,
    };
    assert_eq!(redirect("websecure"), [expected(8443)]);
    assert_eq!(redirect(":443"), [expected(443)]);
}

#[test]
fn a_redirect_to_nowhere_is_refused() {
    let web = "--entryPoints.web.address=:80";
    assert_eq!(
        error(&[web, "--entryPoints.web.http.redirections.entryPoint.to=secure"]),
        "--entryPoints.web.http.redirections.entryPoint.to=secure: there is no entry point secure; \
         there are web, traefik"
    );
    assert_eq!(
        error(&[web, "--entryPoints.web.http.redirections.entryPoint.scheme=https"]),
        "--entryPoints.web.http.redirections.entryPoint.to needs a value: an entry point or :port"
    );
}

#[test]
fn the_flag_of_an_address_is_known_for_the_message_that_its_port_is_in_use() {
    assert_eq!(address_flag("web"), "--entryPoints.web.address");
}
