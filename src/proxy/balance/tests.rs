//! Which endpoint is chosen, request by request.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, StatusCode, header};

use super::simulation::{address, endpoints, upstream};
use super::{Choice, Lease, MAX_ENDPOINTS};
use crate::proxy::upstream::state::{HealthState, UpstreamState, Upstreams};
use crate::route::{Address, Balance, SameSite, Sticky, Upstream};

struct Bench {
    upstreams: Upstreams,
    state: Arc<UpstreamState>,
    random: Cell<u64>,
    now: Instant,
}

impl Bench {
    fn new(balance: Balance, ready: usize, draining: usize) -> Self {
        Self::with(&upstream(balance), ready, draining)
    }

    fn with(spec: &Arc<Upstream>, ready: usize, draining: usize) -> Self {
        let upstreams = Upstreams::new();
        upstreams.update_endpoints(&endpoints(spec, ready, draining));
        let state = upstreams.state(spec);
        Self { upstreams, state, random: Cell::new(1), now: Instant::now() }
    }

    fn resize(&self, ready: usize, draining: usize) {
        self.upstreams.update_endpoints(&endpoints(&self.state.spec, ready, draining));
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn choice(&self) -> Choice<'_> {
        Choice::new(&self.state, &Request::new(()))
    }

    fn choice_with(&self, cookie: &str) -> Choice<'_> {
        Choice::new(&self.state, &Request::builder().header(header::COOKIE, cookie).body(()).expect("a request"))
    }

    fn pick<'c>(&self, choice: &mut Choice<'c>) -> Option<Lease> {
        choice.pick(&self.random, self.now)
    }

    /// One request that is answered at once; where it went.
    fn answered(&self, status: StatusCode) -> Option<Address> {
        let lease = self.pick(&mut self.choice())?;
        lease.answered(self.now, status);
        Some(lease.endpoint().address.clone())
    }

    fn failed(&self) -> Option<Address> {
        let lease = self.pick(&mut self.choice())?;
        lease.failed(self.now);
        Some(lease.endpoint().address.clone())
    }

    /// Fails requests until this endpoint is ejected.
    fn eject(&self, n: usize) {
        for _ in 0..1_000 {
            if self.ejected().contains(&n) {
                return;
            }
            let lease = self.pick(&mut self.choice()).expect("an endpoint");
            match lease.endpoint().address == address(n) {
                true => lease.failed(self.now),
                false => lease.answered(self.now, StatusCode::OK),
            }
        }
        panic!("{n} is not ejected");
    }

    fn ejected(&self) -> Vec<usize> {
        let health = self.upstreams.health(&self.state.spec.id);
        health.iter().enumerate().filter(|(_, it)| it.state == HealthState::Ejected).map(|(n, _)| n).collect()
    }
}

fn sticky(balance: Balance) -> Arc<Upstream> {
    let sticky = Sticky {
        name: "session".into(),
        secure: false,
        http_only: true,
        same_site: Some(SameSite::Lax),
        max_age: None,
        path: "/".into(),
        domain: None,
    };
    Arc::new(Upstream { sticky: Some(Arc::new(sticky)), ..(*upstream(balance)).clone() })
}

/// Tries endpoint after endpoint of one request; in which order.
fn tries(bench: &Bench) -> Vec<Address> {
    let mut choice = bench.choice();
    let leases: Vec<_> = std::iter::from_fn(|| bench.pick(&mut choice)).collect();
    assert_eq!(choice.tried(), leases.len());
    leases.iter().map(|lease| lease.endpoint().address.clone()).collect()
}

#[test]
fn without_endpoints_there_is_no_choice() {
    for balance in [Balance::PeakEwma, Balance::RoundRobin] {
        assert_eq!(tries(&Bench::new(balance, 0, 0)), []);
    }
}

#[test]
fn one_request_tries_each_endpoint_once_and_three_at_most() {
    for balance in [Balance::PeakEwma, Balance::RoundRobin] {
        for (count, tried) in [(1, 1), (2, 2), (3, 3), (4, MAX_ENDPOINTS), (50, 3)] {
            let bench = Bench::new(balance, count, 0);
            let order = tries(&bench);
            assert_eq!(order.len(), tried, "{balance:?} over {count}");
            assert_eq!(order.iter().collect::<HashSet<_>>().len(), tried, "{balance:?} over {count}");
        }
    }
}

#[test]
fn draining_endpoints_are_the_last_resort() {
    for balance in [Balance::PeakEwma, Balance::RoundRobin] {
        assert_eq!(tries(&Bench::new(balance, 0, 1)), [address(0)]);
        for _ in 0..20 {
            assert_eq!(tries(&Bench::new(balance, 1, 1)), [address(0), address(1)]);
        }
        let bench = Bench::new(balance, 2, 3);
        for _ in 0..50 {
            let at = bench.answered(StatusCode::OK).expect("an endpoint");
            assert!(at < address(2), "{at}");
        }
    }
}

#[test]
fn an_ejected_endpoint_is_used_before_a_draining_one() {
    let bench = Bench::new(Balance::PeakEwma, 2, 1);
    bench.eject(0);
    assert_eq!(tries(&bench), [address(1), address(0), address(2)]);
}

#[test]
fn round_robin_goes_strictly_round_over_all_workers() {
    let bench = Bench::new(Balance::RoundRobin, 3, 0);
    let order: Vec<_> = (0..9).map(|_| bench.answered(StatusCode::OK).expect("an endpoint")).collect();
    assert_eq!(order[..3].iter().collect::<HashSet<_>>().len(), 3);
    assert_eq!(order[..3], order[3..6]);
    assert_eq!(order[..3], order[6..]);
}

#[test]
fn the_turns_of_ejected_endpoints_go_round_among_the_others() {
    for (ejected, expected) in [(&[1][..], [400, 0, 400, 400]), (&[1, 3], [600, 0, 600, 0])] {
        let bench = Bench::new(Balance::RoundRobin, 4, 0);
        ejected.iter().for_each(|&n| bench.eject(n));
        let mut counts = [0_u32; 4];
        for _ in 0..1_200 {
            let at = bench.answered(StatusCode::OK).expect("an endpoint");
            counts[(0..4).find(|&n| address(n) == at).expect("one of four")] += 1;
        }
        assert_eq!(counts, expected);
    }
}

#[test]
fn an_endpoint_that_fails_three_times_is_left_alone_and_then_tried_by_one_request() {
    for balance in [Balance::PeakEwma, Balance::RoundRobin] {
        let mut bench = Bench::new(balance, 3, 0);
        bench.eject(2);
        assert_eq!(bench.ejected(), [2]);
        for _ in 0..100 {
            assert_ne!(bench.answered(StatusCode::OK), Some(address(2)));
        }
        bench.later(2);
        let leases: Vec<_> = (0..100).map(|_| bench.pick(&mut bench.choice()).expect("an endpoint")).collect();
        let (trying, others): (Vec<_>, Vec<_>) =
            leases.into_iter().partition(|lease| lease.endpoint().address == address(2));
        assert_eq!(trying.len(), 1, "{balance:?}: one request tries it");
        assert_eq!(bench.ejected(), [2]);
        trying.iter().for_each(|lease| lease.answered(bench.now, StatusCode::OK));
        assert!(bench.ejected().is_empty());
        drop((trying, others));
        assert!((0..20).any(|_| bench.answered(StatusCode::OK) == Some(address(2))), "{balance:?}: it is back");
    }
}

#[test]
fn a_try_that_fails_keeps_it_out_for_longer() {
    let mut bench = Bench::new(Balance::PeakEwma, 2, 0);
    bench.eject(0);
    bench.later(1);
    assert!((0..10).any(|_| bench.failed() == Some(address(0))), "the try");
    bench.later(1);
    assert!((0..100).all(|_| bench.answered(StatusCode::OK) == Some(address(1))));
    bench.later(1);
    assert!((0..10).any(|_| bench.answered(StatusCode::OK) == Some(address(0))), "the second try");
}

#[test]
fn a_try_that_is_due_goes_before_any_comparison() {
    for seed in 0..20 {
        let mut bench = Bench::new(Balance::PeakEwma, 2, 0);
        bench.random = Cell::new(seed);
        bench.eject(0);
        bench.later(1);
        let at: Vec<_> = (0..2).map(|_| bench.pick(&mut bench.choice()).expect("an endpoint")).collect();
        assert_eq!(at[0].endpoint().address, address(0), "seed {seed}");
        assert_eq!(at[1].endpoint().address, address(1), "seed {seed}: the one try is taken");
    }
}

#[test]
fn a_retry_is_no_occasion_to_try_an_ejected_endpoint() {
    let mut bench = Bench::new(Balance::PeakEwma, 3, 0);
    bench.eject(0);
    bench.later(5);
    // The first takes the try that is due; from then on none is.
    let _try = (0..20)
        .map(|_| bench.pick(&mut bench.choice()))
        .find(|lease| lease.as_ref().is_some_and(|lease| lease.endpoint().address == address(0)));
    bench.later(5);
    let mut choice = bench.choice();
    choice.tried[0] = u64::MAX;
    choice.count = 1;
    let lease = bench.pick(&mut choice).expect("an endpoint");
    assert_ne!(lease.endpoint().address, address(0));
    assert_eq!(bench.ejected(), [0]);
}

#[test]
fn at_most_half_are_ejected_and_never_the_last() {
    for (count, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (9, 4)] {
        let bench = Bench::new(Balance::RoundRobin, count, 0);
        for _ in 0..count * 20 {
            bench.failed();
        }
        assert_eq!(bench.ejected().len(), most, "of {count}");
        assert!(bench.answered(StatusCode::OK).is_some());
    }
}

#[test]
fn when_all_that_are_left_are_ejected_they_are_used() {
    let bench = Bench::new(Balance::PeakEwma, 4, 0);
    bench.eject(0);
    bench.eject(1);
    bench.resize(2, 0);
    assert_eq!(bench.ejected(), [0, 1]);
    assert!(bench.answered(StatusCode::NOT_FOUND).is_some_and(|at| at < address(2)));
    assert_eq!(bench.ejected().len(), 1, "and an answer takes them back");
}

#[test]
fn gateway_errors_count_as_failures_and_errors_of_the_application_do_not() {
    for (status, ejected) in [(500, 0), (501, 0), (502, 1), (503, 1), (504, 1), (505, 0), (404, 0)] {
        let bench = Bench::new(Balance::RoundRobin, 2, 0);
        for _ in 0..40 {
            bench.answered(StatusCode::from_u16(status).expect("a status"));
        }
        assert_eq!(bench.ejected().len(), ejected, "{status}");
    }
}

#[test]
fn six_gateway_errors_in_a_row_eject_as_three_broken_requests_do() {
    for (fails, fine) in [(6, false), (5, true)] {
        let bench = Bench::new(Balance::RoundRobin, 2, 0);
        for turn in 0..12 {
            let lease = bench.pick(&mut bench.choice()).expect("an endpoint");
            let bad = lease.endpoint().address == address(0) && turn / 2 < fails;
            lease.answered(bench.now, if bad { StatusCode::BAD_GATEWAY } else { StatusCode::OK });
        }
        assert_eq!(bench.ejected().is_empty(), fine, "{fails}");
    }
}

#[test]
fn fast_errors_do_not_make_an_endpoint_look_fast() {
    for (status, credited) in [(200, true), (404, true), (500, false), (501, false)] {
        let bench = Bench::new(Balance::PeakEwma, 1, 0);
        let answer = |after: u64, status: u16| {
            let lease = bench.pick(&mut bench.choice()).expect("an endpoint");
            let status = StatusCode::from_u16(status).expect("a status");
            lease.answered(bench.now + Duration::from_millis(after), status);
            bench.upstreams.health(&bench.state.spec.id)[0].latency.expect("it has answered")
        };
        for _ in 0..3 {
            answer(100, 200);
        }
        let before = answer(100, 200);
        assert_eq!(before, Duration::from_millis(100));
        assert_eq!(answer(100, 200), before);
        assert_eq!(answer(1, status) < before, credited, "{status}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_a_failure_and_a_client_that_leaves_is_none() {
    let bench = Bench::new(Balance::RoundRobin, 2, 0);
    for _ in 0..6 {
        let lease = bench.pick(&mut bench.choice()).expect("an endpoint");
        lease.cancelled(bench.now);
    }
    for _ in 0..6 {
        drop(bench.pick(&mut bench.choice()));
    }
    assert_eq!(bench.ejected().len(), 0);
    for _ in 0..6 {
        let lease = bench.pick(&mut bench.choice()).expect("an endpoint");
        lease.failed(bench.now);
    }
    assert_eq!(bench.ejected().len(), 1);
}

#[test]
fn a_request_is_in_flight_until_its_lease_is_dropped() {
    let bench = Bench::new(Balance::PeakEwma, 1, 0);
    let in_flight = || bench.upstreams.health(&bench.state.spec.id)[0].in_flight;
    let first = bench.pick(&mut bench.choice()).expect("an endpoint");
    let second = bench.pick(&mut bench.choice()).expect("an endpoint");
    assert_eq!(in_flight(), 2);
    first.answered(bench.now, StatusCode::OK);
    first.failed(bench.now);
    assert_eq!(in_flight(), 2);
    drop(first);
    assert_eq!(in_flight(), 1);
    drop(second);
    assert_eq!(in_flight(), 0);
    assert_eq!(bench.upstreams.health(&bench.state.spec.id)[0].requests, 2);
}

#[test]
fn an_upstream_that_is_not_sticky_sets_no_cookie() {
    let bench = Bench::new(Balance::PeakEwma, 2, 0);
    let mut choice = bench.choice_with("session=df5bd2f9c0180410");
    let lease = bench.pick(&mut choice).expect("an endpoint");
    assert!(choice.cookie_for(lease.endpoint()).is_none());
}

#[test]
fn a_session_stays_with_its_endpoint_and_gets_no_second_cookie() {
    for balance in [Balance::PeakEwma, Balance::RoundRobin] {
        let bench = Bench::with(&sticky(balance), 4, 0);
        let mut choice = bench.choice();
        let lease = bench.pick(&mut choice).expect("an endpoint");
        let set = choice.cookie_for(lease.endpoint()).expect("a cookie");
        let set = set.to_str().expect("text").to_owned();
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
        let cookie = set.split(';').next().expect("a pair");
        for _ in 0..50 {
            let mut choice = bench.choice_with(&format!("session=gone; {cookie}; other=1"));
            let again = bench.pick(&mut choice).expect("an endpoint");
            assert_eq!(again.endpoint().id, lease.endpoint().id);
            assert!(choice.cookie_for(again.endpoint()).is_none());
        }
    }
}

#[test]
fn a_session_stays_with_an_endpoint_that_drains_and_leaves_one_that_is_gone_or_ejected() {
    let bench = Bench::with(&sticky(Balance::PeakEwma), 3, 0);
    let of =
        |n: usize| format!("session={}", String::from_utf8_lossy(&super::session(&format!("http://{}", address(n)))));
    let goes_to = |n: usize| {
        let mut choice = bench.choice_with(&of(n));
        let lease = bench.pick(&mut choice).expect("an endpoint");
        (lease.endpoint().address.clone(), choice.cookie_for(lease.endpoint()).is_some())
    };
    assert_eq!(goes_to(2), (address(2), false));
    bench.resize(2, 1);
    assert_eq!(goes_to(2), (address(2), false));
    bench.resize(2, 0);
    let (at, new) = goes_to(2);
    assert!(at < address(2) && new);
    bench.eject(0);
    assert_eq!(goes_to(0), (address(1), true));
}

#[test]
fn a_retry_of_a_session_goes_elsewhere_and_takes_the_session_along() {
    let bench = Bench::with(&sticky(Balance::PeakEwma), 2, 0);
    let first = bench.pick(&mut bench.choice()).expect("an endpoint");
    let cookie = format!("session={}", String::from_utf8_lossy(first.endpoint().session()));
    let mut choice = bench.choice_with(&cookie);
    let own = bench.pick(&mut choice).expect("its own");
    let other = bench.pick(&mut choice).expect("the other");
    assert_eq!(own.endpoint().id, first.endpoint().id);
    assert_ne!(other.endpoint().id, first.endpoint().id);
    assert!(choice.cookie_for(other.endpoint()).is_some());
}

#[test]
fn few_eligible_among_many_are_found() {
    let bench = Bench::new(Balance::PeakEwma, 100, 0);
    let endpoints = bench.state.endpoints();
    for seed in 0..50 {
        let random = Cell::new(seed);
        let only = |wanted: [usize; 2]| {
            let eligible = |endpoint: &super::EndpointState| wanted.iter().any(|&n| endpoint.address == address(n));
            super::p2c::choose(&endpoints.ready, eligible, |_| false, &random, 0).map(|found| found.address.clone())
        };
        assert!([Some(address(7)), Some(address(93))].contains(&only([7, 93])));
        assert_eq!(only([50, 50]), Some(address(50)));
        assert_eq!(only([200, 200]), None);
    }
}
