//! The process itself is stopped, killed and starved, and its clock is set: another replica takes over, and what can be
//! served is served.

use std::fs;
use std::time::Duration;

use http::StatusCode;

use crate::support::between::{Between, Fault, Verb};
use crate::support::kubectl::kubectl;
use crate::support::process::{Adit, NAMESPACE, SOON, Scene};
use crate::support::{asked_for_long, turn, within};

/// A Lease runs out after 15 s, and it is looked at every three.
const TAKEOVER: Duration = Duration::from_secs(40);
const ADDRESS: &str = "192.0.2.99";
const WRITES: &str = "--providers.kubernetesIngress.ingressEndpoint.ip=192.0.2.99";

async fn replica(between: &Between, name: &str) -> Adit {
    let mut command = Adit::program();
    command.env("POD_NAMESPACE", NAMESPACE).env("POD_NAME", name);
    let adit = Adit::run(command, &between.url, &[WRITES]).await;
    adit.is_ready(SOON).await;
    adit
}

async fn leads(adit: &Adit, leads: bool) {
    let line = format!("adit_leader {}", u8::from(leads));
    within(TAKEOVER, &line, async || {
        let metrics = adit.page("/metrics", StatusCode::OK).await?.body;
        if metrics.lines().any(|found| found == line) { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
}

async fn has_status(ingress: &str) {
    within(TAKEOVER, "the Ingress has its address", async || {
        let path = "{.status.loadBalancer.ingress[0].ip}";
        let shown = kubectl(&format!("get ingress -n {NAMESPACE} {ingress} -o jsonpath={path}"));
        if shown == ADDRESS { Ok(()) } else { Err(shown) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn of_two_replicas_one_writes_whoever_is_stopped_or_killed_and_a_conflict_is_no_fight() {
    if !asked_for_long() {
        return;
    }
    let _turn = turn();
    let scene = Scene::new().await;
    let (for_one, for_two) = (Between::start().await, Between::start().await);
    let one = replica(&for_one, "one").await;
    leads(&one, true).await;
    has_status("weather").await;
    let two = replica(&for_two, "two").await;
    let loads = [one.load(), two.load()];

    // F19: somebody else writes the same, faster each time.
    for_one.fail(|ask| {
        (ask.verb == Verb::Write && ask.resource == "ingresses/status").then_some(Fault::Refuse(409, "Conflict", 0))
    });
    let before = for_one.asked(Verb::Write, "ingresses/status");
    scene.add("fought-over");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let tries = for_one.asked(Verb::Write, "ingresses/status") - before;
    assert!((1..=6).contains(&tries), "{tries} writes in 3 s");
    for_one.heal();
    has_status("fought-over").await;

    // F18: the one that leads is stopped, and goes on when another leads already.
    one.signal("STOP");
    leads(&two, true).await;
    let before = for_one.asked(Verb::Write, "ingresses/status");
    one.signal("CONT");
    scene.add("after");
    has_status("after").await;
    leads(&one, false).await;
    assert_eq!(for_one.asked(Verb::Write, "ingresses/status"), before, "the old leader wrote nothing more");

    // C3: and is killed.
    let [of_one, of_two] = loads;
    of_two.stop_without_failure(50).await;
    two.signal("KILL");
    scene.add("later");
    leads(&one, true).await;
    has_status("later").await;
    // Its clients waited while it was stopped: that is no failure.
    of_one.stop_without_failure(50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_clock_that_jumps_by_a_day_fails_no_request_and_ends_no_watch_and_no_lead() {
    const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    if !fs::exists(LIBRARY).unwrap_or(false) {
        eprintln!("skipped: {LIBRARY} (Debian's package faketime) is not there to set the clock of one process");
        return;
    }
    let _turn = turn();
    let scene = Scene::new().await;
    let between = Between::start().await;
    let clock = std::env::temp_dir().join(format!("adit-faults-clock-{}", std::process::id()));
    fs::write(&clock, "+0").expect("a writable directory");
    let mut command = Adit::program();
    // The wall clock alone: the kernel never sets the other one.
    command.env("LD_PRELOAD", LIBRARY).env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1");
    command.env("POD_NAMESPACE", NAMESPACE).env("POD_NAME", "one");
    let adit = Adit::run(command, &between.url, &[WRITES]).await;
    adit.is_ready(SOON).await;
    leads(&adit, true).await;
    let load = adit.load();
    for (index, offset) in ["+1d", "-1d", "+0"].into_iter().enumerate() {
        let lists = between.asked(Verb::List, "ingresses");
        fs::write(&clock, offset).expect("a writable directory");
        let host = scene.add(&format!("clock-{index}"));
        adit.answers(&host, StatusCode::OK, SOON).await;
        has_status(&format!("clock-{index}")).await;
        leads(&adit, true).await;
        let date = adit.get(&host).await.expect("an answer").headers["date"].to_str().expect("a date").to_owned();
        let said = httpdate::parse_http_date(&date).expect("a date");
        let now = std::time::SystemTime::now();
        let apart = said.duration_since(now).unwrap_or_else(|error| error.duration()).as_secs();
        assert_eq!(apart > 80_000, offset != "+0", "the clock was set to {offset}, and it says {date}");
        assert_eq!(between.asked(Verb::List, "ingresses"), lists, "no watch began anew");
    }
    load.stop_without_failure(50).await;
    let _ = fs::remove_file(clock);
}
