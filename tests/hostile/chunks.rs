//! The syntax of chunked bodies: the one form goes through, written anew; all else ends the request.

use std::time::Duration;

use crate::support::client::Raw;
use crate::table::{Case, Row, Stage, post, run};

#[tokio::test]
async fn chunks_in_doubt_end_their_request() {
    run(38..=51, rows(), &Stage::new(&[]).await).await;
}

fn chunked(body: &str) -> Case {
    post("Transfer-Encoding: chunked", body)
}

fn whole(body: &str) -> Case {
    chunked(body).seen("POST /\ntransfer-encoding: chunked\n\nZ")
}

/// A gateway on which a request must be whole within a moment.
pub(crate) async fn impatient() -> Stage {
    Stage::new(&["--entryPoints.web.transport.respondingTimeouts.readTimeout=300ms"]).await
}

/// A request that never becomes whole, however much of `more` follows it: answered so, and the backend never sees it whole.
async fn never_whole(begin: &str, more: &str, status: u16) {
    let stage = impatient().await;
    let mut client = Raw::connect(stage.gateway.web()).await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a.example\r\n{begin}")).await;
    let (mut reader, mut writer) = client.stream.into_split();
    let more = more.to_owned();
    let trickle = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while writer.write_all(more.as_bytes()).await.is_ok() {
            tick.tick().await;
        }
    });
    let mut answer = Vec::new();
    // The end may come as a reset, when what was sent last is not read any more.
    let end = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(10), end).await.expect("the connection is closed");
    trickle.abort();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer:?}");
    stage.probe().await;
    let seen = stage.recorder.take().await;
    assert!(seen.iter().all(|entry| entry.cut || entry.text == "GET /probe"), "{seen:?}");
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::cases(
            38,
            "an extension: nobody reads it, nobody passes it on",
            ["1;a=b\r\nZ\r\n0\r\n\r\n", "1 ; a=\"b\"\r\nZ\r\n0;c\r\n\r\n"].map(whole),
        ),
        Row::cases(39, "a bare line feed in an extension: refused", [chunked("1;a\nZ\r\n0\r\n\r\n").broken(400)]),
        Row::cases(40, "a bare carriage return in one: refused", [chunked("1;a\rX\r\nZ\r\n0\r\n\r\n").broken(400)]),
        Row::cases(41, "a bare line feed after a size: refused", [chunked("1\nZ\r\n0\r\n\r\n").broken(400)]),
        Row::cases(
            42,
            "data that does not end where its size says: refused",
            ["1\r\nZ\n0\r\n\r\n", "1\r\nZZ\r\n0\r\n\r\n"].map(|body| chunked(body).broken(400)),
        ),
        Row::cases(
            43,
            "a size that is none: refused",
            ["0x1", "+1", "-1", "1_", " 1", ""].map(|size| chunked(&format!("{size}\r\nZ\r\n0\r\n\r\n")).broken(400)),
        ),
        Row::cases(44, "a space after a size: passed over", [whole("1 \r\nZ\r\n0\r\n\r\n")]),
        Row::apart(
            45,
            "zeros or spaces around a size without end: refused once they are longer than any size",
            async || {
                let begin = "Transfer-Encoding: chunked\r\n\r\n";
                let (zeros, spaces) = ("0".repeat(1000), " ".repeat(1000));
                let spaces_after = format!("{begin}1");
                futures_util::join!(never_whole(begin, &zeros, 400), never_whole(&spaces_after, &spaces, 400));
            },
        ),
        Row::cases(
            46,
            "a size beyond all numbers: refused",
            [chunked("10000000000000000\r\nZ\r\n0\r\n\r\n").broken(400)],
        ),
        Row::cases(
            47,
            "extensions of 17 KiB: refused",
            [chunked(&format!("1;{}\r\nZ\r\n0\r\n\r\n", "x".repeat(17 << 10))).broken(400)],
        ),
        Row::cases(
            48,
            "an extension of nothing or of a null: not passed on",
            ["1;\r\nZ\r\n0\r\n\r\n", "1;\0\r\nZ\r\n0\r\n\r\n"].map(whole),
        ),
        Row::cases(
            49,
            "an end that is none: refused, and the backend sees no end",
            ["1\r\nZ\r\n0\n\r\n", "1\r\nZ\r\n0\r\nX\r\n\r\n"].map(|body| chunked(body).broken(400)),
        ),
        Row::apart(50, "no end after the last chunk: 408 when its time is over", async || {
            never_whole("Transfer-Encoding: chunked\r\n\r\n1\r\nZ\r\n0\r\n", "", 408).await;
        }),
        Row::act(51, "fifty thousand chunks of a byte: the body arrives whole", async |stage: &Stage| {
            let mut client = Raw::connect(stage.gateway.web()).await;
            let body = "1\r\nZ\r\n".repeat(50_000);
            client
                .send(format!(
                    "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n"
                ))
                .await;
            assert_eq!(client.answer().await.expect("an answer").status, 200);
            let seen = stage.recorder.take().await;
            let must = format!("POST /\ntransfer-encoding: chunked\n\n{}", "Z".repeat(50_000));
            assert!(seen.len() == 1 && seen[0].text == must, "{} bytes", seen[0].text.len());
        }),
    ]
}
