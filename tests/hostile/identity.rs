//! Who is who over TLS: a host's policy holds for every request, whatever the handshake was for; certificates are found by
//! one rule, change without a gap, and keep their keys to themselves.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::{HandshakeKind, NamedGroup};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::frames::{End, GET, H2, headers};
use crate::handshakes::asks_for_a_certificate;
use crate::hello::record;
use crate::recorder::Recorder;
use crate::secrets::{Endpoint, POLICY, ask, gateway_to, tenants};
use crate::support::client::get as fetch;
use crate::support::eventually;
use crate::support::gateway::{Gateway, ingress, service};
use crate::support::secure::{certificate, connect, names, secret, served, with_tls};
use crate::support::trusting::trusting;
use crate::table::{Row, Stage, get, run};

#[tokio::test]
async fn a_host_is_served_under_its_own_policy_and_certificate() {
    run(219..=236, rows(), &tenants(&[]).await).await;
}

/// A connection made for this name.
async fn for_name(stage: &Stage, name: &str) -> TlsStream<TcpStream> {
    connect(stage.gateway.websecure(), name, &[b"http/1.1"]).await.expect("a handshake")
}

/// Tickets for whatever name they were given.
#[derive(Debug, Default)]
struct Nameless(Mutex<Vec<Tls13ClientSessionValue>>);

impl ClientSessionStore for Nameless {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.lock().expect("the tickets").push(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().expect("the tickets").pop()
    }
}

/// A host with a certificate that also has this name, which tells it from others.
struct Host {
    port: u16,
    annotation: &'static str,
}

impl Host {
    const NAME: &'static str = "host.example";

    fn with(&self, mark: &str) -> String {
        [self.without_secret(), secret("host", &certificate(&[Self::NAME, mark]))].concat()
    }

    fn without_secret(&self) -> String {
        let rules = with_tls(&ingress("host", Self::NAME, "/", self.annotation), &[Self::NAME], "host");
        [rules, service("host", &[self.port], "", "")].concat()
    }
}

async fn shows(gateway: &Gateway, name: &str, mark: &str) -> bool {
    names(&served(&connect(gateway.websecure(), name, &[]).await.expect("a handshake")), mark)
}

/// An endpoint that says this to whoever connects.
async fn endpoint_that_says(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut hello = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut hello).await;
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

/// A certificate of an authority, valid until this year, and its key; and the authority's own certificate.
fn issued(to: &str, until: i32) -> (String, String, String) {
    let root_key = rcgen::KeyPair::generate().expect("a key");
    let mut root = rcgen::CertificateParams::new(Vec::<String>::new()).expect("parameters");
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = root.self_signed(&root_key).expect("an authority").pem();
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec![to.to_owned()]).expect("parameters");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let certificate = params.signed_by(&key, &issuer).expect("a certificate").pem();
    (certificate, key.serialize_pem(), authority)
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::act(
            219,
            "a connection for one host and a request for another of the same policy: served",
            async |stage: &Stage| {
                let mut stream = for_name(stage, "one.example").await;
                assert_eq!(ask(&mut stream, "two.example", "/").await, Some(200));
            },
        ),
        Row::act(
            220,
            "the same for a host of another policy, which is not there: its route is closed",
            async |stage: &Stage| {
                let mut stream = for_name(stage, "one.example").await;
                assert_eq!(ask(&mut stream, "locked.example", "/").await, Some(503));
                assert_eq!(stage.recorder.take().await.len(), 0);
            },
        ),
        Row::act(221, "the same where a wildcard names the policy", async |stage: &Stage| {
            let mut stream = for_name(stage, "one.example").await;
            assert_eq!(ask(&mut stream, "api.locked.example", "/").await, Some(503));
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::act(222, "the same with the second request of a connection", async |stage: &Stage| {
            let mut stream = for_name(stage, "one.example").await;
            assert_eq!(ask(&mut stream, "one.example", "/").await, Some(200));
            assert_eq!(ask(&mut stream, "locked.example", "/").await, Some(503));
            assert_eq!(ask(&mut stream, "one.example", "/").await, Some(200));
        }),
        Row::act(223, "the same with the second stream of HTTP/2", async |stage: &Stage| {
            let stream = connect(stage.gateway.websecure(), "one.example", &[b"h2"]).await.expect("a handshake");
            let mut client = H2::over(stream, &[]).await;
            for (id, host, status) in [(1, "one.example", 200), (3, "locked.example", 503), (5, "two.example", 200)] {
                let fields = GET.map(|(name, usual)| match name {
                    ":authority" => (name, host),
                    ":scheme" => (name, "https"),
                    _ => (name, usual),
                });
                client.send(headers(id, true, &fields)).await;
                assert_eq!(client.end_of(id).await, End::Answer(status), "{host}");
            }
        }),
        Row::act(224, "the host in other words: the same host, with the same policy", async |stage: &Stage| {
            let mut stream = for_name(stage, "one.example").await;
            for host in ["LOCKED.example", "locked.example.", "locked.example:443", "Api.Locked.Example.:8443"] {
                assert_eq!(ask(&mut stream, host, "/").await, Some(503), "{host}");
            }
            assert_eq!(ask(&mut stream, "locked.example", "https://locked.example/").await, Some(503));
            assert_eq!(ask(&mut stream, "one.example", "https://locked.example/").await, Some(400));
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::act(225, "the same without a name in the handshake", async |stage: &Stage| {
            let mut stream = for_name(stage, "127.0.0.1").await;
            assert_eq!(ask(&mut stream, "locked.example", "/").await, Some(503));
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::apart(226, "a session from before the policy, resumed: the policy holds", async || {
            let recorder = Recorder::start().await;
            let (before, after) =
                (Host { port: recorder.port(), annotation: "" }, Host { port: recorder.port(), annotation: POLICY });
            let gateway = Gateway::start(&before.with("mark"), &[]).await;
            let connector = TlsConnector::from(trusting(&[]));
            let dial = async || {
                let tcp = TcpStream::connect(gateway.websecure()).await.expect("connect");
                let name = ServerName::try_from(Host::NAME).expect("a name");
                connector.connect(name, tcp).await.expect("a handshake")
            };
            assert_eq!(ask(&mut dial().await, Host::NAME, "/").await, Some(200));
            gateway.edit(&after.with("mark"));
            eventually("the policy is there", async || {
                fetch(gateway.web(), Host::NAME, "/").await.is_ok_and(|answer| answer.status == 503)
            })
            .await;
            let mut resumed = dial().await;
            assert_eq!(resumed.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
            assert_eq!(ask(&mut resumed, Host::NAME, "/").await, Some(503));
        }),
        Row::act(
            227,
            "a session of one host, offered to another: a handshake like any other",
            async |stage: &Stage| {
                let mut config = (*trusting(&[])).clone();
                config.resumption = Resumption::store(Arc::new(Nameless::default()));
                let connector = TlsConnector::from(Arc::new(config));
                for (host, kind) in [
                    ("one.example", HandshakeKind::Full),
                    ("one.example", HandshakeKind::Resumed),
                    ("two.example", HandshakeKind::Full),
                ] {
                    let tcp = TcpStream::connect(stage.gateway.websecure()).await.expect("connect");
                    let name = ServerName::try_from(host).expect("a name");
                    let mut stream = connector.connect(name, tcp).await.expect("a handshake");
                    assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind), "{host}");
                    assert!(names(&served(&stream), host), "{host}");
                    assert_eq!(ask(&mut stream, host, "/").await, Some(200));
                }
            },
        ),
        Row::apart(228, "a connection from before the policy: the policy holds", async || {
            let recorder = Recorder::start().await;
            let (before, after) =
                (Host { port: recorder.port(), annotation: "" }, Host { port: recorder.port(), annotation: POLICY });
            let gateway = Gateway::start(&before.with("mark"), &[]).await;
            let mut kept = connect(gateway.websecure(), Host::NAME, &[]).await.expect("a handshake");
            assert_eq!(ask(&mut kept, Host::NAME, "/").await, Some(200));
            gateway.edit(&after.with("mark"));
            eventually("the policy holds", async || ask(&mut kept, Host::NAME, "/").await == Some(503)).await;
        }),
        Row::act(
            229,
            "certificates of clients: never asked for, so none opens anything; a flag that demands them ends the start",
            async |stage: &Stage| {
                for host in ["one.example", "locked.example"] {
                    assert!(!asks_for_a_certificate(stage.gateway.websecure(), host).await);
                }
                for flag in ["caFiles=/ca.pem", "clientAuthType=RequireAndVerifyClientCert"] {
                    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_adit"));
                    program.arg("--entryPoints.websecure.address=127.0.0.1:0");
                    let ended = program.arg(format!("--entryPoints.websecure.http.tls.clientAuth.{flag}")).output();
                    assert!(!ended.expect("it runs").status.success(), "{flag}");
                }
            },
        ),
        Row::cases(
            230,
            "what a proxy says of a client's certificate, said by the client: dropped",
            [
                "X-Forwarded-Client-Cert: x",
                "X-Forwarded-Tls-Client-Cert: x",
                "X-Forwarded-Tls-Client-Cert-Info: x",
                "X_Forwarded_Tls_Client_Cert: x",
                "Ssl-Client-Cert: x",
                "Ssl-Client-Verify: SUCCESS",
            ]
            .map(|field| get(field).seen("GET /")),
        ),
        Row::none(
            231,
            "a list of revoked certificates that is malformed",
            "adit reads no such lists, of clients or of endpoints; a flag that names one is not known",
        ),
        Row::apart(
            232,
            "a certificate that changes under handshakes: none fails, new ones see the new one",
            async || {
                let recorder = Recorder::start().await;
                let host = Host { port: recorder.port(), annotation: "" };
                let gateway = Gateway::start(&host.with("v0.mark"), &[]).await;
                let mut kept = connect(gateway.websecure(), Host::NAME, &[]).await.expect("a handshake");
                let (over, made) = (AtomicBool::new(false), AtomicUsize::new(0));
                let shaking = async {
                    while !over.load(Ordering::Relaxed) {
                        let mut stream = connect(gateway.websecure(), Host::NAME, &[]).await.expect("a handshake");
                        assert_eq!(ask(&mut stream, Host::NAME, "/").await, Some(200));
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                };
                let changing = async {
                    for version in ["v1.mark", "v2.mark", "v3.mark", "v4.mark"] {
                        gateway.edit(&host.with(version));
                        eventually("the new one is shown", async || shows(&gateway, Host::NAME, version).await).await;
                        let so_far = made.load(Ordering::Relaxed);
                        eventually("more handshakes", async || made.load(Ordering::Relaxed) > so_far + 3).await;
                    }
                    assert_eq!(ask(&mut kept, Host::NAME, "/").await, Some(200));
                    over.store(true, Ordering::Relaxed);
                };
                futures_util::join!(changing, shaking);
            },
        ),
        Row::apart(
            233,
            "several certificates for a name: the exact one, then a wildcard of one label, then the older Ingress's",
            async || {
                let recorder = Recorder::start().await;
                let tenant = |name: &str, host: &str, created: &str, mark: &str| {
                    let rules = with_tls(&ingress(name, host, "/", ""), &[host], name).replace(
                        &format!("  name: {name}\n"),
                        &format!("  name: {name}\n  creationTimestamp: {created}\n"),
                    );
                    [rules, service(name, &[recorder.port()], "", ""), secret(name, &certificate(&[host, mark]))]
                        .concat()
                };
                let mut all = [
                    tenant("wild", "*.w.example", "\"2024-01-01T00:00:00Z\"", "wild.mark"),
                    tenant("exact", "x.w.example", "\"2025-01-01T00:00:00Z\"", "exact.mark"),
                    tenant("young", "s.example", "\"2025-01-01T00:00:00Z\"", "young.mark"),
                    tenant("old", "s.example", "\"2024-01-01T00:00:00Z\"", "old.mark"),
                ];
                for _ in 0..2 {
                    let gateway = Gateway::start(&all.concat(), &[]).await;
                    for (name, mark) in [
                        ("x.w.example", "exact.mark"),
                        ("y.w.example", "wild.mark"),
                        ("y.x.w.example", "adit.default"),
                        ("w.example", "adit.default"),
                        ("s.example", "old.mark"),
                    ] {
                        assert!(shows(&gateway, name, mark).await, "{name} shows {mark}");
                    }
                    all.reverse();
                }
            },
        ),
        Row::apart(
            234,
            "a Secret that is replaced by nonsense, or deleted, while in use: the last good one",
            async || {
                let recorder = Recorder::start().await;
                let host = Host { port: recorder.port(), annotation: "" };
                let gateway = Gateway::start(&host.with("good.mark"), &[]).await;
                assert!(shows(&gateway, Host::NAME, "good.mark").await);
                let nonsense = secret("host", &("no certificate".to_owned(), "no key".to_owned()));
                for (manifests, problem) in [
                    ([host.without_secret(), nonsense].concat(), "invalid-certificate"),
                    (host.without_secret(), "secret-not-found"),
                ] {
                    gateway.edit(&manifests);
                    eventually(problem, async || gateway.admin_text("/api/problems").await.contains(problem)).await;
                    assert!(shows(&gateway, Host::NAME, "good.mark").await, "{problem}");
                }
            },
        ),
        Row::apart(235, "an endpoint that is not who it should be, or speaks no TLS of today: 502", async || {
            const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let (_, _, stranger) = issued("127.0.0.1", 2099);
            for (name, until, trusted, status) in [
                ("127.0.0.1", 2099, true, 200),
                ("127.0.0.2", 2099, true, 502),
                ("localhost", 2099, true, 502),
                ("127.0.0.1", 2021, true, 502),
                ("127.0.0.1", 2099, false, 502),
            ] {
                let (chain, key, authority) = issued(name, until);
                let roots = if trusted { &authority } else { &stranger };
                let endpoint = Endpoint::start(&chain, &key, OK, true).await;
                let gateway = endpoint.gateway(&[&format!("--serversTransport.rootCAs={roots}")]).await;
                let answer = fetch(gateway.web(), "a.example", "/").await.expect("an answer");
                assert_eq!(answer.status, status, "{name} until {until}, trusted: {trusted}");
            }
            let alert: &'static [u8] = record(21, 0x0303, &[2, 70]).leak();
            let clear = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            for says in [alert, &clear[..], b"", b"\x16\x03\x01\x00\x05hello"] {
                let gateway = gateway_to(endpoint_that_says(says).await, &[]).await;
                assert_eq!(fetch(gateway.web(), "a.example", "/").await.expect("an answer").status, 502, "{says:?}");
            }
        }),
        Row::apart(236, "a private key: in no log, metric, page or answer of the API", async || {
            let recorder = Recorder::start().await;
            let pair = certificate(&[Host::NAME]);
            let host = Host { port: recorder.port(), annotation: "" };
            let manifests = [host.without_secret(), secret("host", &pair)].concat();
            let gateway = Gateway::start(&manifests, &["--accesslog", "--log.level=TRACE", "--api.dashboard"]).await;
            assert!(shows(&gateway, Host::NAME, Host::NAME).await);
            // And with a key that does not fit, which is talked about.
            let other = certificate(&[Host::NAME]);
            gateway.edit(&[host.without_secret(), secret("host", &(other.0, pair.1.clone()))].concat());
            eventually("it is a problem", async || gateway.admin_text("/api/problems").await.contains("host")).await;
            let mut said = gateway.log();
            for page in
                ["/metrics", "/api/problems", "/api/rawdata", "/api/overview", "/api/http/routers", "/dashboard/"]
            {
                said.push_str(&gateway.admin_text(page).await);
            }
            let lines: Vec<&str> = pair.1.lines().filter(|line| !line.contains("-----")).collect();
            assert!(lines.len() > 1 && lines.iter().all(|line| !said.contains(&line[..line.len().min(24)])));
            assert!(!said.contains("PRIVATE KEY"));
        }),
    ]
}
