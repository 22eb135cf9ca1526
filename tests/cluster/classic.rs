//! The classic Traefik installation with adit's image: it works as it did, and nothing that rolls loses a request.

use std::time::Duration;

use http::StatusCode;

use crate::support::client::{expect, get};
use crate::support::install::WEATHER;
use crate::support::kubectl::{Applied, kubectl, load_balancer, pods, rolled_out};
use crate::support::load::Load;
use crate::support::{eventually, turn};

const CLASSIC: &str = include_str!("manifests/classic.yaml");
const HOST: &str = "weather.lvh.me";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn the_classic_installation_routes_and_has_its_admin_panel_after_a_change_of_image() {
    let _turn = turn();
    let _applied = (Applied::new("default", CLASSIC), Applied::new("default", WEATHER));
    let address = installed().await;

    let other = get(&address, 80, "other.lvh.me", "/").await.expect("an answer");
    assert_eq!((other.status, other.body.as_str()), (StatusCode::NOT_FOUND, "404 page not found\n"));
    let root = get(&address, 8080, "localhost", "/").await.expect("the admin port");
    assert!(root.status.is_redirection(), "{root:?}");
    expect(&address, 8080, "localhost", "/dashboard/", StatusCode::OK).await.expect("the dashboard");
    let routers = expect(&address, 8080, "localhost", "/api/http/routers", StatusCode::OK).await.expect("the API");
    assert!(routers.body.contains("default-weather-api-ingress-weather-lvh-me@kubernetes"), "{}", routers.body);
    // Nobody asked for it.
    expect(&address, 8080, "localhost", "/ping", StatusCode::NOT_FOUND).await.expect("no ping");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn no_request_fails_while_the_backend_scales_and_rolls_and_adit_itself_rolls() {
    let _turn = turn();
    let _applied = (Applied::new("default", CLASSIC), Applied::new("default", WEATHER));
    let address = installed().await;
    let load = Load::start(&address, 40, Duration::from_millis(200));

    for replicas in [4, 2] {
        kubectl(&format!("scale deployment/weather-api --replicas={replicas}"));
        rolled_out("default", "weather-api", "app=weather-api-pod").await;
        all_pods_answer(&load).await;
    }
    kubectl("rollout restart deployment/weather-api");
    rolled_out("default", "weather-api", "app=weather-api-pod").await;
    all_pods_answer(&load).await;

    kubectl("rollout restart deployment/traefik");
    rolled_out("default", "traefik", "app=traefik").await;
    all_pods_answer(&load).await;

    load.stop_without_failure(1_000).await;
}

/// Waits until the weather is served; the address it is served on.
async fn installed() -> String {
    rolled_out("default", "traefik", "app=traefik").await;
    rolled_out("default", "weather-api", "app=weather-api-pod").await;
    let address = load_balancer("default", "traefik").await;
    eventually("the weather is served", async || expect(&address, 80, HOST, "/london/uk/", StatusCode::OK).await).await;
    address
}

/// Waits until each pod of the backend, and no other, has taken a share.
async fn all_pods_answer(load: &Load) {
    load.forget_pods();
    let mut pods = pods("default", "app=weather-api-pod");
    pods.sort();
    eventually("every pod takes traffic", async || {
        let seen: Vec<String> = load.so_far().pods.into_keys().collect();
        if seen == pods { Ok(()) } else { Err(format!("{seen:?} of {pods:?}")) }
    })
    .await;
}
