//! New connections to endpoints: TCP, TLS where the upstream asks for it, and the HTTP version that results.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::super::Error;
use super::super::body::Upload;
use super::super::io::{Io, Socket, Transport};
use super::super::watch::{Wait, Watch, guarded};
use super::super::worker::{LocalExecutor, Worker};
use super::h1::H1;
use super::state::EndpointState;
use crate::route::{Address, Protocol};

/// A new connection, its task running.
pub(crate) enum Connected {
    H1(Box<H1>),
    /// And how many streams the endpoint allows at the moment.
    H2(http2::SendRequest<Upload>, Rc<Cell<usize>>),
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
        let watch = Watch::new(worker.shared.epoch, Duration::ZERO, worker.shared.transport.write_stall);
        let (transport, h2) = match protocol {
            Protocol::Http => (Transport::Plain(Socket::new(stream)), false),
            Protocol::H2c => (Transport::Plain(Socket::new(stream)), purpose == Purpose::Exchange),
            Protocol::Https => secure(worker, endpoint, stream, purpose).await?,
        };
        handshake(Io::new(transport, watch.clone()), watch, h2).await
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
        tracing::warn!(endpoint = %endpoint.address, %error, "TLS with the endpoint failed");
        Error::UpstreamTls
    })?;
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Transport::Client(Box::new(stream)), h2))
}

async fn handshake(io: Io, watch: Arc<Watch>, h2: bool) -> Result<Connected, Error> {
    if h2 {
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            // Until the endpoint has said how many streams it takes: one that is queued behind another may wait for ever.
            .initial_max_send_streams(1)
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(2 * 1024 * 1024)
            .max_send_buf_size(64 * 1024)
            .max_header_list_size(64 * 1024)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|_| Error::UpstreamProtocol)?;
        let most = Rc::new(Cell::new(connection.current_max_send_streams()));
        let current = most.clone();
        let mut connection = Box::pin(connection);
        let counted = std::future::poll_fn(move |cx| {
            let ended = connection.as_mut().poll(cx);
            current.set(connection.current_max_send_streams());
            ended
        });
        tokio::task::spawn_local(run(counted, watch));
        return Ok(Connected::H2(sender, most));
    }
    Ok(Connected::H1(H1::new(io, watch)))
}

/// The task of an HTTP/2 connection: ends with it, or when the endpoint stops reading.
async fn run(connection: impl Future<Output = hyper::Result<()>>, watch: Arc<Watch>) {
    match guarded(connection, watch).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "upstream connection ended"),
        Err(Wait::Write) => tracing::debug!("an endpoint stopped reading"),
        Err(_) => tracing::debug!("an endpoint did not answer in time"),
    }
}
