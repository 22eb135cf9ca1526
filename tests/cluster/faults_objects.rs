//! What a route names is deleted and restored while it serves: only what is gone is refused, and at once; it serves
//! again at once when it is back.

use std::time::Duration;

use http::StatusCode;

use crate::support::between::Between;
use crate::support::client::get_tls;
use crate::support::kubectl::{apply, kubectl};
use crate::support::process::{Adit, NAMESPACE, SOON, Scene, ingress, service, slice};
use crate::support::{turn, within};

const SECURE: &str = "secure.lvh.me";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_secret_that_is_deleted_keeps_serving_and_its_next_version_replaces_it() {
    let _turn = turn();
    let _scene = Scene::new().await;
    let between = Between::start().await;
    let [first, second] = [certificate(), certificate()];
    apply(NAMESPACE, &first.1);
    let secured = ingress("secure", SECURE, "weather");
    apply(
        NAMESPACE,
        &secured.replace("  rules:", &format!("  tls: [{{hosts: [{SECURE}], secretName: secure}}]\n  rules:")),
    );
    let adit = Adit::start(&between.url, &[]).await;
    shown(&adit, &first.0).await;
    kubectl(&format!("delete secret -n {NAMESPACE} secure"));
    adit.shows("/api/problems", "secret-not-found").await;
    shown(&adit, &first.0).await;
    apply(NAMESPACE, &second.1);
    shown(&adit, &second.0).await;
    adit.shows("/api/problems", "[]").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_service_or_a_slice_that_is_deleted_costs_its_own_host_alone_until_it_is_back() {
    let _turn = turn();
    let scene = Scene::new().await;
    let between = Between::start().await;
    let objects = service("victim", scene.backend);
    apply(NAMESPACE, &objects);
    apply(NAMESPACE, &ingress("victim", "victim.lvh.me", "victim"));
    let adit = Adit::start(&between.url, &[]).await;
    let load = adit.load();
    adit.answers("victim.lvh.me", StatusCode::OK, SOON).await;

    kubectl(&format!("delete service -n {NAMESPACE} victim"));
    adit.answers("victim.lvh.me", StatusCode::SERVICE_UNAVAILABLE, SOON).await;
    adit.shows("/api/problems", "service-not-found").await;
    apply(NAMESPACE, &objects);
    adit.answers("victim.lvh.me", StatusCode::OK, SOON).await;
    adit.shows("/api/problems", "[]").await;

    kubectl(&format!("delete endpointslice -n {NAMESPACE} victim-1"));
    adit.answers("victim.lvh.me", StatusCode::SERVICE_UNAVAILABLE, SOON).await;
    adit.shows("/metrics", "adit_refusals_total{reason=\"no_endpoints\"}").await;
    apply(NAMESPACE, &slice("victim", scene.backend));
    adit.answers("victim.lvh.me", StatusCode::OK, SOON).await;
    load.stop_without_failure(50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_slice_that_is_deleted_costs_nothing_where_requests_wait_for_it() {
    let _turn = turn();
    let scene = Scene::new().await;
    let between = Between::start().await;
    let adit = Adit::start(&between.url, &["--upstream.waitForEndpoint=30s"]).await;
    let load = adit.load();
    for _ in 0..3 {
        kubectl(&format!("delete endpointslice -n {NAMESPACE} weather-1"));
        within(SOON, "requests wait", async || {
            let metrics = adit.page("/metrics", StatusCode::OK).await?.body;
            if metrics.contains("adit_requests_waiting 20") { Ok(()) } else { Err("not all".to_owned()) }
        })
        .await;
        apply(NAMESPACE, &slice("weather", scene.backend));
        adit.answers("weather.lvh.me", StatusCode::OK, SOON).await;
        // A little of the usual in between.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    load.stop_without_failure(60).await;
}

/// Waits until a new connection is shown this certificate and its request is answered.
async fn shown(adit: &Adit, certificate: &[u8]) {
    within(SOON, "the certificate is served", async || {
        let (answer, seen) = get_tls("127.0.0.1", adit.secure.port(), SECURE, "/").await?;
        match (answer.status, seen == certificate) {
            (StatusCode::OK, true) => Ok(()),
            (status, same) => Err(format!("{status}, the same: {same}")),
        }
    })
    .await;
}

/// A certificate, DER, and the Secret that holds it.
fn certificate() -> (Vec<u8>, String) {
    let made = rcgen::generate_simple_self_signed([SECURE.to_owned()]).expect("a certificate");
    let secret = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": { "name": "secure" },
        "stringData": { "tls.crt": made.cert.pem(), "tls.key": made.signing_key.serialize_pem() },
    });
    (made.cert.der().to_vec(), secret.to_string())
}
