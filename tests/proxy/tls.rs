//! TLS: which certificate, which routes, and changes without a restart.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::backend::Backend;
use crate::support::client::get;
use crate::support::eventually;
use crate::support::gateway::{Gateway, ingress, route, service};
use crate::support::secure::{acceptor, certificate, connect, names, secret, served, with_tls};

/// One request over TLS: the status, and the served certificate.
async fn fetch(address: std::net::SocketAddr, host: &str) -> (u16, Vec<u8>) {
    let mut stream = connect(address, host, &[b"http/1.1"]).await.expect("a handshake");
    let der = served(&stream);
    stream
        .write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .expect("send");
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    let status = String::from_utf8_lossy(&text).get(9..12).and_then(|status| status.parse().ok()).expect("a status");
    (status, der)
}

#[tokio::test]
async fn each_host_gets_its_certificate_and_what_tls_does_not_cover_is_404() {
    let backend = Backend::named("app").await;
    let app = ingress("app", "a.example", "/", "");
    let manifests = [
        with_tls(&app, &["a.example"], "a"),
        service("app", &[backend.port()], "", ""),
        route("plain", "b.example", "/", &[backend.port()]),
        secret("a", &certificate(&["a.example"])),
    ];
    let gateway = Gateway::start(&manifests.concat(), &[]).await;
    let (status, der) = fetch(gateway.websecure(), "a.example").await;
    assert_eq!((status, names(&der, "a.example")), (200, true));
    // The same port also speaks in the clear, and the other one TLS.
    assert_eq!(get(gateway.websecure(), "a.example", "/").await.expect("an answer").status, 200);
    assert_eq!(fetch(gateway.web(), "a.example").await.0, 200);
    let (status, der) = fetch(gateway.websecure(), "b.example").await;
    assert_eq!((status, names(&der, "a.example")), (404, false), "TLS for a host that no tls section covers");
}

#[tokio::test]
async fn an_entry_point_with_tls_serves_nothing_in_the_clear() {
    let backend = Backend::named("app").await;
    let flags = ["--entryPoints.websecure.http.tls=true"];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    assert_eq!(fetch(gateway.websecure(), "a.example").await.0, 200);
    assert_eq!(get(gateway.websecure(), "a.example", "/").await.expect("an answer").status, 404);
    assert_eq!(get(gateway.web(), "a.example", "/").await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_renewed_certificate_is_served_and_a_bad_one_keeps_the_last_good() {
    let backend = Backend::named("app").await;
    let app = with_tls(&ingress("app", "a.example", "/", ""), &["a.example"], "a");
    let rest = [app, service("app", &[backend.port()], "", "")].concat();
    let (first, second) = (certificate(&["a.example", "first.example"]), certificate(&["a.example", "second.example"]));
    let gateway = Gateway::start(&[rest.clone(), secret("a", &first)].concat(), &[]).await;
    let mut kept = connect(gateway.websecure(), "a.example", &[b"http/1.1"]).await.expect("a handshake");
    assert!(names(&served(&kept), "first.example"));
    gateway.edit(&[rest.clone(), secret("a", &second)].concat());
    eventually("the new certificate is served", async || {
        names(&fetch(gateway.websecure(), "a.example").await.1, "second.example")
    })
    .await;
    gateway.edit(&[rest, secret("a", &("no certificate".to_owned(), "no key".to_owned()))].concat());
    eventually("the bad one is reported", async || {
        gateway.admin_text("/api/problems").await.contains("invalid-certificate")
    })
    .await;
    let (status, der) = fetch(gateway.websecure(), "a.example").await;
    assert_eq!((status, names(&der, "second.example")), (200, true), "the last good certificate is kept");
    // The connection from before the change has lived through it all.
    kept.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").await.expect("send");
    let mut text = Vec::new();
    let _ = kept.read_to_end(&mut text).await;
    assert!(text.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_backend_whose_certificate_nobody_vouches_for_is_502() {
    let (chain, key) = certificate(&["localhost"]);
    let backend = tls_backend(&chain, &key).await;
    let annotation = "traefik.ingress.kubernetes.io/service.serversscheme: https";
    let manifests = [ingress("app", "a.example", "/", ""), service("app", &[backend], annotation, "")].concat();
    let strict = Gateway::start(&manifests, &[]).await;
    assert_eq!(get(strict.web(), "a.example", "/").await.expect("an answer").status, 502);
    let lax = Gateway::start(&manifests, &["--serversTransport.insecureSkipVerify=true"]).await;
    assert_eq!(get(lax.web(), "a.example", "/").await.expect("an answer").text(), "secret");
}

/// A backend that speaks HTTP/1.1 over TLS; its port.
async fn tls_backend(chain: &str, key: &str) -> u16 {
    let acceptor = acceptor(chain, key);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").await;
                }
            });
        }
    });
    port
}
