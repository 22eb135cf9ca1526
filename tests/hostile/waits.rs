//! Peers that wait: every wait of ours has its end, and costs nobody else anything.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::chunks::impatient;
use crate::floods;
use crate::frames::{CONTINUATION, End, GET, H2, HEADERS, POST, PREFACE, SETTINGS, block, frame, headers};
use crate::recorder::{Recorder, Reply};
use crate::support::client::{Raw, get as fetch};
use crate::support::eventually;
use crate::support::gateway::{Gateway, ingress, route, service};
use crate::support::secure::connect;
use crate::table::{Case, Row, Stage, get, run, send};

#[tokio::test]
async fn no_flood_and_no_wait_costs_others_anything() {
    let mut rows = floods::rows();
    rows.extend(self::rows());
    run(151..=174, rows, &Stage::new(&[]).await).await;
}

/// A gateway on which nothing may take longer than a moment.
async fn hurried() -> Stage {
    Stage::new(&[
        "--entryPoints.web.transport.respondingTimeouts.readTimeout=1s",
        "--entryPoints.web.transport.respondingTimeouts.writeTimeout=1s",
        "--entryPoints.web.transport.respondingTimeouts.idleTimeout=1s",
    ])
    .await
}

/// An answer of so many megabytes.
fn large(megabytes: usize) -> Reply {
    let body = "x".repeat(megabytes << 20);
    Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into())
}

/// A connection on which this was said, and then nothing, ends.
async fn ends_after(stage: &Stage, said: &[u8]) {
    let mut client = Raw::connect(stage.gateway.web()).await;
    client.send(said).await;
    assert!(client.closed().await, "{said:?}");
}

fn fields_of_answer(count: usize, value: &str) -> Case {
    let fields = format!("X: {value}\r\n").repeat(count);
    get("").says(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok")).seen("GET /")
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::apart(164, "a client of HTTP/2 that opens no window: its stream ends", async || {
            for window in [0, 1] {
                let stage = hurried().await;
                stage.recorder.answers(large(1));
                let stream = TcpStream::connect(stage.gateway.web()).await.expect("connect");
                let mut client = H2::over(stream, &[(4, window)]).await;
                client.send(headers(1, true, &GET)).await;
                let end = client.end_of(1).await;
                assert!(end != End::Answer(200) || client.rest_of(1).await.is_none(), "{end:?}");
                stage.recorder.answers(Reply::Echo);
                stage.probe().await;
            }
        }),
        Row::apart(165, "a client of HTTP/2 that does not send its body: its stream ends", async || {
            let stage = impatient().await;
            let mut client = H2::connect(stage.gateway.web()).await;
            client.send(headers(1, false, &POST)).await;
            let end = client.end_of(1).await;
            assert!(end == End::Answer(408) || end.is_refusal(), "{end:?}");
            let seen = stage.recorder.take().await;
            assert!(seen.iter().all(|entry| entry.cut), "{seen:?}");
        }),
        Row::apart(166, "a client that does not read its answer: its connection ends", async || {
            let stage = hurried().await;
            // More than the kernel keeps for both sockets.
            stage.recorder.answers(large(64));
            let mut client = Raw::connect(stage.gateway.web()).await;
            client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
            // Because it stalls, or, on a machine that is slow to fill the sockets, because all of it takes too long.
            let given_up = ["timed out", "an answer was cut short"];
            eventually("the gateway gives up", async || {
                given_up.iter().any(|words| stage.gateway.log().contains(words))
            })
            .await;
            assert!(client.answer().await.is_none(), "it must not look whole");
        }),
        Row::apart(167, "a head byte by byte: its connection ends when its time is over", async || {
            let stage = hurried().await;
            let client = Raw::connect(stage.gateway.web()).await;
            let (mut reader, mut writer) = client.stream.into_split();
            let trickle = tokio::spawn(async move {
                let mut tick = tokio::time::interval(Duration::from_millis(20));
                let head = "GET / HTTP/1.1\r\nHost: a.example\r\nX: ".bytes().chain(std::iter::repeat(b'y'));
                for byte in head {
                    if writer.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tick.tick().await;
                }
            });
            let mut answer = Vec::new();
            let end = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer);
            let _ = tokio::time::timeout(Duration::from_secs(10), end).await.expect("the connection ends");
            trickle.abort();
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::apart(168, "nothing, or the first bytes of anything, and then silence: closed", async || {
            let stage = hurried().await;
            let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
            let silences: [&[u8]; 8] = [
                b"",
                b"P",
                b"PRI * HTTP/2.0\r\n\r\n",
                PREFACE,
                &hello,
                b"\x16\x03\x01\x02\x00\x01",
                b"\r\n",
                b"GET / HTTP/1.1\r\nHost: a.example\r\n",
            ];
            futures_util::future::join_all(silences.map(|said| ends_after(&stage, said))).await;
            stage.probe().await;
        }),
        Row::apart(169, "half a frame, or a head without its end, and then silence: closed", async || {
            let stage = hurried().await;
            let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
            let whole = headers(1, true, &GET);
            let silences = [
                [&hello[..], &whole[..5]].concat(),
                [&hello[..], &whole[..20]].concat(),
                [&hello[..], &frame(HEADERS, 1, 1, &block(&GET))].concat(),
                [&hello[..], &frame(HEADERS, 1, 1, &block(&GET)), &frame(CONTINUATION, 0, 1, &[])].concat(),
            ];
            futures_util::future::join_all(silences.iter().map(|said| ends_after(&stage, said))).await;
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::apart(170, "more connections than there are descriptors: those that are there are served", async || {
            let recorder = Recorder::start().await;
            let manifests = route("app", "a.example", "/", &[recorder.port()]);
            let gateway = Gateway::start_with_descriptors(128, &manifests, &[]).await;
            let mut first = Raw::connect(gateway.web()).await;
            assert!(first.still_serves("a.example").await);
            let mut crowd = Vec::new();
            for _ in 0..400 {
                crowd.push(TcpStream::connect(gateway.web()).await.expect("the kernel takes it"));
            }
            assert!(first.still_serves("a.example").await, "the first is served");
            drop(crowd);
            eventually("there is room again", async || {
                fetch(gateway.web(), "a.example", "/").await.is_ok_and(|answer| answer.status == 200)
            })
            .await;
        }),
        Row::apart(171, "three hundred handshakes begun and left: others shake hands, and those end", async || {
            let recorder = Recorder::start().await;
            let flags = [
                "--entryPoints.websecure.http.tls=true",
                "--entryPoints.websecure.transport.respondingTimeouts.readTimeout=2s",
            ];
            let gateway = Gateway::start(&route("app", "a.example", "/", &[recorder.port()]), &flags).await;
            let hello = crate::hello::Hello::for_host("a.example").record();
            let mut left = Vec::new();
            for nth in 0..300 {
                let mut stream = TcpStream::connect(gateway.websecure()).await.expect("connect");
                // Half of a hello, or all of it and no answer to ours.
                let said = if nth % 2 == 0 { &hello[..hello.len() / 2] } else { &hello };
                stream.write_all(said).await.expect("send");
                left.push(Raw::over(stream));
            }
            let mut good = connect(gateway.websecure(), "a.example", &[b"http/1.1"]).await.expect("a handshake");
            good.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").await.expect("send");
            let mut text = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut good, &mut text).await;
            assert!(text.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&text));
            for client in &mut left {
                assert!(client.closed().await);
            }
        }),
        Row::cases(
            172,
            "what is said to be compressed: bytes like others, in a request and in an answer",
            [
                send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb")
                    .seen("POST /\ncontent-encoding: gzip\ncontent-length: 4\n\nbomb"),
                get("Accept-Encoding: gzip, br;q=x, *")
                    .says("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb")
                    .seen("GET /\naccept-encoding: gzip, br;q=x, *")
                    .check(|answer| {
                        assert_eq!((answer.header("content-encoding"), &*answer.text()), (Some("gzip"), "bomb"));
                    }),
            ],
        ),
        Row::cases(
            173,
            "a huge head of an answer, too many of its fields, or too many heads before it: 502",
            [
                fields_of_answer(101, "y").answered(502).fresh(),
                fields_of_answer(1, &"y".repeat(70 << 10)).answered(502).fresh(),
                get("")
                    .says(format!("{}HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(2000)))
                    .answered(502)
                    .seen("GET /")
                    .fresh(),
            ],
        ),
        Row::apart(174, "a path expression that makes other engines think for ever: answered at once", async || {
            let recorder = Recorder::start().await;
            let expression = "traefik.ingress.kubernetes.io/router.pathmatcher: PathRegexp";
            let manifests = [
                ingress("app", "a.example", "\"^/(a+)+$\"", expression)
                    .replace("pathType: Prefix", "pathType: ImplementationSpecific"),
                service("app", &[recorder.port()], "", ""),
            ];
            let gateway = Gateway::start(&manifests.concat(), &[]).await;
            let target = format!("/{}!", "a".repeat(30_000));
            let began = Instant::now();
            assert_eq!(fetch(gateway.web(), "a.example", &target).await.expect("an answer").status, 404);
            // They would think for longer than anybody lives.
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
            assert_eq!(fetch(gateway.web(), "a.example", "/aaa").await.expect("an answer").status, 200);
        }),
    ]
}
