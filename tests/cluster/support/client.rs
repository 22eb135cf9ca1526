//! A small HTTP/1.1 client, in the clear or over TLS, that says why a request failed.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::trusting::trusting;

/// No answer takes longer here.
const LIMIT: Duration = Duration::from_secs(30);
/// Source ports of single requests, which also ask what does not answer yet. A node remembers for two minutes that a
/// connection to a Service without endpoints was translated to nothing, and refuses the next one from the same port
/// although the Service has endpoints by then. The kernel gives none of these ports to a connection of a load.
const PROBES: RangeInclusive<u16> = 12_000..=27_999;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Why nothing came back.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection was closed before the request was sent: sending it anew on another one is what any client does.
    Unsent,
    /// Anything else.
    Lost(String),
}

/// One connection, kept open.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    /// The certificate that the server showed, DER; empty in the clear.
    pub(crate) certificate: Vec<u8>,
}

impl Connection {
    /// Connects to `address:port` in the clear.
    pub(crate) async fn open(address: &str, port: u16) -> Result<Self, String> {
        let stream = connect(address, port).await?;
        Self::over(stream, Vec::new()).await
    }

    /// Connects as one that may be refused.
    async fn probe(address: &str, port: u16) -> Result<Self, String> {
        Self::over(connect_probing(address, port).await?, Vec::new()).await
    }

    /// Connects to `address:port` over TLS with `host` as its name. Any certificate will do; the caller looks at it.
    pub(crate) async fn open_tls(address: &str, port: u16, host: &str) -> Result<Self, String> {
        let stream = connect_probing(address, port).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let stream = timeout(LIMIT, TlsConnector::from(trusting(&[])).connect(name, stream))
            .await
            .map_err(|_| "TLS: no answer".to_owned())?
            .map_err(|error| format!("TLS: {error}"))?;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificate = certificates.first().map(|leaf| leaf.to_vec()).unwrap_or_default();
        Self::over(stream, certificate).await
    }

    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Vec<u8>,
    ) -> Result<Self, String> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Self { sender, certificate })
    }

    /// Sends `GET path` for `host` and reads the whole answer.
    pub(crate) async fn get(&mut self, host: &str, path: &str) -> Result<Answer, Failure> {
        let request = Request::get(path).header("host", host).body(Empty::new()).expect("a valid request");
        let exchange = async {
            if self.sender.ready().await.is_err() {
                return Err(Failure::Unsent);
            }
            let response =
                self.sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
                    Some(_) => Failure::Unsent,
                    None => Failure::Lost(describe(error.error())),
                })?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| Failure::Lost(format!("body: {}", describe(&error))))?;
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        timeout(LIMIT, exchange).await.unwrap_or_else(|_| Err(Failure::Lost(format!("no answer in {LIMIT:?}"))))
    }
}

/// One request on a connection of its own.
pub(crate) async fn get(address: &str, port: u16, host: &str, path: &str) -> Result<Answer, String> {
    Connection::probe(address, port).await?.get(host, path).await.map_err(|error| format!("{error:?}"))
}

/// One request over TLS on a connection of its own, and the certificate that was shown.
pub(crate) async fn get_tls(address: &str, port: u16, host: &str, path: &str) -> Result<(Answer, Vec<u8>), String> {
    let mut connection = Connection::open_tls(address, port, host).await?;
    let answer = connection.get(host, path).await.map_err(|error| format!("{error:?}"))?;
    Ok((answer, connection.certificate))
}

/// One request that must be answered with `status`.
pub(crate) async fn expect(
    address: &str,
    port: u16,
    host: &str,
    path: &str,
    status: StatusCode,
) -> Result<Answer, String> {
    let answer = get(address, port, host, path).await?;
    if answer.status == status { Ok(answer) } else { Err(format!("{} {}", answer.status, answer.body.trim())) }
}

async fn connect(address: &str, port: u16) -> Result<TcpStream, String> {
    connected(TcpStream::connect((address, port))).await
}

/// Connects from one of [`PROBES`].
async fn connect_probing(address: &str, port: u16) -> Result<TcpStream, String> {
    /// So that a port comes up again as late as possible; the next process goes on elsewhere.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let peer = lookup_host((address, port)).await.map_err(|error| error.to_string())?.next().ok_or("no address")?;
    let turn = NEXT.fetch_add(1, Relaxed).wrapping_add(std::process::id().wrapping_mul(997));
    let socket = PROBES
        .cycle()
        .skip(turn as usize % PROBES.count())
        .take(PROBES.count())
        .find_map(|own| bound(peer, own))
        .ok_or("connect: no source port is free")?;
    connected(socket.connect(peer)).await
}

/// A socket for `peer` that is bound to `port`, unless something holds it.
fn bound(peer: SocketAddr, port: u16) -> Option<TcpSocket> {
    let (socket, own) = match peer {
        SocketAddr::V4(_) => (TcpSocket::new_v4().ok()?, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        SocketAddr::V6(_) => (TcpSocket::new_v6().ok()?, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
    };
    socket.bind(own).ok().map(|()| socket)
}

async fn connected(connect: impl Future<Output = io::Result<TcpStream>>) -> Result<TcpStream, String> {
    let stream = timeout(LIMIT, connect)
        .await
        .map_err(|_| "connect: no answer".to_owned())?
        .map_err(|error| format!("connect: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// A hyper error with its causes: its own text does not name them.
fn describe(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
