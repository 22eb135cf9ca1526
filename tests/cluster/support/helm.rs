//! The chart, by Helm (`HELM`, or the one on the path).

use std::env;
use std::process::Command;

use super::kubectl::try_kubectl;

pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart");
pub(crate) const SELECTOR: &str = "app.kubernetes.io/instance=adit";

/// The release `adit` in its namespace, from before it is installed; gone again when this is dropped.
#[derive(Debug)]
pub(crate) struct Uninstall;

impl Drop for Uninstall {
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
pub(crate) fn helm(words: &str) -> Result<(), String> {
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
