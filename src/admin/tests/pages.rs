//! Health, metrics, the dashboard, and what all answers have in common.

use std::sync::atomic::Ordering;

use super::sample::{world, world_at};
use super::*;
use crate::telemetry::meters::Refusal;

#[test]
fn ping_is_503_until_the_first_table_and_again_from_the_end_on() {
    let world = world();
    world.installed.store(false, Ordering::Relaxed);
    assert_eq!(get(&world.admin, "/ping").0, StatusCode::SERVICE_UNAVAILABLE);
    world.installed.store(true, Ordering::Relaxed);
    let (status, _, body) = get(&world.admin, "/ping");
    assert_eq!((status, body.as_str()), (StatusCode::OK, "OK"));
    world.terminating.store(true, Ordering::Relaxed);
    let (status, _, body) = get(&world.admin, "/ping");
    assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"));
}

#[test]
fn readiness_says_why_not() {
    let world = world();
    assert_eq!(get(&world.admin, "/readyz").0, StatusCode::OK);
    world.installed.store(false, Ordering::Relaxed);
    let (status, _, body) = get(&world.admin, "/readyz");
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, "not ready\n- no routing table was installed yet\n");
    let answer = ask(&world.admin, ALL, Method::GET, "/readyz", &[(header::ACCEPT, "application/json")]);
    assert_eq!(&answer.body()[..], br#"{"ready":false,"reasons":["no routing table was installed yet"]}"#);
    assert_eq!(get(&world.admin, "/healthz").0, StatusCode::OK, "a process that waits is alive");
}

#[test]
fn a_listener_has_only_its_own_pages_and_health() {
    let world = world();
    let status = |pages, path| ask(&world.admin, pages, Method::GET, path, &[]).status().as_u16();
    for path in ["/ping", "/metrics", "/api/overview", "/dashboard/", "/"] {
        assert_eq!(status(Pages::default(), path), 404, "{path}");
        assert!(status(ALL, path) < 400, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status(Pages::default(), path), 200, "{path}");
    }
    let metrics = Pages { metrics: true, ..Pages::default() };
    assert_eq!((status(metrics, "/metrics"), status(metrics, "/ping")), (200, 404));
}

#[test]
fn the_metrics_page_shows_endpoints_and_certificates_as_they_are() {
    let (status, headers, page) = get(&world().admin, "/metrics");
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_TYPE], "text/plain; version=0.0.4");
    for expected in [
        "adit_endpoints{state=\"ready\"} 1\n",
        "adit_endpoints{state=\"draining\"} 1\n",
        "adit_endpoints{state=\"ejected\"} 1\n",
        "traefik_service_server_up{service=\"default-weather-8080@kubernetes\",url=\"http://10.42.0.9:8080\"} 0\n",
        "traefik_tls_certs_not_after{cn=\"weather.lvh.me\",sans=\"weather.lvh.me,*.lvh.me\",serial=\"4242\"} 4000000000\n",
    ] {
        assert!(page.contains(expected), "{expected} is missing in\n{page}");
    }
}

#[test]
fn the_root_leads_to_the_dashboard() {
    for (base, from) in
        [("", "/"), ("", "/dashboard"), ("/gate", "/gate"), ("/gate", "/gate/"), ("/gate", "/gate/dashboard")]
    {
        let (status, headers, _) = get(&world_at(base).admin, from);
        assert_eq!(status, StatusCode::MOVED_PERMANENTLY, "{from}");
        assert_eq!(headers[header::LOCATION], format!("{base}/dashboard/"), "{from}");
    }
}

#[test]
fn api_and_dashboard_move_below_their_base_path_and_health_does_not() {
    let admin = world_at("/gate").admin;
    for (path, status) in [
        ("/gate/api/version", 200),
        ("/gate/dashboard/", 200),
        ("/gate/dashboard/main.js", 200),
        ("/api/version", 404),
        ("/gateapi/version", 404),
        ("/gate/ping", 404),
        ("/ping", 200),
        ("/readyz", 200),
    ] {
        assert_eq!(get(&admin, path).0.as_u16(), status, "{path}");
    }
}

#[test]
fn every_file_that_the_dashboard_names_is_there_and_together_they_are_small() {
    let admin = world().admin;
    let is_file = |text: &&str| [".js", ".css", ".svg"].iter().any(|end| text.ends_with(end));
    let mut names = vec![String::new()];
    let (mut seen, mut bytes) = (0, 0);
    while let Some(name) = names.get(seen).cloned() {
        seen += 1;
        let (status, headers, text) = get(&admin, &format!("/dashboard/{name}"));
        assert_eq!(status, StatusCode::OK, "{name}");
        assert!(headers[header::CONTENT_TYPE].to_str().is_ok_and(|kind| !kind.starts_with("text/plain")), "{name}");
        bytes += text.len();
        for named in text.split(['"', '\'']).filter(is_file).map(|named| named.trim_start_matches("./").to_owned()) {
            if !names.contains(&named) {
                names.push(named);
            }
        }
    }
    let js = include_str!("../dashboard.rs").matches("file!(").count();
    assert_eq!(names.len(), js + 1, "{names:?}");
    assert!(bytes < 150_000, "{bytes} bytes, before any compression");
    assert_eq!(get(&admin, "/dashboard/..%2f..%2fetc/passwd").0, StatusCode::NOT_FOUND);
}

#[test]
fn the_overview_says_what_each_reason_of_a_refusal_means() {
    let overview = get(&world().admin, "/dashboard/overview.js").2;
    let missing: Vec<_> = Refusal::ALL.iter().filter(|reason| !overview.contains(&format!(" {reason}: \""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn only_get_and_head_are_answered() {
    let admin = world().admin;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        let answer = ask(&admin, ALL, method, "/api/version", &[]);
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()[header::ALLOW], "GET, HEAD");
    }
    let whole = ask(&admin, ALL, Method::GET, "/api/version", &[]);
    let head = ask(&admin, ALL, Method::HEAD, "/api/version", &[]);
    assert!(head.body().is_empty());
    assert_eq!(head.headers(), whole.headers());
    assert_eq!(head.headers()[header::CONTENT_LENGTH], whole.body().len().to_string().as_str());
}

#[test]
fn a_page_that_is_known_already_is_not_sent_again() {
    let admin = world().admin;
    let first = ask(&admin, ALL, Method::GET, "/api/overview", &[]);
    let tag = first.headers()[header::ETAG].to_str().expect("a tag").to_owned();
    let again = ask(&admin, ALL, Method::GET, "/api/overview", &[(header::IF_NONE_MATCH, &tag)]);
    assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
    let other = ask(&admin, ALL, Method::GET, "/api/version", &[(header::IF_NONE_MATCH, &tag)]);
    assert_eq!(other.status(), StatusCode::OK);
}

#[test]
fn every_answer_forbids_framing_sniffing_and_storing() {
    let admin = world().admin;
    for path in ["/", "/dashboard/", "/api/overview", "/api/none", "/metrics", "/none"] {
        let (_, headers, _) = get(&admin, path);
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
}

#[test]
fn before_anything_is_published_the_lists_are_empty() {
    let world = world();
    world.admin.publish(View::default());
    assert_eq!(get_json(&world.admin, "/api/overview")["http"]["routers"]["total"], 4, "adit's own");
    assert_eq!(get(&world.admin, "/api/problems").2, "[]");
}
