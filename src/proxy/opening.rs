//! The first moments of a client's connection: for whom it speaks, and what it speaks.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::{Accept, LazyConfigAcceptor};

use super::admission::Ticket;
use super::connection::{Connection, Counted};
use super::io::{Io, Socket, Transport};
use super::proxy_protocol::{self, Header};
use super::watch::{Wait, Watch, guarded};
use super::worker::Worker;
use super::{http1, http2};
use crate::telemetry::chain;
use crate::telemetry::meters::{Refusal, TlsLabel};

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The first bytes of a TLS record that holds a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// What a session of TLS holds that does not come from its client.
const SESSION: usize = 32 * 1024;

/// Serves a connection in a task of its own.
pub(crate) fn spawn(worker: &Rc<Worker>, index: usize, stream: TcpStream, peer: SocketAddr, ticket: Ticket) {
    let counted = Counted::new(worker, index);
    let timeouts = &worker.shared.listeners[index].timeouts;
    let watch = Watch::client(&worker.meter, worker.shared.epoch, timeouts.head, timeouts.write_stall);
    // Whoever connects ahead of time, as browsers do, and says nothing is idle.
    watch.expect(Wait::Idle, timeouts.head, Instant::now());
    // On the heap, where what the first moments need is nothing afterwards.
    let opening = Box::pin(open(worker.clone(), index, watch.clone(), stream, peer, ticket));
    tokio::task::spawn_local(async move {
        // Pinned here: a future that is handed over would be here twice.
        let life = std::pin::pin!(async {
            match opening.await? {
                None => {}
                Some((connection, io)) if connection.http2 => Box::pin(http2::serve_all(connection, io)).await?,
                Some((connection, io)) => http1::serve_all(connection, io).await,
            }
            Ok::<_, Ended>(())
        });
        let reason = match guarded(life, watch).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                tracing::debug!(entryPointName = name(&counted), %peer, "connection ended: {}", chain(&error));
                error.reason()
            }
            Err(wait) => {
                tracing::debug!(entryPointName = name(&counted), %peer, ?wait, "connection timed out");
                overdue(wait)
            }
        };
        if let Some(reason) = reason {
            counted.worker.shared.meters.own().refused(reason);
            let mend = reason.explain().mend;
            tracing::debug!(entryPointName = name(&counted), %peer, %reason, "a connection is refused; {mend}");
        }
        drop(counted);
    });
}

/// Where it came to.
fn name(connection: &Counted) -> &str {
    &connection.listener().name
}

/// Why a connection ended otherwise than by its own will.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("read from the client")]
    Io(#[from] io::Error),
    #[error("the PROXY protocol header is malformed")]
    ProxyHeader,
    #[error("TLS")]
    Tls(#[source] io::Error),
    #[error("HTTP")]
    Http(#[from] hyper::Error),
    #[error("too many streams were taken back")]
    Flood,
    #[error("refused: {0}")]
    Refused(Refusal),
}

impl Ended {
    /// What is counted of it: what a request is refused for, and what clients do, is counted elsewhere or not at all.
    fn reason(&self) -> Option<Refusal> {
        match self {
            Self::Tls(_) => Some(Refusal::TlsHandshake),
            Self::ProxyHeader => Some(Refusal::ProxyProtocol),
            Self::Refused(reason) => Some(*reason),
            Self::Io(_) | Self::Http(_) | Self::Flood => None,
        }
    }
}

/// What is counted of a connection that was waited for in vain; that one without a request is closed is no refusal.
fn overdue(wait: Wait) -> Option<Refusal> {
    match wait {
        Wait::Head => Some(Refusal::HeadTimeout),
        Wait::Write => Some(Refusal::WriteTimeout),
        Wait::Handshake => Some(Refusal::TlsHandshake),
        Wait::Memory => Some(Refusal::Memory),
        Wait::Nothing | Wait::Idle | Wait::Answer | Wait::Quiet => None,
    }
}

/// Finds out who speaks what. `None` when the client left without a word.
async fn open(
    worker: Rc<Worker>,
    index: usize,
    watch: Arc<Watch>,
    mut stream: TcpStream,
    peer: SocketAddr,
    mut ticket: Ticket,
) -> Result<Option<(Rc<Connection>, Io)>, Ended> {
    let listener = &worker.shared.listeners[index];
    let peer = canonical(peer);
    let may_proxy = listener.proxy_protocol.trusted.contains(peer.ip());
    let Some((ahead, source, spoken)) = look(&mut stream, may_proxy, &watch).await? else { return Ok(None) };
    let peer = source.map_or(peer, canonical);
    if source.is_some() {
        ticket.count_for(listener, peer.ip()).map_err(Ended::Refused)?;
    }
    let socket = Socket::with_ahead(stream, ahead);
    let (transport, spoken, tls) = match spoken {
        Spoken::Tls => {
            watch.is_for(Wait::Handshake);
            worker.meter.came(SESSION);
            // A hello that never becomes whole waits for no turn.
            let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket);
            let handshake = hello.await.map_err(Ended::Tls)?.into_stream(worker.shared.server_tls.clone());
            // Whoever has left meanwhile is answered no more: to begin handshakes and leave them is cheap.
            let there = |handshake: &Accept<Socket>| handshake.get_ref().is_some_and(|socket| !socket.is_over());
            let Some(stream) = worker.turns.take(handshake, there).await else { return Ok(None) };
            let stream = stream.map_err(Ended::Tls)?;
            let session = stream.get_ref().1;
            let spoken = if session.alpn_protocol() == Some(b"h2") { Spoken::Http2 } else { Spoken::Http1 };
            let label = session.negotiated_cipher_suite().map(|suite| TlsLabel::of(suite.suite()));
            let wait = if spoken == Spoken::Http2 { Wait::Quiet } else { Wait::Idle };
            watch.expect(wait, listener.timeouts.head, Instant::now());
            (Transport::Server(Box::new(stream)), spoken, label)
        }
        Spoken::Http2 => {
            // Its preface begins no request.
            watch.is_for(Wait::Quiet);
            (Transport::Plain(socket), Spoken::Http2, None)
        }
        Spoken::Http1 => (Transport::Plain(socket), Spoken::Http1, None),
    };
    let connection = Connection::new(worker, index, peer, ticket, spoken == Spoken::Http2, tls, watch.clone());
    Ok(Some((connection, Io::new(transport, watch))))
}

fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// What a connection's first bytes say it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Tls,
    Http2,
    Http1,
}

/// Reads until it is clear what is spoken, and takes the PROXY header off. `None` when the client left without a word.
/// The caller's watch bounds the wait; a silent connection has nothing built for it.
async fn look(
    stream: &mut TcpStream,
    may_proxy: bool,
    watch: &Watch,
) -> Result<Option<(Vec<u8>, Option<SocketAddr>, Spoken)>, Ended> {
    let mut ahead = Vec::new();
    let mut source = None;
    let mut proxy = may_proxy;
    loop {
        stream.readable().await?;
        if ahead.capacity() - ahead.len() < 512 {
            ahead.reserve(2048);
        }
        if stream.read_buf(&mut ahead).await? == 0 {
            return Ok(None);
        }
        watch.is_for(Wait::Head);
        if proxy {
            match proxy_protocol::parse(&ahead) {
                Header::Absent => proxy = false,
                Header::Partial => continue,
                Header::Malformed => return Err(Ended::ProxyHeader),
                Header::Complete(length, address) => {
                    ahead.drain(..length);
                    source = address;
                    proxy = false;
                    if ahead.is_empty() {
                        watch.is_for(Wait::Idle);
                    }
                }
            }
        }
        match ahead.first() {
            None => {}
            Some(&TLS_HANDSHAKE) => return Ok(Some((ahead, source, Spoken::Tls))),
            Some(_) if ahead.starts_with(b"PRI ") => return Ok(Some((ahead, source, Spoken::Http2))),
            Some(_) if PREFACE.starts_with(&ahead) => {}
            Some(_) => return Ok(Some((ahead, source, Spoken::Http1))),
        }
    }
}
