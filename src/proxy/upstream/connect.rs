//! New connections to endpoints: TCP, TLS where the upstream asks for it, and the HTTP version that results.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use std::{io, slice};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::super::Error;
use super::super::io::{Io, Socket, Transport};
use super::super::watch::Watch;
use super::super::worker::Worker;
use super::h1::H1;
use super::h2::H2;
use super::resolve::Unresolved;
use super::state::EndpointState;
use crate::route::{Address, Protocol};
use crate::telemetry::meters::Refusal;

/// What is held for a connection and the request that it is made for, here and in the kernel.
const EXCHANGE: usize = 16 * 1024;

/// A new connection.
pub(crate) enum Connected {
    H1(Box<H1>),
    H2(Rc<H2>),
}

/// What the connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Requests and answers.
    Exchange,
    /// One upgrade: HTTP/1.1 whatever else the endpoint speaks.
    Upgrade,
}

/// Connects to an endpoint within `serversTransport.forwardingTimeouts.dialTimeout`.
pub(crate) async fn connect(
    worker: &Worker,
    endpoint: &EndpointState,
    protocol: Protocol,
    purpose: Purpose,
) -> Result<Connected, Error> {
    let limit = worker.shared.transport.dial_timeout;
    let deadline = (!limit.is_zero()).then(|| Instant::now() + limit);
    let addresses = in_time(deadline, Error::NameUnresolved, addresses(endpoint)).await?;
    let dial = async {
        let stream = dial(worker, endpoint, &addresses).await?;
        let watch = Watch::endpoint(&worker.meter, worker.shared.epoch, worker.shared.transport.write_stall);
        worker.meter.came(EXCHANGE);
        let (transport, h2) = match protocol {
            Protocol::Http => (Transport::Plain(Socket::new(stream)), false),
            Protocol::H2c => (Transport::Plain(Socket::new(stream)), purpose == Purpose::Exchange),
            Protocol::Https => secure(worker, endpoint, stream, purpose).await?,
        };
        let io = Io::new(transport, watch.clone());
        Ok(if h2 { Connected::H2(H2::handshake(io, watch).await?) } else { Connected::H1(H1::new(io, watch)) })
    };
    in_time(deadline, Error::ConnectTimeout, dial).await
}

/// What a step comes to; or `late`, when the deadline is there first.
async fn in_time<T>(
    deadline: Option<Instant>,
    late: Error,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match deadline {
        Some(deadline) => timeout_at(deadline, step).await.unwrap_or(Err(late)),
        None => step.await,
    }
}

async fn addresses(endpoint: &EndpointState) -> Result<Cow<'_, [SocketAddr]>, Error> {
    match &endpoint.address {
        Address::Socket(address) => Ok(Cow::Borrowed(slice::from_ref(address))),
        Address::Name(name, port) => {
            let addresses = endpoint.resolved().addresses(name, *port).await;
            addresses.map(Cow::Owned).map_err(|Unresolved| Error::NameUnresolved)
        }
    }
}

/// The first connection that one of the addresses takes.
async fn dial(worker: &Worker, endpoint: &EndpointState, addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    TcpStream::connect(addresses).await.and_then(keep_alive).map_err(|error| {
        if is_ours(&error) {
            if worker.complaints.is_due() {
                let mend = Refusal::NoSocket.explain().mend;
                tracing::warn!(endpoint = %endpoint.address, %error, "no socket for a connection to an endpoint; {mend}");
            }
            return Error::NoSocket(error.kind());
        }
        tracing::debug!(endpoint = %endpoint.address, %error, "connect");
        Error::Connect(error.kind())
    })
}

/// Whether it was this machine that had no socket to connect with, or no source port.
fn is_ours(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

fn keep_alive(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    // A peer that vanished without a word is noticed by the kernel.
    let keepalive =
        socket2::TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(15));
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

async fn secure(
    worker: &Worker,
    endpoint: &EndpointState,
    stream: TcpStream,
    purpose: Purpose,
) -> Result<(Transport, bool), Error> {
    let name = match &endpoint.address {
        Address::Socket(address) => ServerName::IpAddress(address.ip().into()),
        Address::Name(name, _) => ServerName::try_from(name.to_string()).map_err(|_| Error::UpstreamTls)?,
    };
    let config = match purpose {
        Purpose::Exchange => &worker.shared.client_tls,
        Purpose::Upgrade => &worker.shared.client_tls_http1,
    };
    let connector = tokio_rustls::TlsConnector::from(config.clone());
    let stream = connector.connect(name, Socket::new(stream)).await.map_err(|error| {
        let mend = Refusal::UpstreamTls.explain().mend;
        if worker.complaints.is_due() {
            tracing::warn!(endpoint = %endpoint.address, %error, "TLS with the endpoint failed; {mend}");
        }
        Error::UpstreamTls
    })?;
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Transport::Client(Box::new(stream)), h2))
}
