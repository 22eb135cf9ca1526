//! A network that is short of something: source ports, room in a listen queue, answers of a name server. What is short is
//! so for a whole network, so that each test has one of its own, with its clients, the program and its backends in it.
//!
//! Run by `cargo test --test proxy network -- --ignored`. Needs root, and `ip` of iproute2.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::support::backend::{Backend, read_request};
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, ingress, route};

/// Set where a test is in its network.
const INSIDE: &str = "ADIT_TEST_NETWORK";

/// Runs a test of this module in a network of its own, and with mounts of its own.
fn in_its_network(name: &str, test: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(test);
    }
    let status = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("network::{name}"), "--ignored", "--nocapture"])
        .env(INSIDE, "yes")
        .status();
    assert!(status.expect("unshare runs").success(), "it failed in its network; what it said is above");
}

/// Sets one of the network's own values.
fn set(name: &str, value: &str) {
    let path = format!("/proc/sys/net/{}", name.replace('.', "/"));
    std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// So many clients who ask for this host at once, each on a connection of its own; the statuses that they get.
fn crowd(size: usize, gateway: &Gateway, host: &'static str) -> Vec<JoinHandle<io::Result<u16>>> {
    let web = gateway.web();
    let client = move |_| tokio::spawn(async move { Ok(get(web, host, "/").await?.status) });
    (0..size).map(client).collect()
}

const ASK: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// Answers what it is asked when it is let.
async fn held_back(gate: &Arc<Semaphore>) -> Backend {
    let gate = gate.clone();
    Backend::on_connection(move |mut stream| {
        let gate = gate.clone();
        async move {
            let mut buffer = Vec::new();
            while read_request(&mut stream, &mut buffer).await.is_some() {
                gate.acquire().await.expect("it stays").forget();
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
    .await
}

#[test]
#[ignore = "needs root"]
fn without_source_ports_requests_share_what_there_is_and_the_rest_is_told_so_at_once() {
    in_its_network("without_source_ports_requests_share_what_there_is_and_the_rest_is_told_so_at_once", async {
        const PORTS: usize = 4;
        let gate = Arc::new(Semaphore::new(0));
        let (one, other) = (held_back(&gate).await, held_back(&gate).await);
        let gateway = Gateway::start(&route("app", "a.example", "/", &[one.port(), other.port()]), &[]).await;
        let mut waiting = Vec::new();
        for _ in 0..2 * PORTS {
            waiting.push(Raw::connect(gateway.web()).await);
        }
        let mut refused = Raw::connect(gateway.web()).await;
        set("ipv4.ip_local_port_range", &format!("61000 {}", 61000 + PORTS - 1));
        for client in &mut waiting {
            client.send(ASK).await;
        }
        let reached = || one.connections.load(Relaxed) + other.connections.load(Relaxed);
        eventually("every port to either endpoint is used", async || reached() == 2 * PORTS).await;
        let begun = Instant::now();
        refused.send(ASK).await;
        let answer = refused.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.head);
        assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits for what does not come");
        gate.add_permits(2 * PORTS);
        for client in &mut waiting {
            assert_eq!(client.answer().await.expect("an answer").status, 200, "the others notice nothing");
        }
        // Those who were answered left connections that serve everybody.
        gate.add_permits(1000);
        for _ in 0..20 {
            refused.send(ASK).await;
            assert_eq!(refused.answer().await.expect("an answer").status, 200);
        }
        assert_eq!(reached(), 2 * PORTS, "without a new connection");
        set("ipv4.ip_local_port_range", "32768 60999");
        let metrics = gateway.admin_text("/metrics").await;
        assert!(metrics.contains("adit_refusals_total{reason=\"no_socket\"} 1\n"), "{metrics}");
        assert!(metrics.contains("adit_retries_total{reason=\"no_socket\"}"), "{metrics}");
        let says = "no socket for a connection to an endpoint; raise";
        eventually("the log says so", async || gateway.log().contains(says)).await;
    });
}

#[test]
#[ignore = "needs root"]
fn a_listen_queue_that_overflows_makes_clients_wait_and_loses_none() {
    in_its_network("a_listen_queue_that_overflows_makes_clients_wait_and_loses_none", async {
        set("core.somaxconn", "16");
        let backend = Backend::named("app").await;
        let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
        gateway.signal("STOP");
        let crowd = crowd(100, &gateway, "a.example");
        eventually("the queue overflows", async || overflows() > 0).await;
        gateway.signal("CONT");
        for client in crowd {
            let status = tokio::time::timeout(Duration::from_secs(30), client).await.expect("in time");
            assert_eq!(status.expect("it ends").expect("an answer"), 200);
        }
    });
}

/// How many connections found a listen queue full.
fn overflows() -> u64 {
    let text = std::fs::read_to_string("/proc/net/netstat").expect("the kernel's counts");
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:")).map(str::split_ascii_whitespace);
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let found = names.zip(values).find(|(name, _)| *name == "ListenOverflows");
    found.expect("it is counted").1.parse().expect("a number")
}

const SILENT: u8 = 0;
const NONE: u8 = 1;
const FAILS: u8 = 2;
const LOOPBACK: u8 = 3;

/// A name server that for every name does as it is told: is silent, knows none, fails, or says 127.0.0.1.
async fn name_server(mood: Arc<AtomicU8>) {
    let socket = UdpSocket::bind("127.0.0.1:53").await.expect("port 53");
    let path = std::env::temp_dir().join(format!("adit-resolv-{}", std::process::id()));
    std::fs::write(&path, "nameserver 127.0.0.1\n").expect("a file");
    let mounted = Command::new("mount").arg("--bind").arg(&path).arg("/etc/resolv.conf").status();
    assert!(mounted.expect("mount runs").success());
    std::fs::remove_file(path).expect("the mount keeps it");
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let mood = mood.load(Relaxed);
            if mood == SILENT {
                continue;
            }
            let question = &buffer[12..length];
            let name = question.iter().position(|byte| *byte == 0).expect("the end of the name") + 1;
            let is_v4 = question[name..name + 2] == [0, 1];
            let found = mood == LOOPBACK && is_v4;
            let code = match mood {
                NONE => 3,
                FAILS => 2,
                _ => 0,
            };
            let mut answer = buffer[..2].to_vec();
            answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
            answer.extend(&question[..name + 4]);
            if found {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
            }
            let _ = socket.send_to(&answer, peer).await;
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_name_server_that_fails_harms_its_names_alone_and_what_was_known_serves() {
    in_its_network("a_name_server_that_fails_harms_its_names_alone_and_what_was_known_serves", async {
        let mood = Arc::new(AtomicU8::new(SILENT));
        name_server(mood.clone()).await;
        // Each request needs a new connection.
        let backend =
            Backend::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_vec())
                .await;
        assert_eq!(backend.address.ip(), IpAddr::from(Ipv4Addr::LOCALHOST));
        let named = ingress("named", "named.example", "/", "")
            .replace("number: 80", &format!("number: {}", backend.port()))
            + &format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: named}}\nspec: {{type: ExternalName, \
                 externalName: db.example.org, ports: [{{port: {}}}]}}\n",
                backend.port()
            );
        let manifests = route("app", "a.example", "/", &[backend.port()]) + &named;
        let flags = [
            "--providers.kubernetesIngress.allowExternalNameServices",
            "--serversTransport.forwardingTimeouts.dialTimeout=1500ms",
            "--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=0",
        ];
        let mut gateway = Gateway::start(&manifests, &flags).await;
        let ask = async |host: &'static str| get(gateway.web(), host, "/").await.expect("an answer").status;
        assert_eq!(ask("a.example").await, 200);
        let threads = gateway.threads();
        let crowd = crowd(50, &gateway, "named.example");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(ask("a.example").await, 200, "other routes notice nothing");
        assert!(gateway.threads() <= threads + 1, "one question at a time");
        for client in crowd {
            assert_eq!(client.await.expect("it ends").expect("an answer"), 502);
        }
        mood.store(NONE, Relaxed);
        eventually("the name is said not to exist", async || ask("named.example").await == 502).await;
        let says = "the name of an ExternalName Service is not resolved";
        eventually("the log says so", async || gateway.log().contains(says)).await;
        let metrics = gateway.admin_text("/metrics").await;
        assert!(metrics.contains("adit_refusals_total{reason=\"name_unresolved\"}"), "{metrics}");
        mood.store(LOOPBACK, Relaxed);
        eventually("the name is resolved", async || ask("named.example").await == 200).await;
        eventually("the log says so", async || gateway.log().contains("the name is resolved again")).await;
        for trouble in [SILENT, FAILS] {
            mood.store(trouble, Relaxed);
            for _ in 0..3 {
                // Beyond what an answer holds.
                tokio::time::sleep(Duration::from_millis(1100)).await;
                assert_eq!(ask("named.example").await, 200, "what was known serves");
            }
        }
        // Its last address may be another's by now.
        mood.store(NONE, Relaxed);
        eventually("a name that is gone is not served", async || ask("named.example").await == 502).await;
        mood.store(LOOPBACK, Relaxed);
        eventually("the name is back", async || ask("named.example").await == 200).await;
        mood.store(SILENT, Relaxed);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(ask("named.example").await, 200, "while the name is asked for");
        gateway.signal("TERM");
        let begun = Instant::now();
        assert_eq!(gateway.exit_code().await, Some(0));
        assert!(begun.elapsed() < Duration::from_secs(2), "the end waits for no name server: {:?}", begun.elapsed());
    });
}
