//! Expectations, answers before the request is whole, and answers that nobody asked for: none reaches another request.

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::chunks::impatient;
use crate::recorder::Reply;
use crate::support::backend::{Backend, read_request};
use crate::support::client::Raw;
use crate::support::gateway::{Gateway, route};
use crate::table::{Row, Stage, get, post, run, send};

#[tokio::test]
async fn an_answer_belongs_to_one_request() {
    run(58..=66, rows(), &Stage::new(&[]).await).await;
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

/// A backend that answers as soon as it has a head, and takes what follows for the next request.
async fn hasty() -> Backend {
    Backend::on_connection(|mut stream| async move {
        let mut buffer = Vec::new();
        loop {
            while !buffer.windows(4).any(|window| window == b"\r\n\r\n") {
                if !tokio::io::AsyncReadExt::read_buf(&mut stream, &mut buffer).await.is_ok_and(|count| count > 0) {
                    return;
                }
            }
            let end = buffer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
            let head: Vec<u8> = buffer.drain(..end).collect();
            let evil = head.starts_with(b"GET /evil");
            if stream.write_all(if evil { EVIL.as_bytes() } else { OK.as_bytes() }).await.is_err() {
                return;
            }
        }
    })
    .await
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::act(58, "an expectation: met here, and the backend hears nothing of it", async |stage: &Stage| {
            let mut client = Raw::connect(stage.gateway.web()).await;
            client
                .send("POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                .await;
            assert!(client.fill().await);
            let first = String::from_utf8_lossy(&client.rest()).into_owned();
            assert!(first.starts_with("HTTP/1.1 100 "), "{first}");
            client.send("hello").await;
            assert_eq!(client.answer().await.expect("an answer").status, 200);
            let seen = stage.recorder.take().await;
            assert_eq!(seen[0].text, "POST /\ncontent-length: 5\n\nhello");
        }),
        Row::apart(59, "an expectation without a body ever: 408, and the backend sees no whole request", async || {
            let stage = impatient().await;
            let mut client = Raw::connect(stage.gateway.web()).await;
            client
                .send("POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                .await;
            assert_eq!(client.answer().await.expect("an answer").status, 408);
            assert!(client.closed().await);
            let seen = stage.recorder.take().await;
            assert!(seen.iter().all(|entry| entry.cut), "{seen:?}");
        }),
        Row::cases(60, "an expectation that is none: 417; a folded one: refused", {
            let expecting = |value: &str| post(&format!("Content-Length: 2\r\nExpect: {value}"), "hi");
            [
                expecting("y 100-continue").refused(417),
                expecting("foo").refused(417),
                expecting("100-continue, foo").refused(417),
                expecting("\r\n 100-continue").refused(400),
            ]
        }),
        Row::cases(
            61,
            "an expectation without a body, or in HTTP/1.0: passed over",
            [
                get("Expect: 100-continue").seen("GET /"),
                send("POST / HTTP/1.0\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
                    .seen("POST /\ncontent-length: 2\n\nhi")
                    .closed(),
            ],
        ),
        Row::act(
            62,
            "a backend that answers before the body and takes the body for a request: nobody else gets that answer",
            async |stage: &Stage| {
                // One that has read nothing of the body when it answers is left alone.
                stage.recorder.answers(Reply::Early(OK.into()));
                let mut client = Raw::connect(stage.gateway.web()).await;
                client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhe").await;
                let answer = client.answer().await.expect("an answer");
                assert_eq!((answer.status, &*answer.text()), (200, "ok"));
                client.stream.shutdown().await.expect("the client leaves");
                drop(client);
                stage.probe().await;
                let seen = stage.recorder.take().await;
                assert!(seen.len() == 2 && seen[0].connection != seen[1].connection, "{seen:?}");
                // A body where the method has none by itself is the usual way.
                let backend = hasty().await;
                let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
                for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
                    let body = "GET /evil HTTP/1.1\r\nHost: a.example\r\n\r\n";
                    let length = body.len();
                    let mut attacker = Raw::connect(gateway.web()).await;
                    attacker
                        .send(format!(
                            "{method} / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n\r\n{body}"
                        ))
                        .await;
                    assert_eq!(attacker.answer_to(method).await.expect("an answer").status, 200);
                    let mut victim = Raw::connect(gateway.web()).await;
                    victim.send("GET /victim HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
                    assert_eq!(victim.answer().await.expect("an answer").text(), "ok", "{method}");
                }
            },
        ),
        Row::cases(
            63,
            "a second answer with the first: dropped, and the connection with it",
            [get("").says(format!("{OK}{EVIL}")).seen("GET /").fresh()],
        ),
        Row::act(64, "a second answer after the first: dropped, and the connection with it", async |_: &Stage| {
            let (go, gate) = mpsc::unbounded_channel::<()>();
            let (tell, mut told) = mpsc::unbounded_channel::<()>();
            let gate = std::sync::Arc::new(tokio::sync::Mutex::new(gate));
            let backend = Backend::on_connection(move |mut stream| {
                let (gate, tell) = (gate.clone(), tell.clone());
                async move {
                    let mut buffer = Vec::new();
                    while read_request(&mut stream, &mut buffer).await.is_some() {
                        let _ = stream.write_all(OK.as_bytes()).await;
                        gate.lock().await.recv().await;
                        let _ = stream.write_all(EVIL.as_bytes()).await;
                        let _ = tell.send(());
                    }
                }
            })
            .await;
            let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
            for _ in 0..20 {
                let mut client = Raw::connect(gateway.web()).await;
                client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
                assert_eq!(client.answer().await.expect("an answer").text(), "ok");
                go.send(()).expect("the backend waits");
                told.recv().await.expect("the backend has spoken");
            }
        }),
        Row::cases(
            65,
            "a body in the answer to a HEAD: the client gets none, and the connection is not used again",
            [send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n").says(EVIL).seen("HEAD /").fresh()],
        ),
        Row::cases(
            66,
            "a body in an answer that has none: the client gets none, and the connection is not used again",
            [
                get("").says("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil").answered(304).fresh(),
                get("").says("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil").answered(204).fresh(),
                get("")
                    .says(format!("HTTP/1.1 100 Continue\r\nContent-Length: 4\r\n\r\nevil{OK}"))
                    .answered(502)
                    .fresh(),
            ]
            .map(|case| case.seen("GET /")),
        ),
    ]
}
