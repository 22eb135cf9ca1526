//! The metrics page as a scraper and Traefik's Grafana dashboards read it.

use std::time::Duration;

use super::*;

fn sample(code: u16, millis: u64) -> Sample {
    Sample {
        code,
        method: MethodLabel::Get,
        protocol: ProtocolLabel::Http,
        duration: Duration::from_millis(millis),
        request_bytes: 3,
        response_bytes: 512,
        tls: None,
    }
}

#[test]
fn the_page_has_traefiks_names_labels_and_bucket_bounds() {
    let meters = Meters::new(MeterSettings { routers: true, ..MeterSettings::default() });
    let entry_point = meters.entry_point("websecure");
    let service = meters.service("default-weather-8080@kubernetes");
    let router = meters.router("default-weather-weather-lvh-me@kubernetes", "default-weather-8080@kubernetes");
    let tls = Some(TlsLabel::of(rustls::CipherSuite::TLS13_AES_128_GCM_SHA256));
    let sample = Sample { tls, ..sample(200, 200) };
    for series in [&entry_point, &service, &router] {
        series.record(0, &sample);
    }
    service.retried();
    meters.open_connections("websecure").opened();
    let page = meters.render();
    let labels = r#"code="200",entrypoint="websecure",method="GET",protocol="http""#;
    for expected in [
        format!("traefik_entrypoint_requests_total{{{labels}}} 1\n"),
        format!("traefik_entrypoint_requests_bytes_total{{{labels}}} 3\n"),
        format!("traefik_entrypoint_responses_bytes_total{{{labels}}} 512\n"),
        format!("traefik_entrypoint_request_duration_seconds_bucket{{{labels},le=\"0.1\"}} 0\n"),
        format!("traefik_entrypoint_request_duration_seconds_bucket{{{labels},le=\"0.3\"}} 1\n"),
        format!("traefik_entrypoint_request_duration_seconds_bucket{{{labels},le=\"1.2\"}} 1\n"),
        format!("traefik_entrypoint_request_duration_seconds_bucket{{{labels},le=\"5\"}} 1\n"),
        format!("traefik_entrypoint_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 1\n"),
        format!("traefik_entrypoint_request_duration_seconds_sum{{{labels}}} 0.2\n"),
        format!("traefik_entrypoint_request_duration_seconds_count{{{labels}}} 1\n"),
        "traefik_entrypoint_requests_tls_total{entrypoint=\"websecure\",tls_cipher=\"TLS_AES_128_GCM_SHA256\",tls_version=\"1.3\"} 1\n".to_owned(),
        "traefik_service_requests_total{code=\"200\",method=\"GET\",protocol=\"http\",service=\"default-weather-8080@kubernetes\"} 1\n".to_owned(),
        "traefik_service_retries_total{service=\"default-weather-8080@kubernetes\"} 1\n".to_owned(),
        "traefik_router_requests_total{code=\"200\",method=\"GET\",protocol=\"http\",router=\"default-weather-weather-lvh-me@kubernetes\",service=\"default-weather-8080@kubernetes\"} 1\n".to_owned(),
        "traefik_open_connections{entrypoint=\"websecure\",protocol=\"TCP\"} 1\n".to_owned(),
        "# TYPE traefik_entrypoint_request_duration_seconds histogram\n".to_owned(),
        "# TYPE traefik_open_connections gauge\n".to_owned(),
        "traefik_config_reloads_total 0\n".to_owned(),
        "adit_refusals_total{reason=\"no_route\"} 0\n".to_owned(),
        "adit_endpoints{state=\"ejected\"} 0\n".to_owned(),
        "process_resident_memory_bytes ".to_owned(),
    ] {
        assert!(page.contains(&expected), "{expected}\nis missing in\n{page}");
    }
}

#[test]
fn every_family_on_the_page_is_in_the_catalog_with_its_labels() {
    let meters = Meters::new(MeterSettings { routers: true, ..MeterSettings::default() });
    let router = meters.router("r@kubernetes", "s@kubernetes");
    router.record(0, &sample(200, 1));
    meters.set_servers(vec![ServerMeter { service: "s".into(), url: "http://10.0.0.1:80".into(), up: true }]);
    for line in meters.render().lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let known = METRICS.iter().any(|metric| {
            name == metric.name
                || ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(metric.name))
        });
        assert!(known, "{line}");
    }
}

#[test]
fn a_removed_service_is_read_once_more_and_then_gone() {
    let meters = Meters::new(MeterSettings::default());
    let service = meters.service("a@kubernetes");
    service.record(0, &sample(200, 1));
    assert!(meters.render().contains("a@kubernetes"));
    drop(service);
    assert!(meters.render().contains("a@kubernetes"));
    assert!(!meters.render().contains("a@kubernetes"));
}

#[test]
fn a_service_that_comes_back_before_the_next_scrape_keeps_its_counts() {
    let meters = Meters::new(MeterSettings::default());
    meters.service("a@kubernetes").record(0, &sample(200, 1));
    meters.service("a@kubernetes").record(0, &sample(200, 1));
    assert!(meters.render().contains("service=\"a@kubernetes\"} 2\n"));
}

#[test]
fn labels_that_are_off_record_nothing() {
    let meters = Meters::new(MeterSettings { services: false, ..MeterSettings::default() });
    meters.service("a@kubernetes").record(0, &sample(200, 1));
    meters.router("r", "a").record(0, &sample(200, 1));
    let page = meters.render();
    assert!(!page.contains("traefik_service_requests_total{") && !page.contains("traefik_router_"));
}

#[test]
fn hostile_label_values_cannot_break_a_line() {
    let meters = Meters::new(MeterSettings::default());
    meters.service("a\"}\n\\evil 1").record(0, &sample(200, 1));
    let page = meters.render();
    assert!(page.contains(r#"service="a\"}\n\\evil 1"} 1"#), "{page}");
}
