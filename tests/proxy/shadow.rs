//! `adit shadow` with the gateway itself as one of the two, in the clear and over TLS.

use std::process::Stdio;

use tokio::process::Command;

use crate::support::backend::Backend;
use crate::support::gateway::{Gateway, route};

#[tokio::test]
async fn shadow_compares_over_tls_and_a_certificate_that_nobody_trusts_is_named() {
    let backend = Backend::named("app").await;
    let manifests = route("app", "a.example", "/", &[backend.port()]);
    let gateway = Gateway::start(&manifests, &["--entryPoints.websecure.http.tls=true"]).await;
    let (clear, secure) = (format!("http://{}", gateway.web()), format!("https://{}", gateway.websecure()));

    let (code, text) = shadow(&clear, &clear, &[]).await;
    assert_eq!(code, Some(0), "{text}");
    // The only route is for both entry points.
    let (code, text) = shadow(&clear, &secure, &["--insecure=true"]).await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = shadow(&secure, &secure, &[]).await;
    assert!(code == Some(2) && text.contains("the first that neither answered: TLS: "), "{text}");
}

async fn shadow(traefik: &str, other: &str, more: &[&str]) -> (Option<i32>, String) {
    let urls = std::env::temp_dir().join(format!("adit-test-shadow-{}", std::process::id()));
    std::fs::write(&urls, "https://a.example/x\nhttps://other.example/\n").expect("a file can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_adit"))
        .env_clear()
        .args(["shadow", "--traefik", traefik, "--adit", other])
        .args(more)
        .arg(&urls)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the program runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}
