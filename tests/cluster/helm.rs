//! The chart, by Helm: what it installs serves, and upgrades and goes without a trace.

use std::time::Duration;

use http::StatusCode;

use crate::support::client::expect;
use crate::support::helm::{CHART, SELECTOR, Uninstall, helm};
use crate::support::install::{WEATHER, weather_ingress};
use crate::support::kubectl::{Applied, Namespace, image, kubectl, load_balancer, rolled_out};
use crate::support::load::Load;
use crate::support::{eventually, turn};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn the_helm_chart_upgrades_and_rolls_back_without_a_failed_request_and_leaves_nothing_behind() {
    let _turn = turn();
    let release = Release::install();
    let namespace = Namespace::new("adit-weather");
    let _weather = Applied::new(namespace.0, &format!("{WEATHER}---\n{}", weather_ingress("adit")));
    rolled_out("adit", "adit", SELECTOR).await;
    rolled_out(namespace.0, "weather-api", "app=weather-api-pod").await;
    let address = load_balancer("adit", "adit").await;
    eventually("the weather is served", async || {
        expect(&address, 80, "weather.lvh.me", "/london/uk/", StatusCode::OK).await
    })
    .await;

    let load = Load::start(&address, 40, Duration::from_millis(200));
    let values = "deployment.replicas=3,logs.access.enabled=true";
    helm(&format!("upgrade adit {CHART} --namespace adit --reuse-values --set {values}")).expect("an upgrade");
    rolled_out("adit", "adit", SELECTOR).await;
    assert!(arguments().contains("--accessLog=true"), "{}", arguments());
    helm("rollback adit 1 --namespace adit").expect("a way back");
    rolled_out("adit", "adit", SELECTOR).await;
    assert!(!arguments().contains("--accessLog"), "{}", arguments());
    load.stop_without_failure(1_000).await;

    release.uninstall();
    eventually("nothing is left", async || {
        // The Lease is adit's own and goes with the namespace.
        let inside = "pods,deployments,replicasets,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets";
        let left = kubectl(&format!("get {inside} -n adit -l {SELECTOR} -o name"))
            + &kubectl(&format!("get clusterroles,clusterrolebindings,ingressclasses -l {SELECTOR} -o name"))
            + &kubectl("get secrets -n adit -o name");
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

/// The arguments that the Deployment gives adit.
fn arguments() -> String {
    kubectl("get deployment -n adit adit -o jsonpath={.spec.template.spec.containers[0].args}")
}

/// The chart in a namespace that holds its pods to the strictest standard; gone again when the test ends.
#[derive(Debug)]
struct Release {
    // Before its namespace.
    _uninstall: Uninstall,
    namespace: Namespace,
}

impl Release {
    fn install() -> Self {
        let release = Self { _uninstall: Uninstall, namespace: Namespace::new("adit") };
        kubectl(&format!("label namespace {} pod-security.kubernetes.io/enforce=restricted", release.namespace.0));
        let image = image();
        let (name, tag) = image.rsplit_once(':').expect("the image has a tag");
        let values = format!("image.repository={name},image.tag={tag}");
        helm(&format!("install adit {CHART} --namespace adit --set {values}")).expect("an installation");
        release
    }

    fn uninstall(&self) {
        helm(&format!("uninstall adit --namespace {} --ignore-not-found", self.namespace.0)).expect("an end");
    }
}
