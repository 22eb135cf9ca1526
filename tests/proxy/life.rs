//! Deadlines on every wait.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::support::backend::{Backend, read_request};
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, route};

const QUICK: [&str; 2] = [
    "--entryPoints.web.transport.respondingTimeouts.idleTimeout=200ms",
    "--entryPoints.web.transport.respondingTimeouts.readTimeout=300ms",
];

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &QUICK).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    let since = Instant::now();
    assert!(client.closed().await);
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_body_that_takes_longer_than_it_may_is_408() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &QUICK).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhe").await;
    assert_eq!(client.answer().await.expect("an answer").status, 408);
    assert!(client.closed().await);
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn a_connection_serves_no_more_requests_than_it_may() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.web.transport.keepAliveMaxRequests=2"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    for expected in [None, Some("close")] {
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        assert_eq!(client.answer().await.expect("an answer").header("connection"), expected);
    }
    assert!(client.closed().await);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &QUICK).await;
    let since = Instant::now();
    for start in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a.example\r\nX: ", "PRI * HT", "PRI * HTTP/2.0\r\n"] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(start).await;
        assert!(client.closed().await, "{start:?}");
    }
    // One byte at a time does not help.
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nX: ").await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while client.stream.write_all(b"x").await.is_ok() {
        ticks.tick().await;
    }
    assert!(since.elapsed() < Duration::from_secs(8), "each within its 300 ms, not within the usual 10 s");
    eventually("it is logged", async || gateway.log().contains("\"wait\":\"Head\"")).await;
    let counted = "adit_refusals_total{reason=\"head_timeout\"} 3\n";
    eventually("those that began a request are counted", async || {
        gateway.admin_text("/metrics").await.contains(counted)
    })
    .await;
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn a_tls_handshake_that_does_not_go_on_is_not_waited_for() {
    let flags = ["--entryPoints.websecure.transport.respondingTimeouts.readTimeout=300ms"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[1]), &flags).await;
    let since = Instant::now();
    let mut client = Raw::connect(gateway.websecure()).await;
    // A record that promises 512 bytes of a ClientHello.
    client.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]).await;
    assert!(client.closed().await);
    assert!(since.elapsed() < Duration::from_secs(5));
    let mut client = Raw::connect(gateway.websecure()).await;
    client.send([0x16, 0x03, 0x01, 0x00, 0x02, 0x00, 0x00]).await;
    assert!(client.closed().await, "what is no ClientHello is refused");
    let counted = "adit_refusals_total{reason=\"tls_handshake\"} 2";
    eventually("both are counted", async || gateway.admin_text("/metrics").await.contains(counted)).await;
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_it_may_is_cut_short() {
    let backend = Backend::on_connection(|mut stream| async move {
        let mut buffer = Vec::new();
        let _ = read_request(&mut stream, &mut buffer).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    let flags = ["--entryPoints.web.transport.respondingTimeouts.writeTimeout=300ms"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert!(client.answer().await.is_none(), "it must not look complete");
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::on_connection(move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut buffer = Vec::new();
            let _ = read_request(&mut stream, &mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
            while stream.write_all(&[b'x'; 64 << 10]).await.is_ok() {}
            let _ = tell.send("cut off");
        }
    })
    .await;
    let flags = ["--entryPoints.web.transport.respondingTimeouts.writeTimeout=300ms"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let end = tokio::time::timeout(Duration::from_secs(15), told.recv()).await;
    assert_eq!(end.expect("within 15 s"), Some("cut off"));
    let counted = "adit_refusals_total{reason=\"write_timeout\"} 1";
    eventually("it is counted", async || gateway.admin_text("/metrics").await.contains(counted)).await;
}

#[tokio::test]
async fn an_endpoint_that_does_not_take_connections_is_504() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    // Nobody accepts: once its queue is full, the kernel leaves connections unanswered.
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("its address");
    let mut queue = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        queue.push(stream);
    }
    let flags = ["--serversTransport.forwardingTimeouts.dialTimeout=100ms"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[address.port()]), &flags).await;
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 504);
    let metrics = gateway.admin_text("/metrics").await;
    assert!(metrics.contains("adit_refusals_total{reason=\"connect_timeout\"} 1"), "{metrics}");
}

#[tokio::test]
async fn an_idle_connection_to_an_endpoint_is_closed() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::on_connection(move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut buffer = Vec::new();
            while read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
            let _ = tell.send("closed");
        }
    })
    .await;
    let flags = ["--serversTransport.forwardingTimeouts.idleConnTimeout=200ms"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 200);
    let end = tokio::time::timeout(Duration::from_secs(15), told.recv()).await;
    assert_eq!(end.expect("within 15 s"), Some("closed"));
}

#[tokio::test]
async fn a_connection_lives_no_longer_than_it_may() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.web.transport.keepAliveMaxTime=50ms"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    let mut client = Raw::connect(gateway.web()).await;
    loop {
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        let answer = client.answer().await.expect("the last answer says that it is");
        if answer.header("connection") == Some("close") {
            break;
        }
        assert!(backend.requests().len() < 10_000, "no end in sight");
    }
    assert!(client.closed().await);
}
