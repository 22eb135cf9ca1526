//! The shapes of Traefik's API.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::sample::world;
use super::*;
use crate::telemetry::meters::{MethodLabel, ProtocolLabel, Refusal, Sample};

#[test]
fn a_router_has_traefiks_fields() {
    let world = world();
    let name = "default-weather-weather-lvh-me@kubernetes";
    assert_eq!(
        get_json(&world.admin, &format!("/api/http/routers/{}", name.replace('@', "%40"))),
        json!({
            "entryPoints": ["web"],
            "service": "default-weather-8080",
            "rule": "Host(\"weather.lvh.me\") && PathPrefix(\"/\")",
            "priority": 41,
            "priorityStr": "41",
            "tls": { "options": "default" },
            "observability": {
                "accessLogs": true, "metrics": true, "tracing": true, "traceVerbosity": "minimal",
                "metadata": { "ingress": {
                    "namespace": "default", "ingressName": "weather", "serviceName": "weather", "servicePort": "8080",
                } },
            },
            "status": "enabled",
            "using": ["web"],
            "name": name,
            "provider": "kubernetes",
        })
    );
}

#[test]
fn a_refused_router_is_disabled_and_says_why() {
    let world = world();
    let disabled = get_json(&world.admin, "/api/http/routers?status=disabled");
    assert_eq!(disabled.as_array().map(Vec::len), Some(1));
    assert_eq!(disabled[0]["error"], json!(["the service does not exist"]));
    assert_eq!(disabled[0]["service"], "default-admin-8080");
}

#[test]
fn a_router_without_endpoints_is_a_warning() {
    let world = world();
    let warned = get_json(&world.admin, "/api/http/routers?status=warning");
    assert_eq!((&warned[0]["service"], warned.as_array().map(Vec::len)), (&json!("default-empty-8080"), Some(1)));
    assert_eq!(warned[0]["error"], json!(["the service has no endpoints"]));
}

#[test]
fn a_service_shows_its_servers_and_their_health() {
    let world = world();
    assert_eq!(
        get_json(&world.admin, "/api/http/services/default-weather-8080@kubernetes"),
        json!({
            "loadBalancer": {
                "servers": [
                    { "url": "http://10.42.0.8:8080" },
                    { "url": "http://10.42.0.9:8080" },
                    { "url": "http://10.42.0.10:8080", "fenced": true },
                ],
                "strategy": "p2c",
                "passHostHeader": true,
                "responseForwarding": { "flushInterval": "100ms" },
            },
            "status": "enabled",
            "usedBy": ["default-weather-weather-lvh-me@kubernetes"],
            "serverStatus": {
                "http://10.42.0.8:8080": "UP", "http://10.42.0.9:8080": "DOWN", "http://10.42.0.10:8080": "UP",
            },
            "endpoints": [
                { "url": "http://10.42.0.8:8080", "state": "ready", "inFlight": 2, "latencyMs": 1.234, "requests": 1200 },
                { "url": "http://10.42.0.9:8080", "state": "ejected", "inFlight": 2, "latencyMs": null, "requests": 1200 },
                { "url": "http://10.42.0.10:8080", "state": "draining", "inFlight": 0, "latencyMs": null, "requests": 0 },
            ],
            "name": "default-weather-8080@kubernetes",
            "provider": "kubernetes",
            "type": "loadbalancer",
        })
    );
}

#[test]
fn the_redirect_of_an_entry_point_is_a_middleware() {
    let world = world();
    assert_eq!(
        get_json(&world.admin, "/api/http/middlewares/redirect-web-to-websecure@internal"),
        json!({
            "redirectScheme": { "scheme": "https", "port": "443", "permanent": true },
            "status": "enabled",
            "usedBy": ["web-to-websecure@internal"],
            "name": "redirect-web-to-websecure@internal",
            "provider": "internal",
            "type": "redirectscheme",
        })
    );
    let router = get_json(&world.admin, "/api/http/routers/web-to-websecure@internal");
    assert_eq!(router["middlewares"], json!(["redirect-web-to-websecure@internal"]));
    assert_eq!(router["service"], "noop");
}

#[test]
fn the_overview_counts_by_state() {
    let world = world();
    let overview = get_json(&world.admin, "/api/overview");
    // Four of the table, and adit's own four.
    assert_eq!(overview["http"]["routers"], json!({ "total": 8, "warnings": 1, "errors": 1 }));
    assert_eq!(overview["http"]["services"], json!({ "total": 7, "warnings": 1, "errors": 0 }));
    assert_eq!(overview["http"]["middlewares"], json!({ "total": 3, "warnings": 0, "errors": 0 }));
    assert_eq!(overview["tcp"]["routers"], json!({ "total": 0, "warnings": 0, "errors": 0 }));
    assert_eq!(overview["certificates"], json!({ "total": 1, "warnings": 0, "errors": 0 }));
    assert_eq!(overview["features"], json!({ "tracing": "", "metrics": "Prometheus", "accessLog": false }));
    assert_eq!(overview["providers"], json!(["KubernetesIngress"]));
    assert_eq!(overview["problems"], json!({ "total": 2, "warnings": 1, "errors": 1 }));
}

#[test]
fn entry_points_are_written_as_in_traefiks_configuration() {
    let world = world();
    assert_eq!(
        get_json(&world.admin, "/api/entrypoints/web"),
        json!({
            "address": ":80",
            "transport": {
                "lifeCycle": { "graceTimeOut": "10s" },
                "respondingTimeouts": { "idleTimeout": "3m0s" },
            },
            "forwardedHeaders": {},
            "http": {
                "maxHeaderBytes": 65536,
                "sanitizePath": true,
                "encodedCharacters": {
                    "allowEncodedSlash": true, "allowEncodedBackSlash": true, "allowEncodedNullCharacter": true,
                    "allowEncodedSemicolon": true, "allowEncodedPercent": true, "allowEncodedQuestionMark": true,
                    "allowEncodedHash": true,
                },
                "underscoreHeadersStrategy": "keep",
            },
            "http2": {
                "maxConcurrentStreams": 100, "maxDecoderHeaderTableSize": 4096, "maxEncoderHeaderTableSize": 4096,
            },
            "observability": { "accessLogs": true, "metrics": true, "tracing": true, "traceVerbosity": "minimal" },
            "name": "web",
        })
    );
    let names: Vec<_> = get_json(&world.admin, "/api/entrypoints")
        .as_array()
        .map(|all| all.iter().map(|one| one["name"].to_string()).collect())
        .unwrap_or_default();
    assert_eq!(names, ["\"traefik\"", "\"web\"", "\"websecure\""]);
}

#[test]
fn a_certificate_shows_facts_and_no_key() {
    let world = world();
    assert_eq!(
        get_json(&world.admin, "/api/certificates/ab12"),
        json!({
            "name": "ab12", "certFingerprint": "ab12", "sans": ["weather.lvh.me", "*.lvh.me"],
            "commonName": "weather.lvh.me", "organization": "Weather Ltd", "country": "DE",
            "issuerCN": "R11", "issuerOrg": "Let's Encrypt", "issuerCountry": "US", "serialNumber": "4242",
            "notBefore": "2023-11-14T22:13:20Z", "notAfter": "2096-10-02T07:06:40Z", "version": "v3",
            "keyType": "ECDSA", "keySize": 256, "signatureAlgorithm": "ECDSA-SHA256", "status": "enabled",
            "publicKeyFingerprint": "cd34",
            "hosts": ["weather.lvh.me"], "secrets": ["default/weather", "shop/weather"], "default": true,
        })
    );
}

#[test]
fn raw_data_has_three_maps_without_what_their_names_say() {
    let world = world();
    let raw = get_json(&world.admin, "/api/rawdata");
    let router = &raw["routers"]["default-weather-weather-lvh-me@kubernetes"];
    assert_eq!(router["service"], "default-weather-8080");
    assert!(router.get("name").is_none() && router.get("provider").is_none() && router.get("priorityStr").is_none());
    assert!(raw["services"]["default-weather-8080@kubernetes"]["loadBalancer"].is_object());
    assert!(raw.get("tcpRouters").is_none());
}

#[test]
fn problems_come_worst_first_with_what_to_do() {
    let world = world();
    let mut problems = get_json(&world.admin, "/api/problems");
    let since = problems[0].as_object_mut().and_then(|problem| problem.remove("since"));
    let since: jiff::Timestamp = since.as_ref().and_then(Value::as_str).expect("a time").parse().expect("a time");
    assert!(since <= jiff::Timestamp::now(), "{since}");
    assert_eq!(
        problems[0],
        json!({
            "severity": "error",
            "code": "service-not-found",
            "object": { "kind": "Ingress", "namespace": "default", "name": "weather" },
            "field": "spec.rules[0].http.paths[1].backend.service.name",
            "reason": "Service default/admin does not exist",
            "action": "Create the Service, or correct the name",
        })
    );
    assert_eq!(problems[1]["severity"], "warning");
}

#[test]
fn every_problem_leads_to_what_it_means() {
    let world = world();
    for problem in get_json(&world.admin, "/api/problems").as_array().expect("a list") {
        let code = problem["code"].as_str().expect("a code");
        let meaning = get_json(&world.admin, &format!("/api/problems/{code}"));
        assert_eq!(meaning["code"], code);
        for member in ["what", "mend"] {
            assert!(meaning[member].as_str().is_some_and(|text| text.ends_with('.')), "{meaning}");
        }
    }
    let (status, body) = {
        let (status, _, body) = get(&world.admin, "/api/problems/no-such");
        (status, body)
    };
    assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, r#"{"message":"problem not found: no-such"}"#));
}

#[test]
fn lists_are_searched_sorted_and_cut_into_pages() {
    let world = world();
    let names = |path: &str| -> Vec<String> {
        let list = get_json(&world.admin, path);
        list.as_array().into_iter().flatten().filter_map(|row| Some(row["name"].as_str()?.to_owned())).collect()
    };
    assert_eq!(names("/api/http/routers?search=%2Fadmin"), ["default-weather-weather-lvh-me-admin@kubernetes"]);
    let by_priority = names("/api/http/routers?sortBy=priority&direction=desc");
    assert!(by_priority[0].ends_with("@internal") && by_priority[7] == "default-weather-weather-lvh-me@kubernetes");
    // The dashboard's order: what is wrong comes first.
    let worst: Vec<_> = names("/api/http/routers?sortBy=severity&own=false");
    assert_eq!(
        worst[..2].iter().map(|name| name.rsplit('-').next()).collect::<Vec<_>>(),
        [Some("admin@kubernetes"), Some("empty@kubernetes"),]
    );
    assert_eq!(
        names("/api/http/services?sortBy=severity")[..2],
        ["default-empty-8080@kubernetes", "default-weather-8080@kubernetes",]
    );
    assert_eq!(names("/api/http/routers?serviceName=default-weather-8080@kubernetes").len(), 1);
    assert_eq!(names("/api/http/routers?middlewareName=dashboard_redirect@internal"), ["dashboard@internal"]);

    let brief = get_json(&world.admin, "/api/http/services?brief=true&search=weather");
    assert_eq!((&brief[0]["uses"], brief[0].get("usedBy")), (&json!(1), None));

    assert_eq!(names("/api/http/routers?own=false").len(), 4);
    assert_eq!(get(&world.admin, "/api/http/services?own=false&per_page=1").1["x-total-count"], "2");

    let next = |path: &str| {
        let (status, headers, _) = get(&world.admin, path);
        let next = headers.get("x-next-page").and_then(|value| value.to_str().ok()).map(str::to_owned);
        (status.as_u16(), next)
    };
    assert_eq!(names("/api/http/routers?per_page=3").len(), 3);
    assert_eq!(next("/api/http/routers?per_page=3"), (200, Some("2".into())));
    assert_eq!(next("/api/http/routers?per_page=3&page=3"), (200, Some("1".into())));
    assert_eq!(names("/api/http/routers?per_page=3&page=3").len(), 2);
    for bad in ["per_page=3&page=4", "page=0", "page=x", "per_page=-1", "page=18446744073709551615&per_page=2"] {
        let (status, _, body) = get(&world.admin, &format!("/api/http/routers?{bad}"));
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(body.starts_with("{\"message\":\"invalid request: "), "{body}");
    }
    assert_eq!(next("/api/tcp/routers"), (200, Some("1".into())));
    assert_eq!(get(&world.admin, "/api/udp/services").2, "[]");
}

#[test]
fn what_is_not_there_is_a_message() {
    let world = world();
    let (status, _, body) = get(&world.admin, "/api/http/routers/none@kubernetes");
    assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, r#"{"message":"router not found: none@kubernetes"}"#));
    assert_eq!(get(&world.admin, "/api/nothing").0, StatusCode::NOT_FOUND);
}

#[test]
fn the_version_is_spelled_as_traefik_spells_it() {
    let version = get_json(&world().admin, "/api/version");
    assert_eq!(version["Version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["startDate"], "2026-07-24T10:33:15Z");
    assert!(version["Codename"].is_string());
}

#[test]
fn every_route_is_a_small_row() {
    let page = get_json(&world().admin, "/api/routes");
    assert_eq!(page["entryPoints"], json!(["web", "websecure"]));
    let fields = page["fields"].as_array().expect("the names of a row's members");
    let rows = page["routes"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row.as_array().map(Vec::len) == Some(fields.len())), "{page}");
    let named = |row: &Value| {
        fields
            .iter()
            .zip(row.as_array().into_iter().flatten())
            .map(|(name, value)| (name.as_str().unwrap_or_default().to_owned(), value.clone()))
            .collect::<Value>()
    };
    let rows: Vec<Value> = rows.iter().map(named).collect();
    assert_eq!(rows.len(), 4);
    let find =
        |path: &str| rows.iter().find(|row| row["host"] == "weather.lvh.me" && row["path"] == path).expect("a row");
    assert_eq!(
        *find("/"),
        json!({
            "router": "default-weather-weather-lvh-me@kubernetes", "host": "weather.lvh.me", "path": "/",
            "pathType": "Prefix", "entryPoints": [0], "tls": "also", "action": "forward", "service": "weather:8080",
            "namespace": "default", "ingress": "weather", "state": 0,
        })
    );
    assert_eq!((&find("/empty")["state"], &find("/admin")["state"]), (&json!(1), &json!(2)));
    assert_eq!(
        (&find("/admin")["service"], &find("/admin")["action"]),
        (&json!("default-admin-8080"), &json!("refuse"))
    );
    assert_eq!(rows.iter().filter(|row| row["action"] == "redirect" && row["host"] == "*").count(), 1);
}

#[test]
fn the_last_minutes_are_the_differences_between_samples() {
    let world = world();
    let series = world.meters.entry_point("web");
    let record = |code, millis| {
        series.record(
            0,
            &Sample {
                code,
                method: MethodLabel::Get,
                protocol: ProtocolLabel::Http,
                duration: Duration::from_millis(millis),
                request_bytes: 0,
                response_bytes: 0,
                tls: None,
            },
        );
    };
    let open = world.meters.open_connections("web");
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    record(200, 10);
    world.admin.sample(at(100));
    record(200, 20);
    record(502, 400);
    world.meters.own().refused(Refusal::NoRoute);
    open.opened();
    world.admin.sample(at(105));
    world.admin.sample(at(110));
    let history = get_json(&world.admin, "/api/history");
    assert_eq!(history["times"], json!([100.0, 105.0, 110.0]));
    assert_eq!(history["bounds"], json!([0.1, 0.3, 1.2, 5.0]));
    assert_eq!(history["refusals"], json!({ "no_route": [1, 0] }));
    assert_eq!(
        history["entryPoints"][0],
        json!({
            "name": "web", "requests": [2, 0], "clientErrors": [0, 0], "serverErrors": [1, 0], "seconds": [0.42, 0.0],
            "buckets": [[1, 0], [0, 0], [1, 0], [0, 0], [0, 0]], "connections": [1, 1],
        })
    );
    for second in 0..400 {
        world.admin.sample(at(200 + 5 * second));
    }
    let times = get_json(&world.admin, "/api/history")["times"].as_array().map(Vec::len);
    assert_eq!(times, Some(181), "fifteen minutes are kept, no more");
}
