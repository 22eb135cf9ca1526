//! The built program, running on a directory of manifests, with every port chosen by the system.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::client;

/// A running gateway; killed when dropped.
pub(crate) struct Gateway {
    pub(crate) addresses: HashMap<String, SocketAddr>,
    directory: PathBuf,
    child: Child,
    log: Arc<Mutex<String>>,
    listens: watch::Sender<bool>,
}

impl Gateway {
    /// Starts it on `manifests` and waits until it is ready.
    pub(crate) async fn start(manifests: &str, flags: &[&str]) -> Self {
        let gateway = Self::spawn(manifests, flags).await;
        gateway.ready().await;
        gateway
    }

    /// Starts it with what are its defaults: of its output, what they let through. `ADIT` names another program than the
    /// one that was built for tests.
    pub(crate) async fn start_quietly(manifests: &str, flags: &[&str]) -> Self {
        let program = std::env::var_os("ADIT").unwrap_or_else(|| env!("CARGO_BIN_EXE_adit").into());
        let gateway =
            Self::launch(Command::new(program), manifests, &[&["--log.format=json"][..], flags].concat()).await;
        gateway.ready().await;
        gateway
    }

    /// Starts it with so many descriptors at most.
    pub(crate) async fn start_with_descriptors(most: usize, manifests: &str, flags: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_adit")]);
        let gateway = Self::run(command, manifests, flags).await;
        gateway.ready().await;
        gateway
    }

    /// Starts it without waiting for more than its listeners.
    pub(crate) async fn spawn(manifests: &str, flags: &[&str]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_adit")), manifests, flags).await
    }

    async fn run(command: Command, manifests: &str, flags: &[&str]) -> Self {
        let ours = ["--log.format=json", "--log.level=DEBUG", "--workers=1"];
        Self::launch(command, manifests, &[&ours[..], flags].concat()).await
    }

    async fn launch(mut command: Command, manifests: &str, flags: &[&str]) -> Self {
        let directory = tempfile(manifests);
        command
            .env_clear()
            .arg(format!("--providers.directory.path={}", directory.display()))
            .args(["--entryPoints.web.address=127.0.0.1:0", "--entryPoints.websecure.address=127.0.0.1:0"])
            .args(["--entryPoints.traefik.address=127.0.0.1:0", "--api.insecure", "--ping", "--metrics.prometheus"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let mut addresses = HashMap::new();
        while addresses.len() < 3 {
            let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line()).await;
            let line = line.expect("a line within 10 s").expect("output").unwrap_or_else(|| {
                panic!("the program ended at start:\n{}", log.lock().expect("the log"));
            });
            if let Some(name) = field(&line, "entryPointName").filter(|_| line.contains("\"listening\"")) {
                let address = field(&line, "address").expect("an address").parse().expect("an address");
                addresses.insert(name, address);
            }
            push(&log, &line);
        }
        let tail = log.clone();
        let (listens, mut listening) = watch::channel(true);
        tokio::spawn(async move {
            while listening.wait_for(|listens| *listens).await.is_ok()
                && let Ok(Some(line)) = lines.next_line().await
            {
                push(&tail, &line);
            }
        });
        Self { addresses, directory, child, log, listens }
    }

    pub(crate) fn web(&self) -> SocketAddr {
        self.addresses["web"]
    }

    pub(crate) fn websecure(&self) -> SocketAddr {
        self.addresses["websecure"]
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.addresses["traefik"]
    }

    pub(crate) async fn ready(&self) {
        super::eventually("the gateway is ready", async || self.admin_status("/readyz").await == 200).await;
    }

    pub(crate) async fn admin_status(&self, path: &str) -> u16 {
        client::get(self.admin(), "localhost", path).await.map_or(0, |answer| answer.status)
    }

    pub(crate) async fn admin_text(&self, path: &str) -> String {
        client::get(self.admin(), "localhost", path).await.expect("an answer of the admin port").text()
    }

    /// Replaces the manifests, as an editor would.
    pub(crate) fn edit(&self, manifests: &str) {
        let next = self.directory.join(".next");
        std::fs::write(&next, manifests).expect("write manifests");
        std::fs::rename(next, self.directory.join("test.yaml")).expect("replace manifests");
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Whether its output is read; if not, it stays in the pipe until that is full.
    pub(crate) fn listen(&self, listens: bool) {
        self.listens.send_replace(listens);
    }

    /// The most memory that it has ever held, bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        line.trim().trim_end_matches("kB").trim().parse::<usize>().expect("kilobytes") << 10
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> usize {
        let pid = self.child.id().expect("it runs");
        std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads").count()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Waits for the program's end and gives its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        status.expect("it ends within 20 s").expect("its status").code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the gateway's log ---\n{}", self.log());
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn push(log: &Mutex<String>, line: &str) {
    let mut log = log.lock().expect("the log");
    log.push_str(line);
    log.push('\n');
}

/// The value of a text field of a line of JSON.
fn field(line: &str, name: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(value.get(name)?.as_str()?.to_owned())
}

fn tempfile(manifests: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("adit-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).expect("a directory for manifests");
    std::fs::write(directory.join("test.yaml"), manifests).expect("write manifests");
    directory
}

/// An Ingress for `host` and `path` (Prefix) to a Service `name`, with endpoints on the loopback at these ports.
pub(crate) fn route(name: &str, host: &str, path: &str, ports: &[u16]) -> String {
    format!("{}{}", ingress(name, host, path, ""), service(name, ports, "", ""))
}

pub(crate) fn ingress(name: &str, host: &str, path: &str, annotations: &str) -> String {
    let annotations =
        if annotations.is_empty() { String::new() } else { format!("\n  annotations: {{{annotations}}}") };
    let host = if host.is_empty() { String::new() } else { format!("host: \"{host}\"\n      ") };
    format!(
        r#"---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}{annotations}
spec:
  rules:
    - {host}http:
        paths:
          - path: {path}
            pathType: Prefix
            backend: {{service: {{name: {name}, port: {{number: 80}}}}}}
"#
    )
}

pub(crate) fn service(name: &str, ports: &[u16], annotations: &str, app_protocol: &str) -> String {
    let protocol = if app_protocol.is_empty() { String::new() } else { format!(", appProtocol: {app_protocol}") };
    let mut text = format!(
        r#"---
apiVersion: v1
kind: Service
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec:
  ports: [{{name: http, port: 80, targetPort: 80{protocol}}}]
"#
    );
    for port in ports {
        text.push_str(&slice(name, *port, "serving: true"));
    }
    text
}

pub(crate) fn slice(name: &str, port: u16, conditions: &str) -> String {
    format!(
        r#"---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{port}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: ["127.0.0.1"], conditions: {{{conditions}}}}}]
"#
    )
}
