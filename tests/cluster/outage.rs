//! The API server dies or hangs: the last table keeps serving, and adit catches up afterwards.
//!
//! Breaking it takes more than a KUBECONFIG, so whoever runs the tests says how: `ADIT_CLUSTER_RUN` is a directory with
//! the processes' ids (`kube-apiserver.pid`, `kube-controller-manager.pid`), and `ADIT_CLUSTER_UP` a command that starts
//! again what does not run. Without them these tests say so and pass.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use http::StatusCode;

use crate::support::client::{expect, get};
use crate::support::install::{Installation, weather_ingress};
use crate::support::kubectl::{apply, kubectl, try_kubectl};
use crate::support::load::Load;
use crate::support::{eventually, turn};

const API_SERVER: &str = "kube-apiserver";
/// How long the API server is dead.
const DEAD: Duration = Duration::from_secs(30);
/// How long it hangs: longer than any watch may be silent, so that adit has noticed.
const HANGS: Duration = Duration::from_secs(75);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn nothing_fails_while_the_api_server_is_dead_and_changes_arrive_when_it_is_back() {
    let _turn = turn();
    let Some(faults) = Faults::available() else { return };
    survive(&faults, "KILL", DEAD).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn nothing_fails_while_the_api_server_hangs_and_changes_arrive_when_it_goes_on() {
    let _turn = turn();
    let Some(faults) = Faults::available() else { return };
    survive(&faults, "STOP", HANGS).await;
}

async fn survive(faults: &Faults, signal: &str, outage: Duration) {
    let installation = Installation::new().await;
    let pod = kubectl("get pods -n adit -l app.kubernetes.io/name=adit -o jsonpath={.items[0].status.podIP}");
    // Straight to a pod: what the cluster's own balancers do without an API server says nothing about adit.
    let load = Load::start_at(&pod, 8000, 20, Duration::from_millis(200));
    faults.spare_the_node();
    faults.signal(signal, API_SERVER);
    tokio::time::sleep(outage).await;
    let ping = get(&pod, 8080, "localhost", "/ping").await.expect("the admin port");
    assert_eq!(ping.status, StatusCode::OK, "an API server that is away does not end readiness: {ping:?}");
    faults.mend();
    eventually("the API server answers", async || try_kubectl("get --raw /readyz")).await;

    apply(
        "adit-weather",
        &weather_ingress("adit").replace("weather-api-ingress", "after").replace("weather.lvh.me", "after.lvh.me"),
    );
    eventually("a change after the outage is served", async || {
        expect(&installation.address, 80, "after.lvh.me", "/", StatusCode::OK).await
    })
    .await;
    load.stop_without_failure(1_000).await;
}

/// Who can be broken, and how that is mended.
pub(crate) struct Faults {
    run: PathBuf,
    up: String,
}

impl Faults {
    pub(crate) fn available() -> Option<Self> {
        let (Ok(run), Ok(up)) = (env::var("ADIT_CLUSTER_RUN"), env::var("ADIT_CLUSTER_UP")) else {
            eprintln!("skipped: ADIT_CLUSTER_RUN and ADIT_CLUSTER_UP do not say how to break the API server");
            return None;
        };
        Some(Self { run: run.into(), up })
    }

    pub(crate) fn signal(&self, signal: &str, process: &str) {
        let id = self.id(process);
        let done = Command::new("kill").args([&format!("-{signal}"), &id]).status().expect("kill runs");
        assert!(done.success(), "kill -{signal} {id}");
    }

    /// The value of an argument that a process was started with.
    pub(crate) fn argument(&self, process: &str, name: &str) -> String {
        let line = fs::read_to_string(format!("/proc/{}/cmdline", self.id(process))).expect("it runs");
        line.split('\0').skip_while(|argument| *argument != name).nth(1).expect("it has that argument").to_owned()
    }

    /// Whether it runs, or is only waited for by who started it.
    pub(crate) fn runs(&self, process: &str) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id(process))).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:") && !line.contains(['Z', 'X']))
    }

    fn id(&self, process: &str) -> String {
        let file = self.run.join(format!("{process}.pid"));
        let id = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        id.trim().to_owned()
    }

    /// Ends the controller that would declare the node dead after a minute without a heartbeat. In a cluster of one node
    /// that withdraws every pod of every Service, adit's and the backend's, and says nothing about adit.
    fn spare_the_node(&self) {
        self.signal("KILL", "kube-controller-manager");
    }

    /// Lets the API server go on, and starts again what does not run.
    pub(crate) fn mend(&self) {
        for name in [API_SERVER, "etcd"] {
            if let Ok(id) = fs::read_to_string(self.run.join(format!("{name}.pid"))) {
                let _ = Command::new("kill").args(["-CONT", id.trim()]).stderr(Stdio::null()).status();
            }
        }
        let done = Command::new(&self.up).status();
        if !done.as_ref().is_ok_and(ExitStatus::success) {
            eprintln!("{}: {done:?}", self.up);
        }
    }
}

impl Drop for Faults {
    /// A test that fails in the middle must not leave a broken cluster to the next one.
    fn drop(&mut self) {
        self.mend();
    }
}
