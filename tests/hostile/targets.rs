//! Request lines, targets and hosts: what is routed is what the backend gets, and a host is one.

use crate::support::client::Raw;
use crate::table::{Case, Row, Stage, get, line, run, send};

#[tokio::test]
async fn a_request_has_one_target_and_one_host() {
    run(67..=93, rows(), &Stage::new(&[]).await).await;
}

fn host(value: &[u8]) -> Case {
    send([b"GET / HTTP/1.1\r\nHost: ", value, b"\r\n\r\n"].concat())
}

fn target(target: &[u8]) -> Case {
    send([b"GET ", target, b" HTTP/1.1\r\nHost: a.example\r\n\r\n"].concat())
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::cases(67, "no Host: refused", [send("GET / HTTP/1.1\r\n\r\n").refused(400)]),
        Row::cases(
            68,
            "two Hosts, alike or not: refused",
            ["a.example", "b.example"].map(|second| get(&format!("Host: {second}")).refused(400)),
        ),
        Row::cases(
            69,
            "a Host that is a list, a path, a user, two words, a port beyond ports, half an address: refused",
            [
                &b"a.example, b"[..],
                b"a.example/b",
                b"u@a.example",
                b"a.example b",
                b"a.example:99999",
                b"a.example:",
                b"a.example:80:80",
                b"[::1",
                b"a.example\x80",
                b"a.example\\b",
                b"a.example?b",
                b"a.example#b",
            ]
            .map(|value| host(value).refused(400)),
        ),
        Row::cases(70, "an empty Host: refused", [host(b"").refused(400)]),
        Row::cases(
            71,
            "a Host in capitals, with a dot at its end: the same host, passed on as it came",
            [host(b"A.EXAMPLE.").seen("GET /\nhost: A.EXAMPLE.")],
        ),
        Row::cases(72, "escapes, raw UTF-8, a wildcard, or more than a name can have: refused; punycode is a name", {
            let long = [&b"a."[..]; 130].concat();
            let refused = [&b"a%2eexample"[..], "\u{e4}.example".as_bytes(), b"*.example", &long]
                .map(|value| host(value).refused(400));
            refused.into_iter().chain([host(b"xn--4ca.example").seen("GET /\nhost: xn--4ca.example")])
        }),
        Row::cases(73, "a whole URI of another host: refused", [target(b"http://evil/x").refused(400)]),
        Row::cases(
            74,
            "a whole URI without a Host: refused",
            [send("GET http://a.example/x HTTP/1.1\r\n\r\n").refused(400)],
        ),
        Row::cases(75, "a whole URI with a user: refused", [target(b"http://u:p@a.example/").refused(400)]),
        Row::cases(
            76,
            "a whole URI with the scheme of another transport says nothing about ours; another scheme: refused",
            [target(b"https://a.example/x").seen("GET /x"), target(b"ftp://a.example/x").refused(400)],
        ),
        Row::cases(
            77,
            "a target that is no path: refused",
            [
                line("GET foo HTTP/1.1").refused(400),
                line("GET a:80 HTTP/1.1").refused(400),
                line("GET * HTTP/1.1").refused(400),
                line("OPTIONS */x HTTP/1.1").refused(400),
            ],
        ),
        Row::cases(
            78,
            "OPTIONS of the whole server: no tenant's, so refused here",
            [line("OPTIONS * HTTP/1.1").refused(400)],
        ),
        Row::cases(
            79,
            "a fragment, which is never sent: refused",
            [&b"/a#frag"[..], b"/a?b#frag", b"/#", b"http://a.example/#x", b"#"]
                .map(|value| target(value).refused(400)),
        ),
        Row::cases(
            80,
            "a backslash: refused; an escaped one stays escaped",
            [target(b"/a\\b").refused(400), target(b"/a%5cb").seen("GET /a%5cb")],
        ),
        Row::cases(
            81,
            "bytes beyond ASCII, UTF-8 or not: refused",
            [&b"/\x80"[..], b"/\xc3\xa9", b"/?\xc3\xa9", b"/\xff"].map(|value| target(value).refused(400)),
        ),
        Row::cases(82, "what no URI has: refused; what some clients send all the same stays as it is", {
            let refused =
                [&b"/\0"[..], b"/\x01", b"/\x7f", b"/<a>", b"/`", b"/a\x0bb"].map(|value| target(value).refused(400));
            let kept = ["/a|b^c", "/{\"a\"}", "/?q={a:[1|2]}"]
                .map(|value| target(value.as_bytes()).seen(&format!("GET {value}")));
            refused.into_iter().chain(kept)
        }),
        Row::cases(
            83,
            "a path that begins like an authority: a path, for routing and for the backend",
            [target(b"//evil.example/x").seen("GET /evil.example/x")],
        ),
        Row::cases(
            84,
            "escapes that are none: refused",
            ["/a%zz", "/a%", "/a%4", "/a%u002f"].map(|value| target(value.as_bytes()).refused(400)),
        ),
        Row::cases(
            85,
            "spaces where none belong: refused",
            ["GET  / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/1.1 ", "GET /\tHTTP/1.1"]
                .map(|text| line(text).refused(400)),
        ),
        Row::cases(
            86,
            "versions that are none, or not these: refused",
            ["GET /", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / http/1.1", "GET / HTTP/1.10", "GET / HTTP/01.1"]
                .map(|text| line(text).refused(400)),
        ),
        Row::cases(
            87,
            "empty lines before a request: passed over, up to the size of a head",
            [
                send("\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n").seen("GET /"),
                send("\r\n".repeat(100_000)).refused(431),
            ],
        ),
        Row::cases(
            88,
            "any token is a method, in its own case; a very long one: 501",
            [
                line("g!t / HTTP/1.1").seen("g!t /"),
                line("get / HTTP/1.1").seen("get /"),
                line(&format!("{} / HTTP/1.1", "G".repeat(33))).refused(501),
                line(&format!("{} / HTTP/1.1", "G".repeat(10 << 10))).refused(501),
                line("G(T / HTTP/1.1").refused(400),
            ],
        ),
        Row::act(89, "the first words of HTTP/2 and then something else: closed", async |stage: &Stage| {
            for words in ["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/1.1\r\nHost: a.example\r\n\r\n"] {
                let mut client = Raw::connect(stage.gateway.web()).await;
                client.send(words).await;
                assert!(client.closed().await);
            }
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::act(90, "a record of TLS that is none: an alert at most, and closed", async |stage: &Stage| {
            for record in
                [&b"\x16\x03\x01\x00\x05hello"[..], b"\x16GET / HTTP/1.1\r\n\r\n", b"\x15\x03\x01\x00\x02\x01\x00"]
            {
                let mut client = Raw::connect(stage.gateway.web()).await;
                client.send(record).await;
                assert!(client.closed().await);
                let said = client.rest();
                assert!(said.is_empty() || said[0] == 0x15 || said.starts_with(b"HTTP/1.1 400"), "{said:?}");
            }
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::cases(
            91,
            "CONNECT, with a body or without: 405",
            [
                line("CONNECT a.example:443 HTTP/1.1").refused(405),
                line("CONNECT / HTTP/1.1").refused(405),
                send("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi").refused(405),
            ],
        ),
        Row::cases(
            92,
            "TRACE and TRACK: 405, with what is allowed",
            ["TRACE", "TRACK"].map(|method| {
                line(&format!("{method} / HTTP/1.1"))
                    .refused(405)
                    .check(|answer| assert!(answer.header("allow").is_some_and(|allow| !allow.contains("TRACE"))))
            }),
        ),
        Row::cases(
            93,
            "a method in a field: the backend's matter",
            [get("X-HTTP-Method-Override: DELETE").seen("GET /\nx-http-method-override: DELETE")],
        ),
    ]
}
