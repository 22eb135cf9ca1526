//! Statuses are written by one replica at a time, and by the next one when it is gone.

use crate::support::install::{Installation, weather_ingress};
use crate::support::kubectl::{apply, kubectl, try_kubectl};
use crate::support::{eventually, turn};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn one_of_two_replicas_writes_statuses_and_the_other_takes_over() {
    let _turn = turn();
    let installation = Installation::new().await;
    status_is("weather-api-ingress", &installation.address).await;
    let before = version("weather-api-ingress");
    let leader = holder().await;

    // Holders are named by their pod and process.
    let (pod, _) = leader.rsplit_once('-').expect("a pod's name and a process id");
    kubectl(&format!("delete pod -n adit {pod} --wait=false"));
    eventually("another replica leads", async || {
        let now = holder().await;
        if now == leader { Err(format!("still {now}")) } else { Ok(()) }
    })
    .await;
    apply("adit-weather", &weather_ingress("adit").replace("weather-api-ingress", "after"));
    status_is("after", &installation.address).await;
    assert_eq!(version("weather-api-ingress"), before, "a status that was right was written again");
}

async fn status_is(ingress: &str, address: &str) {
    eventually("the Ingress has its address", async || {
        let path = "{.status.loadBalancer.ingress[0].ip}";
        let shown = kubectl(&format!("get ingress -n adit-weather {ingress} -o jsonpath={path}"));
        if shown == address { Ok(()) } else { Err(format!("{shown:?} for {address}")) }
    })
    .await;
}

fn version(ingress: &str) -> String {
    kubectl(&format!("get ingress -n adit-weather {ingress} -o jsonpath={{.metadata.resourceVersion}}"))
}

/// Who holds the Lease.
async fn holder() -> String {
    eventually("somebody holds the Lease", async || {
        let holder = try_kubectl("get lease -n adit adit-leader -o jsonpath={.spec.holderIdentity}")?;
        if holder.is_empty() { Err("nobody".to_owned()) } else { Ok(holder) }
    })
    .await
}
