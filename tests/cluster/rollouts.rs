//! Everything rolls, scales and is evicted under traffic of every kind, while the configuration changes: no request
//! fails. With `ADIT_FAULTS=long`, `ADIT_ROLLOUT_REQUESTS` says how many requests each test
//! makes at least.

use std::time::Duration;

use http::StatusCode;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::client::expect;
use crate::support::install::{Installation, weather_ingress};
use crate::support::kubectl::{apply, kubectl, pods, rolled_out, try_kubectl};
use crate::support::traffic::{Kind, Tally, Traffic};
use crate::support::{asked_for_long, eventually, long, turn};

const WEATHER: &str = "adit-weather";
const ADIT_PODS: &str = "app.kubernetes.io/name=adit";
/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(100);
/// Together up to 2,000 requests a second.
const CLIENTS: &[(Kind, usize)] = &[
    (Kind::Http1, 60),
    (Kind::Http1Post, 40),
    (Kind::Http2, 50),
    (Kind::Http2Post, 30),
    (Kind::Tunnel, 10),
    (Kind::Grpc, 10),
];

/// How many requests a test is to make at least.
fn wanted() -> u64 {
    std::env::var("ADIT_ROLLOUT_REQUESTS").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

async fn weather_rolled() {
    rolled_out(WEATHER, "weather-api", "app=weather-api-pod").await;
}

async fn adit_rolled() {
    rolled_out("adit", "adit", ADIT_PODS).await;
}

/// The installation, with a Service of gRPC on the same pods.
async fn installed() -> Installation {
    let installation = Installation::new().await;
    apply(WEATHER, GRPC);
    eventually("gRPC is served", async || {
        // Not an answer of gRPC, but of the pod.
        let answer = expect(&installation.address, 80, "weather.lvh.me", "/app.Service/Stream", StatusCode::OK).await;
        answer.map(|_| ())
    })
    .await;
    installation
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn nothing_of_any_protocol_fails_while_the_backend_and_adit_roll_scale_and_are_evicted() {
    let _turn = turn();
    let installation = installed().await;
    let churn = Churn::start();
    let traffic = Traffic::start(&installation.address, 80, CLIENTS, PAUSE);
    let mut rounds = 0;
    // The first round always, the next ones for more requests.
    while rounds == 0 || traffic.so_far().all() < wanted() {
        rounds += 1;
        for _ in 0..2 {
            kubectl("rollout restart -n adit-weather deployment/weather-api");
            weather_rolled().await;
        }
        eprintln!("the backend rolled twice: {}", traffic.so_far());
        if !long() {
            // That adit rolls without loss is tried with the manifests and the chart too.
            continue;
        }
        kubectl("rollout restart -n adit deployment/adit");
        adit_rolled().await;
        eprintln!("adit rolled: {}", traffic.so_far());
        kubectl("scale -n adit deployment/adit --replicas=3");
        adit_rolled().await;
        evict().await;
        adit_rolled().await;
        kubectl("scale -n adit deployment/adit --replicas=2");
        adit_rolled().await;
        eprintln!("adit was scaled and evicted: {}", traffic.so_far());
        assert!(traffic.so_far().failed.is_empty(), "{}", traffic.so_far());
    }
    let (tally, changes) = (traffic.stop().await, churn.stop().await);
    eprintln!("{rounds} rounds, {changes} changes of the configuration: {tally}");
    nothing_failed(&tally);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_recreate_rollout_loses_nothing_where_requests_wait_and_fails_clearly_where_they_do_not() {
    if !asked_for_long() {
        return;
    }
    let _turn = turn();
    let installation = installed().await;
    let recreate = r#"{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}"#;
    kubectl(&format!("patch deployment -n {WEATHER} weather-api -p {recreate}"));
    weather_rolled().await;

    // By default.
    let traffic = Traffic::start(&installation.address, 80, &[(Kind::Http1, 20), (Kind::Http1Post, 20)], PAUSE);
    kubectl("rollout restart -n adit-weather deployment/weather-api");
    weather_rolled().await;
    let tally = traffic.stop().await;
    eprintln!("at 0 s: {tally}");
    let refused = tally.failed.keys().filter(|(_, reason)| reason.starts_with("503") || reason.starts_with("502"));
    assert_eq!(refused.count(), tally.failed.len(), "{tally}");
    assert!(!tally.failed.is_empty(), "there was a moment without any pod: {tally}");

    let flag =
        r#"[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--upstream.waitForEndpoint=30s"}]"#;
    kubectl(&format!("patch deployment -n adit adit --type=json -p {flag}"));
    adit_rolled().await;
    let churn = Churn::start();
    let traffic = Traffic::start(&installation.address, 80, CLIENTS, PAUSE);
    let mut rounds = 0;
    while rounds < 2 || traffic.so_far().all() < wanted() {
        rounds += 1;
        kubectl("rollout restart -n adit-weather deployment/weather-api");
        weather_rolled().await;
        assert!(traffic.so_far().failed.is_empty(), "{}", traffic.so_far());
    }
    let (tally, changes) = (traffic.stop().await, churn.stop().await);
    eprintln!("at 30 s, {rounds} rollouts, {changes} changes of the configuration: {tally}");
    nothing_failed(&tally);
}

fn nothing_failed(tally: &Tally) {
    assert!(tally.failed.is_empty(), "{tally}");
    assert_eq!(tally.served.len(), CLIENTS.len(), "each kind was served: {tally}");
    assert!(tally.all() >= wanted(), "too little traffic to show anything: {tally}");
}

/// Evicts one pod of adit, as draining a node does: the budget is asked.
async fn evict() {
    let pod = pods("adit", ADIT_PODS).remove(0);
    let eviction = serde_json::json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod, "namespace": "adit" },
    });
    let file = std::env::temp_dir().join(format!("adit-eviction-{}", std::process::id()));
    std::fs::write(&file, eviction.to_string()).expect("a writable directory");
    eventually("the budget lets it go", async || {
        try_kubectl(&format!("create --raw /api/v1/namespaces/adit/pods/{pod}/eviction -f {}", file.display()))
    })
    .await;
    let _ = std::fs::remove_file(file);
}

/// Somebody who changes Ingresses all the time.
struct Churn {
    stop: watch::Sender<bool>,
    changing: JoinHandle<u32>,
}

impl Churn {
    fn start() -> Self {
        let (stop, stopped) = watch::channel(false);
        let changing = tokio::task::spawn_blocking(move || {
            let mut changes = 0;
            while !*stopped.borrow() && stopped.has_changed().is_ok() {
                let name = format!("churn-{}", changes % 5);
                let ingress = weather_ingress("adit").replace("weather-api-ingress", &name);
                apply(WEATHER, &ingress.replace("weather.lvh.me", &format!("{name}-{changes}.lvh.me")));
                if changes % 5 == 4 {
                    kubectl(&format!("delete ingress -n {WEATHER} churn-2 --wait=false"));
                }
                changes += 1;
                std::thread::sleep(Duration::from_millis(300));
            }
            changes
        });
        Self { stop, changing }
    }

    /// Ends it; how many changes there were.
    async fn stop(self) -> u32 {
        self.stop.send_replace(true);
        self.changing.await.expect("changes go on")
    }
}

const GRPC: &str = "
apiVersion: v1
kind: Service
metadata: {name: grpc}
spec:
  ports: [{port: 80, targetPort: 5000, appProtocol: kubernetes.io/h2c}]
  selector: {app: weather-api-pod}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: grpc}
spec:
  ingressClassName: adit
  rules:
    - host: weather.lvh.me
      http: {paths: [{path: /app.Service, pathType: Prefix, backend: {service: {name: grpc, port: {number: 80}}}}]}
";
