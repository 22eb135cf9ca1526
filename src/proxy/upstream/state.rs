//! What all workers know of an upstream and its endpoints; it outlives the routing snapshots that name it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use http::HeaderValue;
use imbl::ordmap::DiffItem;

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
}

impl EndpointList {
    fn all(&self) -> impl Iterator<Item = &Arc<EndpointState>> {
        self.ready.iter().chain(&self.draining)
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
pub struct EndpointState {
    /// Unlike any other's in this process; what connections are kept under. An address that leaves and comes back may
    /// be another tenant's pod, and gets another.
    pub id: u64,
    /// Where it listens.
    pub address: Address,
    /// As Traefik shows servers: `http://10.0.0.1:80`.
    pub url: Arc<str>,
    /// The `Host` it sees when it is not to see the client's.
    pub host_header: HeaderValue,
    pub(crate) load: Load,
    pub(crate) ejection: Ejection,
    protocol: Protocol,
    session: OnceLock<Session>,
    /// The lists that it is in.
    lists: AtomicUsize,
}

impl EndpointState {
    fn new(address: &Address, protocol: Protocol, load: Load) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let host = address.to_string();
        Arc::new(Self {
            id: NEXT.fetch_add(1, Relaxed),
            address: address.clone(),
            url: format!("{}://{host}", protocol.scheme()).into(),
            // A name that no header can hold cannot be connected to either.
            host_header: HeaderValue::from_str(&host).unwrap_or_else(|_| HeaderValue::from_static("")),
            load,
            ejection: Ejection::default(),
            protocol,
            session: OnceLock::new(),
            lists: AtomicUsize::new(0),
        })
    }

    /// Whether it has left: its idle connections are of no more use.
    pub fn is_removed(&self) -> bool {
        self.lists.load(Relaxed) == 0
    }

    /// The value of the sticky cookie that names it.
    pub(crate) fn session(&self) -> &Session {
        self.session.get_or_init(|| session(&self.url))
    }
}

impl fmt::Debug for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointState").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
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
    epoch: Instant,
}

#[derive(Default)]
struct Inner {
    table: EndpointTable,
    /// Usually one for each; two while a snapshot with other settings is being replaced.
    states: HashMap<UpstreamId, Vec<Weak<UpstreamState>>>,
}

impl Upstreams {
    /// Without any upstream and any endpoint.
    pub fn new() -> Self {
        Self { inner: Mutex::default(), epoch: Instant::now() }
    }

    /// The state of this upstream, with its endpoints. As long as anyone holds it, the same is returned for equal
    /// settings; other settings get a state of their own that shares the endpoints.
    pub fn state(&self, spec: &Arc<Upstream>) -> Arc<UpstreamState> {
        let mut inner = self.lock();
        let Inner { table, states } = &mut *inner;
        let alive = states.entry(spec.id.clone()).or_default();
        alive.retain(|state| state.strong_count() > 0);
        let living: Vec<_> = alive.iter().filter_map(Weak::upgrade).collect();
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
        alive.push(Arc::downgrade(&state));
        state
    }

    /// Balances over these endpoints from now on. Costs what changed; an endpoint that stays keeps its state.
    pub fn update_endpoints(&self, table: &EndpointTable) {
        let mut inner = self.lock();
        let before = std::mem::replace(&mut inner.table, table.clone());
        let now = nanos(self.epoch, Instant::now());
        for change in before.diff(table) {
            let (id, set) = match change {
                DiffItem::Add(id, set) | DiffItem::Update { new: (id, set), .. } => (id, Some(set)),
                DiffItem::Remove(id, _) => (id, None),
            };
            let Some(states) = inner.states.get(id) else { continue };
            let living: Vec<_> = states.iter().filter_map(Weak::upgrade).collect();
            for state in &living {
                // Gathered anew for each: what one gets, the next is to share.
                let endpoints =
                    set.map_or_else(EndpointList::default, |set| list(set, state.spec.protocol, &known(&living), now));
                state.endpoints.store(Arc::new(endpoints));
            }
        }
    }

    /// Forgets the upstreams that no route names any more.
    pub fn forget_unused(&self) {
        self.lock().states.retain(|_, states| states.iter().any(|state| state.strong_count() > 0));
    }

    /// How the endpoints of an upstream do, ready ones first; empty if no route names it.
    pub fn health(&self, id: &UpstreamId) -> Vec<EndpointHealth> {
        let newest = self.lock().states.get(id).and_then(|states| states.iter().rev().find_map(Weak::upgrade));
        let Some(state) = newest else { return Vec::new() };
        let endpoints = state.endpoints();
        let health = |endpoint: &Arc<EndpointState>, state| EndpointHealth {
            url: endpoint.url.clone(),
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
    let mut list = EndpointList::default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Balance, Endpoint, HostHeader, PortRef};

    fn spec(service: &str, protocol: Protocol) -> Arc<Upstream> {
        let id = UpstreamId { namespace: "default".into(), service: service.into(), port: PortRef::Number(80) };
        Arc::new(Upstream { id, protocol, host_header: HostHeader::Pass, balance: Balance::PeakEwma, sticky: None })
    }

    fn endpoint(last: u8, condition: Condition) -> Endpoint {
        Endpoint { address: Address::Socket(([10, 0, 0, last], 80).into()), condition }
    }

    fn set(ready: &[u8], draining: &[u8]) -> Arc<EndpointSet> {
        let ready = ready.iter().map(|&last| endpoint(last, Condition::Ready));
        let draining = draining.iter().map(|&last| endpoint(last, Condition::Draining));
        Arc::new(EndpointSet { endpoints: ready.chain(draining).collect() })
    }

    fn one(spec: &Upstream, set: Arc<EndpointSet>) -> EndpointTable {
        EndpointTable::unit(spec.id.clone(), set)
    }

    fn ready(state: &UpstreamState) -> Vec<Arc<EndpointState>> {
        state.endpoints().ready.clone()
    }

    fn urls(endpoints: &[Arc<EndpointState>]) -> Vec<&str> {
        endpoints.iter().map(|endpoint| &*endpoint.url).collect()
    }

    #[test]
    fn an_upstream_has_its_endpoints_whichever_came_first() {
        let spec = spec("a", Protocol::Http);
        let upstreams = Upstreams::new();
        let early = upstreams.state(&spec);
        assert!(ready(&early).is_empty());
        upstreams.update_endpoints(&one(&spec, set(&[1, 2], &[3])));
        assert_eq!(urls(&ready(&early)), ["http://10.0.0.1:80", "http://10.0.0.2:80"]);
        assert_eq!(urls(&early.endpoints().draining), ["http://10.0.0.3:80"]);
        drop(early);
        assert_eq!(ready(&upstreams.state(&spec)).len(), 2);
        upstreams.update_endpoints(&EndpointTable::new());
        assert!(ready(&upstreams.state(&spec)).is_empty());
    }

    #[test]
    fn equal_settings_share_one_state_as_long_as_anyone_holds_it() {
        let upstreams = Upstreams::new();
        let first = upstreams.state(&spec("a", Protocol::Http));
        let same = upstreams.state(&spec("a", Protocol::Http));
        assert!(Arc::ptr_eq(&first, &same));
        assert!(!Arc::ptr_eq(&first, &upstreams.state(&spec("b", Protocol::Http))));
        drop(same);
        let weak = Arc::downgrade(&first);
        drop(first);
        assert!(weak.upgrade().is_none());
        upstreams.forget_unused();
        assert!(upstreams.lock().states.is_empty());
    }

    #[test]
    fn an_endpoint_that_stays_keeps_its_state_and_one_that_comes_back_is_another() {
        let spec = spec("a", Protocol::Http);
        let upstreams = Upstreams::new();
        let state = upstreams.state(&spec);
        upstreams.update_endpoints(&one(&spec, set(&[1, 2], &[])));
        let before = ready(&state);
        upstreams.update_endpoints(&one(&spec, set(&[2, 3], &[])));
        assert!(Arc::ptr_eq(&before[1], &ready(&state)[0]));
        assert!(before[0].is_removed() && !before[1].is_removed());
        upstreams.update_endpoints(&one(&spec, set(&[1, 3], &[2])));
        assert_ne!(ready(&state)[0].id, before[0].id);
        assert!(before[0].is_removed());
        assert!(Arc::ptr_eq(&before[1], &state.endpoints().draining[0]), "draining is no new endpoint");
        assert!(!before[1].is_removed());
    }

    #[test]
    fn endpoints_of_an_upstream_that_no_route_names_are_removed() {
        let spec = spec("a", Protocol::Http);
        let upstreams = Upstreams::new();
        let state = upstreams.state(&spec);
        upstreams.update_endpoints(&one(&spec, set(&[1], &[])));
        let endpoint = ready(&state).remove(0);
        assert!(!endpoint.is_removed());
        drop(state);
        assert!(endpoint.is_removed());
    }

    #[test]
    fn other_settings_share_the_endpoints_and_another_protocol_does_not() {
        let upstreams = Upstreams::new();
        let old = spec("a", Protocol::Http);
        upstreams.update_endpoints(&one(&old, set(&[1, 2], &[])));
        let old = upstreams.state(&old);
        old.turn.store(9, Relaxed);
        let changed = Arc::new(Upstream { balance: Balance::RoundRobin, ..(*spec("a", Protocol::Http)).clone() });
        let changed = upstreams.state(&changed);
        assert!(!Arc::ptr_eq(&old, &changed));
        assert!(ready(&old).iter().zip(&ready(&changed)).all(|(a, b)| Arc::ptr_eq(a, b)));
        assert_eq!(changed.turn.load(Relaxed), 9, "what was used last stays comparable");
        let h2c = upstreams.state(&spec("a", Protocol::H2c));
        assert_eq!(urls(&ready(&h2c)), ["h2c://10.0.0.1:80", "h2c://10.0.0.2:80"]);
        // All that live go on being told, and go on sharing.
        upstreams.update_endpoints(&one(&old.spec, set(&[2, 3], &[])));
        assert!(ready(&old).iter().zip(&ready(&changed)).all(|(a, b)| Arc::ptr_eq(a, b)));
        assert_eq!(urls(&ready(&h2c)), ["h2c://10.0.0.2:80", "h2c://10.0.0.3:80"]);
        let shared = ready(&old);
        drop(old);
        assert!(shared.iter().all(|endpoint| !endpoint.is_removed()), "the other still has them");
        drop(changed);
        assert!(shared.iter().all(|endpoint| endpoint.is_removed()));
    }

    #[test]
    fn what_did_not_change_is_not_touched() {
        let (a, b) = (spec("a", Protocol::Http), spec("b", Protocol::Http));
        let upstreams = Upstreams::new();
        let (first, second) = (upstreams.state(&a), upstreams.state(&b));
        let table = one(&a, set(&[1], &[])).update(b.id.clone(), set(&[2], &[]));
        upstreams.update_endpoints(&table);
        let before = (first.endpoints.load_full(), second.endpoints.load_full());
        upstreams.update_endpoints(&table.update(b.id.clone(), set(&[2, 3], &[])));
        assert!(Arc::ptr_eq(&before.0, &first.endpoints.load_full()));
        assert!(!Arc::ptr_eq(&before.1, &second.endpoints.load_full()));
    }

    #[test]
    fn a_new_endpoint_is_taken_to_be_as_fast_as_the_median() {
        let spec = spec("a", Protocol::Http);
        let upstreams = Upstreams::new();
        let state = upstreams.state(&spec);
        upstreams.update_endpoints(&one(&spec, set(&[1, 2, 3, 4], &[])));
        assert_eq!(ready(&state)[0].load.latency(), 0, "nothing is known");
        for (endpoint, latency) in ready(&state).iter().zip([30, 10, 20]) {
            endpoint.load.learn(crate::proxy::balance::Sample::Answer(latency), 0);
        }
        upstreams.update_endpoints(&one(&spec, set(&[1, 2, 3, 4, 5], &[])));
        assert_eq!(ready(&state)[4].load.latency(), 20);
        assert_eq!(ready(&state)[3].load.latency(), 0, "still unknown");
    }

    #[test]
    fn addresses_are_written_as_users_know_them() {
        let named = EndpointState::new(&Address::Name("db.example.com".into(), 443), Protocol::Https, Load::default());
        assert_eq!(&*named.url, "https://db.example.com:443");
        assert_eq!(named.host_header, "db.example.com:443");
        let six = Address::Socket("[2001:db8::1]:80".parse().expect("an address"));
        assert_eq!(&*EndpointState::new(&six, Protocol::Http, Load::default()).url, "http://[2001:db8::1]:80");
        let odd = EndpointState::new(&Address::Name("a\nb".into(), 80), Protocol::Http, Load::default());
        assert_eq!(odd.host_header, "");
    }

    #[test]
    fn health_says_what_an_admin_wants_to_know() {
        let spec = spec("a", Protocol::Http);
        let upstreams = Upstreams::new();
        assert!(upstreams.health(&spec.id).is_empty());
        let state = upstreams.state(&spec);
        upstreams.update_endpoints(&one(&spec, set(&[1, 2], &[3])));
        let endpoints = ready(&state);
        endpoints[0].load.begin(1);
        endpoints[0].load.learn(crate::proxy::balance::Sample::Answer(5_000_000), 0);
        for _ in 0..3 {
            endpoints[1].ejection.failed(crate::proxy::balance::Fault::Broken, false, 0, || true);
        }
        let health = upstreams.health(&spec.id);
        assert_eq!(
            health[0],
            EndpointHealth {
                url: "http://10.0.0.1:80".into(),
                state: HealthState::Ready,
                in_flight: 1,
                latency: Some(Duration::from_millis(5)),
                requests: 1,
            }
        );
        assert_eq!((health[1].state, health[1].latency), (HealthState::Ejected, None));
        assert_eq!((health[2].state, health.len()), (HealthState::Draining, 3));
    }

    #[test]
    fn retries_are_paid_from_the_upstreams_budget() {
        let state = Upstreams::new().state(&spec("a", Protocol::Http));
        let now = state.epoch;
        let granted = (0..1_000).take_while(|_| state.may_retry(now)).count();
        assert_eq!(granted, 10);
        (0..50).for_each(|_| state.budget.request());
        assert_eq!((0..1_000).take_while(|_| state.may_retry(now)).count(), 10);
    }
}
