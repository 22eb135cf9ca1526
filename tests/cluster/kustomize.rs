//! `kubectl apply -k deploy` on an empty cluster.

use std::time::Duration;

use http::StatusCode;

use crate::support::client::get_tls;
use crate::support::install::Installation;
use crate::support::kubectl::{kubectl, rolled_out};
use crate::support::load::Load;
use crate::support::{eventually, turn};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn the_installation_works_shows_addresses_and_rolls_without_a_failed_request() {
    let _turn = turn();
    let installation = Installation::new().await;
    eventually("kubectl get ingress shows the address", async || {
        let shown = kubectl("get ingress -n adit-weather");
        if shown.contains(&installation.address) { Ok(()) } else { Err(shown) }
    })
    .await;
    let (answer, _) = get_tls(&installation.address, 443, "weather.lvh.me", "/").await.expect("websecure");
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");

    let load = Load::start(&installation.address, 40, Duration::from_millis(200));
    kubectl("rollout restart -n adit deployment/adit");
    rolled_out("adit", "adit", "app.kubernetes.io/name=adit").await;
    kubectl("rollout restart -n adit-weather deployment/weather-api");
    rolled_out("adit-weather", "weather-api", "app=weather-api-pod").await;
    load.stop_without_failure(1_000).await;
}
