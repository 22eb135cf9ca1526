//! The life of a client's connection: who it is, what it speaks, and its requests until it ends.

use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::body::ClientBody;
use super::headers::{self, Origin, Said};
use super::http1;
use super::io::{Io, Socket, Transport};
use super::proxy_protocol::{self, Header};
use super::serve::serve;
use super::watch::{Wait, Watch, guarded};
use super::worker::{LocalExecutor, Phase, Worker};
use crate::route::Listener;
use crate::telemetry::meters::TlsLabel;

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The first bytes of a TLS record that holds a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// Of the last so many streams of a connection …
const RESET_WINDOW: u32 = 100;
/// … so many may be taken back early, before the connection is closed (CVE-2023-44487, also at a slow pace).
const MAX_EARLY_RESETS: u32 = 50;

/// A client's connection, as its requests see it.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) index: usize,
    pub(crate) listener: Arc<Listener>,
    /// Who speaks to us, or for whom the PROXY protocol says it does; never a mapped address.
    pub(crate) peer: SocketAddr,
    /// Its forwarding headers are believed.
    pub(crate) trusted: bool,
    pub(crate) origin: Origin,
    /// The version and cipher, if it is TLS.
    pub(crate) tls: Option<TlsLabel>,
    pub(crate) http2: bool,
    pub(crate) watch: Arc<Watch>,
    pub(crate) since: Instant,
    pub(crate) requests: Cell<u64>,
    active: Cell<u32>,
    closing: Cell<bool>,
    resets: Cell<(u32, u32)>,
    /// Of HTTP/2: its streams run beside it, and its deadlines are its own to look at.
    task: OnceCell<Waker>,
    /// Of HTTP/1: who gets the bytes of a connection that becomes a tunnel.
    pub(crate) heir: Cell<Option<oneshot::Sender<(Io, BytesMut)>>>,
}

impl Connection {
    /// A request begins: its own deadlines count now.
    pub(crate) fn begin(&self) {
        self.active.set(self.active.get() + 1);
        self.requests.set(self.requests.get() + 1);
        self.watch.relax();
        self.worker.load().requests.fetch_add(1, Relaxed);
    }

    /// A request has ended; the last one leaves the connection idle.
    pub(crate) fn end(&self, now: Instant) {
        let left = self.active.get().saturating_sub(1);
        self.active.set(left);
        self.worker.load().requests.fetch_sub(1, Relaxed);
        if left == 0 {
            let wait = if self.http2 { Wait::Quiet } else { Wait::Idle };
            self.watch.expect(wait, self.listener.timeouts.idle, now);
        }
    }

    /// The client took a stream back before its answer. Too many of these end the connection.
    pub(crate) fn taken_back(&self) {
        let (of, resets) = self.resets.get();
        self.resets.set(if of >= RESET_WINDOW { (0, 0) } else { (of, resets + 1) });
    }

    fn count_stream(&self) {
        let (of, resets) = self.resets.get();
        self.resets.set(if of >= RESET_WINDOW { (1, 0) } else { (of + 1, resets) });
    }

    fn floods(&self) -> bool {
        self.resets.get().1 >= MAX_EARLY_RESETS
    }

    /// Whether this connection takes no further request after the present one.
    pub(crate) fn last_request(&self) -> bool {
        let limits = &self.listener.life_cycle;
        self.worker.phase() >= Phase::Leaving
            || (limits.keep_alive_max_requests > 0 && self.requests.get() >= limits.keep_alive_max_requests)
            || (!limits.keep_alive_max_time.is_zero() && self.since.elapsed() >= limits.keep_alive_max_time)
    }

    /// Ends an HTTP/2 connection once its streams are done.
    pub(crate) fn close_soon(&self) {
        self.closing.set(true);
    }

    /// Adds to a request who is asking.
    pub(crate) fn add_forwarding(&self, headers: &mut HeaderMap, said: Said) {
        let append_for = !self.listener.forwarded_headers.not_append_x_forwarded_for;
        headers::add_forwarding(headers, &self.origin, said, append_for);
    }

    /// Writes who is asking, as the last lines of a request's head. `host` is the request's own.
    pub(crate) fn write_forwarding(&self, out: &mut Vec<u8>, host: Option<&HeaderValue>, said: Said) {
        let append_for = !self.listener.forwarded_headers.not_append_x_forwarded_for;
        headers::write_forwarding(out, host, &self.origin, said, append_for);
    }

    /// A stream has a frame for the client, who must take it in time.
    pub(crate) fn offer(&self) {
        self.watch.on_offer();
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// The bytes of this connection, and what the client has said already, once the 101 has been written.
    pub(crate) fn hand_over(&self) -> oneshot::Receiver<(Io, BytesMut)> {
        let (heir, bytes) = oneshot::channel();
        self.heir.set(Some(heir));
        bytes
    }

    pub(crate) fn must_close(&self) -> bool {
        self.closing.get() || self.worker.phase() >= Phase::Draining
    }
}

/// Counts a connection for as long as it, or a tunnel on it, lives.
pub(crate) struct Counted {
    worker: Rc<Worker>,
    index: usize,
}

impl Counted {
    pub(crate) fn new(worker: &Rc<Worker>, index: usize) -> Self {
        worker.load().connections.fetch_add(1, Relaxed);
        worker.shared.connections.fetch_add(1, Relaxed);
        worker.shared.open_connections[index].opened();
        Self { worker: worker.clone(), index }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.worker.load().connections.fetch_sub(1, Relaxed);
        self.worker.shared.connections.fetch_sub(1, Relaxed);
        self.worker.shared.open_connections[self.index].closed();
    }
}

/// Serves a connection in a task of its own, or refuses it when there are too many.
pub(crate) fn spawn(worker: &Rc<Worker>, index: usize, stream: TcpStream, peer: SocketAddr) {
    if worker.shared.connections.load(Relaxed) >= worker.shared.max_connections {
        worker.shared.meters.own().connection_refused();
        return;
    }
    let counted = Counted::new(worker, index);
    let worker = worker.clone();
    tokio::task::spawn_local(async move {
        let listener = worker.shared.listeners[index].clone();
        let watch = Watch::new(worker.shared.epoch, listener.timeouts.head, listener.timeouts.write_stall);
        watch.expect(Wait::Head, listener.timeouts.head, Instant::now());
        let life = live(worker, index, listener, watch.clone(), stream, canonical(peer));
        match guarded(life, watch).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%peer, %error, "connection ended"),
            Err(wait) => tracing::debug!(%peer, ?wait, "connection timed out"),
        }
        drop(counted);
    });
}

fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Why a connection ended otherwise than by its own will.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("read from the client")]
    Io(#[from] io::Error),
    #[error("the PROXY protocol header is malformed")]
    ProxyHeader,
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("too many streams were taken back")]
    Flood,
}

async fn live(
    worker: Rc<Worker>,
    index: usize,
    listener: Arc<Listener>,
    watch: Arc<Watch>,
    stream: TcpStream,
    peer: SocketAddr,
) -> Result<(), Ended> {
    let may_proxy = listener.proxy_protocol.trusted.contains(peer.ip());
    let Some((ahead, source, kind)) = look(&stream, may_proxy).await? else { return Ok(()) };
    let peer = source.map_or(peer, canonical);
    let socket = Socket::with_ahead(stream, ahead);
    let (transport, kind, tls) = match kind {
        Spoken::Tls => {
            let acceptor = tokio_rustls::TlsAcceptor::from(worker.shared.server_tls.clone());
            let stream = Box::pin(acceptor.accept(socket)).await?;
            let session = stream.get_ref().1;
            let kind = if session.alpn_protocol() == Some(b"h2") { Spoken::Http2 } else { Spoken::Http1 };
            let label = session.negotiated_cipher_suite().map(|suite| TlsLabel::of(suite.suite()));
            watch.expect(Wait::Head, listener.timeouts.head, Instant::now());
            (Transport::Server(Box::new(stream)), kind, label)
        }
        plain => (Transport::Plain(socket), plain, None),
    };
    let origin = origin(&worker, peer, tls.is_some());
    let connection = Rc::new(Connection {
        trusted: listener.forwarded_headers.trusted.contains(peer.ip()),
        worker,
        index,
        peer,
        origin,
        tls,
        http2: kind == Spoken::Http2,
        watch: watch.clone(),
        since: Instant::now(),
        requests: Cell::new(0),
        active: Cell::new(0),
        closing: Cell::new(false),
        resets: Cell::new((0, 0)),
        task: OnceCell::new(),
        heir: Cell::new(None),
        listener,
    });
    let io = Io::new(transport, watch);
    match kind {
        Spoken::Http2 => Box::pin(http_2(connection, TokioIo::new(io))).await?,
        _ => http1::serve_all(connection, io).await,
    }
    Ok(())
}

fn origin(worker: &Worker, peer: SocketAddr, tls: bool) -> Origin {
    Origin {
        address: HeaderValue::from_str(&peer.ip().to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown")),
        proto: HeaderValue::from_static(if tls { "https" } else { "http" }),
        default_port: HeaderValue::from_static(if tls { "443" } else { "80" }),
        server: worker.shared.host_name.clone(),
    }
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
async fn look(stream: &TcpStream, may_proxy: bool) -> Result<Option<(Vec<u8>, Option<SocketAddr>, Spoken)>, Ended> {
    let mut ahead = Vec::new();
    let mut source = None;
    let mut proxy = may_proxy;
    loop {
        stream.readable().await?;
        if ahead.capacity() - ahead.len() < 512 {
            ahead.reserve(2048);
        }
        match stream.try_read_buf(&mut ahead) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        if proxy {
            match proxy_protocol::parse(&ahead) {
                Header::Absent => proxy = false,
                Header::Partial => continue,
                Header::Malformed => return Err(Ended::ProxyHeader),
                Header::Complete(length, address) => {
                    ahead.drain(..length);
                    source = address;
                    proxy = false;
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

async fn http_2(connection: Rc<Connection>, io: TokioIo<Io>) -> Result<(), Ended> {
    let settings = &connection.listener.http2;
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .max_concurrent_streams(settings.max_concurrent_streams)
        .header_table_size(settings.max_decoder_header_table_size)
        .max_header_list_size(u32::try_from(connection.listener.max_header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(32);
    let cx = connection.clone();
    let service = service_fn(move |request| {
        cx.count_stream();
        let serving = serve(cx.clone(), request.map(ClientBody::Http2));
        async { Ok::<_, Infallible>(serving.await) }
    });
    let mut serving = pin!(builder.serve_connection(io, service));
    let mut registration = None;
    let mut shutting = false;
    std::future::poll_fn(|cx| {
        connection.task.get_or_init(|| cx.waker().clone());
        registration.get_or_insert_with(|| connection.worker.on_phase(cx.waker().clone()));
        if connection.floods() {
            return Poll::Ready(Err(Ended::Flood));
        }
        if !shutting && connection.must_close() {
            shutting = true;
            serving.as_mut().graceful_shutdown();
        }
        if connection.worker.phase() == Phase::Over {
            return Poll::Ready(Ok(()));
        }
        serving.as_mut().poll(cx).map_err(Ended::from)
    })
    .await
}
