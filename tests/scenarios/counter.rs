//! A microservice of Flask that keeps what it is given in Redis: docs/scenarios/counter.md.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::install::{Adit, Site, socket};
use crate::support::kubectl::{Applied, Namespace, kubectl, pods, rolled_out};
use crate::support::{eventually, turn};
use crate::visitors::Visitors;

const MANIFEST: &str = include_str!("counter/counter.yaml");
const HOST: &str = "counter.lvh.me";

/// Targets that somebody on the way might change: decode, encode, shorten or cut.
const ODD: [&str; 14] = [
    "/plain",
    "/with/slash/",
    "/a%2Fb",
    "/a%2fb",
    "/caf%C3%A9/%E2%82%AC",
    "/caf%c3%a9",
    "/%41%7E~",
    "/a//b/",
    "/a/./b/../c",
    "/a+b%20c;d=e,f;g",
    "/!$&'()*+,;=:@-._~",
    "/a?x=//b/../c&y=%zz&z=%2F",
    "/what%3Fis%23this",
    "/a?",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn json_is_stored_under_any_path_visits_are_counted_and_a_recreated_backend_is_waited_out() {
    let _turn = turn();
    let adit =
        Adit::install("additionalArguments={--upstream.waitForEndpoint=30s,--entryPoints.web.http.sanitizePath=false}")
            .await;
    let namespace = Namespace::new("adit-counter");
    let _counter = Applied::new(namespace.0, MANIFEST);
    rolled_out(namespace.0, "redis", "app=redis").await;
    rolled_out(namespace.0, "counter", "app=counter").await;
    let site = adit.site(HOST);
    eventually("the counter is served", async || site.page("/").await).await;

    // The backend speaks HTTP/1.0; the client sees 1.1.
    let pod = pods(namespace.0, "app=counter").remove(0);
    let ip = kubectl(&format!("get pod -n {} {pod} -o jsonpath={{.status.podIP}}", namespace.0));
    let direct = Site { address: socket(&ip, 5000), host: HOST }.page("/").await.expect("the pod itself");
    assert!(direct.head.starts_with("HTTP/1.0 200"), "{}", direct.head);
    let through = site.page("/").await.expect("through adit");
    assert!(through.head.starts_with("HTTP/1.1 200"), "{}", through.head);

    // Each visit is counted once, whichever pod it reached.
    let mut last = visits(&through.text());
    for _ in 0..20 {
        let now = visits(&site.page("/").await.expect("a visit").text());
        assert_eq!(now, last + 1);
        last = now;
    }
    assert_eq!(redis(&namespace, "get visits").trim(), last.to_string());

    for target in ODD {
        let body = serde_json::json!({ "from": target, "text": "é\u{1F600}\"\\" });
        let stored = site.ask("PUT", target, &body.to_string()).await.expect("an answer");
        assert_eq!(stored.status, 201, "{target}: {}", stored.text());
        for answer in [stored, site.page(target).await.expect("what was stored")] {
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&answer.body).expect("JSON"), body, "{target}");
        }
    }
    // Byte for byte what the backend was asked for.
    let keys = redis(&namespace, "keys /*");
    assert_eq!(keys.lines().collect::<BTreeSet<_>>(), BTreeSet::from(ODD));
    assert_eq!(site.get("/nothing").await.expect("an answer").status, 404);

    recreated(&site, &namespace).await;
}

/// All pods are replaced at once while requests arrive. They wait for the new ones: none is refused, and what fails is
/// at most what a pod died over.
async fn recreated(site: &Site, namespace: &Namespace) {
    let site = *site;
    let visitors = Visitors::start(10, Duration::from_millis(100), move |index| async move {
        let answer = match index % 2 {
            0 => site.get("/plain").await,
            _ => site.ask("PUT", "/other", "{}").await,
        };
        answer.map_or_else(|error| format!("failed: {error}"), |answer| answer.status.to_string())
    });
    let before = pods(namespace.0, "app=counter");
    kubectl(&format!("rollout restart -n {} deployment/counter", namespace.0));
    rolled_out(namespace.0, "counter", "app=counter").await;
    assert!(pods(namespace.0, "app=counter").iter().all(|pod| !before.contains(pod)));
    eventually("the new pods are served", async || site.page("/plain").await).await;
    let during = visitors.so_far();
    visitors.forget();
    eventually("the new pods answer many", async || {
        let tally = visitors.so_far();
        if tally.outcomes.values().sum::<u64>() > 50 { Ok(()) } else { Err(format!("{tally:?}")) }
    })
    .await;
    let after = visitors.stop().await;
    eprintln!("while the pods were replaced: {during:?}");
    let answered = |outcome: &&String| ["200", "201"].contains(&outcome.as_str());
    assert!(after.outcomes.keys().all(|outcome| answered(&outcome)), "{after:?}");
    // Each of ten clients had at most one request under way when the two pods were killed.
    let died: u64 = during.outcomes.iter().filter(|(outcome, _)| !answered(outcome)).map(|(_, count)| count).sum();
    assert!(during.outcomes.keys().all(|outcome| answered(&outcome) || outcome == "502") && died <= 10, "{during:?}");
    assert!(during.slowest < Duration::from_secs(30), "{during:?}");
}

fn visits(body: &str) -> u64 {
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    body["visits"].as_u64().expect("a number of visits")
}

fn redis(namespace: &Namespace, words: &str) -> String {
    kubectl(&format!("exec -n {} deployment/redis -- redis-cli --raw {words}", namespace.0))
}
