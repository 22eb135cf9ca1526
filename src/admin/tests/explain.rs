//! `/api/explain`: the decision of the data plane's router, in words.

use serde_json::json;

use super::sample::world;
use super::*;

fn explain(question: &str) -> Value {
    get_json(&world().admin, &format!("/api/explain?{question}"))
}

fn step(explained: &Value, name: &str) -> String {
    let steps = explained["steps"].as_array().into_iter().flatten();
    let mut texts = steps.filter(|step| step["step"] == name).filter_map(|step| step["text"].as_str());
    texts.next().unwrap_or_default().to_owned()
}

#[test]
fn a_url_is_led_to_its_service_with_every_step_and_the_others_say_why_they_lost() {
    let explained = explain("url=http://weather.lvh.me:80/london//uk/?x=1");
    assert_eq!(
        explained["request"],
        json!({
            "method": "GET", "entryPoint": "web", "tls": false, "host": "weather.lvh.me", "path": "/london/uk/",
            "target": "/london//uk/?x=1",
        })
    );
    assert_eq!(explained["answer"]["kind"], "forward");
    assert_eq!(explained["router"]["name"], "default-weather-weather-lvh-me@kubernetes");
    assert_eq!(explained["service"]["endpoints"].as_array().map(Vec::len), Some(3));
    assert_eq!(step(&explained, "entryPoint"), "web (:80): it has the port of the URL");
    assert_eq!(step(&explained, "path"), "/london//uk/ is brought into its one form, /london/uk/");
    assert_eq!(step(&explained, "action"), "default/weather:8080: 1 ready, 1 draining, 1 set aside after failures");
    assert!(step(&explained, "host").contains("4 routes are for it, under weather.lvh.me, *"), "{explained}");
    assert!(step(&explained, "route").contains("an exact host comes before a wildcard"), "{explained}");
    let why = |path: &str| {
        let all = explained["candidates"].as_array().expect("candidates");
        all.iter().find(|it| it["path"] == path && it["host"] == "weather.lvh.me").map(|it| it["why"].clone())
    };
    assert_eq!(why("/"), Some(json!("it wins")));
    assert_eq!(why("/admin"), Some(json!("its path is not for /london/uk/")));
    assert_eq!(explained["considered"], 4);
}

#[test]
fn a_route_that_refuses_is_503_with_the_reason() {
    let refused = explain("host=weather.lvh.me&path=/admin/x");
    let answer = &refused["answer"];
    assert_eq!(
        (&answer["kind"], &answer["status"], &answer["reason"]),
        (&json!("refuse"), &json!(503), &json!("no_service"))
    );
    assert_eq!(answer["text"], "The service does not exist");
    assert_eq!(answer["mend"], "Create the Service or correct its name; /api/problems names the field");
    assert_eq!(refused["candidates"][0]["why"], "it wins");
    assert!(refused["candidates"][1]["why"].as_str().is_some_and(|why| why.contains("a longer path comes first")));
    let empty = explain("host=weather.lvh.me&path=/empty");
    assert_eq!(empty["answer"]["reason"], "no_endpoints");
    assert!(step(&empty, "action").contains("has no endpoints"), "{empty}");
}

#[test]
fn a_host_without_routes_gets_what_is_for_any_host_and_over_tls_nothing() {
    let redirected = explain("url=http://other.example/x?y&method=POST");
    assert_eq!(
        redirected["answer"],
        json!({
            "kind": "redirect", "status": 308, "location": "https://other.example/x?y", "text": "The entry point redirects",
        })
    );
    let lost = explain("url=https://wether.lvh.me/");
    assert_eq!((&lost["answer"]["status"], &lost["answer"]["reason"]), (&json!(404), &json!("no_route")));
    assert_eq!(lost["router"], Value::Null);
    assert!(step(&lost, "certificate").starts_with("for weather.lvh.me, *.lvh.me, valid until 2096-"), "{lost}");
    assert!(step(&explain("url=https://none.example/"), "certificate").contains("self-signed"));
    assert_eq!(step(&lost, "route"), "none matches");
    assert_eq!(step(&lost, "host"), "wether.lvh.me: 1 route is for it, under *; is weather.lvh.me meant?");
    assert!(step(&explain("url=http://weather.lvh.me/&entryPoint=websecure"), "route").contains("TLS only"));
}

#[test]
fn what_no_backend_should_see_is_refused_before_it_is_routed() {
    for (question, status, reason) in [
        ("url=http://weather.lvh.me/a%255C%2500", 400, "bad_path"),
        ("url=http://weather.lvh.me/&method=TRACE", 405, "method_not_allowed"),
        ("url=http://weather.lvh.me/&header=Host:a%0AHost:b", 400, "bad_host"),
        ("url=http://weather.lvh.me/&header=Content-Length:1%0ATransfer-Encoding:chunked", 400, "bad_framing"),
        ("path=/", 400, "bad_host"),
    ] {
        let refused = explain(question);
        let answer = &refused["answer"];
        assert_eq!((&answer["status"], &answer["reason"]), (&json!(status), &json!(reason)), "{question}: {refused}");
        assert_eq!(refused["candidates"], json!([]), "{question}");
        assert!(step(&refused, "request").starts_with("refused before it is routed: "), "{question}");
    }
}

#[test]
fn an_options_that_may_be_passed_on_no_further_is_answered_here() {
    let question = "url=http://weather.lvh.me/&method=OPTIONS&header=Max-Forwards:";
    assert_eq!(explain(&format!("{question}0"))["answer"]["status"], 200);
    assert_eq!(explain(&format!("{question}1"))["answer"]["kind"], "forward");
}

#[test]
fn a_question_that_makes_no_sense_is_400_with_a_message() {
    let (status, _, body) = get(&world().admin, "/api/explain?url=http://a/&entryPoint=none");
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body, r#"{"message":"there is no entry point none with routes; there are: web, websecure"}"#);
}
