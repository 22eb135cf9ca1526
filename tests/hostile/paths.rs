//! Paths: the one that is matched is the one that is forwarded. `/admin`, `/foo` and `/api` are closed by a policy that is
//! not there, so whatever leads to them is 503, and whatever gets past them is seen.

use crate::support::client::Raw;
use crate::support::gateway::{Gateway, ingress, route};
use crate::table::{Case, Row, Stage, get, line, run, send};

#[tokio::test]
async fn the_path_that_is_matched_is_forwarded() {
    let closed = |name: &str, middleware: &str| {
        let annotation =
            format!("traefik.ingress.kubernetes.io/router.middlewares: default-{middleware}@kubernetescrd");
        ingress(name, "a.example", &format!("/{name}"), &annotation)
    };
    let manifests = [
        closed("admin", "forward-auth"),
        closed("foo", "forward-auth"),
        closed("api", "strip-prefix"),
        closed("old", "replace-path-regex"),
    ];
    run(186..=202, rows(), &Stage::with(&manifests.concat(), &[]).await).await;
}

fn path(path: &str) -> Case {
    line(&format!("GET {path} HTTP/1.1"))
}

/// The closed route is met, and no backend.
fn closed(target: &str) -> Case {
    path(target).answered(503)
}

/// Passed on as it is.
fn kept(target: &str) -> Case {
    path(target).seen(&format!("GET {target}"))
}

fn becomes(target: &str, forwarded: &str) -> Case {
    path(target).seen(&format!("GET {forwarded}"))
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::cases(
            186,
            "dot segments: resolved before anything is matched",
            [
                closed("/public/../admin"),
                closed("/public/./../admin/x"),
                closed("/../../admin"),
                becomes("/admin/../public", "/public"),
                becomes("/a/./b/..", "/a/"),
            ],
        ),
        Row::cases(
            187,
            "dot segments in escapes: the same",
            [
                closed("/public/%2e%2e/admin"),
                closed("/public/%2E./admin"),
                closed("/.%2e/admin"),
                becomes("/admin/%2e%2e/public", "/public"),
                closed("/%61dmin"),
            ],
        ),
        Row::cases(
            188,
            "a dot segment with a parameter, which some servers resolve: refused; other parameters are part of a name",
            [
                path("/public/..;/admin").refused(400),
                path("/public/%2e%2e;x=y/admin").refused(400),
                path("/.;/admin").refused(400),
                path("/admin/..;a").refused(400),
                kept("/;/admin"),
                kept("/admin;jsessionid=1"),
                kept("/a..;b/c"),
            ],
        ),
        Row::cases(189, "empty segments: merged", [closed("//admin"), closed("/.//admin"), becomes("/a//b", "/a/b")]),
        Row::apart(
            190,
            "escaped slashes: no slashes for matching, and passed on as they are; or refused where that is asked for",
            async || {
                let stage = Stage::new(&["--entryPoints.web.http.encodedCharacters.allowEncodedSlash=false"]).await;
                for target in ["/admin%2f..%2fpublic", "/%2Fadmin"] {
                    let mut client = Raw::connect(stage.gateway.web()).await;
                    client.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await;
                    assert_eq!(client.answer().await.expect("an answer").status, 400);
                }
                assert_eq!(stage.recorder.take().await.len(), 0);
                let backend = crate::recorder::Recorder::start().await;
                let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
                for target in ["/admin%2f..%2fpublic", "/%2fadmin", "/%2e%2e%2fadmin"] {
                    let mut client = Raw::connect(gateway.web()).await;
                    client.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await;
                    assert_eq!(client.answer().await.expect("an answer").status, 200);
                    let seen = backend.take().await.remove(0).text;
                    assert_eq!(seen, format!("GET {}", target.replace("%2e", ".")));
                }
            },
        ),
        Row::cases(
            191,
            "escaped backslashes and escapes of escapes: decoded by nobody",
            [
                kept("/admin%5c.."),
                kept("/public%5C..%5Cadmin"),
                kept("/a%252f..%252f"),
                kept("/%252e%252e/admin"),
                becomes("/%25%32%65/x", "/%252e/x"),
                path("/public\\..\\admin").refused(400),
            ],
        ),
        Row::cases(
            192,
            "an escaped null: refused; escaped line ends stay escaped",
            [
                path("/admin%00").refused(400),
                path("/a%00%2f%2e%2e%2fb/../c").refused(400),
                kept("/a%0d%0aSet-Cookie:x"),
            ],
        ),
        Row::cases(
            193,
            "escaped question marks, hashes, semicolons and percents: stay, and do not cut the path",
            [kept("/a%3fb"), kept("/a%23b"), kept("/a%3Bb"), kept("/a%25b"), kept("/a%3f?b?c")],
        ),
        Row::cases(
            194,
            "a prefix is whole elements in their own case",
            [
                closed("/foo"),
                closed("/foo/"),
                closed("/foo/bar"),
                closed("/foo?x"),
                kept("/Foo"),
                kept("/foobar"),
                kept("/fo"),
            ],
        ),
        Row::cases(
            195,
            "dots after a prefix that is to be stripped: not that prefix, and stripping that is not there closes it",
            [
                closed("/api"),
                closed("/api/../api/x"),
                kept("/api../admin"),
                becomes("/api%2e%2e/x", "/api../x"),
                kept("/api./x"),
            ],
        ),
        Row::cases(
            196,
            "an escape after a prefix that is to be stripped: decoded before, so nothing is cut within it",
            [becomes("/api%2e/admin", "/api./admin"), closed("/%61pi/admin"), closed("/api/%61dmin")],
        ),
        Row::cases(
            197,
            "a rewrite by expression, which is not there: closes its route, whatever it would make of the path",
            [closed("/old//evil.example"), closed("/old/@evil"), closed("/old/%0d%0a"), closed("/old")],
        ),
        Row::cases(198, "queries: passed on as they are, but for bytes beyond ASCII, which are refused", {
            let long = format!("/?{}", "a".repeat(8 << 10));
            [
                kept(&long),
                kept("/?a=b?c"),
                kept("/?a=%zz&b=%"),
                kept("/x?/../admin"),
                kept("/?a=1;b=2"),
                send("GET /?\u{e4} HTTP/1.1\r\nHost: a.example\r\n\r\n").refused(400),
            ]
        }),
        Row::cases(
            199,
            "authentication by another server, which is not there: closes its route, whatever the URI pretends",
            [
                closed("/admin"),
                get("X-Forwarded-Uri: /public\r\nX-Original-Url: /admin").seen("GET /"),
                line("GET /admin HTTP/1.1\r\nX-Forwarded-Uri: /public\r\nX-Original-Uri: /public").answered(503),
            ],
        ),
        Row::cases(
            200,
            "authentication that cannot be asked: fails closed, with a body and with an expectation too",
            [
                line("POST /admin HTTP/1.1\r\nContent-Length: 2").answered(503).closed(),
                line("POST /admin HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2").answered(503).closed(),
            ],
        ),
        Row::cases(
            201,
            "what an authentication would say, said by the client: opens nothing",
            ["Authorization: Basic eDp5", "Remote-User: root", "X-Auth-User: root", "X_Forwarded_User: root"]
                .map(|field| line(&format!("GET /admin HTTP/1.1\r\n{field}")).answered(503)),
        ),
        Row::apart(202, "a redirect: to the host that was asked for, which is one, and to its path", async || {
            let flags = [
                "--entryPoints.web.http.redirections.entryPoint.to=:8443",
                "--entryPoints.web.http.redirections.entryPoint.scheme=https",
            ];
            let gateway = Gateway::start(&route("app", "a.example", "/", &[1]), &flags).await;
            for (target, host, location) in [
                ("//evil.example/x", "a.example", Some("https://a.example:8443/evil.example/x")),
                ("/%0d%0aX:y", "a.example", Some("https://a.example:8443/%0d%0aX:y")),
                ("/..//evil.example", "A.example:80", Some("https://a.example:8443/evil.example")),
                ("/\\evil.example", "a.example", None),
                ("/", "a.example@evil.example", None),
                ("/", "a.example/evil", None),
                ("http://evil.example/", "a.example", None),
            ] {
                let mut client = Raw::connect(gateway.web()).await;
                client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
                let answer = client.answer().await.expect("an answer");
                assert_eq!(answer.header("location"), location, "{target} {host}");
                assert_eq!(answer.status, if location.is_some() { 301 } else { 400 });
            }
        }),
    ]
}
