//! Handshakes: old, odd, split, slow and broken ones. Whoever cannot shake hands properly gets no tenant's certificate and
//! costs nobody anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::hello::{Hello, list, record, server_names};
use crate::secrets::{ask, tenants};
use crate::support::client::Raw;
use crate::support::eventually;
use crate::support::secure::{certificate, connect, names};
use crate::support::trusting::trusting;
use crate::table::{Row, Stage, run};

#[tokio::test]
async fn only_a_proper_handshake_is_one() {
    run(203..=218, rows(), &tenants(&[]).await).await;
}

/// What a server says to first bytes.
#[derive(Debug, PartialEq)]
enum Said {
    /// An alert and its description.
    Alert(u8),
    /// The whole first flight of TLS 1.2: its messages.
    Flight(Vec<u8>),
    /// Something that is no TLS.
    Other(Vec<u8>),
    Nothing,
}

impl Said {
    fn is_refusal(&self) -> bool {
        !matches!(self, Self::Flight(_))
    }

    /// Whether the certificate of this host is among it.
    fn shows(&self, host: &str) -> bool {
        matches!(self, Self::Flight(flight) if names(flight, host))
    }
}

async fn said(address: SocketAddr, bytes: &[u8]) -> Said {
    let mut client = Raw::connect(address).await;
    let _ = client.stream.write_all(bytes).await;
    answer(&mut client).await
}

async fn answer(client: &mut Raw) -> Said {
    let (mut got, mut flight) = (Vec::new(), Vec::new());
    loop {
        while let Some(head) = got.first_chunk::<5>().copied() {
            let length = 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
            if !(20..=23).contains(&head[0]) {
                return Said::Other(got);
            }
            if got.len() < length {
                break;
            }
            let content: Vec<u8> = got.drain(..length).skip(5).collect();
            match head[0] {
                21 => return Said::Alert(content[1]),
                _ => flight.extend(content),
            }
            if messages(&flight).any(|(kind, _)| kind == SERVER_HELLO_DONE) {
                return Said::Flight(flight);
            }
        }
        if !client.fill().await {
            return if got.is_empty() { Said::Nothing } else { Said::Other(got) };
        }
        got.extend(client.rest());
    }
}

const SERVER_HELLO: u8 = 2;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const UNEXPECTED_MESSAGE: u8 = 10;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// The whole handshake messages in these bytes.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let head = bytes.first_chunk::<4>()?;
        let end = 4 + u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let message = (head[0], bytes.get(4..end)?);
        bytes = &bytes[end..];
        Some(message)
    })
}

/// Whether this first flight asks for the client's certificate.
pub(crate) async fn asks_for_a_certificate(address: SocketAddr, host: &str) -> bool {
    match said(address, &Hello::for_host(host).record()).await {
        Said::Flight(flight) => messages(&flight).any(|(kind, _)| kind == CERTIFICATE_REQUEST),
        other => panic!("no flight: {other:?}"),
    }
}

/// The extensions of a ServerHello.
fn extensions(flight: &[u8]) -> Vec<u16> {
    let hello = messages(flight).find(|(kind, _)| *kind == SERVER_HELLO).expect("a ServerHello").1;
    let session = usize::from(hello[34]);
    let mut rest = hello.get(35 + session + 5..).unwrap_or_default();
    let mut kinds = Vec::new();
    while let Some(head) = rest.first_chunk::<4>() {
        kinds.push(u16::from_be_bytes([head[0], head[1]]));
        rest = &rest[4 + usize::from(u16::from_be_bytes([head[2], head[3]]))..];
    }
    kinds
}

/// How many client connections are open, the question's own not counted.
async fn open(stage: &Stage) -> u32 {
    let metrics = stage.gateway.admin_text("/metrics").await;
    let lines = metrics.lines().filter(|line| line.starts_with("traefik_open_connections{entrypoint=\"websecure\""));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u32>().ok()).sum()
}

/// Connects, says these bytes and resets the connection.
async fn reset_after(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    stream.write_all(bytes).await.expect("send");
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a reset at its end");
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::act(203, "versions before TLS 1.2: refused", async |stage: &Stage| {
            let address = stage.gateway.websecure();
            for version in [0x0300, 0x0301, 0x0302] {
                let hello = Hello { versions: (version, version), ..Hello::for_host("one.example") };
                assert_eq!(said(address, &hello.record()).await, Said::Alert(PROTOCOL_VERSION), "{version:x}");
            }
            // A hello of version 2 is not even a record.
            let two = [&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10][..], &[1; 37]].concat();
            let answer = said(address, &two).await;
            assert!(answer.is_refusal(), "{answer:?}");
        }),
        Row::act(
            204,
            "suites without forward secrecy or with broken ciphers, compression, heartbeats, a second hello: not to be had",
            async |stage: &Stage| {
                let address = stage.gateway.websecure();
                // Null, export, RC4, 3DES, static RSA, CBC, finite-field DH.
                for suite in [0x0001, 0x0003, 0x0005, 0x000a, 0x002f, 0x009c, 0xc013, 0xc027, 0x009e, 0xc012] {
                    let hello = Hello { suites: vec![suite], ..Hello::for_host("one.example") };
                    assert_eq!(said(address, &hello.record()).await, Said::Alert(HANDSHAKE_FAILURE), "{suite:x}");
                }
                let heartbeat = Hello::for_host("one.example").with(15, vec![1]);
                let hello = Hello { compressions: vec![1, 0], ..heartbeat };
                let Said::Flight(flight) = said(address, &hello.record()).await else { panic!("no flight") };
                assert!(!extensions(&flight).contains(&15), "heartbeats");
                let hello = messages(&flight).next().expect("a ServerHello").1;
                assert_eq!(hello[35 + usize::from(hello[34]) + 2], 0, "compression");
                let alone = Hello { compressions: vec![1], ..Hello::for_host("one.example") };
                assert!(said(address, &alone.record()).await.is_refusal());
                let mut client = Raw::connect(address).await;
                let hello = Hello::for_host("one.example").record();
                client.send(&hello).await;
                assert!(answer(&mut client).await.shows("one.example"));
                client.send(&hello).await;
                assert_eq!(answer(&mut client).await, Said::Alert(UNEXPECTED_MESSAGE));
            },
        ),
        Row::act(
            205,
            "a hello in single bytes, or in many records: its name is read all the same",
            async |stage: &Stage| {
                let address = stage.gateway.websecure();
                let hello = Hello::for_host("one.example");
                let mut client = Raw::connect(address).await;
                for byte in hello.record() {
                    client.send([byte]).await;
                }
                assert!(answer(&mut client).await.shows("one.example"));
                for size in [1, 7, 100] {
                    let records: Vec<u8> =
                        hello.message().chunks(size).flat_map(|piece| record(22, 0x0301, piece)).collect();
                    assert!(said(address, &records).await.shows("one.example"), "records of {size}");
                }
            },
        ),
        Row::act(
            206,
            "a hello of 64 KiB and more, a record that is too long, records of nothing without end: refused",
            async |stage: &Stage| {
                let address = stage.gateway.websecure();
                let large: Vec<u8> = [&[1][..], &list(3, &vec![3; 70_000])]
                    .concat()
                    .chunks(16_000)
                    .flat_map(|piece| record(22, 0x0301, piece))
                    .collect();
                let too_long = record(22, 0x0301, &vec![1; (16 << 10) + 257]);
                let nothings = record(22, 0x0301, &[]).repeat(10_000);
                for bytes in [large, too_long, nothings] {
                    let answer = said(address, &bytes).await;
                    assert!(answer.is_refusal(), "{answer:?}");
                }
            },
        ),
        Row::act(
            207,
            "a name that is none, or more than one: refused, or as if there were none",
            async |stage: &Stage| {
                let address = stage.gateway.websecure();
                let long = [b'a'; 300];
                for name in [
                    &long[..],
                    b"one\0.example",
                    b"_",
                    b"127.0.0.1",
                    b"::1",
                    b"",
                    b".",
                    b"one..example",
                    b"*.example",
                    b"\xff",
                ] {
                    let hello = Hello::new().with(0, server_names(&[(0, name)]));
                    let answer = said(address, &hello.record()).await;
                    assert!(!answer.shows("one.example") && !answer.shows("two.example"), "{name:?}");
                }
                for name in [&b"ONE.example"[..], b"one.example."] {
                    let hello = Hello::new().with(0, server_names(&[(0, name)]));
                    let answer = said(address, &hello.record()).await;
                    assert!(answer.is_refusal() || answer.shows("one.example"), "{name:?}: {answer:?}");
                }
                let twice = Hello::for_host("one.example").with(0, server_names(&[(0, b"two.example")]));
                assert!(said(address, &twice.record()).await.is_refusal());
                let two = Hello::new().with(0, server_names(&[(0, b"one.example"), (0, b"two.example")]));
                assert!(said(address, &two.record()).await.is_refusal());
                let torn = Hello::new().with(0, vec![0, 20, 0, 0, 90, b'x']);
                assert!(said(address, &torn.record()).await.is_refusal());
            },
        ),
        Row::act(208, "no name: the default certificate", async |stage: &Stage| {
            let answer = said(stage.gateway.websecure(), &Hello::new().record()).await;
            assert!(answer.shows("adit.default") && !answer.shows("one.example"), "{answer:?}");
        }),
        Row::act(
            209,
            "a name that nobody has: the default certificate, and routes by Host; or, if strict, no connection",
            async |stage: &Stage| {
                let answer = said(stage.gateway.websecure(), &Hello::for_host("nobody.example").record()).await;
                assert!(answer.shows("adit.default") && !answer.shows("one.example"), "{answer:?}");
                let mut stream = connect(stage.gateway.websecure(), "nobody.example", &[]).await.expect("a handshake");
                assert_eq!(ask(&mut stream, "one.example", "/").await, Some(200));
                assert_eq!(ask(&mut stream, "locked.example", "/").await, Some(503));
                let strict = tenants(&["--tls.sniStrict"]).await;
                for hello in [Hello::for_host("nobody.example"), Hello::new()] {
                    assert!(said(strict.gateway.websecure(), &hello.record()).await.is_refusal());
                }
                let answer = said(strict.gateway.websecure(), &Hello::for_host("one.example").record()).await;
                assert!(answer.shows("one.example"), "{answer:?}");
            },
        ),
        Row::act(
            210,
            "protocols: what both speak, HTTP/1.1 without any, and an alert for none in common",
            async |stage: &Stage| {
                let address = stage.gateway.websecure();
                for (offer, agreed) in [
                    (&[&b"h2"[..]][..], Some(&b"h2"[..])),
                    (&[b"http/1.1"], Some(b"http/1.1")),
                    (&[b"foo", b"http/1.1", b"h2"], Some(b"h2")),
                    (&[], None),
                ] {
                    let stream = connect(address, "one.example", offer).await.expect("a handshake");
                    assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
                }
                for offer in [b"foo", b"h3\0"] {
                    let hello = Hello::for_host("one.example").with(16, list(2, &list(1, offer)));
                    assert_eq!(said(address, &hello.record()).await, Said::Alert(NO_APPLICATION_PROTOCOL));
                }
            },
        ),
        Row::act(211, "another protocol than the one agreed on: closed, or refused", async |stage: &Stage| {
            for (offer, said) in [
                (&b"h2"[..], &b"GET / HTTP/1.1\r\nHost: one.example\r\n\r\n"[..]),
                (b"http/1.1", crate::frames::PREFACE),
            ] {
                let mut stream =
                    connect(stage.gateway.websecure(), "one.example", &[offer]).await.expect("a handshake");
                stream.write_all(said).await.expect("send");
                let mut text = Vec::new();
                let _ = stream.read_to_end(&mut text).await;
                assert!(!text.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&text));
            }
            assert_eq!(stage.recorder.take().await.len(), 0);
        }),
        Row::act(
            212,
            "the end, a reset, or a farewell at any byte of a hello: nothing is left of it",
            async |stage: &Stage| {
                let address = stage.gateway.websecure();
                let hello = Hello::for_host("one.example").record();
                let farewell = record(21, 0x0303, &[1, 0]);
                for end in (0..=hello.len()).step_by(3) {
                    let mut cut = Raw::connect(address).await;
                    cut.send(&hello[..end]).await;
                    let _ = cut.stream.shutdown().await;
                    reset_after(address, &hello[..end]).await;
                    let mut parting = Raw::connect(address).await;
                    parting.send([&hello[..end], &farewell].concat()).await;
                    let _ = parting.stream.shutdown().await;
                    assert!(cut.closed().await && parting.closed().await);
                }
                eventually("no connection is left", async || open(stage).await == 0).await;
            },
        ),
        Row::act(213, "early data, which can be replayed: not to be had", async |stage: &Stage| {
            let mut config = (*trusting(&[])).clone();
            config.enable_early_data = true;
            let config = Arc::new(config);
            let name = ServerName::try_from("one.example").expect("a name");
            let connector = TlsConnector::from(config.clone());
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let tcp = TcpStream::connect(stage.gateway.websecure()).await.expect("connect");
                let mut stream = connector.connect(name.clone(), tcp).await.expect("a handshake");
                assert_eq!(ask(&mut stream, "one.example", "/").await, Some(200));
                assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
            }
            // The ticket of the second one.
            let mut again = ClientConnection::new(config, name).expect("a client");
            assert!(again.early_data().is_none(), "the ticket allows none");
        }),
        Row::apart(214, "a hello byte by byte: closed when its time is over", async || {
            let stage = tenants(&["--entryPoints.websecure.transport.respondingTimeouts.readTimeout=300ms"]).await;
            let client = Raw::connect(stage.gateway.websecure()).await;
            let (mut reader, mut writer) = client.stream.into_split();
            let trickle = tokio::spawn(async move {
                let mut tick = tokio::time::interval(Duration::from_millis(20));
                for byte in Hello::for_host("one.example").record() {
                    if writer.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tick.tick().await;
                }
                std::future::pending::<()>().await;
            });
            let mut said = Vec::new();
            let end = reader.read_to_end(&mut said);
            let _ = tokio::time::timeout(Duration::from_secs(10), end).await.expect("the connection ends");
            trickle.abort();
            assert!(said.is_empty() || said[0] == 21, "{said:?}");
        }),
        Row::apart(215, "two hundred handshakes at once: all are made, and others are served", async || {
            let stage = tenants(&[]).await;
            let address = stage.gateway.websecure();
            let handshakes = (0..200).map(|_| async {
                // A client each: nothing is resumed.
                let mut stream = connect(address, "one.example", &[]).await.expect("a handshake");
                assert_eq!(ask(&mut stream, "one.example", "/").await, Some(200));
            });
            futures_util::join!(futures_util::future::join_all(handshakes), stage.probe());
        }),
        Row::apart(216, "new keys without end: bounded", async || {
            let stage = tenants(&[]).await;
            let before = stage.gateway.peak_memory();
            let mut stream = connect(stage.gateway.websecure(), "one.example", &[]).await.expect("a handshake");
            'flood: for _ in 0..200 {
                for _ in 0..100 {
                    if stream.get_mut().1.refresh_traffic_keys().is_err() {
                        break 'flood;
                    }
                }
                if stream.flush().await.is_err() {
                    break;
                }
            }
            stage.probe().await;
            let grown = stage.gateway.peak_memory() - before;
            assert!(grown < 16 << 20, "{grown} bytes more");
        }),
        Row::apart(217, "an answer over TLS that ends without a farewell: whole by its length alone", async || {
            use crate::secrets::Endpoint;
            let (chain, key) = certificate(&["127.0.0.1"]);
            for (answer, farewell, whole) in [
                ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, true),
                ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, true),
                ("HTTP/1.1 200 OK\r\n\r\nok", true, true),
                ("HTTP/1.1 200 OK\r\n\r\nok", false, false),
                ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", true, false),
            ] {
                let endpoint = Endpoint::start(&chain, &key, answer, farewell).await;
                let gateway = endpoint.gateway(&["--serversTransport.insecureSkipVerify=true"]).await;
                let got = crate::support::client::get(gateway.web(), "a.example", "/").await;
                assert_eq!(got.is_ok_and(|answer| answer.text() == "ok"), whole, "{answer:?}, farewell: {farewell}");
            }
        }),
        Row::apart(
            218,
            "the PROXY protocol before a hello: of trusted peers alone, never behind it; the clear on a port of TLS: no route",
            async || {
                let header = b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 443\r\n";
                let hello = Hello::for_host("one.example").record();
                let strangers = tenants(&["--entryPoints.websecure.http.tls=true"]).await;
                let address = strangers.gateway.websecure();
                assert!(said(address, &[&header[..], &hello].concat()).await.is_refusal());
                let clear = crate::support::client::get(address, "one.example", "/").await.expect("an answer");
                assert_eq!(clear.status, 404);
                let trusting = tenants(&["--entryPoints.websecure.proxyProtocol.trustedIPs=127.0.0.0/8"]).await;
                let address = trusting.gateway.websecure();
                assert!(said(address, &[&header[..], &hello].concat()).await.shows("one.example"));
                let mut behind = connect(address, "one.example", &[]).await.expect("a handshake");
                behind.write_all(header).await.expect("send");
                assert_ne!(ask(&mut behind, "one.example", "/").await, Some(200));
                assert_eq!(strangers.recorder.take().await.len() + trusting.recorder.take().await.len(), 0);
            },
        ),
    ]
}
