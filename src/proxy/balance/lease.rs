//! A lease: one request's hold on one endpoint, from the choice to the end of the answer.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;

use super::ejection::Fault;
use super::p2c::Sample;
use crate::proxy::upstream::state::{EndpointState, UpstreamState};

/// One request at one endpoint. It counts as in flight until this is dropped. To be told once how the wait for an
/// answer ended: [`Lease::answered`], [`Lease::failed`] or [`Lease::cancelled`].
pub(crate) struct Lease {
    upstream: Arc<UpstreamState>,
    endpoint: Arc<EndpointState>,
    /// The one request that an ejected endpoint is tried by.
    a_try: bool,
    started: u64,
    waiting: Cell<bool>,
}

impl Lease {
    pub(super) fn new(
        upstream: Arc<UpstreamState>,
        endpoint: Arc<EndpointState>,
        a_try: bool,
        turn: u64,
        started: u64,
    ) -> Self {
        endpoint.load.begin(turn);
        Self { upstream, endpoint, a_try, started, waiting: Cell::new(true) }
    }

    /// The endpoint.
    pub(crate) fn endpoint(&self) -> &Arc<EndpointState> {
        &self.endpoint
    }

    /// The head of its answer has come.
    pub(crate) fn answered(&self, now: Instant, status: StatusCode) {
        let now = self.upstream.nanos(now);
        let took = self.end_wait(now);
        let sample = match status.as_u16() {
            502..=504 => {
                self.blame(Fault::Gateway, now);
                Sample::Failure(took)
            }
            status => {
                if self.endpoint.ejection.succeeded(now) {
                    self.endpoint.load.forget();
                }
                if status < 500 { Sample::Answer(took) } else { Sample::Error(took) }
            }
        };
        self.endpoint.load.learn(sample, now);
    }

    /// It could not be connected to, or gave no answer that can be used; also after [`Lease::answered`], when what
    /// followed the head was none.
    pub(crate) fn failed(&self, now: Instant) {
        let now = self.upstream.nanos(now);
        let took = self.end_wait(now);
        self.blame(Fault::Broken, now);
        self.endpoint.load.learn(Sample::Failure(took), now);
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn cancelled(&self, now: Instant) {
        let now = self.upstream.nanos(now);
        let took = self.end_wait(now);
        self.endpoint.load.learn(Sample::Cancelled(took), now);
    }

    fn blame(&self, fault: Fault, now: u64) {
        self.endpoint.ejection.failed(fault, self.a_try, now, || self.upstream.can_do_without_one_more());
    }

    /// Ends the wait, once; how long it was.
    fn end_wait(&self, now: u64) -> u64 {
        if self.waiting.replace(false) {
            self.endpoint.load.end_wait();
        }
        now.saturating_sub(self.started)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.waiting.get() {
            // The request was dropped while it waited: the one place where no one can hand in the time.
            self.cancelled(Instant::now());
        }
        self.endpoint.load.end();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("endpoint", &self.endpoint.url()).field("waiting", &self.waiting.get()).finish()
    }
}
