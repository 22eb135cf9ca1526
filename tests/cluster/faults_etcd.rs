//! What the API server stands on fails: a store that hangs.

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
