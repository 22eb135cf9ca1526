//! The end: nothing in flight is lost.

use tokio::io::AsyncWriteExt;

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
    eventually("no new connection is accepted", async || tokio::net::TcpStream::connect(gateway.web()).await.is_err())
        .await;
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
async fn a_bad_flag_ends_the_start_with_the_nearest_known_one() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_adit"))
        .arg("--entrypoints.web.adress=:80")
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.to_lowercase().contains("entrypoints.web.address"), "{text}");
}
