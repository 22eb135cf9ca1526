//! Idle connections to endpoints, one pool per worker: nothing is shared, and a tenant never gets another's connection,
//! since an endpoint's id stands for its upstream, address, protocol and TLS identity.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};

use super::super::body::Upload;
use super::super::watch::Watch;
use super::bell::Bell;
use super::state::EndpointState;

/// How often idle connections are looked through, while there are any.
const SWEEP: Duration = Duration::from_secs(2);

/// An HTTP/1.1 connection that nobody uses.
#[derive(Debug)]
pub(crate) struct H1 {
    pub(crate) sender: http1::SendRequest<Upload>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) bell: Arc<Bell>,
}

/// An HTTP/2 connection, shared by its streams.
#[derive(Debug)]
pub(crate) struct H2 {
    pub(crate) sender: http2::SendRequest<Upload>,
    pub(crate) streams: Cell<usize>,
    /// How many streams the endpoint allows.
    most: Rc<Cell<usize>>,
    last_used: Cell<Instant>,
}

#[derive(Debug)]
struct Slot {
    endpoint: Arc<EndpointState>,
    idle: Vec<(H1, Instant)>,
    shared: Vec<Rc<H2>>,
}

/// One worker's connections.
#[derive(Debug)]
pub(crate) struct Pool {
    slots: RefCell<HashMap<u64, Slot, foldhash::fast::FixedState>>,
    max_idle: usize,
    idle_timeout: Duration,
    sweeping: Cell<bool>,
}

/// One stream's share of an HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct StreamShare(Rc<H2>);

impl StreamShare {
    pub(crate) fn new(connection: Rc<H2>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self(connection)
    }
}

impl Drop for StreamShare {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
        self.0.last_used.set(Instant::now());
    }
}

impl Pool {
    /// At most `max_idle` idle connections per endpoint, each for at most `idle_timeout`.
    pub(crate) fn new(max_idle: usize, idle_timeout: Duration) -> Rc<Self> {
        Rc::new(Self { slots: RefCell::default(), max_idle, idle_timeout, sweeping: Cell::new(false) })
    }

    /// The connection that was used last and still works.
    pub(crate) fn take(&self, endpoint: &EndpointState) -> Option<H1> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(&endpoint.id)?;
        while let Some((connection, _)) = slot.idle.pop() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last answer has been read to its end.
    pub(crate) fn put(self: &Rc<Self>, endpoint: &Arc<EndpointState>, connection: H1, now: Instant) {
        if connection.sender.is_closed() || endpoint.is_removed() || self.max_idle == 0 {
            return;
        }
        let mut slots = self.slots.borrow_mut();
        let slot = slots.entry(endpoint.id).or_insert_with(|| Slot::new(endpoint));
        if slot.idle.len() >= self.max_idle {
            return;
        }
        slot.idle.push((connection, now));
        drop(slots);
        self.sweep_later();
    }

    /// An HTTP/2 connection with room for one more stream.
    pub(crate) fn share(&self, endpoint: &EndpointState) -> Option<Rc<H2>> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(&endpoint.id)?;
        slot.shared.retain(|connection| !connection.sender.is_closed());
        slot.shared.iter().find(|connection| connection.streams.get() < connection.most.get()).cloned()
    }

    /// Adds a new HTTP/2 connection.
    pub(crate) fn add_shared(
        self: &Rc<Self>,
        endpoint: &Arc<EndpointState>,
        sender: http2::SendRequest<Upload>,
        most: Rc<Cell<usize>>,
    ) -> Rc<H2> {
        let connection = Rc::new(H2 { sender, streams: Cell::new(0), most, last_used: Cell::new(Instant::now()) });
        let mut slots = self.slots.borrow_mut();
        slots.entry(endpoint.id).or_insert_with(|| Slot::new(endpoint)).shared.push(connection.clone());
        drop(slots);
        self.sweep_later();
        connection
    }

    /// Drops everything idle.
    pub(crate) fn clear(&self) {
        self.slots.borrow_mut().clear();
    }

    /// No wake-ups at rest: the sweeper ends when nothing is left to sweep.
    fn sweep_later(self: &Rc<Self>) {
        if self.sweeping.replace(true) {
            return;
        }
        let pool = Rc::downgrade(self);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(pool) = pool.upgrade() else { return };
                if !pool.sweep(Instant::now()) {
                    pool.sweeping.set(false);
                    return;
                }
            }
        });
    }

    /// Ends what has idled too long or leads to an endpoint that is gone; whether anything is left.
    fn sweep(&self, now: Instant) -> bool {
        let fresh =
            |since: Instant| self.idle_timeout.is_zero() || now.saturating_duration_since(since) < self.idle_timeout;
        let mut slots = self.slots.borrow_mut();
        slots.retain(|_, slot| {
            let removed = slot.endpoint.is_removed();
            slot.idle.retain(|(connection, since)| !removed && fresh(*since) && !connection.sender.is_closed());
            slot.shared.retain(|connection| {
                let idle = connection.streams.get() == 0;
                !connection.sender.is_closed() && !(idle && (removed || !fresh(connection.last_used.get())))
            });
            !(slot.idle.is_empty() && slot.shared.is_empty())
        });
        !slots.is_empty()
    }
}

impl Slot {
    fn new(endpoint: &Arc<EndpointState>) -> Self {
        Self { endpoint: endpoint.clone(), idle: Vec::new(), shared: Vec::new() }
    }
}

/// What an exchange holds of its upstream connection until its answer's end.
#[derive(Debug)]
pub(crate) enum Held {
    /// An HTTP/1.1 connection to give back.
    H1 {
        pool: Rc<Pool>,
        endpoint: Arc<EndpointState>,
        connection: H1,
        /// The request's body, if it had one: a connection with an unfinished upload is never used again.
        upload: Option<Rc<super::super::body::UploadState>>,
    },
    /// A stream of an HTTP/2 connection.
    H2(#[allow(dead_code, reason = "held for its drop")] StreamShare),
}

impl Held {
    /// What wakes the task of a connection that carries this answer alone.
    pub(crate) fn bell(&self) -> Option<&Bell> {
        match self {
            Self::H1 { connection, .. } => Some(&connection.bell),
            Self::H2(_) => None,
        }
    }

    /// The answer has ended well: the connection may serve the next request.
    pub(crate) fn release(self, now: Instant) {
        let Self::H1 { pool, endpoint, mut connection, upload } = self else { return };
        let unfinished = upload.is_some_and(|upload| upload.progress.get() != super::super::body::Progress::Done);
        if unfinished || connection.sender.is_closed() {
            return;
        }
        if connection.sender.is_ready() {
            pool.put(&endpoint, connection, now);
            return;
        }
        // The connection's own task has not yet seen that the exchange is over.
        tokio::task::spawn_local(async move {
            if connection.sender.ready().await.is_ok() {
                pool.put(&endpoint, connection, Instant::now());
            }
        });
    }
}
