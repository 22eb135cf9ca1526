//! Many connections that do next to nothing.

use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::connect;
use crate::governor::Governor;
use crate::siege::Target;

/// Holds as many connections as it may, each begun with `begin`, and adds `more` to one after the other.
async fn crowd(target: Target, governor: Rc<Governor>, begin: &[u8], more: &[u8], buffer: Option<u32>) {
    let mut held: Vec<TcpStream> = Vec::new();
    let mut next = 0;
    loop {
        if held.len() < target.crowd {
            if let Ok(stream) = connect(target.web, buffer).await {
                let _ = stream.try_write(begin);
                held.push(stream);
            }
        } else if more.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        } else {
            let nth = next % held.len();
            next = nth + 1;
            let closed = |error: std::io::Error| error.kind() != std::io::ErrorKind::WouldBlock;
            if held[nth].try_write(more).is_err_and(closed) {
                held.swap_remove(nth);
            }
            tokio::task::yield_now().await;
        }
        governor.hold();
    }
}

/// Heads that grow by a byte now and then.
pub(crate) async fn slow_heads(target: Target, governor: Rc<Governor>) {
    crowd(target, governor, b"GET / HTTP/1.1\r\nHost: a.example\r\nX: ", b"y", None).await;
}

/// Bodies that grow by a byte now and then.
pub(crate) async fn slow_bodies(target: Target, governor: Rc<Governor>) {
    let head = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\n";
    crowd(target, governor, head, b"y", None).await;
}

/// Large answers that nobody reads.
pub(crate) async fn slow_readers(target: Target, governor: Rc<Governor>) {
    crowd(target, governor, b"GET /large HTTP/1.1\r\nHost: a.example\r\n\r\n", b"", Some(4096)).await;
}

/// Connections on which nothing is said.
pub(crate) async fn idle(target: Target, governor: Rc<Governor>) {
    crowd(target, governor, b"", b"", None).await;
}

/// Connections that are made and closed, as fast as it goes.
pub(crate) async fn come_and_go(target: Target, governor: Rc<Governor>) {
    loop {
        drop(connect(target.web, None).await);
        governor.hold();
    }
}
