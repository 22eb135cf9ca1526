//! Fields of one hop: they end here, and cannot take anything else with them.

use crate::table::{Case, Row, Stage, get, line, post, run, send};

#[tokio::test]
async fn what_belongs_to_one_hop_ends_there() {
    run(109..=115, rows(), &Stage::new(&[]).await).await;
}

fn naming(name: &str, field: &str) -> Case {
    get(&format!("Connection: {name}\r\n{field}"))
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::cases(
            109,
            "Connection names who asks: the client's own is dropped, ours is there",
            [
                naming("close, X-Forwarded-For", "X-Forwarded-For: 1.2.3.4").seen("GET /").closed(),
                naming("x-forwarded-FOR, x-real-ip, X-Forwarded-Proto, forwarded", "X-Real-IP: 1.2.3.4").seen("GET /"),
            ],
        ),
        Row::cases(
            110,
            "Connection names what frames or addresses: that stays; what else it names goes",
            [
                naming("host", "X: y").seen("GET /\nx: y"),
                naming("Authorization, Cookie, X-Auth-User", "Authorization: a\r\nCookie: b=c\r\nX-Auth-User: d").seen("GET /"),
                post("Connection: Content-Length\r\nContent-Length: 2", "hi").seen("POST /\ncontent-length: 2\n\nhi"),
                naming(":authority, , ;, \"", "X: y").seen("GET /\nx: y"),
            ],
        ),
        Row::cases(
            111,
            "fields of a hop: dropped, but for the names of trailers",
            [
                "Keep-Alive: timeout=5",
                "Proxy-Connection: keep-alive",
                "TE: trailers",
                "TE: gzip",
                "Upgrade: websocket",
                "Proxy-Authenticate: Basic",
                "Proxy-Authorization: Basic eDp5",
                "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
            ]
            .into_iter()
            .map(|field| get(field).seen("GET /"))
            .chain([get("Trailer: X-Sum").seen("GET /\ntrailer: X-Sum")]),
        ),
        Row::cases(
            112,
            "close and keep-alive in two fields, in either order: close",
            ["close\r\nConnection: keep-alive", "keep-alive\r\nConnection: close", "keep-alive, close"]
                .map(|value| get(&format!("Connection: {value}")).seen("GET /").closed()),
        ),
        Row::cases(
            113,
            "Connection in bytes beyond ASCII: names nothing, and goes",
            [send(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: \xff\xfe, x\r\nX: y\r\n\r\n").seen("GET /")],
        ),
        Row::cases(
            114,
            "Connection of an answer names its length and a field: the length stays, the field goes",
            [get("")
                .says("HTTP/1.1 200 OK\r\nConnection: content-length, x, keep-alive\r\nKeep-Alive: timeout=1\r\nX: y\r\nProxy-Connection: x\r\nContent-Length: 2\r\n\r\nok")
                .seen("GET /")
                .check(|answer| {
                    assert_eq!((answer.header("content-length"), &*answer.text()), (Some("2"), "ok"));
                    for name in ["x", "connection", "keep-alive", "proxy-connection"] {
                        assert_eq!(answer.header(name), None, "{name}");
                    }
                })],
        ),
        Row::cases(
            115,
            "Max-Forwards of an OPTIONS: at its end answered here, before it counted down; elsewhere it means nothing; and a request that has passed here ten times: a loop",
            [
                line("OPTIONS / HTTP/1.1\r\nMax-Forwards: 0").answered(200).check(|answer| assert!(answer.header("allow").is_some())),
                line("OPTIONS / HTTP/1.1\r\nMax-Forwards: 10").seen("OPTIONS /\nmax-forwards: 9"),
                line("OPTIONS / HTTP/1.1\r\nMax-Forwards: x").seen("OPTIONS /\nmax-forwards: x"),
                line("GET / HTTP/1.1\r\nMax-Forwards: 0").seen("GET /\nmax-forwards: 0"),
                line("TRACE / HTTP/1.1\r\nMax-Forwards: 0").refused(405),
                get("Via: 1.1 adit\r\n".repeat(20).trim_end()).seen(&format!("GET /{}", "\nvia: 1.1 adit".repeat(20))),
                get(&format!("CDN-Loop: other, {}", ["adit"; 9].join(", ")))
                    .seen(&format!("GET /\ncdn-loop: other, {}", ["adit"; 9].join(", "))),
                get(&["CDN-Loop: adit; a=b"; 10].join("\r\n")).answered(508),
            ],
        ),
    ]
}
