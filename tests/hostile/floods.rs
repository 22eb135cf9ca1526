//! Floods of HTTP/2 frames: the connection that brings them ends or is slowed down, memory stays bounded, and other
//! clients are served.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, End, GET, H2, HEADERS, PING, POST, PREFACE, SETTINGS, WINDOW_UPDATE,
    block, data, frame, headers, reset,
};
use crate::recorder::Reply;
use crate::table::{Row, Stage};

/// More memory than any flood may cost.
const ROOM: usize = 16 << 20;
const PRIORITY: u8 = 2;

/// Sends `attack` of one stream after the other, each once the gateway has seen the one before. The connection must end
/// before so many.
async fn ends_within(most: u32, stage: &Stage, attack: impl Fn(u32) -> Vec<u8>) {
    let mut client = H2::connect(stage.gateway.web()).await;
    for nth in 0..most {
        let ping = frame(PING, 0, 0, &u64::from(nth).to_be_bytes());
        if !client.send([attack(2 * nth + 1), ping].concat()).await {
            return;
        }
        loop {
            match client.next().await {
                None => return,
                Some(frame) if frame.kind == PING => break,
                Some(_) => {}
            }
        }
    }
    panic!("the connection still lives after {most} streams");
}

/// Sends all of `attack` while what comes back is read, and waits for the end.
async fn flood(stage: &Stage, attack: Vec<u8>) {
    let stream = TcpStream::connect(stage.gateway.web()).await.expect("connect");
    let (mut reader, mut writer) = stream.into_split();
    let sending = tokio::spawn(async move {
        let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        if writer.write_all(&hello).await.is_ok() && writer.write_all(&attack).await.is_ok() {
            let _ = writer.shutdown().await;
        }
        // Kept until the other side has ended.
        writer
    });
    let mut sink = vec![0; 64 << 10];
    while reader.read(&mut sink).await.is_ok_and(|count| count > 0) {}
    drop(sending.await);
}

/// Runs an attack on a gateway of its own: it must cost less memory than [`ROOM`], and nobody else anything.
async fn bounded(attack: impl AsyncFn(&Stage)) {
    let stage = Stage::new(&[]).await;
    stage.probe().await;
    let before = stage.gateway.peak_memory();
    attack(&stage).await;
    stage.recorder.answers(Reply::Echo);
    stage.probe().await;
    let grown = stage.gateway.peak_memory() - before;
    assert!(grown < ROOM, "{grown} bytes more");
}

/// A block with `fields`, and one more that is kept in the table and named `count` times.
fn bomb(name: &str, value: &str, count: usize) -> Vec<u8> {
    let mut bytes = block(&GET);
    let entry = block(&[(name, value)]);
    bytes.push(0x40);
    bytes.extend(&entry[1..]);
    bytes.extend(vec![0xbe; count]);
    bytes
}

async fn bombs(name: &'static str, value: &'static str) {
    bounded(async |stage| {
        let stream = TcpStream::connect(stage.gateway.web()).await.expect("connect");
        // No window: what is answered stays with the gateway.
        let mut client = H2::over(stream, &[(4, 0)]).await;
        for nth in 0..100 {
            let block = bomb(name, value, 1900);
            client.send(frame(HEADERS, END_STREAM | END_HEADERS, 2 * nth + 1, &block)).await;
        }
        let end = client.end_of(1).await;
        assert!(end == End::Answer(431) || end.is_refusal(), "{end:?}");
        assert_eq!(stage.recorder.take().await.iter().filter(|entry| entry.text != "GET /probe").count(), 0);
    })
    .await;
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::apart(151, "streams begun and taken back, all at once: the connection ends", async || {
            bounded(async |stage| {
                let attack: Vec<u8> =
                    (0..2000).flat_map(|nth| [headers(2 * nth + 1, true, &GET), reset(2 * nth + 1)].concat()).collect();
                flood(stage, attack).await;
                assert!(stage.recorder.connections() < 200, "{} connections", stage.recorder.connections());
            })
            .await;
        }),
        Row::apart(152, "the same one by one: the connection ends after some", async || {
            bounded(async |stage| {
                stage.recorder.answers(Reply::Silence);
                ends_within(200, stage, |stream| [headers(stream, true, &GET), reset(stream)].concat()).await;
                assert!(stage.recorder.connections() < 200, "{} connections", stage.recorder.connections());
            })
            .await;
        }),
        Row::apart(153, "streams that the client makes us take back: the connection ends after some", async || {
            bounded(async |stage| {
                stage.recorder.answers(Reply::Silence);
                ends_within(200, stage, |stream| {
                    let beyond = frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
                    [headers(stream, true, &GET), beyond].concat()
                })
                .await;
                ends_within(200, stage, |stream| {
                    let of_itself = [&stream.to_be_bytes()[..], &[0]].concat();
                    [headers(stream, true, &GET), frame(PRIORITY, 0, stream, &of_itself)].concat()
                })
                .await;
            })
            .await;
        }),
        Row::apart(154, "frames that no stream may have: the connection ends", async || {
            bounded(async |stage| {
                stage.recorder.answers(Reply::Silence);
                ends_within(200, stage, |stream| {
                    [headers(stream, true, &GET), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
                })
                .await;
                ends_within(200, stage, |stream| [headers(stream, true, &GET), data(stream, true, "x")].concat()).await;
                ends_within(200, stage, |stream| {
                    [headers(stream, true, &GET), headers(stream, true, &[("x", "y")])].concat()
                })
                .await;
            })
            .await;
        }),
        Row::apart(155, "a head that goes on and on: the connection ends", async || {
            bounded(async |stage| {
                for piece in [vec![], block(&[("x", "y")]), block(&[("x", &"y".repeat(1000))])] {
                    let begin = frame(HEADERS, END_STREAM, 1, &block(&GET));
                    let more = frame(CONTINUATION, 0, 1, &piece).repeat(20_000);
                    flood(stage, [begin, more].concat()).await;
                }
                assert_eq!(stage.recorder.take().await.iter().filter(|entry| entry.text != "GET /probe").count(), 0);
            })
            .await;
        }),
        Row::apart(
            156,
            "streams that are no requests, without end: the connection ends, and keeps nothing",
            async || {
                bounded(async |stage| {
                    let bad = [&GET[..], &[("connection", "close")]].concat();
                    flood(stage, (0..20_000).flat_map(|nth| headers(2 * nth + 1, true, &bad)).collect()).await;
                })
                .await;
            },
        ),
        Row::apart(157, "streams taken back before anybody looked at them: the connection ends", async || {
            bounded(async |stage| {
                let pair = |nth: u32| [headers(2 * nth + 1, false, &POST), reset(2 * nth + 1)].concat();
                flood(stage, (0..20_000).flat_map(pair).collect()).await;
                assert!(stage.recorder.connections() < 200, "{} connections", stage.recorder.connections());
            })
            .await;
        }),
        Row::apart(158, "a body of nothings, or of single bytes: bounded", async || {
            bounded(async |stage| {
                for piece in ["", "x"] {
                    flood(stage, [headers(1, false, &POST), data(1, false, piece).repeat(100_000)].concat()).await;
                }
            })
            .await;
        }),
        Row::apart(159, "frames about the connection, without end: bounded", async || {
            bounded(async |stage| {
                let dependency = [0, 0, 0, 0, 16];
                for one in [
                    frame(PING, 0, 0, &[0; 8]),
                    frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]),
                    frame(SETTINGS, 0, 0, &[]),
                    frame(PRIORITY, 0, 1, &dependency),
                    frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
                    frame(0xfe, 0, 0, &[0; 64]),
                    frame(DATA, 0, 1, &[]),
                ] {
                    flood(stage, one.repeat(50_000)).await;
                }
            })
            .await;
        }),
        Row::apart(160, "a head of 200 KiB: refused", async || {
            bounded(async |stage| {
                let mut client = H2::connect(stage.gateway.web()).await;
                let value = "y".repeat(10 << 10);
                let begin = frame(HEADERS, END_STREAM, 1, &block(&GET));
                let more = frame(CONTINUATION, 0, 1, &block(&[("x", &value)])).repeat(20);
                let last = frame(CONTINUATION, END_HEADERS, 1, &[]);
                client.send([begin, more, last].concat()).await;
                let end = client.end_of(1).await;
                assert!(end == End::Answer(431) || end.is_refusal(), "{end:?}");
            })
            .await;
        }),
        Row::apart(161, "many fields that cost a byte each, on many streams: refused by their number", async || {
            bombs("x", "").await;
        }),
        Row::apart(162, "crumbs of a cookie that cost a byte each: refused by their number", async || {
            bombs("cookie", "a=b").await;
        }),
        Row::apart(163, "a table of four gigabytes, offered for our answers: we take little of it", async || {
            bounded(async |stage| {
                let field = |nth: usize| format!("X-{nth}: {}\r\n", "y".repeat(500));
                let fields: String = (0..90).map(field).collect();
                stage
                    .recorder
                    .answers(Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n").into()));
                let stream = TcpStream::connect(stage.gateway.web()).await.expect("connect");
                let mut client = H2::over(stream, &[(1, u32::MAX)]).await;
                for nth in 0..200 {
                    client.send(headers(2 * nth + 1, true, &GET)).await;
                    assert_eq!(client.end_of(2 * nth + 1).await, End::Answer(200));
                }
            })
            .await;
        }),
    ]
}
