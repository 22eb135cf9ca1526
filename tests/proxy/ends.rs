//! The end: nothing in flight is lost.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::backend::{Backend, read_request};
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, route};

/// A backend that answers when it is told to.
async fn held() -> (Backend, tokio::sync::watch::Sender<bool>) {
    let (release, gate) = tokio::sync::watch::channel(false);
    let backend = Backend::on_connection(move |mut stream| {
        let mut gate = gate.clone();
        async move {
            let mut buffer = Vec::new();
            while read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = gate.wait_for(|open| *open).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    (backend, release)
}

#[tokio::test]
async fn a_request_in_flight_outlives_sigterm() {
    let (backend, release) = held().await;
    let flags = ["--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=0"];
    let mut gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    eventually("the request is with the backend", async || {
        backend.connections.load(std::sync::atomic::Ordering::Relaxed) == 1
    })
    .await;
    gateway.signal("TERM");
    eventually("no new connection is accepted", async || TcpStream::connect(gateway.web()).await.is_err()).await;
    release.send(true).expect("the backend waits");
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    assert_eq!(gateway.exit_code().await, Some(0));
}

#[tokio::test]
async fn while_leaving_it_is_not_ready_and_still_serves_each_connection_once() {
    let backend = Backend::named("app").await;
    let flags = [
        "--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=60",
        "--entryPoints.web.transport.lifeCycle.graceTimeOut=1",
    ];
    let mut gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    gateway.signal("TERM");
    eventually("it is not ready", async || gateway.admin_status("/readyz").await == 503).await;
    assert_eq!(gateway.admin_status("/ping").await, 503);
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    gateway.signal("TERM");
    assert_eq!(gateway.exit_code().await, Some(0));
}

#[tokio::test]
async fn sigint_does_not_wait_for_load_balancers() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=60"];
    let mut gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 200);
    gateway.signal("INT");
    assert_eq!(gateway.exit_code().await, Some(0));
}

#[tokio::test]
async fn an_http_2_client_is_told_to_go_away_and_its_streams_end_first() {
    let (backend, release) = held().await;
    let flags = ["--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=0"];
    let mut gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let stream = TcpStream::connect(gateway.web()).await.expect("connect");
    let (mut client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://a.example/").body(Empty::<Bytes>::new()).expect("a request");
    let held = tokio::spawn(client.send_request(request));
    eventually("the request is with the backend", async || {
        backend.connections.load(std::sync::atomic::Ordering::Relaxed) == 1
    })
    .await;
    gateway.signal("TERM");
    eventually("no new connection is accepted", async || TcpStream::connect(gateway.web()).await.is_err()).await;
    release.send(true).expect("the backend waits");
    let response = held.await.expect("no panic").expect("an answer");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "ok");
    // The client still holds its side open: it is the gateway that ends.
    assert!(connection.await.expect("no panic").is_ok(), "an orderly end");
    drop(client);
    assert_eq!(gateway.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_tunnel_goes_on_while_the_rest_drains() {
    let backend = Backend::on_connection(|mut stream| async move {
        let mut buffer = Vec::new();
        let Some(_) = read_request(&mut stream, &mut buffer).await else { return };
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await;
    let flags = ["--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=0"];
    let mut gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 101);
    gateway.signal("TERM");
    eventually("no new connection is accepted", async || TcpStream::connect(gateway.web()).await.is_err()).await;
    client.send("still here").await;
    let mut echoed = [0; 10];
    client.stream.read_exact(&mut echoed).await.expect("an echo");
    assert_eq!(&echoed, b"still here");
    drop(client);
    assert_eq!(gateway.exit_code().await, Some(0), "it ends with its last tunnel");
}

#[tokio::test]
async fn a_bad_flag_ends_the_start_with_the_nearest_known_one() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_adit"))
        .arg("--entrypoints.web.adress=:80")
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.to_lowercase().contains("entrypoints.web.address"), "{text}");
}

#[tokio::test]
async fn a_second_sigterm_ends_it_at_once() {
    let (backend, _release) = held().await;
    let flags = [
        "--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=0",
        "--entryPoints.web.transport.lifeCycle.graceTimeOut=600",
    ];
    let mut gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    eventually("the request is with the backend", async || {
        backend.connections.load(std::sync::atomic::Ordering::Relaxed) == 1
    })
    .await;
    gateway.signal("TERM");
    eventually("it drains", async || TcpStream::connect(gateway.web()).await.is_err()).await;
    gateway.signal("TERM");
    assert_eq!(gateway.exit_code().await, Some(0));
    assert!(client.answer().await.is_none(), "the request in flight was cut");
}

#[test]
fn a_worker_that_ends_ends_the_program_with_a_message() {
    let manifests = std::env::temp_dir().join(format!("adit-test-worker-{}", std::process::id()));
    std::fs::create_dir_all(&manifests).expect("a directory");
    // More workers than there are descriptors for. Now and then another part of the program is the first to want one.
    let mut worker_ended = false;
    for _ in 0..30 {
        let output = std::process::Command::new("sh")
            .args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_adit"), "--workers=24"])
            .args(["--entryPoints.web.address=127.0.0.1:0", "--entryPoints.traefik.address=127.0.0.1:0"])
            .arg(format!("--providers.directory.path={}", manifests.display()))
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("adit: ") && text.contains("Too many open files"), "{text}");
        worker_ended = text.starts_with("adit: worker ");
        if worker_ended {
            break;
        }
    }
    let _ = std::fs::remove_dir_all(manifests);
    assert!(worker_ended);
}
