//! What Traefik's Helm chart installs with default values, with adit's image.

use http::StatusCode;

use crate::support::client::{expect, get_tls};
use crate::support::install::{WEATHER, weather_ingress};
use crate::support::kubectl::{Applied, Namespace, kubectl, load_balancer, rolled_out};
use crate::support::{eventually, turn};

const CHART: &str = include_str!("manifests/chart.yaml");
const SELECTOR: &str = "app.kubernetes.io/name=traefik";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn the_charts_installation_serves_its_ports_probes_metrics_and_statuses_after_a_change_of_image() {
    let _turn = turn();
    let _chart = Applied::new("default", CHART);
    let namespace = Namespace::new("adit-weather");
    let _weather = Applied::new(namespace.0, &format!("{WEATHER}---\n{}", weather_ingress("traefik")));
    rolled_out("default", "traefik", SELECTOR).await;
    rolled_out(namespace.0, "weather-api", "app=weather-api-pod").await;
    let address = load_balancer("default", "traefik").await;

    eventually("web routes", async || expect(&address, 80, "weather.lvh.me", "/london/uk/", StatusCode::OK).await)
        .await;
    let (answer, certificate) = get_tls(&address, 443, "weather.lvh.me", "/").await.expect("websecure");
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(!certificate.is_empty());

    let pod = kubectl(&format!("get pods -l {SELECTOR} -o jsonpath={{.items[0].status.podIP}}"));
    expect(&pod, 8080, "localhost", "/ping", StatusCode::OK).await.expect("ping");
    let metrics = expect(&pod, 9100, "localhost", "/metrics", StatusCode::OK).await.expect("metrics");
    assert!(metrics.body.contains("traefik_entrypoint_requests_total"), "{}", metrics.body);
    // `api.dashboard` without `api.insecure` opens nothing by itself.
    expect(&pod, 8080, "localhost", "/dashboard/", StatusCode::NOT_FOUND).await.expect("no dashboard");

    eventually("the Ingress shows the Service's address", async || {
        let path = "{.status.loadBalancer.ingress[0].ip}";
        let shown = kubectl(&format!("get ingress -n adit-weather weather-api-ingress -o jsonpath={path}"));
        if shown == address { Ok(()) } else { Err(format!("{shown:?} for {address}")) }
    })
    .await;
    let restarts = "{.items[*].status.containerStatuses[*].restartCount}";
    assert_eq!(kubectl(&format!("get pods -l {SELECTOR} -o jsonpath={restarts}")), "0");
}
