//! A client's connection, as its requests see it: who it is, and what it may still do.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::Instant;

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue};
use tokio::sync::oneshot;

use super::admission::Ticket;
use super::forwarding::{self, Origin, Said};
use super::h1::write_field;
use super::io::Io;
use super::watch::{Wait, Watch};
use super::worker::{Phase, Worker};
use crate::route::Listener;
use crate::telemetry::meters::TlsLabel;

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
    /// Its room, which is taken for as long as anything of it lives: a tunnel too.
    _ticket: Ticket,
    /// Its forwarding headers are believed.
    pub(crate) trusted: bool,
    /// The peer's address, as fields say it.
    address: HeaderValue,
    /// What [`Connection::write_forwarding`] wrote last: the same again for most requests.
    lines: RefCell<(Option<Said>, Box<[u8]>)>,
    /// The version and cipher, if it is TLS.
    pub(crate) tls: Option<TlsLabel>,
    pub(crate) http2: bool,
    pub(crate) watch: Arc<Watch>,
    pub(crate) since: Instant,
    pub(crate) requests: Cell<u64>,
    active: Cell<u32>,
    closing: Cell<bool>,
    /// A request waits for an endpoint. Of HTTP/1: its body is read ahead meanwhile, since its end may follow.
    pub(crate) waiting: Cell<bool>,
    resets: Cell<(u32, u32)>,
    /// Of HTTP/2: its streams run beside it, and its deadlines are its own to look at.
    task: OnceCell<Waker>,
    /// Of HTTP/1: who gets the bytes of a connection that becomes a tunnel.
    pub(crate) heir: Cell<Option<oneshot::Sender<(Io, BytesMut)>>>,
}

impl Connection {
    /// A connection of the listener at `index`, on which no request has come yet.
    pub(crate) fn new(
        worker: Rc<Worker>,
        index: usize,
        peer: SocketAddr,
        ticket: Ticket,
        http2: bool,
        tls: Option<TlsLabel>,
        watch: Arc<Watch>,
    ) -> Rc<Self> {
        let listener = worker.shared.listeners[index].clone();
        let address = HeaderValue::from_str(&peer.ip().to_string());
        Rc::new(Self {
            trusted: listener.forwarded_headers.trusted.contains(peer.ip()),
            worker,
            index,
            peer,
            _ticket: ticket,
            address: address.unwrap_or_else(|_| HeaderValue::from_static("unknown")),
            lines: RefCell::default(),
            tls,
            http2,
            watch,
            since: Instant::now(),
            requests: Cell::new(0),
            active: Cell::new(0),
            closing: Cell::new(false),
            waiting: Cell::new(false),
            resets: Cell::new((0, 0)),
            task: OnceCell::new(),
            heir: Cell::new(None),
            listener,
        })
    }

    /// The task that serves HTTP/2, to be woken when one of its deadlines is set.
    pub(crate) fn is_served_by(&self, task: &Waker) {
        self.task.get_or_init(|| task.clone());
    }

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

    /// A stream begins.
    pub(crate) fn count_stream(&self) {
        let (of, resets) = self.resets.get();
        self.resets.set(if of >= RESET_WINDOW { (1, 0) } else { (of + 1, resets) });
    }

    /// Whether the client has taken back too many.
    pub(crate) fn floods(&self) -> bool {
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

    fn origin(&self) -> Origin<'_> {
        Origin { address: &self.address, secured: self.tls.is_some(), server: &self.worker.shared.host_name }
    }

    /// Adds to a request who is asking.
    pub(crate) fn add_forwarding(&self, headers: &mut HeaderMap, said: Said) {
        let append_for = !self.listener.forwarded_headers.not_append_x_forwarded_for;
        forwarding::add_forwarding(headers, self.origin(), said, append_for);
    }

    /// Writes who is asking, as the last lines of a request's head. `host` is the request's own.
    pub(crate) fn write_forwarding(&self, out: &mut Vec<u8>, host: Option<&HeaderValue>, said: Said) {
        let mut lines = self.lines.borrow_mut();
        if lines.0 == Some(said) {
            out.extend_from_slice(&lines.1);
        } else {
            let start = out.len();
            let append_for = !self.listener.forwarded_headers.not_append_x_forwarded_for;
            forwarding::write_forwarding(out, self.origin(), said, append_for);
            // Of many connections the first request is the only one.
            if self.requests.get() > 1 {
                *lines = (Some(said), out.get(start..).unwrap_or_default().into());
            }
        }
        if let Some(host) = host {
            write_field(out, &forwarding::X_FORWARDED_HOST, host);
        }
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

    /// Whether it takes no further request, and ends when the present ones have.
    pub(crate) fn must_close(&self) -> bool {
        self.closing.get() || self.worker.phase() >= Phase::Draining
    }
}

/// Counts a connection for as long as it, or a tunnel on it, lives.
pub(crate) struct Counted {
    pub(crate) worker: Rc<Worker>,
    index: usize,
}

impl Counted {
    pub(crate) fn new(worker: &Rc<Worker>, index: usize) -> Self {
        worker.load().connections.fetch_add(1, Relaxed);
        worker.shared.open_connections[index].opened();
        Self { worker: worker.clone(), index }
    }

    /// Where it came to.
    pub(crate) fn listener(&self) -> &Listener {
        &self.worker.shared.listeners[self.index]
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.worker.load().connections.fetch_sub(1, Relaxed);
        self.worker.shared.open_connections[self.index].closed();
    }
}
