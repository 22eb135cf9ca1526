//! How soon a new Ingress is served, when there are many already.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{MissedTickBehavior, interval};

use crate::support::client::{Connection, expect};
use crate::support::install::Installation;
use crate::support::{eventually, turn};

const PRESENT: usize = 1_000;
const MEASURED: usize = 200;
const LIMIT: Duration = Duration::from_millis(20);
/// The quietest counts: on a machine that others use, a whole round can be disturbed.
const ROUNDS: usize = 5;
/// How often it is asked whether the new one is served. Without a pause the asking itself would take the cores that
/// API server and adit need for the answer.
const POLL: Duration = Duration::from_millis(1);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_new_ingress_is_served_within_20_ms_at_the_99th_percentile_beside_1000_others() {
    let _turn = turn();
    // The client of the API server picks its cryptography from the process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let installation = Installation::new().await;
    let api: Api<Ingress> = Api::namespaced(Client::try_default().await.expect("KUBECONFIG"), "adit-weather");

    stream::iter(0..PRESENT)
        .map(|index| create(&api, "present", index))
        .buffer_unordered(16)
        .try_collect::<Vec<()>>()
        .await
        .expect("Ingresses");
    for index in [0, PRESENT - 1] {
        eventually("the Ingresses are served", async || {
            expect(&installation.address, 80, &host("present", index), "/", StatusCode::OK).await
        })
        .await;
    }

    // One connection, hence one replica: what is measured is its delay and not a race between two.
    let mut connection = Connection::open(&installation.address, 80).await.expect("a connection");
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let [median, p99] = measure(&api, &mut connection, round).await;
        eprintln!("new Ingress to first answer beside {PRESENT} others: median {median:.1?}, p99 {p99:.1?}");
        if p99 <= LIMIT {
            return;
        }
        rounds.push(p99);
    }
    panic!("p99 of {ROUNDS} rounds: {rounds:?}");
}

/// Median and 99th percentile from the API server's answer to the first right answer.
async fn measure(api: &Api<Ingress>, connection: &mut Connection, round: usize) -> [Duration; 2] {
    let mut delays = Vec::new();
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for index in round * MEASURED..(round + 1) * MEASURED {
        let host = host("new", index);
        create(api, "new", index).await.expect("an Ingress");
        let created = Instant::now();
        loop {
            ticks.tick().await;
            let answer = connection.get(&host, "/").await.expect("an answer");
            if answer.status == StatusCode::OK {
                break;
            }
            assert!(created.elapsed() < Duration::from_secs(10), "{host}: {answer:?}");
        }
        delays.push(created.elapsed());
    }
    delays.sort();
    [delays[MEASURED / 2], delays[MEASURED * 99 / 100]]
}

async fn create(api: &Api<Ingress>, kind: &str, index: usize) -> kube::Result<()> {
    let ingress = serde_json::from_value(serde_json::json!({
        "metadata": { "name": format!("{kind}-{index}") },
        "spec": {
            "ingressClassName": "adit",
            "rules": [{
                "host": host(kind, index),
                "http": { "paths": [{
                    "path": "/",
                    "pathType": "Prefix",
                    "backend": { "service": { "name": "weather-api-service", "port": { "number": 8080 } } },
                }] },
            }],
        },
    }))
    .expect("an Ingress");
    api.create(&PostParams::default(), &ingress).await.map(|_| ())
}

fn host(kind: &str, index: usize) -> String {
    format!("{kind}-{index}.lvh.me")
}
