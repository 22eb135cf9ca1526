//! New connections to endpoints: TCP, TLS where the upstream asks for it, and the HTTP version that results.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::super::Error;
use super::super::io::{Io, Socket, Transport};
use super::super::watch::Watch;
use super::super::worker::Worker;
use super::h1::H1;
use super::h2::H2;
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
    let dial = async {
        let stream = dial(&endpoint.address).await.map_err(|error| {
            tracing::debug!(endpoint = %endpoint.address, %error, "connect");
            Error::Connect(error.kind())
        })?;
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
    if limit.is_zero() {
        return dial.await;
    }
    tokio::time::timeout(limit, dial).await.unwrap_or(Err(Error::ConnectTimeout))
}

async fn dial(address: &Address) -> io::Result<TcpStream> {
    let stream = match address {
        Address::Socket(address) => TcpStream::connect(address).await?,
        Address::Name(name, port) => TcpStream::connect((&**name, *port)).await?,
    };
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
        tracing::warn!(endpoint = %endpoint.address, %error, "TLS with the endpoint failed; {mend}");
        Error::UpstreamTls
    })?;
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Transport::Client(Box::new(stream)), h2))
}
