//! An MLflow tracking server behind HTTPS: docs/scenarios/mlflow.md.

use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::{Value, json};

use crate::browser;
use crate::install::{Adit, Site, socket};
use crate::memory::Watch;
use crate::support::client::get_tls;
use crate::support::kubectl::{Applied, Namespace, apply, kubectl, rolled_out};
use crate::support::{eventually, turn};
use crate::transfer::{PIECE, Peer};

const MANIFEST: &str = include_str!("mlflow/mlflow.yaml");
const HOST: &str = "mlflow.lvh.me";
const API: &str = "/api/2.0/mlflow";
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts";
/// Mebibytes of each artifact.
const SIZE: usize = 320;
/// One mebibyte each: an artifact takes longer than a minute.
const PACE: Duration = Duration::from_millis(200);
/// What adit may hold more than before while artifacts pass.
const BUFFERS: u64 = 24 << 20;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_tracking_server_has_its_pages_and_api_and_streams_artifacts_of_hundreds_of_megabytes_for_minutes() {
    let _turn = turn();
    let adit = Adit::install("").await;
    let namespace = Namespace::new("adit-mlflow");
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": { "name": "mlflow-tls" },
        "stringData": { "tls.crt": made.cert.pem(), "tls.key": made.signing_key.serialize_pem() },
    });
    apply(namespace.0, &secret.to_string());
    let _mlflow = Applied::new(namespace.0, MANIFEST);
    rolled_out(namespace.0, "mlflow", "app=mlflow").await;

    let (page, certificate) = eventually("the page is served over TLS", async || {
        let (answer, certificate) = get_tls(&adit.address, 443, HOST, "/").await?;
        if answer.status == 200 { Ok((answer.body, certificate)) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert_eq!(certificate, made.cert.der().to_vec());
    pages(&adit, &page).await;
    rest(&adit.site(HOST)).await;

    // The NodePort beside it goes past adit.
    let node = "{.items[0].status.addresses[?(@.type=='InternalIP')].address}";
    let node = kubectl(&format!("get nodes -o jsonpath={node}"));
    let port = kubectl(&format!("get service -n {} mlflow -o jsonpath={{.spec.ports[0].nodePort}}", namespace.0));
    let direct = Site { address: socket(&node, port.parse().expect("a port")), host: HOST };
    eventually("the NodePort answers", async || direct.page("/health").await).await;

    let peer = Peer { address: adit.address.clone(), host: HOST };
    let memory = Watch::start(&adit).await;
    let (fast, slow) = (format!("{ARTIFACTS}/fast.bin"), format!("{ARTIFACTS}/slow.bin"));
    assert_eq!(peer.put(&fast, SIZE, Duration::ZERO).await.expect("an upload").as_u16(), 200);
    let start = Instant::now();
    let (up, down) = tokio::join!(peer.put(&slow, SIZE, PACE), peer.get(&fast, PACE));
    assert_eq!(up.expect("a slow upload").as_u16(), 200);
    assert_eq!(down.expect("a slow download"), SIZE * PIECE);
    assert!(start.elapsed() > Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(peer.get(&slow, Duration::ZERO).await.expect("a download"), SIZE * PIECE);
    let more = memory.stop().await;
    assert!(more < BUFFERS, "adit held {more} bytes more while {SIZE} MiB passed four times");
}

/// The page, what it asks for, and what a browser makes of them.
async fn pages(adit: &Adit, page: &str) {
    let links = Regex::new(r#"(?:src|href)="(?:\./)?/?(static-files/[^"]+)""#).expect("a valid expression");
    let assets: Vec<&str> = links.captures_iter(page).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    assert!(!assets.is_empty(), "{page}");
    for asset in assets {
        let (answer, _) = get_tls(&adit.address, 443, HOST, &format!("/{asset}")).await.expect("an answer");
        assert!(answer.status == 200 && !answer.body.is_empty(), "{asset}: {}", answer.status);
    }
    // Its only worker is slow in its first minute, with and without adit: its scripts give up on what does not come
    // then, and an unanswered probe takes the only pod away. Whoever looks then loads the page once more.
    eventually("the page shows its experiments", async || {
        let document = browser::document(&format!("https://{HOST}/"), HOST, &adit.address).await;
        if document.contains("Experiments") { Ok(()) } else { Err(document) }
    })
    .await;
}

/// An experiment with a run and a metric, as MLflow's client makes them; in the clear, which the Ingress also allows.
async fn rest(site: &Site) {
    let experiment = post(site, "experiments/create", json!({ "name": "weather" })).await["experiment_id"].clone();
    let run = post(site, "runs/create", json!({ "experiment_id": experiment, "run_name": "first" })).await;
    let run = run["run"]["info"]["run_id"].clone();
    let metric = json!({ "run_id": run, "key": "error", "value": 0.25, "timestamp": 1, "step": 1 });
    post(site, "runs/log-metric", metric).await;
    let id = run.as_str().expect("an id");
    let read = site.page(&format!("{API}/runs/get?run_id={id}")).await.expect("the run");
    let read: Value = serde_json::from_slice(&read.body).expect("JSON");
    assert_eq!(read["run"]["data"]["metrics"][0]["value"], 0.25, "{read}");
    let refused = site.ask("POST", &format!("{API}/experiments/create"), "{\"name\": \"weather\"}").await;
    assert_eq!(refused.expect("an answer").status, 400, "a name may be there once");
}

async fn post(site: &Site, what: &str, body: Value) -> Value {
    let answer = site.ask("POST", &format!("{API}/{what}"), &body.to_string()).await.expect("an answer");
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}
