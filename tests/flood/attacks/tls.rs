//! Handshakes that cost the server more than the client.

use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::connect;
use crate::governor::Governor;
use crate::hello::Hello;
use crate::siege::Target;

/// A hello that was made beforehand, on as many connections as it may hold; the oldest is left when it has its answer.
pub(crate) async fn begun_and_left(target: Target, governor: Rc<Governor>) {
    let hello = Hello::for_host("a.example").record();
    let mut held = std::collections::VecDeque::new();
    loop {
        if let Ok(mut stream) = connect(target.websecure, None).await {
            let _ = stream.write_all(&hello).await;
            held.push_back(stream);
        }
        if held.len() >= target.crowd {
            held.pop_front();
        }
        governor.hold();
    }
}

/// A client of TLS 1.2 that asks for another handshake within the first one's connection.
pub(crate) async fn renegotiation(target: Target, _: Rc<Governor>) {
    loop {
        let address = target.websecure.to_string();
        let mut client = tokio::process::Command::new("openssl")
            .args(["s_client", "-tls1_2", "-servername", "a.example", "-connect", &address])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl runs");
        let mut input = client.stdin.take().expect("its input");
        for _ in 0..20 {
            if input.write_all(b"R\n").await.is_err() {
                break;
            }
            // What the client takes is not this thread's: it is held to its share by its pace.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(input);
        let _ = tokio::time::timeout(Duration::from_secs(1), client.wait()).await;
    }
}
