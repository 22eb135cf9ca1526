//! Header fields: their syntax, their number and size, and what they say about who asks.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;

use crate::support::client::Raw;
use crate::table::{Case, Row, Stage, get, run, send};

#[tokio::test]
async fn fields_are_what_they_say() {
    run(94..=108, rows(), &Stage::new(&[]).await).await;
}

fn with(field: &[u8]) -> Case {
    send([b"GET / HTTP/1.1\r\nHost: a.example\r\n", field, b"\r\n\r\n"].concat())
}

/// A gateway that believes the loopback.
async fn trusting() -> Stage {
    Stage::new(&["--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.0/8"]).await
}

/// What a request with this field looks like behind a gateway that believes it.
async fn believed(stage: &Stage, field: &str) -> String {
    let mut client = Raw::connect(stage.gateway.web()).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{field}\r\n\r\n")).await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    stage.recorder.take().await.remove(0).text
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A PROXY header of version 2.
fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, body].concat()
}

/// The address that the backend is told about after these first bytes; `None` when the connection ends instead.
async fn address_after(web: SocketAddr, stage: &Stage, first: &[u8]) -> Option<String> {
    let mut client = Raw::connect(web).await;
    let _ = client.stream.write_all(first).await;
    let _ = client.stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    client.answer().await.filter(|answer| answer.status == 200)?;
    let seen = stage.recorder.take().await.remove(0).text;
    let told = seen.lines().find_map(|line| line.strip_prefix("x-real-ip: ")).unwrap_or("127.0.0.1");
    Some(told.to_owned())
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::cases(94, "a bare carriage return in a value: refused", [with(b"X: a\rb").refused(400)]),
        Row::cases(
            95,
            "a control character in a value: refused",
            [&b"X: a\0b"[..], b"X: a\x7fb", b"X: a\x01b", b"X: a\x0bb"].map(|field| with(field).refused(400)),
        ),
        Row::cases(
            96,
            "bytes beyond ASCII in a value: passed on as they are",
            [with("X: \u{e4}".as_bytes()).seen("GET /\nx: \u{e4}"), with(b"X: \xff").seen("GET /\nx: \u{fffd}")],
        ),
        Row::cases(
            97,
            "a name that is none: refused",
            [&b": v"[..], b"no colon", b"a b: c", b"a\xe4: b", b"foo\0: b", b"a(b: c", b"a\t: b"]
                .map(|field| with(field).refused(400)),
        ),
        Row::cases(
            98,
            "a folded value: refused",
            [&b"X: a\r\n b"[..], b"X: a\r\n\tb"].map(|field| with(field).refused(400)),
        ),
        Row::cases(99, "more than a hundred fields: 431", {
            let many = |count: usize| get("X: y\r\n".repeat(count).trim_end());
            [many(100).refused(431), many(10_000).refused(431)]
        }),
        Row::cases(
            100,
            "a field of 70 KiB, of 400 KiB, of 2 MiB: 431",
            [70, 400, 2048].map(|size| get(&format!("X: {}", "y".repeat(size << 10))).refused(431)),
        ),
        Row::cases(101, "a target of 70 KiB: 431, or 414 where a head may be larger than a target", {
            [send(format!("GET /{} HTTP/1.1\r\nHost: a.example\r\n\r\n", "x".repeat(70 << 10))).refused(431)]
        }),
        Row::cases(
            102,
            "two of what there is one of, where a check and a backend may each see another: refused",
            ["Authorization: a", "Content-Type: a/b", "Range: bytes=0-1"]
                .map(|field| get(&format!("{field}\r\nX: y\r\n{field}")).refused(400)),
        ),
        Row::cases(
            103,
            "who asks, with other separators, which some backends read as hyphens: dropped",
            ["X_Forwarded_For: 1.2.3.4", "X-Forwarded_For: 1.2.3.4", "x.forwarded.for: 1.2.3.4", "X_Real_IP: 1.2.3.4"]
                .map(|field| get(field).seen("GET /")),
        ),
        Row::cases(
            104,
            "Proxy, which a CGI program takes for its own proxy: dropped",
            [get("Proxy: http://evil.example").seen("GET /")],
        ),
        Row::cases(
            105,
            "who asks and what for, in all words that backends believe: replaced by what we know",
            [
                "Forwarded: for=1.2.3.4",
                "X-Real-IP: 1.2.3.4",
                "X-Client-IP: 1.2.3.4",
                "True-Client-IP: 1.2.3.4",
                "CF-Connecting-IP: 1.2.3.4",
                "X-Original-URL: /admin",
                "X-Rewrite-URL: /admin",
                "X-Forwarded-Host: evil",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Port: 443",
                "X-Forwarded-Prefix: /admin",
                "X-Forwarded-Server: evil",
                "X-Forwarded-Scheme: https",
                "X-Scheme: https",
                "X-Forwarded-Uri: /admin",
                "X-Forwarded-Method: DELETE",
                "X-Forwarded-Tls-Client-Cert: x",
                "X-Forwarded-Tls-Client-Cert-Info: x",
                "X-Forwarded-Client-Cert: x",
                "X-Forwarded-User: root",
                "Ssl-Client-Verify: SUCCESS",
                "Ssl-Client-Subject-Dn: CN=root",
            ]
            .map(|field| get(field).seen("GET /")),
        ),
        Row::apart(
            106,
            "a chain of addresses: of a stranger replaced, of a peer that is trusted kept and made longer",
            async || {
                let strangers = Stage::new(&[]).await;
                assert_eq!(believed(&strangers, "X-Forwarded-For: 1.2.3.4, evil").await, "GET /");
                let stage = trusting().await;
                let seen = believed(&stage, "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8").await;
                assert!(seen.contains("x-forwarded-for: 1.2.3.4, 5.6.7.8, 127.0.0.1"), "{seen}");
            },
        ),
        Row::apart(107, "ten thousand addresses, or what is none: never parsed, bounded by the head", async || {
            let stage = trusting().await;
            let many = "1.1.1.1,".repeat(7_500);
            for value in [many.as_str(), "fe80::1%eth0", "[::1", ",,,", "unknown, _hidden"] {
                let seen = believed(&stage, &format!("X-Forwarded-For: {value}")).await;
                assert!(seen.contains(&format!("x-forwarded-for: {value}, 127.0.0.1")), "{seen:.200}");
            }
            let strangers = Stage::new(&[]).await;
            assert_eq!(believed(&strangers, &format!("X-Forwarded-For: {many}")).await, "GET /");
        }),
        Row::apart(108, "the PROXY protocol: read of trusted peers alone, and closed when it is none", async || {
            let v4 = version_2(1, 0x11, &[192, 0, 2, 1, 198, 51, 100, 1, 0x13, 0x88, 0, 80]);
            let strangers = Stage::new(&[]).await;
            for first in [&b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 80\r\n"[..], &v4] {
                assert_eq!(address_after(strangers.gateway.web(), &strangers, first).await, None);
            }
            assert_eq!(strangers.recorder.take().await.len(), 0);
            let stage = Stage::new(&[
                "--entryPoints.web.proxyProtocol.trustedIPs=127.0.0.0/8",
                "--entryPoints.web.transport.respondingTimeouts.readTimeout=500ms",
            ])
            .await;
            let web = stage.gateway.web();
            for (first, address) in [
                (b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 80\r\n".to_vec(), Some("192.0.2.1")),
                (b"PROXY TCP6 2001:db8::1 2001:db8::2 5000 80\r\n".to_vec(), Some("2001:db8::1")),
                (b"PROXY UNKNOWN\r\n".to_vec(), Some("127.0.0.1")),
                (v4.clone(), Some("192.0.2.1")),
                // The balancer itself, and a UNIX socket: no address to speak of.
                (version_2(0, 0, &[]), Some("127.0.0.1")),
                (version_2(1, 0x31, &[0; 216]), Some("127.0.0.1")),
                // Extensions, even of lengths that are none, are skipped by the length of the whole.
                (version_2(1, 0x11, &[&v4[16..], &[1, 255, 255, 0]].concat()), Some("192.0.2.1")),
                // None at all.
                (Vec::new(), Some("127.0.0.1")),
                // Twice: the second is no request.
                ([&v4[..], &v4].concat(), None),
                (b"PROXY TCP4 192.0.2.1 198.51.100.1 70000 80\r\n".to_vec(), None),
                (b"PROXY TCP4 evil 198.51.100.1 5000 80\r\n".to_vec(), None),
                ([&b"PROXY "[..], &[b'x'; 200]].concat(), None),
                (version_2(1, 0x11, &[0; 4]), None),
                (version_2(1, 0x11, &[0; 5000]), None),
                (version_2(7, 0x11, &[0; 12]), None),
            ] {
                assert_eq!(address_after(web, &stage, &first).await.as_deref(), address, "{first:?}");
            }
            // Half of one, and then nothing.
            for first in [&b"PROXY TCP4 192.0."[..], &v4[..20], &SIGNATURE[..7]] {
                let mut client = Raw::connect(web).await;
                client.send(first).await;
                assert!(client.closed().await);
            }
        }),
    ]
}
