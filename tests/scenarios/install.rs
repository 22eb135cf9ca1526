//! adit by its chart, and Helm as its user types it.

use std::env;
use std::net::SocketAddr;
use std::process::Command;

use crate::plain::client::{Answer, request};
use crate::support::kubectl::{Namespace, image, kubectl, load_balancer, pods, rolled_out, try_kubectl};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart");
const SELECTOR: &str = "app.kubernetes.io/instance=adit";

/// The chart in a namespace of its own; gone again when the test ends.
#[derive(Debug)]
pub(crate) struct Adit {
    _namespace: Namespace,
    /// The address of its LoadBalancer.
    pub(crate) address: String,
}

impl Adit {
    /// Installs it with these values beside the image: `key=value,…`.
    pub(crate) async fn install(values: &str) -> Self {
        let mut adit = Self { _namespace: Namespace::new("adit"), address: String::new() };
        let image = image();
        let (name, tag) = image.rsplit_once(':').expect("the image has a tag");
        let values = format!("image.repository={name},image.tag={tag},{values}");
        helm(&format!("upgrade --install adit {CHART} --namespace adit --set {}", values.trim_end_matches(',')))
            .expect("an installation");
        rolled_out("adit", "adit", SELECTOR).await;
        adit.address = load_balancer("adit", "adit").await;
        adit
    }

    /// What is served for a host in the clear.
    pub(crate) fn site(&self, host: &'static str) -> Site {
        Site { address: socket(&self.address, 80), host }
    }

    /// The admin port of each pod.
    pub(crate) fn admin_sites(&self) -> Vec<Site> {
        let address = |pod: &String| {
            let ip = kubectl(&format!("get pod -n adit {pod} -o jsonpath={{.status.podIP}}"));
            Site { address: socket(&ip, 8080), host: "localhost" }
        };
        pods("adit", SELECTOR).iter().map(address).collect()
    }
}

impl Drop for Adit {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What is needed to understand a failure goes away with the installation.
            for words in ["get pods -A -o wide", &format!("logs -n adit --prefix --tail=50 -l {SELECTOR}")] {
                eprintln!("kubectl {words}\n{}", try_kubectl(words).unwrap_or_else(|error| error));
            }
        }
        // Its cluster-wide objects do not go with the namespace.
        if let Err(error) = helm("uninstall adit --namespace adit --ignore-not-found") {
            eprintln!("helm uninstall: {error}");
        }
    }
}

/// A host at an address, asked byte for byte, each request on a connection of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) host: &'static str,
}

impl Site {
    pub(crate) async fn get(&self, target: &str) -> Result<Answer, String> {
        self.ask("GET", target, "").await
    }

    /// Sends `body`, if there is one, as JSON.
    pub(crate) async fn ask(&self, method: &str, target: &str, body: &str) -> Result<Answer, String> {
        let content = match body.len() {
            0 => String::new(),
            length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
        };
        let host = self.host;
        let bytes = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{content}Connection: close\r\n\r\n{body}");
        request(self.address, &bytes).await.map_err(|error| error.to_string())
    }

    /// A GET that must be answered with 200.
    pub(crate) async fn page(&self, target: &str) -> Result<Answer, String> {
        match self.get(target).await? {
            answer if answer.status == 200 => Ok(answer),
            answer => Err(format!("{target}: {} {}", answer.status, answer.text())),
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

pub(crate) fn socket(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}
