//! The cluster through kubectl, as its user sees it.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{PATIENCE, eventually};

/// adit's image in the cluster.
pub(crate) fn image() -> String {
    env::var("ADIT_IMAGE").unwrap_or_else(|_| concat!("adit:", env!("CARGO_PKG_VERSION")).to_owned())
}

/// The image of `backend.rs` in the cluster.
pub(crate) fn weather_image() -> String {
    env::var("ADIT_WEATHER_IMAGE").unwrap_or_else(|_| "adit-weather:1".to_owned())
}

/// Runs kubectl; its words are split at spaces. Panics with what it said when it fails.
pub(crate) fn kubectl(words: &str) -> String {
    run(words, None).unwrap_or_else(|error| panic!("kubectl {words}: {error}"))
}

/// Runs kubectl where failing is an answer too.
pub(crate) fn try_kubectl(words: &str) -> Result<String, String> {
    run(words, None)
}

/// Applies a manifest whose image names are filled in.
pub(crate) fn apply(namespace: &str, manifest: &str) {
    let words = format!("apply -n {namespace} -f -");
    run(&words, Some(&filled(manifest))).unwrap_or_else(|error| panic!("kubectl {words}: {error}"));
}

/// Objects that are gone again when the test ends, however it ends.
#[derive(Debug)]
pub(crate) struct Applied {
    namespace: String,
    manifest: String,
}

impl Applied {
    pub(crate) fn new(namespace: &str, manifest: &str) -> Self {
        apply(namespace, manifest);
        Self { namespace: namespace.to_owned(), manifest: filled(manifest) }
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        let words = format!("delete -n {} --ignore-not-found --grace-period=1 --wait -f -", self.namespace);
        if let Err(error) = run(&words, Some(&self.manifest)) {
            eprintln!("kubectl {words}: {error}");
        }
    }
}

/// A namespace of the test's own.
#[derive(Debug)]
pub(crate) struct Namespace(pub(crate) &'static str);

impl Namespace {
    pub(crate) fn new(name: &'static str) -> Self {
        kubectl(&format!("create namespace {name}"));
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = try_kubectl(&format!("delete namespace {} --wait", self.0)) {
            eprintln!("delete namespace {}: {error}", self.0);
        }
    }
}

/// Waits for a Deployment to be rolled out, and its old pods to be gone.
pub(crate) async fn rolled_out(namespace: &str, deployment: &str, selector: &str) {
    let limit = PATIENCE.as_secs();
    kubectl(&format!("rollout status -n {namespace} deployment/{deployment} --timeout={limit}s"));
    let replicas = kubectl(&format!("get deployment -n {namespace} {deployment} -o jsonpath={{.spec.replicas}}"));
    let wanted: usize = replicas.parse().expect("a Deployment has replicas");
    super::within(Duration::from_secs(180), "the old pods are gone", async || {
        let pods = pods(namespace, selector);
        if pods.len() == wanted { Ok(()) } else { Err(format!("{} pods for {wanted}: {pods:?}", pods.len())) }
    })
    .await;
}

/// The names of the pods that a selector finds, also those that end.
pub(crate) fn pods(namespace: &str, selector: &str) -> Vec<String> {
    let names = kubectl(&format!("get pods -n {namespace} -l {selector} -o jsonpath={{.items[*].metadata.name}}"));
    names.split_whitespace().map(str::to_owned).collect()
}

/// The address of a LoadBalancer Service.
pub(crate) async fn load_balancer(namespace: &str, service: &str) -> String {
    eventually("the Service has an address", async || {
        let path = "{.status.loadBalancer.ingress[0].ip}";
        let address = kubectl(&format!("get service -n {namespace} {service} -o jsonpath={path}"));
        if address.is_empty() { Err("none yet".to_owned()) } else { Ok(address) }
    })
    .await
}

fn filled(manifest: &str) -> String {
    manifest.replace("ADIT_IMAGE", &image()).replace("WEATHER_IMAGE", &weather_image())
}

fn run(words: &str, input: Option<&str>) -> Result<String, String> {
    let mut child = Command::new("kubectl")
        .args(words.split(' '))
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        pipe.write_all(input.as_bytes()).map_err(|error| format!("takes no input: {error}"))?;
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
