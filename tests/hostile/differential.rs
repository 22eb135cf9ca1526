//! The same bytes with other people's servers behind the gateway: whatever each of them makes of what it gets, it sees no
//! more requests than the table says, whoever reads them.
//!
//! Run by `cargo test --test hostile differential -- --ignored`. Needs nginx, haproxy and node; and a Python with waitress
//! and gunicorn, which `ADIT_PYTHON` names if it is not `python3`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::support::client::{self, Raw};
use crate::support::eventually;
use crate::support::gateway::{Gateway, route};
use crate::table::{Bytes, Row};

/// The sections whose rows are about what bytes mean: framing to upgrades.
const ROWS: std::ops::RangeInclusive<u16> = 1..=126;
/// A body that never comes is given up for after so long.
const PATIENCE: &str = "--entryPoints.web.transport.respondingTimeouts.readTimeout=100ms";

/// After so many cases at most a server notes what it has seen of one.
const LATE: usize = 3;

/// A server that notes what it sees.
struct Server {
    name: &'static str,
    port: u16,
    seen: PathBuf,
    directory: PathBuf,
    _child: Child,
}

impl Server {
    async fn start(name: &'static str) -> Self {
        let directory = std::env::temp_dir().join(format!("adit-differential-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let seen = directory.join("seen");
        std::fs::write(&seen, "").expect("a file");
        let port = free_port();
        let mut command = command(name, port, &directory, &seen);
        let child = command
            .env("SEEN", &seen)
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let server = Self { name, port, seen, directory, _child: child };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually(name, async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        server
    }

    /// The requests that it has seen.
    fn seen(&self) -> Vec<String> {
        let text = std::fs::read(&self.seen).expect("what it has seen");
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    /// Waits until it notes nothing more: of a request that is cut off, it may do so after the next one.
    async fn settled(&self) {
        let mut before = None;
        while before != Some(self.seen().len()) {
            before = Some(self.seen().len());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// One that nobody listened on a moment ago: none of these can be asked to choose one.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

fn command(name: &str, port: u16, directory: &Path, seen: &Path) -> Command {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/servers");
    let python = std::env::var("ADIT_PYTHON").unwrap_or_else(|_| "python3".into());
    let write = |text: String| {
        let path = directory.join("configuration");
        std::fs::write(&path, text).expect("a configuration");
        path
    };
    let (at, seen) = (directory.display(), seen.display());
    match name {
        "nginx" => {
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
                .concat();
            let path = write(format!(
                "daemon off; master_process off; pid {at}/pid; error_log {at}/errors; events {{}}\n\
                 http {{ {temporary} log_format seen '$request_method $request_uri'; access_log {seen} seen;\n\
                 server {{ listen 127.0.0.1:{port}; location / {{ return 200 ok; }} }} }}\n"
            ));
            let mut command = Command::new("nginx");
            command.arg("-c").arg(path).stderr(Stdio::null());
            command
        }
        "haproxy" => {
            let path = write(format!(
                "global\n log stdout format raw local0\n\
                 defaults\n mode http\n log global\n log-format \"%HM %HU\"\n timeout client 30s\n timeout server 30s\n timeout connect 5s\n\
                 frontend all\n bind 127.0.0.1:{port}\n http-request return status 200 content-type text/plain string ok\n"
            ));
            let mut command = Command::new("haproxy");
            let file = std::fs::OpenOptions::new().append(true).open(directory.join("seen")).expect("its output");
            command.args(["-db", "-f"]).arg(path).stdout(file).stderr(Stdio::null());
            command
        }
        "node" => {
            let mut command = Command::new("node");
            command.arg(programs.join("app.js"));
            command
        }
        "waitress" => {
            let mut command = Command::new(python);
            command.args(["-m", "waitress", &format!("--listen=127.0.0.1:{port}"), "app:app"]).current_dir(programs);
            command.env("PYTHONDONTWRITEBYTECODE", "1").stdout(Stdio::null()).stderr(Stdio::null());
            command
        }
        _ => {
            let mut command = Command::new(python);
            command.args([
                "-m",
                "gunicorn",
                "--worker-class=gthread",
                "--threads=4",
                "--keep-alive=60",
                "--log-level=critical",
            ]);
            command.args([&format!("--bind=127.0.0.1:{port}"), "app:app"]).current_dir(programs);
            command.env("PYTHONDONTWRITEBYTECODE", "1").stderr(Stdio::null());
            command
        }
    }
}

/// Sends a case's bytes; the requests that were seen since. With nothing else under way, and all that come of it, where it
/// is `alone`.
async fn seen_of(server: &Server, gateway: &Gateway, row: &Row, case: &Bytes<'_>, alone: bool) -> Vec<String> {
    if alone {
        server.settled().await;
    }
    let noted = server.seen().len();
    let mut client = Raw::connect(gateway.web()).await;
    let _ = client.stream.write_all(case.send).await;
    if case.ends {
        let _ = client.stream.shutdown().await;
    } else {
        let last = b"GET /last HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
        let _ = client.stream.write_all(last).await;
    }
    let mut answers = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), client.stream.read_to_end(&mut answers)).await;
    // On the connection that this may have left something on.
    let probe = format!("/probe-{noted}");
    let answer = client::get(gateway.web(), "a.example", &probe).await.expect("another client is served");
    let name = server.name;
    assert_eq!((answer.status, &*answer.text()), (200, "ok"), "{name}: another client after {row}");
    let is_probe = |line: &String| line.ends_with(&probe);
    eventually("the probe is noted", async || server.seen().iter().skip(noted).any(is_probe)).await;
    if alone {
        server.settled().await;
    }
    let seen = server.seen().into_iter().skip(noted);
    seen.filter(|line| !line.ends_with("/last") && !is_probe(line)).collect()
}

/// Sends all rows' bytes; how many requests came, and what was seen too often.
async fn compare(name: &'static str) {
    let server = Server::start(name).await;
    let manifests = [route("app", "a.example", "/", &[server.port]), route("any", "", "/", &[server.port])].concat();
    let gateway = Gateway::start(&manifests, &[PATIENCE]).await;
    let rows = crate::rows();
    let rows: Vec<_> = rows.iter().filter(|row| ROWS.contains(&row.number)).collect();
    let all: Vec<_> = rows.iter().flat_map(|row| row.bytes().map(move |case| (*row, case))).collect();
    let (mut served, mut failures) = (0, Vec::new());
    for (place, (row, case)) in all.iter().enumerate() {
        let seen = seen_of(&server, &gateway, row, case, false).await.len();
        served += seen;
        if seen <= case.most {
            continue;
        }
        // What a server notes late is taken for the next one's: this case and those before it, each alone.
        for (row, case) in &all[place.saturating_sub(LATE)..=place] {
            let seen = seen_of(&server, &gateway, row, case, true).await;
            if seen.len() > case.most {
                let sent: String = String::from_utf8_lossy(case.send).chars().take(300).collect();
                failures.push(format!("{row}: {} instead of {}: {seen:?} of {sent:?}", seen.len(), case.most));
            }
        }
    }
    let cases = all.len();
    println!("{name}: {cases} inputs, {served} requests seen");
    assert!(cases > 200 && served > 50, "{name}: {cases} inputs, {served} requests seen");
    assert!(failures.is_empty(), "{}:\n{}", server.name, failures.join("\n"));
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn nginx_sees_no_more_requests_than_came() {
    compare("nginx").await;
}

#[tokio::test]
#[ignore = "needs haproxy"]
async fn haproxy_sees_no_more_requests_than_came() {
    compare("haproxy").await;
}

#[tokio::test]
#[ignore = "needs node"]
async fn node_sees_no_more_requests_than_came() {
    compare("node").await;
}

#[tokio::test]
#[ignore = "needs Python with waitress"]
async fn waitress_sees_no_more_requests_than_came() {
    compare("waitress").await;
}

#[tokio::test]
#[ignore = "needs Python with gunicorn"]
async fn gunicorn_sees_no_more_requests_than_came() {
    compare("gunicorn").await;
}
