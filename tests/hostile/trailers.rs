//! Trailers: what would mean something in a head does not get through, either way.

use crate::frames::{End, GET, H2, POST, data, headers};
use crate::recorder::Reply;
use crate::support::client::Raw;
use crate::table::{Case, Row, Stage, post, run};

#[tokio::test]
async fn trailers_mean_nothing_in_a_head() {
    run(52..=57, rows(), &Stage::new(&[]).await).await;
}

fn with_trailers(fields: &str, trailers: &str) -> Case {
    post(&format!("{fields}Transfer-Encoding: chunked"), &format!("2\r\nhi\r\n0\r\n{trailers}\r\n"))
}

pub(crate) fn rows() -> Vec<Row> {
    const HI: &str = "POST /\ntransfer-encoding: chunked\n\nhi";
    vec![
        Row::cases(
            52,
            "trailers that frame, address, authorise or say who asks: dropped, whether announced or not",
            [
                with_trailers(
                    "",
                    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b.example\r\nAuthorization: x\r\nSet-Cookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\nX_Forwarded_For: 1.2.3.4\r\nConnection: close\r\nTE: trailers\r\n",
                )
                .seen(HI),
                with_trailers("Trailer: Authorization, X-Real-Ip\r\n", "Authorization: x\r\nX-Real-Ip: 1.2.3.4\r\n")
                    .seen("POST /\ntrailer: Authorization, X-Real-Ip\ntransfer-encoding: chunked\n\nhi"),
            ],
        ),
        Row::cases(
            53,
            "a trailer that means nothing to us: passed on",
            [with_trailers("", "X-Sum: 7\r\n").seen("POST /\ntransfer-encoding: chunked\n\nhi\n\nx-sum: 7")],
        ),
        Row::cases(
            54,
            "bare line feeds among trailers: refused, or the ends of lines that are dropped",
            [with_trailers("", "X-Sum: 7\nHost: b.example\r\n").broken(400)],
        ),
        Row::cases(
            55,
            "more than a hundred trailers, or more than 16 KiB of them: refused",
            [
                with_trailers("", &"X: y\r\n".repeat(1025)).broken(400),
                with_trailers("", &format!("X: {}\r\n", "y".repeat(17 << 10))).broken(400),
            ],
        ),
        Row::act(
            56,
            "trailers over HTTP/2 that frame or address: refused, or the request goes on without them",
            async |stage: &Stage| {
                for fields in [
                    [(":path", "/other")],
                    [("content-length", "5")],
                    [("host", "b.example")],
                    [("authorization", "x")],
                    [("transfer-encoding", "chunked")],
                ] {
                    let mut client = H2::connect(stage.gateway.web()).await;
                    client.send([headers(1, false, &POST), data(1, false, "hi"), headers(1, true, &fields)].concat()).await;
                    let end = client.end_of(1).await;
                    let seen = stage.recorder.take().await;
                    let whole: Vec<_> = seen.iter().filter(|entry| !entry.cut).map(|entry| &*entry.text).collect();
                    match end {
                        End::Answer(200) => assert_eq!(whole, [HI], "{fields:?}"),
                        refused => assert!(refused.is_refusal() && whole.is_empty(), "{fields:?}: {end:?} {whole:?}"),
                    }
                }
            },
        ),
        Row::act(
            57,
            "trailers of an answer: those that would mean something in its head are dropped, for clients of either version",
            async |stage: &Stage| {
                let answer = "HTTP/1.1 200 OK\r\nTrailer: X-Sum, Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\nConnection: close\r\nAuthorization: x\r\n\r\n";
                stage.recorder.answers(Reply::Bytes(answer.into()));
                let mut client = H2::connect(stage.gateway.web()).await;
                client.send(headers(1, true, &GET)).await;
                assert_eq!(client.end_of(1).await, End::Answer(200));
                let (body, trailers) = client.rest_of(1).await.expect("the whole answer");
                // The only one that is left, each with its own Huffman code: nothing is indexed.
                assert_eq!(body, b"hi");
                assert_eq!(trailers, only_x_sum(), "{trailers:x?}");
                for (te, last) in [("TE: trailers\r\nConnection: TE\r\n", "0\r\nx-sum: 7\r\n\r\n"), ("", "0\r\n\r\n")] {
                    let mut client = Raw::connect(stage.gateway.web()).await;
                    client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{te}\r\n")).await;
                    let mut text = String::new();
                    while !text.ends_with(last) {
                        assert!(client.fill().await, "{text}");
                        text.push_str(&String::from_utf8_lossy(&client.rest()));
                    }
                    let (_, body) = text.split_once("\r\n\r\n").expect("a head");
                    assert_eq!(body, format!("2\r\nhi\r\n{last}"), "with {te:?}");
                }
            },
        ),
    ]
}

/// `x-sum: 7` as a literal that nobody indexes, in Huffman's code (RFC 7541 appendix B).
fn only_x_sum() -> Vec<u8> {
    // x 1111001, - 010110, s 01000, u 101101, m 101001; 7 011101
    let name = [0b1111_0010, 0b1011_0010, 0b0010_1101, 0b1010_0111];
    [&[0x00, 0x84][..], &name, &[0x81, 0b0111_0111]].concat()
}
