//! The chart, by Helm (`HELM`, or the one on the path): what it installs serves, and upgrades and goes without a trace.

use std::env;
use std::process::Command;
use std::time::Duration;

use http::StatusCode;

use crate::support::client::expect;
use crate::support::install::{WEATHER, weather_ingress};
use crate::support::kubectl::{Applied, Namespace, image, kubectl, load_balancer, rolled_out, try_kubectl};
use crate::support::load::Load;
use crate::support::{eventually, turn};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart");
const SELECTOR: &str = "app.kubernetes.io/instance=adit";

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
struct Release(Namespace);

impl Release {
    fn install() -> Self {
        let release = Self(Namespace::new("adit"));
        kubectl(&format!("label namespace {} pod-security.kubernetes.io/enforce=restricted", release.0.0));
        let image = image();
        let (name, tag) = image.rsplit_once(':').expect("the image has a tag");
        let values = format!("image.repository={name},image.tag={tag}");
        helm(&format!("install adit {CHART} --namespace adit --set {values}")).expect("an installation");
        release
    }

    fn uninstall(&self) {
        helm(&format!("uninstall adit --namespace {} --ignore-not-found", self.0.0)).expect("an end");
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What is needed to understand a failure goes away with the installation.
            for words in ["get pods -A -o wide", &format!("logs -n adit --prefix --tail=100 -l {SELECTOR}")] {
                eprintln!("kubectl {words}\n{}", try_kubectl(words).unwrap_or_else(|error| error));
            }
        }
        // Its cluster-wide objects do not go with the namespace.
        if let Err(error) = helm("uninstall adit --namespace adit --ignore-not-found") {
            eprintln!("helm uninstall: {error}");
        }
    }
}

/// Runs Helm; its words are split at spaces. What it said when it fails.
fn helm(words: &str) -> Result<(), String> {
    let program = env::var("HELM").unwrap_or_else(|_| "helm".to_owned());
    let output = Command::new(&program)
        .args(words.split(' '))
        .output()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(())
}
