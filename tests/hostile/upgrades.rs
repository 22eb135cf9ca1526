//! Upgrades: a tunnel is opened by a 101 that was asked for, and by nothing else.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::frames::{H2, headers};
use crate::support::backend::{Backend, read_request};
use crate::support::client::Raw;
use crate::support::gateway::{Gateway, route};
use crate::table::{Case, Row, Stage, get, post, run, send};

#[tokio::test]
async fn a_tunnel_is_opened_by_its_101_alone() {
    run(116..=126, rows(), &Stage::new(&[]).await).await;
}

/// How long a tunnel may be silent here.
const SILENCE: Duration = Duration::from_secs(3);
const ASKS: &str = "Connection: Upgrade\r\nUpgrade: websocket";
const ASKED: &str = "GET /\nconnection: upgrade\nupgrade: websocket";
const SWITCHES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn upgrade(fields: &str) -> Case {
    get(&format!("{ASKS}{fields}"))
}

/// A backend that switches, says what it has to say with its 101, and sends back what it gets.
async fn switching(says: &'static str) -> (Backend, Gateway) {
    let backend = Backend::on_connection(move |mut stream| async move {
        let mut buffer = Vec::new();
        if read_request(&mut stream, &mut buffer).await.is_none() {
            return;
        }
        let _ = stream.write_all(format!("{SWITCHES}{says}").as_bytes()).await;
        let _ = stream.write_all(&buffer).await;
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        // The other side has ended; this one may still speak.
        let _ = writer.write_all(b"bye").await;
    })
    .await;
    let flags = [
        "--limits.tunnelIdleTimeout=3s",
        "--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=0",
        "--entryPoints.web.transport.lifeCycle.graceTimeOut=1",
        "--entryPoints.websecure.transport.lifeCycle.graceTimeOut=1",
        "--entryPoints.traefik.transport.lifeCycle.graceTimeOut=1",
    ];
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &flags).await;
    (backend, gateway)
}

async fn tunnel(gateway: &Gateway, more: &str) -> Raw {
    let mut client = Raw::connect(gateway.web()).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{ASKS}\r\n\r\n{more}")).await;
    assert_eq!(client.answer().await.expect("an answer").status, 101);
    client
}

/// Reads until the tunnel has brought `text`.
async fn brings(client: &mut Raw, text: &str) {
    let mut got = client.rest();
    while got.len() < text.len() {
        assert!(client.fill().await, "{:?} instead of {text:?}", String::from_utf8_lossy(&got));
        got.extend(client.rest());
    }
    assert_eq!(String::from_utf8_lossy(&got), text);
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::cases(
            116,
            "an upgrade with a request behind it, answered 200: the next request is a request",
            [upgrade("\r\n\r\nGET /next HTTP/1.1\r\nHost: a.example").seen(ASKED).then(200).seen("GET /next")],
        ),
        Row::act(
            117,
            "an upgrade and its first bytes in one piece, both ways: they arrive once",
            async |_: &Stage| {
                let (_backend, gateway) = switching("hello").await;
                let mut client = tunnel(&gateway, "first").await;
                brings(&mut client, "hellofirst").await;
                client.send("second").await;
                brings(&mut client, "second").await;
            },
        ),
        Row::cases(118, "a 101 that nobody asked for: 502", [get("").says(SWITCHES).answered(502).seen("GET /").fresh()]),
        Row::cases(119, "a 101 to something else, or to nothing: 502", {
            let other = SWITCHES.replace("websocket", "other");
            let none = SWITCHES.replace("Upgrade: websocket\r\n", "");
            [other, none].map(|says| upgrade("").says(says).answered(502).seen(ASKED).fresh())
        }),
        Row::cases(
            120,
            "an upgrade to HTTP/2 in the clear: a request like any other",
            ["h2c", "H2C", "h2", "websocket, h2c"].map(|token| {
                get(&format!(
                    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {token}\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
                ))
                .seen("GET /")
            }),
        ),
        Row::cases(
            121,
            "an upgrade in HTTP/1.0 is none, with a body it is refused, and refused by the backend it opens nothing",
            [
                send(format!("GET / HTTP/1.0\r\nHost: a.example\r\n{ASKS}\r\n\r\n")).seen("GET /").closed(),
                post(&format!("{ASKS}\r\nContent-Length: 2"), "hi").refused(400),
                post(&format!("{ASKS}\r\nTransfer-Encoding: chunked"), "0\r\n\r\n").refused(400),
                upgrade("\r\nSec-WebSocket-Version: 777")
                    .says("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n")
                    .answered(426)
                    .seen("GET /\nsec-websocket-version: 777\nconnection: upgrade\nupgrade: websocket"),
            ],
        ),
        Row::cases(
            122,
            "a 200 that speaks of an upgrade: an answer like any other, without it",
            [upgrade("")
                .says("HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nok")
                .seen(ASKED)
                .check(|answer| assert_eq!((answer.header("upgrade"), answer.header("connection")), (None, None)))],
        ),
        Row::act(123, "a 101 with a wrong key: the client's matter", async |stage: &Stage| {
            stage.recorder.answers(crate::recorder::Reply::Bytes(
                SWITCHES.replace("\r\n\r\n", "\r\nSec-WebSocket-Accept: wrong\r\n\r\n").into(),
            ));
            let mut client = Raw::connect(stage.gateway.web()).await;
            client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{ASKS}\r\n\r\n")).await;
            let answer = client.answer().await.expect("an answer");
            assert_eq!((answer.status, answer.header("sec-websocket-accept")), (101, Some("wrong")));
        }),
        Row::apart(
            124,
            "one side of a tunnel ends and the other speaks on; a silent tunnel ends in time, and all with adit's grace",
            async || {
                let (_backend, mut gateway) = switching("").await;
                let mut client = tunnel(&gateway, "").await;
                client.send("once").await;
                brings(&mut client, "once").await;
                client.stream.shutdown().await.expect("our side ends");
                brings(&mut client, "bye").await;
                assert!(client.closed().await);
                let (mut speaking, mut silent) = (tunnel(&gateway, "").await, tunnel(&gateway, "").await);
                let begun = std::time::Instant::now();
                let mut tick = tokio::time::interval(SILENCE / 10);
                while begun.elapsed() < SILENCE * 2 {
                    tick.tick().await;
                    speaking.send("still here").await;
                    brings(&mut speaking, "still here").await;
                }
                assert!(silent.closed().await);
                let mut held = tunnel(&gateway, "").await;
                gateway.signal("TERM");
                assert!(held.closed().await);
                assert_eq!(gateway.exit_code().await, Some(0));
            },
        ),
        Row::act(125, "an upgrade over HTTP/2 (RFC 8441), which we do not offer: refused", async |stage: &Stage| {
            let mut client = H2::connect(stage.gateway.web()).await;
            let connect = [
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "http"),
                (":authority", "a.example"),
                (":path", "/"),
            ];
            client.send(headers(1, false, &connect)).await;
            let end = client.end_of(1).await;
            assert!(end.is_refusal() || end == crate::frames::End::Answer(405), "{end:?}");
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::cases(
            126,
            "a field of an upgrade that would begin another: refused, from either side",
            [
                upgrade("\r\nSec-WebSocket-Protocol: a\rX: y").refused(400),
                upgrade("")
                    .says(SWITCHES.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a\rX: y\r\n\r\n"))
                    .answered(502)
                    .seen(ASKED),
            ],
        ),
    ]
}
