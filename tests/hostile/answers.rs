//! Answers of broken and of hostile backends: the client gets one that is whole and well framed, or sees that it is not.

use crate::frames::{End, GET, H2, headers};
use crate::recorder::Reply;
use crate::support::client::{Raw, get as fetch};
use crate::support::eventually;
use crate::support::gateway::{ingress, service};
use crate::table::{Case, Row, Stage, get, run};

#[tokio::test]
async fn an_answer_is_whole_or_seen_to_be_broken() {
    run(175..=185, rows(), &Stage::new(&[]).await).await;
}

/// An answer that is none: 502, and its connection is not used again.
fn bad(answer: impl AsRef<[u8]>) -> Case {
    get("").says(answer).answered(502).seen("GET /").fresh()
}

/// The same where only the end of the connection shows it.
fn bad_at_its_end(answer: &str) -> Case {
    get("").says_and_ends(answer).answered(502).seen("GET /").fresh()
}

/// An answer with these lines of fields, whose body is `ok`.
fn with(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}")
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::cases(
            175,
            "a length beside a coding: the coding counts, and the connection is not used again",
            ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 99"]
                .map(|fields| {
                    get("").says(with(fields, "2\r\nok\r\n0\r\n\r\n")).seen("GET /").fresh().check(|answer| {
                        assert_eq!((answer.header("content-length"), &*answer.text()), (None, "ok"));
                    })
                }),
        ),
        Row::cases(
            176,
            "two lengths, or one that is none: 502",
            ["5\r\nContent-Length: 6", "-1", "abc", "5, 5", "+2", "0x2", "", "99999999999999999999"]
                .map(|length| bad(with(&format!("Content-Length: {length}"), "ok"))),
        ),
        Row::cases(
            177,
            "a coding other than chunked: 502",
            [
                "gzip, chunked",
                "identity\r\nContent-Length: 2",
                "chunked\r\nTransfer-Encoding: chunked",
                "chunked, identity",
            ]
            .map(|coding| bad(with(&format!("Transfer-Encoding: {coding}"), "0\r\n\r\n"))),
        ),
        Row::cases(
            178,
            "an answer that breaks the syntax: 502",
            [
                bad("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                bad("HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n"),
                bad("HTTP/1.1 2000 Odd\r\nContent-Length: 0\r\n\r\n"),
                bad("HTTP/1.1 abc Odd\r\nContent-Length: 0\r\n\r\n"),
                bad("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
                bad(with("X: a\rb\r\nContent-Length: 2", "ok")),
                bad(with("X: a\0b\r\nContent-Length: 2", "ok")),
                bad(with("X: a\r\n b\r\nContent-Length: 2", "ok")),
                bad(with("X : a\r\nContent-Length: 2", "ok")),
                bad(with(": a\r\nContent-Length: 2", "ok")),
                bad(with("no colon\r\nContent-Length: 2", "ok")),
                bad_at_its_end("hello, world\r\n"),
                bad_at_its_end("HTTP/1.1 200 OK\r\nContent-Le"),
                bad_at_its_end("SSH-2.0-OpenSSH_9.2\r\n"),
            ],
        ),
        Row::cases(
            179,
            "a status that is none of HTTP's: 502",
            ["999", "600", "101"].map(|status| bad(format!("HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\n\r\n"))),
        ),
        Row::act(
            180,
            "a body that is cut short: the client sees that it is, in either version",
            async |stage: &Stage| {
                for answer in [
                    with("Content-Length: 10", "abc"),
                    with("Transfer-Encoding: chunked", "3\r\nabc\r\n"),
                    with("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n"),
                    with("Transfer-Encoding: chunked", "3\r\nabc\r\nx\r\n"),
                    with("Transfer-Encoding: chunked", "3\r\nabcd\r\n0\r\n\r\n"),
                ] {
                    stage.recorder.answers(Reply::BytesAndEnd(answer.clone().into()));
                    let mut client = Raw::connect(stage.gateway.web()).await;
                    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
                    assert!(client.answer().await.is_none(), "{answer:?}");
                    let mut client = H2::connect(stage.gateway.web()).await;
                    client.send(headers(1, true, &GET)).await;
                    // What breaks off at once may overtake the head.
                    let end = client.end_of(1).await;
                    assert!(matches!(end, End::Answer(200) | End::Reset(_)), "{end:?}");
                    assert!(end != End::Answer(200) || client.rest_of(1).await.is_none(), "{answer:?}");
                }
            },
        ),
        Row::cases(
            181,
            "a body that ends with its connection: framed anew",
            [get("").says_and_ends("HTTP/1.1 200 OK\r\n\r\nok").seen("GET /").check(|answer| {
                assert_eq!((answer.header("transfer-encoding"), &*answer.text()), (Some("chunked"), "ok"));
            })],
        ),
        Row::cases(
            182,
            "an answer of HTTP/1.0: passed on in HTTP/1.1",
            [get("").says_and_ends("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok").seen("GET /").check(|answer| {
                assert!(answer.head.starts_with("HTTP/1.1 200"), "{}", answer.head);
            })],
        ),
        Row::apart(183, "a name with line ends in a manifest: its problem, and no field of an answer", async || {
            let evil = r#"traefik.ingress.kubernetes.io/service.sticky.cookie: "true", traefik.ingress.kubernetes.io/service.sticky.cookie.name: "a\r\nX-Evil: y""#;
            let other = crate::recorder::Recorder::start().await;
            let manifests = [ingress("evil", "evil.example", "/", ""), service("evil", &[other.port()], evil, "")];
            let stage = Stage::with(&manifests.concat(), &[]).await;
            eventually("it is a problem", async || {
                stage.gateway.admin_text("/api/problems").await.contains("sticky.cookie.name")
            })
            .await;
            let answer = fetch(stage.gateway.web(), "evil.example", "/").await.expect("an answer");
            assert!(!answer.head.to_lowercase().contains("x-evil"), "{}", answer.head);
            stage.probe().await;
        }),
        Row::cases(
            184,
            "bytes beyond ASCII in a reason: not passed on",
            [get("").says(&b"HTTP/1.1 200 \xe4\xff\r\nContent-Length: 2\r\n\r\nok"[..]).seen("GET /").check(
                |answer| {
                    assert!(answer.head.lines().next().is_some_and(|line| line.is_ascii()), "{}", answer.head);
                },
            )],
        ),
        Row::cases(
            185,
            "another way to the host, told by a backend that shares it: dropped; what it says of itself is its own",
            [get("")
                .says(with("Alt-Svc: h3=\":8443\"\r\nServer: x\r\nX-Powered-By: y\r\nContent-Length: 2", "ok"))
                .seen("GET /")
                .check(|answer| {
                    assert_eq!(answer.header("alt-svc"), None);
                    assert_eq!((answer.header("server"), answer.header("x-powered-by")), (Some("x"), Some("y")));
                })],
        ),
    ]
}
