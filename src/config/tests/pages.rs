//! Where adit's own pages are.

use super::*;

#[test]
fn the_admin_port_is_there_though_nothing_asks_for_it() {
    let config = config(&["--entryPoints.web.address=:80"]);
    let [admin] = &config.admin_listeners[..] else { panic!("{:?}", config.admin_listeners) };
    assert_eq!((&*admin.name, &*admin.address, admin.pages), ("traefik", ":8080", Pages::default()));
}

#[test]
fn the_admin_port_stays_closed_with_a_warning_when_an_entry_point_holds_it() {
    let arguments = ["--entryPoints.web.address=:8080", "--providers.kubernetesIngress"];
    let (config, warnings) = read(&arguments).expect("a configuration");
    assert_eq!(config.admin_listeners, []);
    assert_eq!(
        warnings,
        [Warning(
            "--entryPoints.web.address=:8080 holds the admin port, so that there are no /healthz and /readyz; \
             set --entryPoints.traefik.address to another port to have them"
                .into()
        )]
    );
}

#[test]
fn the_start_is_refused_when_something_asks_for_the_admin_port_that_is_held() {
    for (flag, needs) in [
        ("--api.insecure", "api.insecure"),
        ("--ping", "ping.entryPoint"),
        ("--metrics.prometheus", "metrics.prometheus.entryPoint"),
    ] {
        assert_eq!(
            error(&["--entryPoints.web.address=:8080", flag]),
            format!(
                "--entryPoints.web.address=:8080 holds the port that the entry point traefik needs for --{needs}; \
                 set --entryPoints.web.address or --entryPoints.traefik.address to another port"
            )
        );
    }
    let elsewhere = ["--entryPoints.web.address=:8080", "--ping", "--ping.entryPoint=web"];
    assert_eq!(config(&elsewhere).admin_listeners, []);
}

#[test]
fn the_admin_port_can_be_moved() {
    let config = config(&[
        "--entryPoints.web.address=:8080",
        "--entryPoints.traefik.address=127.0.0.1:9000",
        "--api.insecure",
        "--api.dashboard=false",
    ]);
    let [admin] = &config.admin_listeners[..] else { panic!("{:?}", config.admin_listeners) };
    assert_eq!(&*admin.address, "127.0.0.1:9000");
    assert_eq!(admin.pages, Pages { api: true, ..Pages::default() });
}

#[test]
fn the_api_without_insecure_is_served_nowhere() {
    let config = config(&["--api"]);
    assert!(config.api.enabled);
    assert!(config.admin_listeners.iter().all(|listener| listener.pages == Pages::default()));
}

#[test]
fn ping_on_an_entry_point_for_clients_leaves_it_its_routes() {
    for name in ["web", "public", "http"] {
        let address = format!("--entryPoints.{name}.address=:80");
        let entry_point = format!("--ping.entryPoint={name}");
        let config = config(&[&address, "--entryPoints.websecure.address=:443", "--ping", &entry_point]);
        assert!(names(&config).contains(&name), "{name}");
        let [route] = &config.internal_routes[..] else { panic!("{:?}", config.internal_routes) };
        assert_eq!((route.page, &*route.path, route.priority), (Internal::Ping, "/ping", i64::MAX));
        assert_eq!(&*config.listeners[route.listener].name, name);
    }
}

#[test]
fn metrics_on_an_entry_point_of_their_own_keep_routes_off_it() {
    let arguments = [
        "--entryPoints.web.address=:8000",
        "--entryPoints.internal.address=:9100",
        "--metrics.prometheus.entryPoint=internal",
        "--ping.entryPoint=internal",
    ];
    let on_its_own = config(&arguments);
    assert_eq!(names(&on_its_own), ["web"]);
    assert_eq!(on_its_own.admin_listeners[1].pages, Pages { ping: true, metrics: true, ..Pages::default() });
    for said in [
        "--entryPoints.internal.asDefault",
        "--entryPoints.internal.forwardedHeaders.insecure",
        "--entryPoints.internal.http.tls",
        "--entryPoints.web.http.redirections.entryPoint.to=internal",
    ] {
        let with_routes = config(&[&arguments[..], &[said]].concat());
        assert_eq!(names(&with_routes), ["internal", "web"], "{said}");
        assert_eq!(with_routes.internal_routes.len(), 2, "{said}");
    }
}

#[test]
fn ping_for_clients_and_metrics_apart_are_told_apart() {
    let config = config(&[
        "--entryPoints.web.address=:8000",
        "--entryPoints.metrics.address=:9100",
        "--ping.entryPoint=web",
        "--metrics.prometheus.entryPoint=metrics",
    ]);
    assert_eq!(names(&config), ["web"]);
    assert_eq!(config.internal_routes.len(), 1);
}

#[test]
fn the_only_entry_point_holds_routes_though_metrics_are_on_it() {
    let config = config(&["--entryPoints.all.address=:9000", "--metrics.prometheus.entryPoint=all"]);
    assert_eq!(names(&config), ["all"]);
    assert_eq!(config.internal_routes[0].page, Internal::Metrics);
}

#[test]
fn a_page_on_an_entry_point_that_is_not_there_is_refused() {
    assert_eq!(
        error(&["--entryPoints.web.address=:80", "--ping.entryPoint=wbe"]),
        "--ping.entryPoint=wbe: there is no entry point wbe; there are web"
    );
}

#[test]
fn a_page_with_manual_routing_is_served_nowhere() {
    let config = config(&["--ping.manualRouting", "--metrics.prometheus.manualRouting"]);
    assert!(config.ping.enabled && config.metrics.prometheus.is_some());
    assert_eq!(config.admin_listeners[0].pages, Pages::default());
    assert_eq!(config.ping_url(), None);
}

#[test]
fn tls_on_the_admin_port_is_refused_rather_than_left_out() {
    assert_eq!(
        error(&["--entryPoints.traefik.address=:8080", "--entryPoints.traefik.http.tls"]),
        "--entryPoints.traefik.http.tls is not supported, and ignoring it would weaken security: \
         adit's own pages are served in the clear only; remove it if that is acceptable, or keep what needs it with the \
         controller that has it"
    );
}

#[test]
fn settings_for_routes_on_the_admin_port_are_a_warning() {
    let warnings = warnings(&["--entryPoints.traefik.http.sanitizePath=false", "--entryPoints.web.address=:80"]);
    assert_eq!(
        warnings,
        ["--entryPoints.traefik.http.sanitizePath has no effect: entry point traefik holds adit's own pages only"]
    );
}

#[test]
fn healthcheck_asks_where_ping_answers() {
    let url = |arguments: &[&str]| config(arguments).ping_url();
    assert_eq!(url(&["--ping"]).as_deref(), Some("http://127.0.0.1:8080/ping"));
    assert_eq!(url(&["--ping", "--entryPoints.traefik.address=[::]:99"]).as_deref(), Some("http://[::1]:99/ping"));
    let web = ["--entryPoints.web.address=10.0.0.1:80", "--ping.entryPoint=web"];
    assert_eq!(url(&web).as_deref(), Some("http://10.0.0.1:80/ping"));
    assert_eq!(url(&[]), None);
}

#[test]
fn the_base_path_of_the_api_has_no_slash_at_its_end() {
    assert_eq!(&*config(&["--api.basePath=/admin/"]).api.base_path, "/admin");
    assert_eq!(&*config(&["--api.basePath=/"]).api.base_path, "");
    assert_eq!(error(&["--api.basePath=admin"]), "--api.basePath=admin: expected a path that begins with /");
}

#[test]
fn buckets_ascend() {
    let buckets = |text: &str| read(&[&format!("--metrics.prometheus.buckets={text}")]);
    let (config, _) = buckets("0.5, 1").expect("buckets");
    assert_eq!(config.metrics.prometheus.expect("metrics are on").buckets, [0.5, 1.0]);
    for text in ["1,0.5", "a", "-1", "1,1", "NaN", ","] {
        assert!(matches!(buckets(text), Err(Error::BadValue { .. })), "{text}");
    }
}
