//! A chart of one's own with an autoscaler, and HTTPS by cert-manager: docs/scenarios/helm.md.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;

use crate::install::Adit;
use crate::support::client::{Connection, get_tls};
use crate::support::helm::helm;
use crate::support::kubectl::{Applied, Namespace, apply, kubectl, load_balancer, rolled_out};
use crate::support::{eventually, turn};
use crate::visitors::Visitors;

const VALUES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/helm/values.yaml");
const SOLVER: &str = include_str!("helm/solver.yaml");
const HOST: &str = "dash.lvh.me";
const CHALLENGE: &str = "/.well-known/acme-challenge/Tq3vY8pL";
const KEY: &str = "Tq3vY8pL.n9JbX0";
const SELECTOR: &str = "app.kubernetes.io/instance=dash";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_chart_of_ones_own_gets_its_certificate_and_rotates_it_without_a_failed_request() {
    let _turn = turn();
    let adit = Adit::install(
        "ports.web.http.redirections.entryPoint.to=websecure,\
         autoscaling.enabled=true,autoscaling.minReplicas=2,autoscaling.maxReplicas=5,autoscaling.targetCPU=70,\
         resources.requests.cpu=50m,resources.limits.memory=256Mi",
    )
    .await;
    let scaler = kubectl("get hpa -n adit adit -o jsonpath={.spec.minReplicas},{.spec.maxReplicas}");
    assert_eq!(scaler, "2,5");
    let namespace = Namespace::new("adit-helm");
    let chart = chart();
    let dash = format!("upgrade --install dash {} --namespace {} --values {VALUES}", chart.display(), namespace.0);
    helm(&format!("{dash} --set image.repository=dash-app --set replicaCount=3")).expect("an installation");
    rolled_out(namespace.0, "dash", SELECTOR).await;
    let address = load_balancer("adit", "adit").await;

    // No certificate yet: everything is served with adit's own, and all that is not TLS is redirected.
    let site = adit.site(HOST);
    let own = eventually("the dashboard is served", async || served(&address, "/dash/").await).await;
    let redirect = site.get("/dash/?a=b").await.expect("an answer");
    assert_eq!((redirect.status, redirect.header("location")), (301, Some("https://dash.lvh.me/dash/?a=b")));
    assert_eq!(
        kubectl(&format!("get ingress -n {} dash -o jsonpath={{.status.loadBalancer.ingress[0].ip}}", namespace.0)),
        address
    );

    challenged(&adit, &address, &namespace).await;

    // cert-manager keeps the next key beside, then writes the certificate.
    let _next = Applied::new(namespace.0, &next_private_key());
    let (first, second) = (Certificate::issue(), Certificate::issue());
    apply(namespace.0, &first.secret());
    eventually("the certificate is served", async || same(&served(&address, "/dash/").await?, &first.der)).await;
    assert_ne!(own, first.der);

    // Renewed while clients ask, some of them on connections of before; the chart is upgraded meanwhile too.
    let mut kept = Connection::open_tls(&address, 443, HOST).await.expect("a TLS connection");
    let visitors = {
        let address = address.clone();
        Visitors::start(12, Duration::from_millis(100), move |_| {
            let address = address.clone();
            async move {
                served(&address, "/dash/")
                    .await
                    .map_or_else(|error| format!("failed: {error}"), |_| "served".to_owned())
            }
        })
    };
    apply(namespace.0, &second.secret());
    eventually("the renewed certificate is served", async || same(&served(&address, "/dash/").await?, &second.der))
        .await;
    let answer = kept.get(HOST, "/dash/").await.expect("a connection from before the renewal");
    assert_eq!((answer.status, &kept.certificate), (StatusCode::OK, &first.der));
    let autoscaled = "--set autoscaling.enabled=true --set autoscaling.minReplicas=2 --set autoscaling.maxReplicas=6 \
                      --set autoscaling.targetCPUUtilizationPercentage=75 --set resources.requests.cpu=60m";
    helm(&format!("{dash} {autoscaled}")).expect("an upgrade");
    // The chart leaves the number to the autoscaler then, and Kubernetes takes that for one pod until it has looked.
    eventually("the autoscaler holds its minimum", async || {
        match kubectl(&format!("get deployment -n {} dash -o jsonpath={{.spec.replicas}}", namespace.0)).as_str() {
            "2" => Ok(()),
            other => Err(format!("{other} replicas")),
        }
    })
    .await;
    rolled_out(namespace.0, "dash", SELECTOR).await;
    let path = "jsonpath={.spec.minReplicas},{.spec.maxReplicas},{.spec.metrics[0].resource.target.averageUtilization}";
    assert_eq!(kubectl(&format!("get hpa -n {} dash -o {path}", namespace.0)), "2,6,75");
    let tally = visitors.stop().await;
    assert!(tally.outcomes.keys().eq(["served"]), "{tally:?}");
    assert!(tally.outcomes["served"] > 200, "too few requests to show anything: {tally:?}");

    measured(&adit).await;
    helm(&format!("uninstall dash --namespace {}", namespace.0)).expect("an end");
}

/// The solver's Ingress goes before the dashboard's as long as it is there.
async fn challenged(adit: &Adit, address: &str, namespace: &Namespace) {
    let before = get_tls(address, 443, HOST, CHALLENGE).await.expect("an answer").0;
    assert_eq!(before.status, StatusCode::NOT_FOUND, "{before:?}");
    {
        let _solver = Applied::new(namespace.0, SOLVER);
        eventually("the challenge is answered", async || {
            let answer = get_tls(address, 443, HOST, CHALLENGE).await?.0;
            if answer.body == KEY { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
        // An authority comes in the clear first, and follows.
        let redirect = adit.site(HOST).get(CHALLENGE).await.expect("an answer");
        let location = format!("https://{HOST}{CHALLENGE}");
        assert_eq!((redirect.status, redirect.header("location")), (301, Some(location.as_str())));
        for other in [format!("{CHALLENGE}x"), format!("{CHALLENGE}/"), "/dash/".to_owned()] {
            let answer = get_tls(address, 443, HOST, &other).await.expect("an answer").0;
            assert!(answer.headers.contains_key("x-pod"), "{other} is the dashboard's: {answer:?}");
        }
    }
    eventually("the challenge is gone", async || {
        let answer = get_tls(address, 443, HOST, CHALLENGE).await?.0;
        if answer.headers.contains_key("x-pod") { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

/// What Prometheus would find.
async fn measured(adit: &Adit) {
    let mut counted = 0;
    for site in adit.admin_sites() {
        let page = site.page("/metrics").await.expect("metrics").text();
        let served = |line: &&str| {
            line.starts_with("traefik_service_requests_total{code=\"200\"")
                && line.contains("service=\"adit-helm-dash-8080@kubernetes\"")
        };
        counted += page.lines().filter(served).count();
        let expiry = |line: &str| line.starts_with("traefik_tls_certs_not_after{") && line.contains(HOST);
        assert!(page.lines().any(expiry), "{page}");
    }
    assert!(counted > 0, "no pod has counted a request of the dashboard");
}

/// What `helm create` makes: the chart that everybody's own begins with.
fn chart() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("scenario-charts");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a writable build directory");
    let chart = directory.join("dash");
    helm(&format!("create {}", chart.display())).expect("a chart");
    chart
}

/// The certificate with which the dashboard is served.
async fn served(address: &str, path: &str) -> Result<Vec<u8>, String> {
    match get_tls(address, 443, HOST, path).await? {
        (answer, certificate) if answer.status == StatusCode::OK => Ok(certificate),
        (answer, _) => Err(format!("{} {}", answer.status, answer.body.trim())),
    }
}

fn same(seen: &[u8], wanted: &[u8]) -> Result<(), String> {
    if seen == wanted { Ok(()) } else { Err(format!("another certificate, of {} bytes", seen.len())) }
}

struct Certificate {
    pem: String,
    key: String,
    der: Vec<u8>,
}

impl Certificate {
    fn issue() -> Self {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
        Self { pem: made.cert.pem(), key: made.signing_key.serialize_pem(), der: made.cert.der().to_vec() }
    }

    /// The Secret, as cert-manager writes it.
    fn secret(&self) -> String {
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {
                "name": "dash-tls",
                "labels": { "controller.cert-manager.io/fao": "true" },
                "annotations": {
                    "cert-manager.io/alt-names": HOST,
                    "cert-manager.io/certificate-name": "dash-tls",
                    "cert-manager.io/common-name": HOST,
                    "cert-manager.io/ip-sans": "",
                    "cert-manager.io/issuer-group": "cert-manager.io",
                    "cert-manager.io/issuer-kind": "ClusterIssuer",
                    "cert-manager.io/issuer-name": "letsencrypt",
                    "cert-manager.io/uri-sans": "",
                },
            },
            "stringData": { "tls.crt": self.pem, "tls.key": self.key },
        });
        object.to_string()
    }
}

/// The Secret that holds the key of a certificate that is being issued.
fn next_private_key() -> String {
    let object = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": "dash-tls-4xq9z",
            "labels": { "cert-manager.io/next-private-key": "true", "controller.cert-manager.io/fao": "true" },
        },
        "stringData": { "tls.key": Certificate::issue().key },
    });
    object.to_string()
}
