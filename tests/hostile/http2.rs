//! Requests of HTTP/2 that would be another request in HTTP/1, or none: refused, and the backend sees nothing of them.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::frames::{CONTINUATION, End, GET, H2, HEADERS, SETTINGS, block, data, frame, headers};
use crate::streams::{but, frames, raw, upload, with, without};
use crate::support::client::request;
use crate::support::gateway::{Gateway, ingress, service};
use crate::table::{Row, Stage, run};

#[tokio::test]
async fn a_request_of_http_2_is_one_of_http_1() {
    let annotation = "traefik.ingress.kubernetes.io/router.tls.options: default-mtls@kubernetescrd";
    run(127..=150, rows(), &Stage::with(&ingress("locked", "locked.example", "/", annotation), &[]).await).await;
}

/// What an endpoint of HTTP/2 that sends these frames for its first stream makes of a client's request.
async fn endpoint_that_sends(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    let endpoint = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                let request = |seen: &[u8]| {
                    let mut at = 24;
                    while let Some(head) = seen.get(at..at + 9) {
                        if head[3] == HEADERS {
                            return true;
                        }
                        at += 9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                    }
                    false
                };
                let hello = [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat();
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &hello).await;
                while !request(&seen) {
                    if !stream.read_buf(&mut seen).await.is_ok_and(|count| count > 0) {
                        return;
                    }
                }
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &answer).await;
                while stream.read_buf(&mut seen).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    let manifests = [ingress("app", "a.example", "/", ""), service("app", &[port], "", "kubernetes.io/h2c")];
    let flags = ["--serversTransport.forwardingTimeouts.responseHeaderTimeout=1s"];
    let gateway = Gateway::start(&manifests.concat(), &flags).await;
    // One that is not sent twice.
    let post = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let status = request(gateway.web(), post).await.map_or(0, |answer| answer.status);
    endpoint.abort();
    status
}

pub(crate) fn rows() -> Vec<Row> {
    const PUSH_PROMISE: u8 = 5;
    vec![
        Row::streams(
            127,
            "fields of a hop, which HTTP/2 has not: refused",
            [
                ("transfer-encoding", "chunked"),
                ("connection", "close"),
                ("upgrade", "h2c"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
            ]
            .map(|field| with(&[field]).refused()),
        ),
        Row::streams(
            128,
            "TE with anything but trailers: refused; with trailers: not for a backend of HTTP/1",
            [with(&[("te", "gzip")]).refused(), with(&[("te", "trailers")]).seen("GET /")],
        ),
        Row::streams(
            129,
            "a name that is none: refused",
            ["X-Upper", "x\r\ny", "x:y", "x ", " x", "", "x\0", "x\u{e4}"].map(|name| with(&[(name, "a")]).refused()),
        ),
        Row::streams(
            130,
            "a value that would be more lines: refused",
            ["a\r\ntransfer-encoding: chunked", "a\nb", "a\rb", "a\0b"].map(|value| with(&[("x", value)]).refused()),
        ),
        Row::streams(
            131,
            "a value with spaces around it: refused",
            [" a", "a ", "\ta", "a\t"].map(|value| with(&[("x", value)]).refused()),
        ),
        Row::streams(
            132,
            "a length that is not the body's: refused, and the backend never sees it whole",
            [
                upload("POST", &[("content-length", "10")], "hello").refused(),
                upload("POST", &[("content-length", "3")], "hello").refused(),
                upload("POST", &[("content-length", "0")], "hello").refused(),
                with(&[("content-length", "5")]).refused(),
            ],
        ),
        Row::streams(
            133,
            "two lengths, or one that is none: refused",
            [
                upload("POST", &[("content-length", "3"), ("content-length", "5")], "hello").refused(),
                upload("POST", &[("content-length", "5, 5")], "hello").refused(),
                upload("POST", &[("content-length", "+5")], "hello").refused(),
                upload("POST", &[("content-length", "")], "hello").refused(),
            ],
        ),
        Row::streams(
            134,
            "the same length twice: once",
            [upload("POST", &[("content-length", "5"), ("content-length", "5")], "hello")
                .seen("POST /\ncontent-length: 5\n\nhello")],
        ),
        Row::streams(
            135,
            "a GET with a body of no length: passed on whole",
            [upload("GET", &[], "hello").seen("GET /\ntransfer-encoding: chunked\n\nhello")],
        ),
        Row::streams(
            136,
            ":authority and host that differ: refused; alike they are one",
            [
                with(&[("host", "b.example")]).answered(400),
                with(&[("host", "a.example:80")]).answered(400),
                with(&[("host", "A.example")]).seen("GET /"),
            ],
        ),
        Row::streams(
            137,
            "a host instead of :authority: the host; neither: refused",
            [
                without(&[":authority"], &[("host", "a.example")]).seen("GET /"),
                without(&[":authority"], &[]).answered(400),
            ],
        ),
        Row::streams(
            138,
            ":authority that is none: refused",
            ["u@a.example", "a.example:99999", "a.example:", "", "a.example, b", "a.example/b", "*.example", "a\u{e4}"]
                .map(|value| but(":authority", value).refused()),
        ),
        Row::streams(
            139,
            ":path that is none, or missing: refused",
            ["foo", "@evil", "http://evil/", ""]
                .map(|value| but(":path", value).refused())
                .into_iter()
                .chain([without(&[":path"], &[]).refused()]),
        ),
        Row::streams(140, ":path and :authority missing: refused", [without(&[":path", ":authority"], &[]).refused()]),
        Row::streams(
            141,
            ":path that would be more of a request line: refused",
            ["/ HTTP/1.1", "/a b", "/\r\nx: y", "/\0", "/\u{e4}"].map(|value| but(":path", value).refused()),
        ),
        Row::streams(142, ":path of the whole server with GET: refused", [but(":path", "*").refused()]),
        Row::streams(
            143,
            ":scheme that is none, or another: refused; that of another transport says nothing about ours",
            [
                but(":scheme", "https://evil/?").refused(),
                but(":scheme", "ftp").refused(),
                but(":scheme", "").refused(),
                without(&[":scheme"], &[]).refused(),
                but(":scheme", "https").seen("GET /"),
            ],
        ),
        Row::streams(
            144,
            ":method that is none: refused",
            ["GET / HTTP/1.1\r\nX:", "GE T", "", "G\0T"].map(|value| but(":method", value).refused()),
        ),
        Row::streams(
            145,
            "pseudo fields twice, late, unknown, or of an answer: refused",
            [
                with(&[(":path", "/x")]).refused(),
                with(&[(":method", "GET")]).refused(),
                raw(&[&[("x", "y")], &GET[..]].concat()).refused(),
                with(&[("x", "y"), (":path", "/x")]).refused(),
                with(&[(":unknown", "x")]).refused(),
                with(&[(":status", "200")]).refused(),
            ],
        ),
        Row::act(146, "CONNECT, with a length or without: refused", async |stage: &Stage| {
            for more in [&[][..], &[("content-length", "5")]] {
                for connect in [&GET[2..3], &GET[1..]] {
                    let mut client = H2::connect(stage.gateway.web()).await;
                    client.send(headers(1, false, &[&[(":method", "CONNECT")], connect, more].concat())).await;
                    let end = client.end_of(1).await;
                    assert!(end.is_refusal() || end == End::Answer(405), "{end:?}");
                }
            }
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::streams(147, "a cookie in crumbs: one field; each crumb counts as a field", {
            let crumbs = |count: usize| with(&vec![("cookie", "a=b"); count]);
            [crumbs(3).seen("GET /\ncookie: a=b; a=b; a=b"), crumbs(101).answered(431)]
        }),
        Row::streams(
            148,
            "two hosts: refused",
            [
                with(&[("host", "a.example"), ("host", "a.example")]).answered(400),
                without(&[":authority"], &[("host", "a.example"), ("host", "b.example")]).answered(400),
            ],
        ),
        Row::apart(149, "an endpoint that pushes, or answers what was not asked: 502, and adit lives on", async || {
            let ok = block(&[(":status", "200")]);
            assert_eq!(endpoint_that_sends(frame(HEADERS, 5, 1, &ok)).await, 200, "a good one");
            let promise = [&[0, 0, 0, 2][..], &block(&GET)].concat();
            let answers = [
                [frame(PUSH_PROMISE, 4, 1, &promise), frame(HEADERS, 5, 2, &ok)].concat(),
                frame(HEADERS, 5, 3, &ok),
                frame(HEADERS, 5, 1, &block(&[(":status", "200"), ("connection", "close")])),
                frame(HEADERS, 5, 1, &block(&[(":status", "abc")])),
                frame(HEADERS, 5, 1, &block(&[("x", "y")])),
                frame(HEADERS, 5, 1, &block(&[(":status", "200"), ("x", "a\r\nb")])),
                frame(HEADERS, 5, 1, &block(&[(":status", "101")])),
                frame(HEADERS, 5, 1, &block(&[(":status", "999")])),
                data(1, true, "no head"),
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(),
                [
                    frame(HEADERS, 1, 1, &ok),
                    frame(CONTINUATION, 0, 1, &block(&[("x", "y".repeat(10 << 10))])).repeat(20),
                    frame(CONTINUATION, 4, 1, &[]),
                ]
                .concat(),
            ];
            for (nth, answer) in answers.into_iter().enumerate() {
                assert_eq!(endpoint_that_sends(answer).await, 502, "answer {nth}");
            }
        }),
        Row::streams(
            150,
            "a second stream for a host with a policy of its own: not served by the first one's",
            [
                frames([headers(5, true, &GET), headers(1, true, &GET)].concat()).refused(),
                but(":authority", "locked.example").answered(503),
            ],
        ),
    ]
}
