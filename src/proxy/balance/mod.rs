//! Chooses an endpoint for each request; knows neither sockets nor clocks: time and randomness are handed in.

mod budget;
mod ejection;
mod lease;
mod p2c;
mod random;
mod round_robin;
#[cfg(test)]
mod simulation;
mod sticky;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use http::{HeaderValue, Request};

use super::upstream::state::{EndpointState, UpstreamState};
use crate::route::Balance;
pub(crate) use budget::RetryBudget;
pub(crate) use ejection::Ejection;
use ejection::Standing;
pub(crate) use lease::Lease;
pub(crate) use p2c::Load;
pub(crate) use sticky::{Session, session};
#[cfg(test)]
pub(crate) use {ejection::Fault, p2c::Sample};

/// The most endpoints that one request is tried at.
pub(crate) const MAX_ENDPOINTS: usize = 3;

/// The endpoints of one request: which its session names, and which it has been tried at.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    upstream: &'a Arc<UpstreamState>,
    /// The endpoint that the request's cookie names.
    session: Option<u64>,
    tried: [u64; MAX_ENDPOINTS],
    count: usize,
    /// The list that was last chosen from.
    generation: u64,
    /// Those that are about to end are left alone.
    spares_draining: bool,
}

impl<'a> Choice<'a> {
    /// For a request to this upstream; its cookies are read where the upstream is sticky.
    pub(crate) fn new<B>(upstream: &'a Arc<UpstreamState>, request: &Request<B>) -> Self {
        let session = upstream.spec.sticky.as_ref().and_then(|sticky| {
            let endpoints = upstream.endpoints();
            sticky::values(request.headers(), &sticky.name).find_map(|value| {
                let mut all = endpoints.ready.iter().chain(&endpoints.draining);
                all.find(|endpoint| endpoint.session() == value).map(|endpoint| endpoint.id)
            })
        });
        Self { upstream, session, tried: [0; MAX_ENDPOINTS], count: 0, generation: 0, spares_draining: false }
    }

    /// For a request that may wait for an endpoint: one that is about to end may end before it has answered, and is its
    /// session's alone.
    pub(crate) fn sparing_draining(mut self, spares: bool) -> Self {
        self.spares_draining = spares;
        self
    }

    /// Whether there are endpoints that are about to end and were left alone so far. From now on they are not, and none
    /// counts as tried.
    pub(crate) fn takes_draining(&mut self) -> bool {
        let takes = std::mem::take(&mut self.spares_draining) && !self.upstream.endpoints().draining.is_empty();
        self.begin_anew_if(takes)
    }

    /// The endpoint to try next, leased, unless there is none or [`MAX_ENDPOINTS`] have been tried. No endpoint is
    /// tried twice.
    pub(crate) fn pick(&mut self, random: &Cell<u64>, now: Instant) -> Option<Lease> {
        let slot = self.count;
        let (upstream, nanos) = (self.upstream, self.upstream.nanos(now));
        let turn = upstream.turn.fetch_add(1, Relaxed);
        let endpoints = upstream.endpoints();
        self.generation = endpoints.generation;
        let (ready, draining) = (&*endpoints.ready, &*endpoints.draining);
        let untried = |endpoint: &EndpointState| !self.tried.contains(&endpoint.id);
        let standing = |endpoint: &EndpointState| endpoint.ejection.standing(nanos);
        // A retry is no occasion to try an endpoint that was bad.
        let due = |endpoint: &EndpointState| slot == 0 && standing(endpoint) == Standing::Due;
        let fit = |endpoint: &EndpointState| untried(endpoint) && standing(endpoint) == Standing::In;
        let fit_or_due = |endpoint: &EndpointState| fit(endpoint) || due(endpoint);

        let mut a_try = false;
        let own = || ready.iter().chain(draining).find(|endpoint| Some(endpoint.id) == self.session && fit(endpoint));
        let endpoint = own()
            .or_else(|| {
                let drawn = upstream.choose(ready, fit_or_due, due, turn, random, nanos)?;
                if !due(drawn) {
                    return Some(drawn);
                }
                a_try = drawn.ejection.take_try(nanos);
                // Another worker may have taken the one try.
                if a_try { Some(drawn) } else { upstream.choose(ready, fit, |_| false, turn, random, nanos) }
            })
            // A group that is ejected as a whole is better than no answer; and so is one that is about to end.
            .or_else(|| upstream.choose(ready, untried, |_| false, turn, random, nanos))
            .or_else(|| {
                let draining = if self.spares_draining { &[] } else { draining };
                upstream.choose(draining, untried, |_| false, turn, random, nanos)
            })?;
        *self.tried.get_mut(slot)? = endpoint.id;
        self.count += 1;
        Some(Lease::new(upstream.clone(), endpoint.clone(), a_try, turn, nanos))
    }

    /// An endpoint once more: a connection that dies says little of its endpoint, and there may be no other. None if it is
    /// one that is left alone.
    pub(crate) fn again(&mut self, endpoint: Arc<EndpointState>, now: Instant) -> Option<Lease> {
        let ready = || self.upstream.endpoints().ready.iter().any(|ready| ready.id == endpoint.id);
        if self.spares_draining && !ready() {
            return None;
        }
        let turn = self.upstream.turn.fetch_add(1, Relaxed);
        self.count += 1;
        Some(Lease::new(self.upstream.clone(), endpoint, false, turn, self.upstream.nanos(now)))
    }

    /// Whether there are endpoints to choose from, and others than there were last; if so, none counts as tried.
    pub(crate) fn may_begin_anew(&mut self) -> bool {
        let endpoints = self.upstream.endpoints();
        let some = !endpoints.ready.is_empty() || !self.spares_draining && !endpoints.draining.is_empty();
        let anew = some && endpoints.generation != self.generation;
        self.begin_anew_if(anew)
    }

    fn begin_anew_if(&mut self, anew: bool) -> bool {
        if anew {
            (self.tried, self.count) = ([0; MAX_ENDPOINTS], 0);
        }
        anew
    }

    /// How many endpoints have been tried.
    pub(crate) fn tried(&self) -> usize {
        self.count
    }

    /// The `Set-Cookie` that keeps the client with `endpoint`, which answered; none if its cookie says so already.
    pub(crate) fn cookie_for(&self, endpoint: &EndpointState) -> Option<HeaderValue> {
        let sticky = self.upstream.spec.sticky.as_ref()?;
        if self.session == Some(endpoint.id) {
            return None;
        }
        sticky::set_cookie(sticky, *endpoint.session())
    }
}

impl UpstreamState {
    fn choose<'e>(
        &self,
        endpoints: &'e [Arc<EndpointState>],
        eligible: impl Fn(&EndpointState) -> bool,
        urgent: impl Fn(&EndpointState) -> bool,
        turn: u64,
        random: &Cell<u64>,
        now: u64,
    ) -> Option<&'e Arc<EndpointState>> {
        match self.spec.balance {
            Balance::PeakEwma => p2c::choose(endpoints, eligible, urgent, random, now),
            Balance::RoundRobin => round_robin::choose(endpoints, eligible, turn),
        }
    }
}
