//! Waiting for an endpoint where none can be reached (`upstream.waitForEndpoint`): a rollout that replaces all pods at
//! once, or a Service scaled to nothing, costs a pause instead of a failure.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use http::Request;
use tokio::time::{Instant, timeout_at};

use super::Error;
use super::balance::Choice;
use super::connection::Connection;
use super::exchange::Exchange;
use super::upstream::state::UpstreamState;
use crate::telemetry::meters::Wait;

/// The endpoints of a request to this upstream. One that may wait for others leaves those alone that are about to end.
pub(crate) fn choose<'a, B>(
    connection: &Connection,
    upstream: &'a Arc<UpstreamState>,
    request: &Request<B>,
) -> Choice<'a> {
    Choice::new(upstream, request).sparing_draining(may_wait(connection))
}

fn may_wait(connection: &Connection) -> bool {
    !connection.worker.shared.transport.wait_for_endpoint.is_zero()
}

/// Waits until the upstream has other endpoints than those of the last choice, so that the request can be tried anew.
/// `last` is why it could not be sent so far; it is the answer where nobody may wait. In the end even endpoints that are
/// about to end will do. Dropped, it waits no more.
pub(crate) fn for_endpoints<'a>(
    exchange: &'a Exchange,
    upstream: &'a Arc<UpstreamState>,
    choice: &'a mut Choice<'_>,
    last: Error,
) -> Pin<Box<impl Future<Output = Result<(), Error>>>> {
    // Rare: on the heap, so that the common path stays small.
    Box::pin(async move {
        if !may_wait(&exchange.connection) {
            return Err(last);
        }
        let shared = &exchange.connection.worker.shared;
        let own = Instant::from_std(exchange.started) + shared.transport.wait_for_endpoint;
        let until = exchange.deadline().map_or(own, |deadline| own.min(deadline));
        let Some(place) = shared.waiters.enter(&upstream.spec.id) else {
            shared.meters.own().wait_ended(Wait::Full);
            return Err(last);
        };
        let mut waiting = Waiting::begin(&exchange.connection);
        loop {
            let mut changed = pin!(place.changed());
            changed.as_mut().enable();
            if choice.may_begin_anew() {
                waiting.outcome = Wait::Endpoint;
                return Ok(());
            }
            if timeout_at(until, changed).await.is_err() {
                waiting.outcome = Wait::Expired;
                if choice.takes_draining() {
                    return Ok(());
                }
                return Err(if upstream.endpoints().is_empty() { Error::NoEndpoint } else { last });
            }
        }
    })
}

/// A request that waits, for the record; its client is listened to meanwhile.
struct Waiting {
    connection: Rc<Connection>,
    outcome: Wait,
}

impl Waiting {
    fn begin(connection: &Rc<Connection>) -> Self {
        connection.waiting.set(true);
        connection.worker.shared.meters.own().wait_begins();
        Self { connection: connection.clone(), outcome: Wait::ClientGone }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.connection.waiting.set(false);
        self.connection.worker.shared.meters.own().wait_ended(self.outcome);
    }
}
