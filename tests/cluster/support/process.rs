//! adit as a process of this machine, on the cluster's API server: what a pod's adit does, where a test can reach it.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::client::{Answer, expect, get};
use super::kubectl::{Namespace, apply, kubectl};
use super::load::Load;
use super::within;

/// Where the objects of these tests are.
pub(crate) const NAMESPACE: &str = "adit-faults";
/// How soon a change is served when nothing is wrong any more.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// A running adit; killed when dropped.
pub(crate) struct Adit {
    pub(crate) web: SocketAddr,
    pub(crate) secure: SocketAddr,
    pub(crate) admin: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Adit {
    /// The program, in an environment of the test's own.
    pub(crate) fn program() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
        command.env_clear();
        command
    }

    /// Starts it on an API server, and waits until it listens.
    pub(crate) async fn spawn(api: &str, flags: &[&str]) -> Self {
        Self::run(Self::program(), api, flags).await
    }

    /// Starts it, and waits until it is ready.
    pub(crate) async fn start(api: &str, flags: &[&str]) -> Self {
        let adit = Self::spawn(api, flags).await;
        adit.is_ready(SOON).await;
        adit
    }

    /// Runs what [`Adit::program`] made, on an API server, and waits until it listens.
    pub(crate) async fn run(mut command: Command, api: &str, flags: &[&str]) -> Self {
        command
            .arg("--providers.kubernetesIngress=true")
            .arg(format!("--providers.kubernetesIngress.endpoint={api}"))
            .args(["--entryPoints.web.address=127.0.0.1:0", "--entryPoints.websecure.address=127.0.0.1:0"])
            .args(["--entryPoints.websecure.http.tls=true", "--entryPoints.traefik.address=127.0.0.1:0"])
            .args(["--api.insecure", "--ping", "--metrics.prometheus", "--log.format=json", "--log.level=DEBUG"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let mut addresses = [None; 3];
        while addresses.contains(&None) {
            let line = lines.next_line().await.expect("output").unwrap_or_else(|| {
                panic!("the program ended at start:\n{}", log.lock().expect("the log"));
            });
            if let Some((name, address)) = listening(&line) {
                let place = ["web", "websecure", "traefik"].iter().position(|known| *known == name);
                addresses[place.expect("an entry point of ours")] = Some(address);
            }
            push(&log, &line);
        }
        let tail = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                push(&tail, &line);
            }
        });
        let [web, secure, admin] = addresses.map(|address| address.expect("all listen"));
        Self { web, secure, admin, child, log }
    }

    pub(crate) async fn is_ready(&self, limit: Duration) {
        within(limit, "adit is ready", async || self.page("/readyz", StatusCode::OK).await).await;
    }

    /// A page of its admin port, if it has this status.
    pub(crate) async fn page(&self, path: &str, status: StatusCode) -> Result<Answer, String> {
        expect("127.0.0.1", self.admin.port(), "localhost", path, status).await
    }

    /// Waits until a page of the admin port has this in it.
    pub(crate) async fn shows(&self, path: &str, text: &str) {
        within(SOON, &format!("{path} says {text}"), async || {
            let page = self.page(path, StatusCode::OK).await?.body;
            if page.contains(text) { Ok(()) } else { Err(page) }
        })
        .await;
    }

    /// Waits until the log has this in it.
    pub(crate) async fn says(&self, text: &str, limit: Duration) {
        within(limit, &format!("the log says {text}"), async || {
            if self.log().contains(text) { Ok(()) } else { Err("it does not".to_owned()) }
        })
        .await;
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    pub(crate) fn forget_log(&self) {
        self.log.lock().expect("the log").clear();
    }

    pub(crate) async fn get(&self, host: &str) -> Result<Answer, String> {
        get("127.0.0.1", self.web.port(), host, "/").await
    }

    /// Waits until a host is answered so.
    pub(crate) async fn answers(&self, host: &str, status: StatusCode, limit: Duration) {
        within(limit, &format!("{host} is {status}"), async || {
            let answer = self.get(host).await?;
            if answer.status == status { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
    }

    pub(crate) fn load(&self) -> Load {
        Load::start_at("127.0.0.1", self.web.port(), 20, Duration::from_millis(100))
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let done = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill runs");
        assert!(done.success());
    }
}

impl Drop for Adit {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(60).collect::<Vec<_>>();
            eprintln!("--- adit's log ---\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

fn push(log: &Mutex<String>, line: &str) {
    let mut log = log.lock().expect("the log");
    log.push_str(line);
    log.push('\n');
}

/// Which entry point a line of the log says to listen, and where.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let name = line.get("entryPointName")?.as_str()?.to_owned();
    Some((name, line.get("address")?.as_str()?.parse().ok()?))
}

/// Objects for a process on this machine: `weather.lvh.me` is served by this test itself.
pub(crate) struct Scene {
    pub(crate) backend: SocketAddr,
    _serving: JoinHandle<()>,
    _namespace: Namespace,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        // An address that an EndpointSlice may have, which one of the loopback is not.
        let node = kubectl("get nodes -o jsonpath={.items[0].status.addresses[?(@.type==\"InternalIP\")].address}");
        let listener = TcpListener::bind((node.as_str(), 0)).await.expect("the tests run on the node");
        let backend = listener.local_addr().expect("its address");
        let namespace = Namespace::new(NAMESPACE);
        apply(NAMESPACE, &service("weather", backend));
        apply(NAMESPACE, &ingress("weather", "weather.lvh.me", "weather"));
        Self { backend, _serving: tokio::spawn(serve(listener)), _namespace: namespace }
    }

    /// Adds an Ingress for a new host.
    pub(crate) fn add(&self, name: &str) -> String {
        let host = format!("{name}.lvh.me");
        apply(NAMESPACE, &ingress(name, &host, "weather"));
        host
    }

    pub(crate) fn remove(&self, name: &str) {
        kubectl(&format!("delete ingress -n {NAMESPACE} {name} --wait=false"));
    }
}

/// A Service without selector, and its one slice.
pub(crate) fn service(name: &str, backend: SocketAddr) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
{}",
        slice(name, backend)
    )
}

pub(crate) fn slice(name: &str, backend: SocketAddr) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {}}}]
endpoints: [{{addresses: [{}], conditions: {{ready: true}}}}]
",
        backend.port(),
        backend.ip()
    )
}

pub(crate) fn ingress(name: &str, host: &str, service: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}}}
spec:
  rules:
    - host: {host}
      http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}]}}
"
    )
}

/// Answers every request without a body.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_one(stream));
    }
}

async fn serve_one(stream: TcpStream) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.is_empty() {
            continue;
        }
        let body = r#"{"pod": "here"}"#;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if writer.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
