//! The balancer in simulated time: no sockets, no clock, every run replayable by its seed.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};

use super::{Choice, Lease, random};
use crate::proxy::upstream::state::{UpstreamState, Upstreams};
use crate::route::{
    Address, Balance, Condition, Endpoint, EndpointSet, EndpointTable, HostHeader, PortRef, Protocol, Upstream,
    UpstreamId,
};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const SEEDS: u64 = 12;

pub(super) fn upstream(balance: Balance) -> Arc<Upstream> {
    let id = UpstreamId::new("default", "test", PortRef::Number(80));
    Arc::new(Upstream { id, protocol: Protocol::Http, host_header: HostHeader::Pass, balance, sticky: None })
}

pub(super) fn address(n: usize) -> Address {
    Address::Socket(([10, 0, (n / 256) as u8, (n % 256) as u8], 80).into())
}

/// Endpoints 0 to `ready`, and after them as many that drain.
pub(super) fn endpoints(spec: &Upstream, ready: usize, draining: usize) -> EndpointTable {
    let condition = |n| if n < ready { Condition::Ready } else { Condition::Draining };
    let endpoints = (0..ready + draining).map(|n| Endpoint { address: address(n), condition: condition(n) });
    EndpointTable::unit(spec.id.clone(), Arc::new(EndpointSet { endpoints: endpoints.collect() }))
}

/// What an endpoint does with a request.
#[derive(Clone, Copy, Debug)]
enum Reply {
    Answer(u64, u16),
    Reset(u64),
    Never,
}

/// An answer after `mean` nanoseconds, give or take half of it.
fn about(mean: u64, random: &Cell<u64>) -> Reply {
    Reply::Answer(mean / 2 + random::next(random) % mean, 200)
}

/// One request, as it ended.
#[derive(Clone, Copy, Debug)]
struct Record {
    at: u64,
    endpoint: usize,
    took: u64,
    good: bool,
}

struct Simulation {
    upstreams: Upstreams,
    state: Arc<UpstreamState>,
    base: Instant,
    random: Cell<u64>,
    workers: [Cell<u64>; 2],
    under_way: BinaryHeap<Reverse<(u64, usize)>>,
    leases: Vec<Option<(Lease, Reply, u64)>>,
    records: Vec<Record>,
}

/// Clients leave after this time.
const PATIENCE: u64 = 10 * SECOND;

impl Simulation {
    fn new(seed: u64, count: usize) -> Self {
        let upstreams = Upstreams::new();
        let spec = upstream(Balance::PeakEwma);
        upstreams.update_endpoints(&endpoints(&spec, count, 0));
        let state = upstreams.state(&spec);
        Self {
            upstreams,
            state,
            base: Instant::now(),
            random: Cell::new(seed),
            workers: [Cell::new(seed + 1), Cell::new(seed + 2)],
            under_way: BinaryHeap::new(),
            leases: Vec::new(),
            records: Vec::new(),
        }
    }

    fn resize(&self, count: usize) {
        self.upstreams.update_endpoints(&endpoints(&self.state.spec, count, 0));
    }

    fn instant(&self, at: u64) -> Instant {
        self.base + Duration::from_nanos(at)
    }

    /// A request at `at`; what it meets is up to `reply`.
    fn request(&mut self, at: u64, patience: u64, reply: &dyn Fn(usize, u64, &Cell<u64>) -> Reply) {
        self.run_until(at);
        let request = Request::new(());
        let state = self.state.clone();
        let worker = &self.workers[self.leases.len() % 2];
        let lease = Choice::new(&state, &request).pick(worker, self.instant(at)).expect("there are endpoints");
        let endpoint = number(&lease);
        let reply = match reply(endpoint, at, &self.random) {
            Reply::Answer(after, _) | Reply::Reset(after) if after > patience => Reply::Never,
            reply => reply,
        };
        let after = match reply {
            Reply::Answer(after, _) | Reply::Reset(after) => after,
            Reply::Never => patience,
        };
        self.under_way.push(Reverse((at + after, self.leases.len())));
        let good = matches!(reply, Reply::Answer(_, 200));
        self.records.push(Record { at, endpoint, took: after, good });
        self.leases.push(Some((lease, reply, at)));
    }

    fn run_until(&mut self, time: u64) {
        while let Some(&Reverse((at, place))) = self.under_way.peek()
            && at <= time
        {
            self.under_way.pop();
            let (lease, reply, _) = self.leases[place].take().expect("each ends once");
            match reply {
                Reply::Answer(_, status) => {
                    lease.answered(self.instant(at), StatusCode::from_u16(status).expect("a status"));
                }
                Reply::Reset(_) => lease.failed(self.instant(at)),
                Reply::Never => lease.cancelled(self.instant(at)),
            }
        }
    }

    /// `rate` requests per second from `from` to `to`, at random moments.
    fn load(&mut self, from: u64, to: u64, rate: u64, patience: u64, reply: &dyn Fn(usize, u64, &Cell<u64>) -> Reply) {
        let gap = SECOND / rate;
        let mut at = from;
        loop {
            at += random::next(&self.random) % (2 * gap) + 1;
            if at >= to {
                return;
            }
            self.request(at, patience, reply);
        }
    }

    fn end(mut self) -> Vec<Record> {
        self.run_until(u64::MAX);
        let endpoints = self.state.endpoints();
        for endpoint in &endpoints.ready {
            assert_eq!(endpoint.load.in_flight(), 0, "every lease is given back");
        }
        drop(endpoints);
        self.records
    }
}

fn number(lease: &Lease) -> usize {
    match &lease.endpoint().address {
        Address::Socket(std::net::SocketAddr::V4(address)) => {
            let [_, _, high, low] = address.ip().octets();
            usize::from(high) * 256 + usize::from(low)
        }
        other => panic!("not one of ours: {other}"),
    }
}

fn share(records: &[Record], endpoint: usize, from: u64, to: u64) -> f64 {
    let within: Vec<_> = records.iter().filter(|record| (from..to).contains(&record.at)).collect();
    within.iter().filter(|record| record.endpoint == endpoint).count() as f64 / within.len().max(1) as f64
}

fn good_within(records: &[Record], limit: u64) -> f64 {
    records.iter().filter(|record| record.good && record.took <= limit).count() as f64 / records.len() as f64
}

#[test]
fn with_one_of_four_slow_by_two_seconds_999_of_1000_requests_take_less_than_one() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 4);
        run.load(0, 30 * SECOND, 1_000, PATIENCE, &|endpoint, _, random| match endpoint {
            2 => about(2 * SECOND, random),
            _ => about(5 * MS, random),
        });
        let good = good_within(&run.end(), SECOND);
        assert!(good >= 0.999, "seed {seed}: {good}");
    }
}

#[test]
fn an_endpoint_that_becomes_slow_is_left_and_comes_back_when_it_is_fast_again() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 4);
        run.load(0, 90 * SECOND, 500, PATIENCE, &|endpoint, at, random| match endpoint {
            2 if (10 * SECOND..40 * SECOND).contains(&at) => about(2 * SECOND, random),
            _ => about(5 * MS, random),
        });
        let records = run.end();
        let good = good_within(&records, SECOND);
        assert!(good >= 0.999, "seed {seed}: {good}");
        let after = share(&records, 2, 65 * SECOND, 90 * SECOND);
        assert!((0.2..0.3).contains(&after), "seed {seed}: {after}");
    }
}

#[test]
fn a_resetting_endpoint_is_ejected_tried_now_and_then_and_taken_back() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 4);
        run.load(0, 60 * SECOND, 1_000, PATIENCE, &|endpoint, at, random| match endpoint {
            1 if at < 20 * SECOND => Reply::Reset(MS / 5),
            _ => about(5 * MS, random),
        });
        let records = run.end();
        let bad = records.iter().filter(|record| !record.good).count();
        assert!((4..=12).contains(&bad), "seed {seed}: {bad} of {}", records.len());
        let after = share(&records, 1, 35 * SECOND, 60 * SECOND);
        assert!((0.2..0.3).contains(&after), "seed {seed}: {after}");
    }
}

#[test]
fn a_silent_endpoint_keeps_few_waiting() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 4);
        run.load(0, 30 * SECOND, 1_000, SECOND, &|endpoint, _, random| match endpoint {
            3 => Reply::Never,
            _ => about(5 * MS, random),
        });
        let good = good_within(&run.end(), SECOND);
        assert!(good >= 0.999, "seed {seed}: {good}");
    }
}

#[test]
fn fast_refusals_do_not_draw_the_load() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 4);
        run.load(0, 30 * SECOND, 1_000, PATIENCE, &|endpoint, _, random| match endpoint {
            0 => Reply::Answer(MS / 10, 503),
            _ => about(20 * MS, random),
        });
        let good = good_within(&run.end(), SECOND);
        assert!(good >= 0.999, "seed {seed}: {good}");
    }
}

#[test]
fn an_endpoint_that_refuses_every_other_request_gets_few() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 4);
        run.load(0, 30 * SECOND, 1_000, PATIENCE, &|endpoint, _, random| match endpoint {
            0 if random::next(random).is_multiple_of(2) => Reply::Answer(MS / 10, 503),
            0 => Reply::Answer(MS, 200),
            _ => about(20 * MS, random),
        });
        let refused = share(&run.end(), 0, 0, 30 * SECOND);
        assert!(refused < 0.01, "seed {seed}: {refused}");
    }
}

#[test]
fn when_three_of_four_refuse_the_one_left_serves_nearly_all() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 4);
        run.load(0, 30 * SECOND, 200, PATIENCE, &|endpoint, _, random| match endpoint {
            0 => about(5 * MS, random),
            _ => Reply::Reset(MS / 10),
        });
        let good = good_within(&run.end(), SECOND);
        assert!(good >= 0.99, "seed {seed}: {good}");
    }
}

#[test]
fn a_new_endpoint_takes_its_share_within_a_second_and_is_not_flooded_before() {
    for seed in 0..SEEDS {
        for (before, mean) in [(3, 5 * MS), (3, 100 * MS), (9, 20 * MS)] {
            let reply = move |_: usize, _: u64, random: &Cell<u64>| about(mean, random);
            let mut run = Simulation::new(seed, before);
            run.load(0, 5 * SECOND, 1_000, PATIENCE, &reply);
            run.resize(before + 1);
            run.load(5 * SECOND, 10 * SECOND, 1_000, PATIENCE, &reply);
            let records = run.end();
            let fair = 1.0 / (before as f64 + 1.0);
            let first = share(&records, before, 5 * SECOND, 5 * SECOND + 100 * MS);
            assert!(first <= 3.0 * fair, "seed {seed}, {before} before it: {first} of the first 100 ms");
            let second = share(&records, before, 5 * SECOND, 6 * SECOND);
            assert!((0.6 * fair..1.6 * fair).contains(&second), "seed {seed}, {before} before it: {second}");
            let later = share(&records, before, 6 * SECOND, 10 * SECOND);
            assert!((0.75 * fair..1.25 * fair).contains(&later), "seed {seed}, {before} before it: {later}");
        }
    }
}

#[test]
fn a_sequential_client_alternates_between_two_like_endpoints() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 2);
        let mut at = 0;
        for _ in 0..1_000 {
            at += 20 * MS;
            run.request(at, PATIENCE, &|_, _, random| Reply::Answer(5 * MS + random::next(random) % (2 * MS), 200));
        }
        let records = run.end();
        assert!(records.windows(2).all(|pair| pair[0].endpoint != pair[1].endpoint), "seed {seed}");
    }
}

#[test]
fn a_slow_path_that_every_endpoint_has_leaves_the_shares_even() {
    for seed in 0..SEEDS {
        for rate in [20, 200, 2_000] {
            let mut run = Simulation::new(seed, 4);
            run.load(0, 30 * SECOND, rate, PATIENCE, &|_, _, random| match random::below(random, 100) {
                0 => Reply::Answer(SECOND, 200),
                _ => about(5 * MS, random),
            });
            let records = run.end();
            for endpoint in 0..4 {
                let share = share(&records, endpoint, 0, 30 * SECOND);
                assert!((0.17..0.33).contains(&share), "seed {seed}, {rate} a second, endpoint {endpoint}: {share}");
            }
        }
    }
}

#[test]
fn a_burst_spreads_over_all_and_does_not_run_to_the_one_that_looks_best() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 20);
        run.load(0, 5 * SECOND, 1_000, PATIENCE, &|_, _, random| about(10 * MS, random));
        run.resize(21);
        let from = 6 * SECOND;
        for n in 0..420 {
            run.request(from + n, PATIENCE, &|_, _, random| about(10 * MS, random));
        }
        let records = run.end();
        for endpoint in 0..21 {
            let got = records.iter().filter(|record| record.at >= from && record.endpoint == endpoint).count();
            assert!((14..=24).contains(&got), "seed {seed}: endpoint {endpoint} got {got} of 420, 20 would be even");
        }
    }
}

#[test]
fn nobody_starves_among_endpoints_of_different_speed() {
    for seed in 0..SEEDS {
        let mut run = Simulation::new(seed, 8);
        run.load(0, 20 * SECOND, 1_000, PATIENCE, &|endpoint, _, random| about((4 + endpoint as u64) * MS, random));
        let records = run.end();
        for endpoint in 0..8 {
            let share = share(&records, endpoint, 0, 20 * SECOND);
            assert!((0.05..0.25).contains(&share), "seed {seed}: endpoint {endpoint}: {share}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut run = Simulation::new(seed, 5);
        run.load(0, SECOND, 500, PATIENCE, &|_, _, random| about(5 * MS, random));
        run.end().iter().map(|record| (record.at, record.endpoint)).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
