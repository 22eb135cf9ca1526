//! Memory that the kernel is about to end the process for: a pod with a small limit, and clients who have it hold all
//! that they can.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::client::{expect, get};
use crate::support::kubectl::{Applied, kubectl, pods, rolled_out};
use crate::support::process::ingress;
use crate::support::{eventually, turn, within};

const CLASSIC: &str = include_str!("manifests/classic.yaml");
const LIMIT: u64 = 96 << 20;
const HOST: &str = "memory.lvh.me";
/// How long it is attacked, and how soon it is as before.
const SIEGE: Duration = Duration::from_secs(15);
const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_pod_whose_clients_take_all_its_memory_turns_them_away_and_is_never_killed() {
    let _turn = turn();
    let node = kubectl("get nodes -o jsonpath={.items[0].status.addresses[?(@.type==\"InternalIP\")].address}");
    let listener = TcpListener::bind((node.as_str(), 0)).await.expect("the tests run on the node");
    let backend = listener.local_addr().expect("its address");
    let mut backends = JoinSet::new();
    backends.spawn(serve(listener));
    let limited =
        format!("resources: {{limits: {{memory: {LIMIT}}}}}\n          args:\n            - --metrics.prometheus");
    let adit = CLASSIC.replace("args:", &limited).replace("--log.level=DEBUG", "--log.level=INFO");
    let _adit = Applied::new("default", &adit);
    let _route = Applied::new("default", &format!("{}---\n{}", service(backend), ingress("memory", HOST, "memory")));
    rolled_out("default", "traefik", "app=traefik").await;
    let pod = Pod::find();
    eventually("its host is served", async || expect(&pod.address, 80, HOST, "/", StatusCode::OK).await).await;
    let before = pod.memory().await;

    let target = SocketAddr::new(pod.address.parse().expect("an address"), 80);
    let mut attackers = JoinSet::new();
    for nth in 0..5500 {
        match nth % 110 {
            0 => attackers.spawn(again_and_again(move || large_streams(target))),
            1..=10 => attackers.spawn(again_and_again(move || slow_reader(target))),
            11..=50 => attackers.spawn(again_and_again(move || idle(target))),
            _ => attackers.spawn(again_and_again(move || half_a_head(target))),
        };
        // A queue of connections that overflows is another attack, which costs no memory.
        if nth % 50 == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    }
    let until = Instant::now() + SIEGE;
    let (mut most, mut served, mut turned_away, mut longest) = (before, 0, 0, Duration::ZERO);
    while Instant::now() < until {
        most = most.max(pod.memory().await);
        pod.is_ready().await;
        // Whoever comes meanwhile is served, or turned away; both soon.
        let asked = Instant::now();
        let answer = get(&pod.address, 80, HOST, "/").await;
        longest = longest.max(asked.elapsed());
        match answer {
            Ok(answer) if answer.status == StatusCode::OK => served += 1,
            Ok(answer) => {
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(answer.headers["retry-after"], "1");
                turned_away += 1;
            }
            Err(_) => turned_away += 1,
        }
    }
    attackers.shutdown().await;

    let ended = Instant::now();
    within(SOON, "everybody is served again", async || {
        for _ in 0..20 {
            expect(&pod.address, 80, HOST, "/", StatusCode::OK).await?;
        }
        Ok(())
    })
    .await;
    let healed = ended.elapsed();
    let refused = pod.refusals().await;
    eprintln!(
        "resident {before} bytes at first, at most {most} of {LIMIT}; {refused} refused; of those who came meanwhile \
         {served} served, {turned_away} turned away, in {longest:?} at most; healed after {healed:?}"
    );
    let after = within(Duration::from_secs(20), "its memory is given back", async || {
        let held = pod.memory().await;
        if held < before + LIMIT / 5 { Ok(held) } else { Err(format!("{held} bytes")) }
    })
    .await;
    eprintln!("{after} bytes after {:?}", ended.elapsed());
    assert!(refused > 0, "it was never short of memory");
    for line in ["memory is short", "memory is very short", "there is memory again"] {
        eventually(line, async || {
            let log = kubectl(&format!("logs {}", pod.name));
            if log.contains(line) { Ok(()) } else { Err(log) }
        })
        .await;
    }
    pod.is_what_it_was();
}

/// A Service of this test's own backend, as the classic role may read it.
fn service(backend: SocketAddr) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: memory}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: v1
kind: Endpoints
metadata: {{name: memory}}
subsets: [{{addresses: [{{ip: {}}}], ports: [{{name: http, port: {}}}]}}]
",
        backend.ip(),
        backend.port()
    )
}

/// The one pod of adit.
struct Pod {
    name: String,
    address: String,
}

impl Pod {
    fn find() -> Self {
        let name = pods("default", "app=traefik").join(" ");
        let address = kubectl(&format!("get pod {name} -o jsonpath={{.status.podIP}}"));
        Self { name, address }
    }

    /// Still the same one, which was never ended.
    fn is_what_it_was(&self) {
        assert_eq!(pods("default", "app=traefik").join(" "), self.name);
        let path = "{.status.containerStatuses[0].restartCount}";
        let restarts = kubectl(&format!("get pod {} -o jsonpath={path}", self.name));
        assert_eq!(restarts, "0", "{}", kubectl(&format!("describe pod {}", self.name)));
    }

    async fn is_ready(&self) {
        if let Err(error) = expect(&self.address, 8080, "localhost", "/readyz", StatusCode::OK).await {
            self.is_what_it_was();
            panic!("it is not ready: {error}");
        }
    }

    async fn metric(&self, name: &str) -> u64 {
        let page = match expect(&self.address, 8080, "localhost", "/metrics", StatusCode::OK).await {
            Ok(answer) => answer.body,
            Err(error) => {
                self.is_what_it_was();
                panic!("no metrics: {error}");
            }
        };
        let found = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        found.unwrap_or_else(|| panic!("no {name} in {page}")) as u64
    }

    /// Resident memory, bytes.
    async fn memory(&self) -> u64 {
        self.metric("process_resident_memory_bytes").await
    }

    async fn refusals(&self) -> u64 {
        self.metric("adit_refusals_total{reason=\"memory\"}").await
    }
}

/// Attacks anew whenever an attack has ended.
async fn again_and_again<F: Future<Output = Option<()>>>(attack: impl Fn() -> F) {
    loop {
        attack().await;
        sleep(Duration::from_millis(100)).await;
    }
}

/// A head that grows to as much as one may have, and has no end.
async fn half_a_head(target: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(target).await.ok()?;
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: ").as_bytes()).await.ok()?;
    for _ in 0..12 {
        sleep(Duration::from_millis(100)).await;
        stream.write_all(&[b'y'; 5000]).await.ok()?;
    }
    until_its_end(stream).await
}

/// A connection that is kept and not used.
async fn idle(target: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(target).await.ok()?;
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.ok()?;
    until_its_end(stream).await
}

async fn until_its_end(mut stream: TcpStream) -> Option<()> {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes).await.ok()? > 0 {}
    Some(())
}

/// A large answer that nobody reads.
async fn slow_reader(target: SocketAddr) -> Option<()> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_recv_buffer_size(4096).ok()?;
    let mut stream = socket.connect(target).await.ok()?;
    stream.write_all(format!("GET /large HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.ok()?;
    sleep(Duration::from_secs(3)).await;
    Some(())
}

/// Streams of HTTP/2 with large heads, which nobody answers.
async fn large_streams(target: SocketAddr) -> Option<()> {
    let stream = TcpStream::connect(target).await.ok()?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
    let large = "y".repeat(30_000);
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..100 {
        sender.ready().await.ok()?;
        let request =
            Request::get(format!("http://{HOST}/hold")).header("x", &large).body(Empty::<Bytes>::new()).ok()?;
        answers.push(sender.send_request(request));
    }
    for answer in answers {
        let _ = answer.await;
    }
    Some(())
}

/// Answers `/large` with more than anybody takes, `/hold` never, and all else at once.
async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(stream: TcpStream) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(asked) = lines.next_line().await.ok()? {
        while !lines.next_line().await.ok()??.is_empty() {}
        if asked.contains("/hold") {
            // Until whoever asked has left.
            lines.next_line().await.ok()?;
            return None;
        }
        let length = if asked.contains("/large") { 64 << 20 } else { 2 };
        writer.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await.ok()?;
        for left in (0..length).step_by(64 << 10) {
            writer.write_all(&[b'x'; 64 << 10][..(length - left).min(64 << 10)]).await.ok()?;
        }
    }
    Some(())
}
