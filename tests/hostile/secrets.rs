//! Tenants with certificates of their own, and endpoints that speak TLS.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::gateway::{Gateway, ingress, service};
use crate::support::secure::{acceptor, certificate, secret, with_tls};
use crate::table::Stage;

/// Demands what is not there: whatever serves the host is closed.
pub(crate) const POLICY: &str = "traefik.ingress.kubernetes.io/router.tls.options: default-mtls@kubernetescrd";

/// `one.example` and `two.example` with a certificate each; `locked.example` and `*.locked.example` with a policy.
pub(crate) async fn tenants(flags: &[&str]) -> Stage {
    Stage::beside(tenants_at, flags).await
}

pub(crate) fn tenants_at(port: u16) -> String {
    let tenant = |name: &str, host: &str, annotation: &str| {
        let rules = with_tls(&ingress(name, host, "/", annotation), &[host], name);
        [rules, service(name, &[port], "", ""), secret(name, &certificate(&[host]))].concat()
    };
    [
        tenant("one", "one.example", ""),
        tenant("two", "two.example", ""),
        tenant("locked", "locked.example", POLICY),
        tenant("below", "*.locked.example", POLICY),
    ]
    .concat()
}

/// The status of a request for `host`; the connection stays.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, host: &str, target: &str) -> Option<u16> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut got = Vec::new();
    let end = loop {
        if let Some(end) = got.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        stream.read_buf(&mut got).await.ok().filter(|&count| count > 0)?;
    };
    let head = String::from_utf8_lossy(&got[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.parse().ok()).expect("a length");
    while got.len() < end + length {
        stream.read_buf(&mut got).await.ok().filter(|&count| count > 0)?;
    }
    head.get(9..12)?.parse().ok()
}

/// An endpoint that speaks TLS and answers every connection once; ends when dropped.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Answers with these bytes and ends, with a farewell or without one.
    pub(crate) async fn start(chain: &str, key: &str, answer: &'static str, farewell: bool) -> Self {
        let acceptor = acceptor(chain, key);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        if !stream.read_buf(&mut request).await.is_ok_and(|count| count > 0) {
                            return;
                        }
                    }
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.flush().await;
                    if farewell {
                        let _ = stream.shutdown().await;
                    } else {
                        let _ = stream.get_mut().0.shutdown().await;
                    }
                });
            }
        });
        Self { address, task }
    }

    /// A gateway that leads `a.example` to it.
    pub(crate) async fn gateway(&self, flags: &[&str]) -> Gateway {
        gateway_to(self.address.port(), flags).await
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A gateway that leads `a.example` to an endpoint of TLS at this port.
pub(crate) async fn gateway_to(port: u16, flags: &[&str]) -> Gateway {
    let https = "traefik.ingress.kubernetes.io/service.serversscheme: https";
    let manifests = [ingress("app", "a.example", "/", ""), service("app", &[port], https, "")];
    Gateway::start(&manifests.concat(), flags).await
}
