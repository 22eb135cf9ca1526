//! What the API server stands on fails: a store that hangs, and one that is put back to what it was before.

use std::process::Command;
use std::time::Duration;

use http::StatusCode;

use crate::outage::Faults;
use crate::support::between::Between;
use crate::support::kubectl::try_kubectl;
use crate::support::process::{Adit, SOON, Scene};
use crate::support::{eventually, turn};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn nothing_fails_while_the_store_hangs() {
    let _turn = turn();
    let Some(faults) = Faults::available() else { return };
    let scene = Scene::new().await;
    let between = Between::start().await;
    let adit = Adit::start(&between.url, &[]).await;
    let load = adit.load();
    faults.signal("STOP", "etcd");
    tokio::time::sleep(Duration::from_secs(8)).await;
    adit.page("/readyz", StatusCode::OK).await.expect("a store that hangs does not end readiness");
    faults.signal("CONT", "etcd");
    eventually("the API server answers", async || try_kubectl("get --raw /readyz")).await;
    let host = scene.add("after");
    adit.answers(&host, StatusCode::OK, SOON).await;
    load.stop_without_failure(50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_store_that_is_put_back_to_what_it_was_is_followed_back_and_onwards() {
    let _turn = turn();
    let Some(faults) = Faults::available() else { return };
    let scene = Scene::new().await;
    let between = Between::start().await;
    let adit = Adit::start(&between.url, &[]).await;
    let removed = scene.add("removed");
    adit.answers(&removed, StatusCode::OK, SOON).await;
    let load = adit.load();

    let store = faults.argument("etcd", "--data-dir");
    let kept = format!("{store}.kept");
    // What stands still can be copied.
    faults.signal("STOP", "etcd");
    run("cp", &["--recursive", &store, &kept]);
    faults.signal("CONT", "etcd");
    scene.remove("removed");
    let late = scene.add("late");
    adit.answers(&late, StatusCode::OK, SOON).await;
    adit.answers(&removed, StatusCode::NOT_FOUND, SOON).await;

    // As an operator does it: all that remembers versions of the future starts anew, but adit.
    let processes = ["kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"];
    for process in processes {
        faults.signal("KILL", process);
    }
    // One that is still ending would not be started again.
    for process in processes {
        let ended = async || if faults.runs(process) { Err("it runs".to_owned()) } else { Ok(()) };
        eventually(&format!("{process} has ended"), ended).await;
    }
    run("rm", &["--recursive", &store]);
    run("mv", &[&kept, &store]);
    faults.mend();
    eventually("the API server answers", async || try_kubectl("get --raw /readyz")).await;

    adit.answers(&late, StatusCode::NOT_FOUND, SOON).await;
    adit.answers(&removed, StatusCode::OK, SOON).await;
    let host = scene.add("after");
    adit.answers(&host, StatusCode::OK, SOON).await;
    adit.page("/readyz", StatusCode::OK).await.expect("it was ready all the time");
    load.stop_without_failure(50).await;
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).status().expect("it runs");
    assert!(done.success(), "{program} {arguments:?}");
}
