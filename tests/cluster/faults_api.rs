//! The API server fails in every way that it can: the last good table goes on serving, the log says what is wrong, and
//! what changed meanwhile is served soon after. Each row of [`ROWS`] is one of `faults.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::support::between::{Ask, Between, Fault, Verb};
use crate::support::client::get;
use crate::support::kubectl::{Applied, apply, kubectl};
use crate::support::process::{Adit, NAMESPACE, SOON, Scene};
use crate::support::{asked_for_long, long, turn, within};

/// The longest that a watch may be silent before it is taken to be dead, and the next is there.
const SILENCE: Duration = Duration::from_secs(75);

/// One fault: what is done, and what the log says of it.
struct Row {
    number: &'static str,
    what: &'static str,
    does: fn(&Between),
    says: &'static str,
}

const FAILS: &str = "the Kubernetes API server fails us";
/// How long each lasts.
const BRIEF: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(10);

const ROWS: &[Row] = &[
    Row { number: "F1", what: "it is not there", does: Between::vanish, says: "the last routing table keeps serving" },
    Row { number: "F2", what: "it takes requests and says nothing", does: hang, says: "" },
    Row { number: "F4", what: "it ends each connection again and again", does: storm, says: "" },
    Row {
        number: "F5",
        what: "no watch can go on from where it was, at its start",
        does: |between| {
            between.fail(|ask| (ask.verb == Verb::Watch).then_some(Fault::Refuse(410, "Expired", 0)));
            between.cut();
        },
        says: "listing anew",
    },
    Row {
        number: "F5",
        what: "no watch can go on from where it was, in its middle",
        does: |between| {
            between.fail(|ask| (ask.verb == Verb::Watch).then_some(Fault::WatchError(410, "Expired")));
            between.cut();
        },
        says: "listing anew",
    },
    Row {
        number: "F7",
        what: "lists fail on their second page",
        does: |between| {
            between.pages_of(1);
            relist(between, |ask| {
                (ask.verb == Verb::List && ask.page).then_some(Fault::Refuse(500, "InternalError", 0))
            });
        },
        says: "500 InternalError",
    },
    Row {
        number: "F7",
        what: "lists break off in their middle",
        does: |between| relist(between, |ask| (ask.verb == Verb::List).then_some(Fault::Truncate)),
        says: "the watch failed; trying again",
    },
    Row {
        number: "F7",
        what: "lists are no JSON",
        does: |between| relist(between, |ask| (ask.verb == Verb::List).then(|| Fault::Say("<html>".into()))),
        says: "the watch failed; trying again",
    },
    Row {
        number: "F9",
        what: "it is asked too much",
        does: |between| between.fail_all(Fault::Refuse(429, "TooManyRequests", 2)),
        says: "429 TooManyRequests",
    },
    Row {
        number: "F9",
        what: "it fails",
        does: |between| between.fail_all(Fault::Refuse(500, "InternalError", 0)),
        says: "500 InternalError",
    },
    Row {
        number: "F9",
        what: "it is not ready",
        does: |between| between.fail_all(Fault::Refuse(503, "ServiceUnavailable", 1)),
        says: "503 ServiceUnavailable",
    },
    Row {
        number: "F13",
        what: "it is slow, as with a slow etcd",
        does: |between| between.fail_all(Fault::Slow(Duration::from_secs(2))),
        says: "",
    },
    Row {
        number: "F17",
        what: "it does not know EndpointSlices any more",
        does: |between| {
            between.fail(|ask| (ask.resource == "endpointslices").then_some(Fault::Refuse(404, "NotFound", 0)));
            between.cut();
        },
        says: "404 NotFound",
    },
];

fn hang(between: &Between) {
    between.fail_all(Fault::Hang);
}

fn storm(between: &Between) {
    for _ in 0..20 {
        between.cut();
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Makes each watch list anew, once, and then fails so.
fn relist(between: &Between, fault: impl Fn(&Ask) -> Option<Fault> + Send + 'static) {
    let done = Mutex::new(BTreeSet::new());
    between.fail(move |ask| {
        let first = ask.verb == Verb::Watch && done.lock().expect("what was done").insert(ask.resource.clone());
        if first { Some(Fault::Refuse(410, "Expired", 0)) } else { fault(ask) }
    });
    between.cut();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn whatever_the_api_server_does_nothing_fails_and_what_changed_meanwhile_is_served_soon_after() {
    let _turn = turn();
    let scene = Scene::new().await;
    let between = Between::start().await;
    let adit = Adit::start(&between.url, &[]).await;
    adit.answers("weather.lvh.me", StatusCode::OK, SOON).await;
    let load = adit.load();
    for (index, row) in ROWS.iter().enumerate() {
        let (number, what) = (row.number, row.what);
        let (gone, new) = (scene.add(&format!("gone-{index}")), format!("new-{index}"));
        adit.answers(&gone, StatusCode::OK, SOON).await;
        adit.forget_log();
        let lists = between.asked(Verb::List, "ingresses");
        tokio::task::block_in_place(|| (row.does)(&between));
        let new = scene.add(&new);
        scene.remove(&format!("gone-{index}"));
        tokio::time::sleep(if long() { LONG } else { BRIEF }).await;
        adit.page("/readyz", StatusCode::OK).await.expect("an API server that fails does not end readiness");
        adit.says(row.says, SOON).await;
        let listed = between.asked(Verb::List, "ingresses") - lists;
        assert!(listed <= 20, "{number}, {what}: {listed} lists while it lasted");
        if number == "F4" {
            assert_eq!(listed, 0, "a watch that is cut goes on from where it was");
        }
        between.heal();
        between.cut();
        let since = Instant::now();
        adit.answers(&new, StatusCode::OK, SOON).await;
        adit.answers(&gone, StatusCode::NOT_FOUND, SOON).await;
        let tally = load.so_far();
        eprintln!("{number}, {what}: healed in {:.1?}, {listed} lists, {tally}", since.elapsed());
        assert!(!tally.has_failed(), "{number}, {what}: {tally}");
    }
    load.stop_without_failure(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn an_object_that_cannot_be_read_harms_itself_alone_and_is_a_problem_until_it_is_gone() {
    let _turn = turn();
    let scene = Scene::new().await;
    let between = Between::start().await;
    let adit = Adit::start(&between.url, &[]).await;
    let load = adit.load();
    relist(&between, |ask| {
        let odd = || {
            let metadata = serde_json::json!({ "name": "odd", "namespace": NAMESPACE, "resourceVersion": "1" });
            serde_json::json!({ "metadata": metadata, "spec": { "rules": 7 } })
        };
        (ask.verb == Verb::List && ask.resource == "ingresses").then(|| Fault::Add(odd()))
    });
    adit.shows("/api/problems", "undecodable").await;
    adit.shows("/metrics", "adit_problems{severity=\"error\"} 1").await;
    let host = scene.add("beside");
    adit.answers(&host, StatusCode::OK, SOON).await;
    relist(&between, |_| None);
    adit.shows("/api/problems", "[]").await;
    load.stop_without_failure(10).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn an_empty_list_is_believed_and_warned_of_and_the_next_one_heals_it() {
    let _turn = turn();
    let scene = Scene::new().await;
    let between = Between::start().await;
    let other = scene.add("other");
    let adit = Adit::start(&between.url, &[]).await;
    adit.answers(&other, StatusCode::OK, SOON).await;
    let empty =
        r#"{"kind":"IngressList","apiVersion":"networking.k8s.io/v1","metadata":{"resourceVersion":"1"},"items":[]}"#;
    relist(&between, move |ask| {
        (ask.verb == Verb::List && ask.resource == "ingresses").then(|| Fault::Say(empty.into()))
    });
    adit.says("the API server's new list lacks 2 of the 2 objects known", SOON).await;
    relist(&between, |_| None);
    adit.answers(&other, StatusCode::OK, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_start_without_an_api_server_waits_for_it_and_no_request_comes_too_early() {
    let _turn = turn();
    let _scene = Scene::new().await;
    let between = Between::start().await;
    between.vanish();
    let adit = Adit::spawn(&between.url, &[]).await;
    adit.says(FAILS, SOON).await;
    adit.page("/healthz", StatusCode::OK).await.expect("it lives");
    let reasons = adit.page("/readyz", StatusCode::SERVICE_UNAVAILABLE).await.expect("it is not ready").body;
    assert!(reasons.contains("the first list of Ingresses"), "{reasons}");
    // One that came too early waits for the first table.
    let port = adit.web.port();
    let early = tokio::spawn(async move { get("127.0.0.1", port, "weather.lvh.me", "/").await });
    // Lists come late, and one later than the others.
    between.fail(|ask| (ask.resource == "endpointslices").then_some(Fault::Slow(Duration::from_secs(2))));
    between.accept();
    within(SOON, "it is ready", async || {
        let ready = adit.page("/readyz", StatusCode::OK).await;
        // Asked after readiness was: ready means that it is served.
        let answer =
            if ready.is_ok() { Some(adit.get("weather.lvh.me").await.expect("an answer").status) } else { None };
        assert!(answer.is_none_or(|status| status == StatusCode::OK), "ready, and {answer:?}");
        ready
    })
    .await;
    assert_eq!(early.await.expect("it ends").expect("an answer").status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn silent_connections_lost_rights_an_expired_token_and_another_authority_heal_by_themselves() {
    if !asked_for_long() {
        return;
    }
    let _turn = turn();
    let scene = Scene::new().await;
    // Its own rights, which can be taken away, and its own token.
    let _role = Applied::new(NAMESPACE, ROLE);
    let token = std::env::temp_dir().join(format!("adit-faults-token-{}", std::process::id()));
    renew(&token);
    let (silent, refused) = (Between::start().await, Between::start().await);
    let flag = format!("--providers.kubernetesIngress.token={}", token.display());
    let (frozen, stripped) = (Adit::start(&silent.url, &[]).await, Adit::start(&refused.url, &[&flag]).await);
    // Its own authority, which can be replaced.
    let rotating = Between::start().await;
    let authority = std::env::temp_dir().join(format!("adit-faults-authority-{}", std::process::id()));
    replace(&authority, &rotating.certify());
    let secure = rotating.url.replace("http://", "https://");
    let flag = format!("--providers.kubernetesIngress.certAuthFilePath={}", authority.display());
    let rotated = Adit::start(&secure, &[&flag]).await;
    let loads = [frozen.load(), stripped.load(), rotated.load()];

    // F2, F3: connections that look alive and say nothing more. New ones are as good as ever.
    silent.freeze();
    let since = Instant::now();

    // F12: another authority, which is in its file a moment later.
    let next = rotating.certify();
    rotated.says(FAILS, SOON).await;
    replace(&authority, &next);

    // F10: no right to anything, and back.
    kubectl("delete clusterrolebinding adit-faults");
    refused.cut();
    within(SOON, "it is refused", async || {
        if refused.asked(Verb::List, "ingresses") > 2 { Ok(()) } else { Err("not asked".to_owned()) }
    })
    .await;
    stripped.page("/readyz", StatusCode::OK).await.expect("lost rights do not end readiness");
    let during = scene.add("during");
    apply(NAMESPACE, ROLE);
    stripped.answers(&during, StatusCode::OK, SOON).await;

    // F11: the token is worth nothing any more, and a new one is written in its place.
    stripped.forget_log();
    kubectl(&format!("delete serviceaccount -n {NAMESPACE} adit-faults"));
    within(SILENCE, "the token is refused", async || {
        // The API server believes for a moment more what it believed, and a watch that it began for as long as it lasts.
        refused.cut();
        tokio::time::sleep(Duration::from_secs(1)).await;
        if stripped.log().contains("401") { Ok(()) } else { Err("it is not".to_owned()) }
    })
    .await;
    apply(NAMESPACE, ROLE);
    renew(&token);
    let after = scene.add("after");
    stripped.answers(&after, StatusCode::OK, SILENCE).await;

    frozen.answers(&after, StatusCode::OK, SILENCE.saturating_sub(since.elapsed())).await;
    eprintln!("silent connections were given up after {:.0?}", since.elapsed());
    rotated.answers(&after, StatusCode::OK, SILENCE.saturating_sub(since.elapsed())).await;
    for load in loads {
        load.stop_without_failure(100).await;
    }
    let _ = (fs::remove_file(token), fs::remove_file(authority));
}

/// Writes a new token.
fn renew(path: &Path) {
    let token = kubectl(&format!("create token -n {NAMESPACE} adit-faults --duration=600s"));
    replace(path, token.trim());
}

/// Writes a file as a kubelet does: whole or not at all.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).and_then(|()| fs::rename(&next, path)).expect("a writable directory");
}

const ROLE: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: adit-faults, namespace: adit-faults}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: adit-faults}
rules:
  - {apiGroups: [''], resources: [services, secrets, nodes], verbs: [get, list, watch]}
  - {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
  - {apiGroups: [networking.k8s.io], resources: [ingresses, ingressclasses], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: adit-faults}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: adit-faults}
subjects: [{kind: ServiceAccount, name: adit-faults, namespace: adit-faults}]
";
