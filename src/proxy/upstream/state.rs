//! What all workers know of an upstream and its endpoints; it outlives the routing snapshots that name it.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use http::HeaderValue;
use imbl::ordmap::DiffItem;

use super::resolve::Resolved;
use super::states::States;
use super::waiters::Waiters;
use crate::proxy::balance::{Ejection, Load, RetryBudget, Session, session};
use crate::route::{Address, Condition, EndpointSet, EndpointTable, Protocol, Upstream, UpstreamId};

/// An upstream: its settings, its endpoints of this moment and its retry budget.
pub struct UpstreamState {
    /// How it is spoken to.
    pub spec: Arc<Upstream>,
    /// What its retries may cost; [`UpstreamState::may_retry`] asks it.
    pub(crate) budget: RetryBudget,
    /// The next choice's number, over all workers. From 1: an endpoint that was never chosen says 0.
    pub(crate) turn: AtomicU64,
    endpoints: ArcSwap<EndpointList>,
    epoch: Instant,
}

impl UpstreamState {
    /// The endpoints of this moment.
    pub(crate) fn endpoints(&self) -> Guard<Arc<EndpointList>> {
        self.endpoints.load()
    }

    /// `now` as balancing counts it: nanoseconds since the registry was made.
    pub(crate) fn nanos(&self, now: Instant) -> u64 {
        nanos(self.epoch, now)
    }

    /// Whether one more retry may be made; if so it is paid for.
    pub(crate) fn may_retry(&self, now: Instant) -> bool {
        self.budget.retry(self.nanos(now))
    }

    /// Whether one more endpoint may be ejected: at most half of them, and so never the last.
    pub(crate) fn can_do_without_one_more(&self) -> bool {
        let endpoints = self.endpoints();
        let ejected = endpoints.ready.iter().filter(|endpoint| endpoint.ejection.is_ejected()).count();
        (ejected + 1) * 2 <= endpoints.ready.len()
    }
}

impl fmt::Debug for UpstreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamState").field("spec", &self.spec).field("endpoints", &*self.endpoints()).finish()
    }
}

/// The endpoints of one upstream, by condition, each list sorted by address.
#[derive(Debug, Default)]
pub(crate) struct EndpointList {
    pub(crate) ready: Vec<Arc<EndpointState>>,
    pub(crate) draining: Vec<Arc<EndpointState>>,
    /// Unlike that of any list before it in this process; 0 of lists that were never filled.
    pub(crate) generation: u64,
}

impl EndpointList {
    fn all(&self) -> impl Iterator<Item = &Arc<EndpointState>> {
        self.ready.iter().chain(&self.draining)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.draining.is_empty()
    }
}

impl Drop for EndpointList {
    fn drop(&mut self) {
        for endpoint in self.all() {
            endpoint.lists.fetch_sub(1, Relaxed);
        }
    }
}

/// One endpoint, as long as its address stays in the list without a break.
///
/// In this order: with the counts that an [`Arc`] has in front, the load, which every request writes, comes to lie on a cache
/// line of its own. There may be a hundred thousand of these, and alignment would cost each a line more.
#[repr(C)]
pub struct EndpointState {
    /// Where it listens.
    pub address: Address,
    /// The lists that it is in.
    lists: AtomicUsize,
    /// Unlike any other's in this process; what connections are kept under. An address that leaves and comes back may
    /// be another tenant's pod, and gets another.
    pub id: u64,
    pub(crate) load: Load,
    protocol: Protocol,
    pub(crate) ejection: Ejection,
    /// What few endpoints are ever asked for.
    names: OnceLock<Box<Names>>,
}

/// What an endpoint is called, and what its name stands for.
#[derive(Debug)]
struct Names {
    host_header: HeaderValue,
    session: Session,
    /// Most endpoints have addresses.
    resolved: OnceLock<Resolved>,
}

impl EndpointState {
    fn new(address: &Address, protocol: Protocol, load: Load) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Relaxed),
            address: address.clone(),
            load,
            ejection: Ejection::default(),
            protocol,
            names: OnceLock::new(),
            lists: AtomicUsize::new(0),
        })
    }

    /// Whether it has left: its idle connections are of no more use.
    pub fn is_removed(&self) -> bool {
        self.lists.load(Relaxed) == 0
    }

    /// As Traefik shows servers: `http://10.0.0.1:80`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.protocol.scheme(), self.address)
    }

    /// The `Host` it sees when it is not to see the client's.
    pub(crate) fn host_header(&self) -> &HeaderValue {
        &self.names().host_header
    }

    /// The value of the sticky cookie that names it.
    pub(crate) fn session(&self) -> &Session {
        &self.names().session
    }

    /// What the name stands for, of one that has no address.
    pub(crate) fn resolved(&self) -> &Resolved {
        self.names().resolved.get_or_init(Resolved::default)
    }

    fn names(&self) -> &Names {
        self.names.get_or_init(|| {
            // A name that no header can hold cannot be connected to either.
            let host_header = HeaderValue::from_str(&self.address.to_string());
            let host_header = host_header.unwrap_or_else(|_| HeaderValue::from_static(""));
            Box::new(Names { host_header, session: session(&self.url()), resolved: OnceLock::new() })
        })
    }
}

impl fmt::Debug for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointState").field("id", &self.id).field("url", &self.url()).finish_non_exhaustive()
    }
}

/// How an endpoint does, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointHealth {
    /// `http://10.0.0.1:80`.
    pub url: Arc<str>,
    /// Whether it takes requests.
    pub state: HealthState,
    /// Requests in flight, over all workers.
    pub in_flight: u32,
    /// The estimated time to the head of an answer; `None` until there has been one.
    pub latency: Option<Duration>,
    /// Requests ever, retries included.
    pub requests: u64,
}

/// Whether an endpoint takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthState {
    /// It does.
    Ready,
    /// Only when no other is left, and those of its sessions.
    Draining,
    /// It failed again and again and is left alone for a while.
    Ejected,
}

/// All upstreams that routes name. For the control side: requests reach their upstream through their route.
pub struct Upstreams {
    inner: Mutex<Inner>,
    waiters: Arc<Waiters>,
    epoch: Instant,
}

#[derive(Default)]
struct Inner {
    table: EndpointTable,
    states: States,
}

impl Upstreams {
    /// Without any upstream and any endpoint.
    pub fn new() -> Self {
        Self { inner: Mutex::default(), waiters: Arc::default(), epoch: Instant::now() }
    }

    /// The state of this upstream, with its endpoints. As long as anyone holds it, the same is returned for equal
    /// settings; other settings get a state of their own that shares the endpoints.
    pub fn state(&self, spec: &Arc<Upstream>) -> Arc<UpstreamState> {
        let mut inner = self.lock();
        let Inner { table, states } = &mut *inner;
        let living: Vec<_> = states.get(&spec.id).iter().filter_map(Weak::upgrade).collect();
        if let Some(state) = living.iter().find(|state| Arc::ptr_eq(&state.spec, spec) || state.spec == *spec) {
            return state.clone();
        }
        let now = nanos(self.epoch, Instant::now());
        let endpoints = table
            .get(&spec.id)
            .map_or_else(EndpointList::default, |set| list(set, spec.protocol, &known(&living), now));
        let state = Arc::new(UpstreamState {
            spec: spec.clone(),
            budget: RetryBudget::new(now),
            turn: AtomicU64::new(living.iter().map(|state| state.turn.load(Relaxed)).max().unwrap_or(1)),
            endpoints: ArcSwap::from_pointee(endpoints),
            epoch: self.epoch,
        });
        states.add(&state);
        state
    }

    /// Balances over these endpoints from now on. Costs what changed; an endpoint that stays keeps its state.
    pub fn update_endpoints(&self, table: &EndpointTable) {
        let mut inner = self.lock();
        let before = std::mem::replace(&mut inner.table, table.clone());
        let now = nanos(self.epoch, Instant::now());
        let mut changed = Vec::new();
        for change in before.diff(table) {
            let (id, set) = match change {
                DiffItem::Add(id, set) | DiffItem::Update { new: (id, set), .. } => (id, Some(set)),
                DiffItem::Remove(id, _) => (id, None),
            };
            let living: Vec<_> = inner.states.get(id).iter().filter_map(Weak::upgrade).collect();
            for state in &living {
                // Gathered anew for each: what one gets, the next is to share.
                let endpoints =
                    set.map_or_else(EndpointList::default, |set| list(set, state.spec.protocol, &known(&living), now));
                state.endpoints.store(Arc::new(endpoints));
            }
            changed.push(id);
        }
        self.waiters.wake(changed);
    }

    /// Who waits for endpoints.
    pub(crate) fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// Forgets the upstreams that no route names any more.
    pub fn forget_unused(&self) {
        self.lock().states.forget_unused();
    }

    /// How the endpoints of an upstream do, ready ones first; empty if no route names it.
    pub fn health(&self, id: &UpstreamId) -> Vec<EndpointHealth> {
        let newest = self.lock().states.get(id).iter().rev().find_map(Weak::upgrade);
        let Some(state) = newest else { return Vec::new() };
        let endpoints = state.endpoints();
        let health = |endpoint: &Arc<EndpointState>, state| EndpointHealth {
            url: endpoint.url().into(),
            state: if endpoint.ejection.is_ejected() { HealthState::Ejected } else { state },
            in_flight: endpoint.load.in_flight(),
            latency: Some(endpoint.load.latency()).filter(|&latency| latency > 0).map(Duration::from_nanos),
            requests: endpoint.load.total(),
        };
        let ready = endpoints.ready.iter().map(|endpoint| health(endpoint, HealthState::Ready));
        ready.chain(endpoints.draining.iter().map(|endpoint| health(endpoint, HealthState::Draining))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Upstreams {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").field("upstreams", &self.lock().states.len()).finish_non_exhaustive()
    }
}

fn nanos(epoch: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX)
}

type Known = HashMap<(Address, Protocol), Arc<EndpointState>>;

/// The endpoints that these states have now.
fn known(states: &[Arc<UpstreamState>]) -> Known {
    let mut known = Known::new();
    for state in states {
        for endpoint in state.endpoints().all() {
            known.insert((endpoint.address.clone(), endpoint.protocol), endpoint.clone());
        }
    }
    known
}

/// The list for a set: known endpoints as they are, new ones with the median latency of the known, so that they are
/// neither flooded nor shunned before they have answered.
fn list(set: &EndpointSet, protocol: Protocol, known: &Known, now: u64) -> EndpointList {
    let mut latencies: Vec<_> = known.values().map(|endpoint| endpoint.load.latency()).filter(|&it| it > 0).collect();
    latencies.sort_unstable();
    let median = latencies.get(latencies.len() / 2).copied().unwrap_or(0);
    // Nearly all are ready.
    let ready = Vec::with_capacity(set.endpoints.len());
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut list = EndpointList { ready, draining: Vec::new(), generation: NEXT.fetch_add(1, Relaxed) };
    for endpoint in &set.endpoints {
        let state = known
            .get(&(endpoint.address.clone(), protocol))
            .cloned()
            .unwrap_or_else(|| EndpointState::new(&endpoint.address, protocol, Load::assume(median, now)));
        state.lists.fetch_add(1, Relaxed);
        match endpoint.condition {
            Condition::Ready => list.ready.push(state),
            Condition::Draining => list.draining.push(state),
        }
    }
    list
}
