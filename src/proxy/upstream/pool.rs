//! Idle connections to endpoints, one pool per worker: nothing is shared, and a tenant never gets another's connection,
//! since an endpoint's id stands for its upstream, address, protocol and TLS identity.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::h1::H1;
use super::h2::H2;
use super::state::EndpointState;

/// How often idle connections are looked through, while there are any.
const SWEEP: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Slot {
    endpoint: Arc<EndpointState>,
    idle: Vec<(Box<H1>, Instant)>,
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

impl Pool {
    /// At most `max_idle` idle connections per endpoint, each for at most `idle_timeout`.
    pub(crate) fn new(max_idle: usize, idle_timeout: Duration) -> Rc<Self> {
        Rc::new(Self { slots: RefCell::default(), max_idle, idle_timeout, sweeping: Cell::new(false) })
    }

    /// The connection that was used last and still works.
    pub(crate) fn take(&self, endpoint: &EndpointState) -> Option<Box<H1>> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(&endpoint.id)?;
        while let Some((mut connection, _)) = slot.idle.pop() {
            if !connection.is_stale() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last answer has been read to its end.
    pub(crate) fn put(self: &Rc<Self>, endpoint: &Arc<EndpointState>, connection: Box<H1>, now: Instant) {
        if endpoint.is_removed() || self.max_idle == 0 {
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
        slot.shared.retain(|connection| !connection.is_closed());
        slot.shared.iter().find(|connection| connection.has_room()).cloned()
    }

    /// Adds a new HTTP/2 connection.
    pub(crate) fn add_shared(self: &Rc<Self>, endpoint: &Arc<EndpointState>, connection: Rc<H2>) {
        let mut slots = self.slots.borrow_mut();
        slots.entry(endpoint.id).or_insert_with(|| Slot::new(endpoint)).shared.push(connection);
        drop(slots);
        self.sweep_later();
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
            slot.idle.retain_mut(|(connection, since)| !removed && fresh(*since) && !connection.is_stale());
            slot.shared.retain(|connection| {
                let unwanted = connection.idle_since().is_some_and(|since| removed || !fresh(since));
                !connection.is_closed() && !unwanted
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
