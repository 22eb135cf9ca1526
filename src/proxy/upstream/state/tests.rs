//! Endpoints over their lives: which state stays, which goes.

use super::*;
use crate::route::{Balance, Endpoint, HostHeader, PortRef};

fn spec(service: &str, protocol: Protocol) -> Arc<Upstream> {
    let id = UpstreamId::new("default", service, PortRef::Number(80));
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

fn urls(endpoints: &[Arc<EndpointState>]) -> Vec<String> {
    endpoints.iter().map(|endpoint| endpoint.url()).collect()
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
    upstreams.forget_unused();
    assert!(Arc::ptr_eq(&first, &upstreams.state(&first.spec)), "what is used is not forgotten");
    let weak = Arc::downgrade(&first);
    drop(first);
    assert!(weak.upgrade().is_none());
    let next = upstreams.state(&spec("a", Protocol::Http));
    assert_eq!(upstreams.lock().states.get(&next.spec.id).len(), 1, "what is gone is not kept");
    drop(next);
    upstreams.forget_unused();
    assert_eq!(upstreams.lock().states.len(), 0);
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
    upstreams.update_endpoints(&one(&spec, set(&[1, 2, 3, 4, 5], &[])));
    assert_eq!(ready(&state)[0].load.latency(), 0, "nothing is known");
    for (endpoint, latency) in ready(&state).iter().zip([30, 10, 20]) {
        endpoint.load.learn(crate::proxy::balance::Sample::Answer(latency), 0);
    }
    upstreams.update_endpoints(&one(&spec, set(&[1, 2, 3, 4, 5, 6], &[])));
    assert_eq!(ready(&state)[5].load.latency(), 20);
    assert_eq!(ready(&state)[3].load.latency(), 0, "still unknown");
}

#[test]
fn addresses_are_written_as_users_know_them() {
    let named = EndpointState::new(&Address::Name("db.example.com".into(), 443), Protocol::Https, Load::default());
    assert_eq!(named.url(), "https://db.example.com:443");
    assert_eq!(named.host_header(), "db.example.com:443");
    let six = Address::Socket("[2001:db8::1]:80".parse().expect("an address"));
    assert_eq!(EndpointState::new(&six, Protocol::Http, Load::default()).url(), "http://[2001:db8::1]:80");
    let odd = EndpointState::new(&Address::Name("a\nb".into(), 80), Protocol::Http, Load::default());
    assert_eq!(odd.host_header(), "");
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
