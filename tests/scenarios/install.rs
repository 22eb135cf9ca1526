//! adit by its chart, as its user installs it.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::plain::client::{Answer, Raw};
use crate::support::PATIENCE;
use crate::support::helm::{CHART, SELECTOR, Uninstall, helm};
use crate::support::kubectl::{Namespace, image, kubectl, load_balancer, pods, rolled_out, try_kubectl};

/// The chart in a namespace of its own; gone again when the test ends.
#[derive(Debug)]
pub(crate) struct Adit {
    _uninstall: Uninstall,
    // In this order, after what made the pods and before where they are.
    _pods: Pods,
    _namespace: Namespace,
    /// The address of its LoadBalancer.
    pub(crate) address: String,
}

impl Adit {
    /// Installs it with these values beside the image: `key=value,…`.
    pub(crate) async fn install(values: &str) -> Self {
        let mut adit =
            Self { _uninstall: Uninstall, _pods: Pods, _namespace: Namespace::new("adit"), address: String::new() };
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

/// adit's pods, which take their time to end, 150 s at most. A namespace with such pods is looked at again only when half
/// of that has passed.
#[derive(Debug)]
struct Pods;

impl Drop for Pods {
    fn drop(&mut self) {
        if let Err(error) = try_kubectl(&format!("delete pods -n adit -l {SELECTOR} --grace-period=1 --wait")) {
            eprintln!("delete pods: {error}");
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
        let mut stream = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
        stream.write_all(bytes.as_bytes()).await.map_err(|error| error.to_string())?;
        // A request may wait for its endpoint, longer than `Raw` has patience with an answer that has begun.
        timeout(PATIENCE, stream.readable())
            .await
            .map_err(|_| format!("no answer in {PATIENCE:?}"))?
            .map_err(|error| error.to_string())?;
        Raw::over(stream).answer_to(method).await.ok_or_else(|| "an end without an answer".to_owned())
    }

    /// A GET that must be answered with 200.
    pub(crate) async fn page(&self, target: &str) -> Result<Answer, String> {
        match self.get(target).await? {
            answer if answer.status == 200 => Ok(answer),
            answer => Err(format!("{target}: {} {}", answer.status, answer.text())),
        }
    }
}

pub(crate) fn socket(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}
