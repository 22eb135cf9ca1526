//! How many connections clients may have: all of them together, and each.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpSocket;

use crate::support::backend::Backend;
use crate::support::client::{Raw, get};
use crate::support::eventually;
use crate::support::gateway::{Gateway, route};

const FROM_TWO: &str = "--limits.connectionsPerClient=2";
const TRUSTED: &str = "--entryPoints.web.proxyProtocol.trustedIPs=127.0.0.0/8";

async fn gateway(flags: &[&str]) -> (Backend, Gateway) {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), flags).await;
    (backend, gateway)
}

/// A connection from this address of the loopback.
async fn from(source: [u8; 4], address: SocketAddr) -> Raw {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(IpAddr::from(source), 0)).expect("an address of the loopback");
    Raw::over(socket.connect(address).await.expect("connect"))
}

/// A connection for `client`, as a load balancer makes it.
async fn on_behalf_of(client: &str, address: SocketAddr) -> Raw {
    let mut raw = Raw::connect(address).await;
    raw.send(format!("PROXY TCP{} {client} {client} 5000 80\r\n", if client.contains(':') { 6 } else { 4 })).await;
    raw
}

/// A refused connection is counted a moment after its client sees the end of it.
async fn refused(gateway: &Gateway, count: usize) {
    let line = format!("adit_refusals_total{{reason=\"client_limit\"}} {count}\n");
    eventually(&line, async || gateway.admin_text("/metrics").await.contains(&line)).await;
}

#[tokio::test]
async fn one_client_has_as_many_connections_as_it_may_have_on_all_workers_together() {
    let (_backend, gateway) = gateway(&[FROM_TWO, "--workers=3"]).await;
    let (one, other) = ([127, 0, 0, 2], [127, 0, 0, 3]);
    let mut held = [from(one, gateway.web()).await, from(one, gateway.web()).await];
    for client in &mut held {
        assert!(client.still_serves("a.example").await);
    }
    for _ in 0..3 {
        assert!(!from(one, gateway.web()).await.still_serves("a.example").await, "a third connection");
    }
    refused(&gateway, 3).await;
    assert!(from(other, gateway.web()).await.still_serves("a.example").await, "another client");
    let [first, _second] = held;
    drop(first);
    eventually("there is room again", async || from(one, gateway.web()).await.still_serves("a.example").await).await;
}

#[tokio::test]
async fn without_a_limit_of_its_own_a_client_may_have_all_connections() {
    let (_backend, gateway) = gateway(&["--limits.connections=20"]).await;
    assert!(gateway.log().contains("\"maxConnections\":20"), "{}", gateway.log());
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut client = Raw::connect(gateway.web()).await;
        assert!(client.still_serves("a.example").await);
        held.push(client);
    }
    assert!(!Raw::connect(gateway.web()).await.still_serves("a.example").await);
    assert_eq!(gateway.admin_status("/readyz").await, 200, "it is ready all the same");
    held.clear();
    eventually("there is room again", async || get(gateway.web(), "a.example", "/").await.is_ok()).await;
}

#[tokio::test]
async fn of_a_load_balancer_its_clients_are_counted_and_not_itself() {
    let (_backend, gateway) = gateway(&[FROM_TWO, TRUSTED]).await;
    let mut held = Vec::new();
    for client in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"] {
        let mut raw = on_behalf_of(client, gateway.web()).await;
        assert!(raw.still_serves("a.example").await, "{client}");
        held.push(raw);
    }
    for client in ["192.0.2.1", "2001:db8::ffff"] {
        assert!(!on_behalf_of(client, gateway.web()).await.still_serves("a.example").await, "{client}");
    }
    refused(&gateway, 2).await;
    // Its own checks have no header of that kind.
    assert!(Raw::connect(gateway.web()).await.still_serves("a.example").await);
}

#[tokio::test]
async fn a_peer_whose_forwarding_headers_are_believed_is_not_counted() {
    let (_backend, gateway) = gateway(&[FROM_TWO, "--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.2"]).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut trusted = from([127, 0, 0, 2], gateway.web()).await;
        assert!(trusted.still_serves("a.example").await);
        held.push(trusted);
    }
    refused(&gateway, 0).await;
}

#[tokio::test]
async fn a_tunnel_takes_its_clients_room_until_it_ends() {
    let backend = Backend::answering(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec()
    })
    .await;
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let gateway = Gateway::start(&manifests, &["--limits.connectionsPerClient=1"]).await;
    let ask = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut tunnel = Raw::connect(gateway.web()).await;
    tunnel.send(ask).await;
    assert_eq!(tunnel.answer().await.expect("an answer").status, 101);
    assert!(!Raw::connect(gateway.web()).await.still_serves("a.example").await, "beside the tunnel");
    drop(tunnel);
    eventually("there is room again", async || {
        let mut next = Raw::connect(gateway.web()).await;
        next.stream.set_nodelay(true).is_ok() && {
            let sent = tokio::io::AsyncWriteExt::write_all(&mut next.stream, ask.as_bytes()).await.is_ok();
            sent && next.answer().await.is_some()
        }
    })
    .await;
}
