//! Who waits for an upstream's endpoints: woken when they change, and never more than so many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::route::UpstreamId;

/// Requests that may wait in all. Each is an exchange like any other; this bounds what comes back at once.
const MOST: usize = 20_000;
/// Requests that may wait for one upstream: one that never comes back is not to take the places of all others.
const MOST_OF_ONE: usize = 10_000;

/// The upstreams that are waited for. Costs an upstream that nobody waits for nothing.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    upstreams: HashMap<UpstreamId, Queue>,
    count: usize,
}

#[derive(Debug)]
struct Queue {
    changed: Arc<Notify>,
    count: usize,
}

impl Waiters {
    /// A place among those who wait for this upstream, if there is one left.
    pub(crate) fn enter(self: &Arc<Self>, id: &UpstreamId) -> Option<Place> {
        let mut waiting = self.lock();
        if waiting.count >= MOST {
            return None;
        }
        let new = || Queue { changed: Arc::default(), count: 0 };
        let queue = waiting.upstreams.entry(id.clone()).or_insert_with(new);
        if queue.count >= MOST_OF_ONE {
            return None;
        }
        queue.count += 1;
        let changed = queue.changed.clone();
        waiting.count += 1;
        Some(Place { waiters: self.clone(), id: id.clone(), changed })
    }

    /// Wakes those who wait for any of these. To be called when their endpoints can be seen.
    pub(super) fn wake<'a>(&self, changed: impl IntoIterator<Item = &'a UpstreamId>) {
        let waiting = self.lock();
        if waiting.count == 0 {
            return;
        }
        for queue in changed.into_iter().filter_map(|id| waiting.upstreams.get(id)) {
            queue.changed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's place among those who wait; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    waiters: Arc<Waiters>,
    id: UpstreamId,
    changed: Arc<Notify>,
}

impl Place {
    /// Ready at the next change after this call, once it was polled or enabled. Look at the endpoints in between.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.waiters.lock();
        waiting.count = waiting.count.saturating_sub(1);
        if let Some(queue) = waiting.upstreams.get_mut(&self.id) {
            queue.count = queue.count.saturating_sub(1);
            if queue.count == 0 {
                waiting.upstreams.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::PortRef;

    fn id(name: &str) -> UpstreamId {
        UpstreamId::new("default", name, PortRef::Number(80))
    }

    #[test]
    fn one_upstream_takes_half_of_the_places_at_most_and_what_leaves_makes_room() {
        let waiters = Arc::new(Waiters::default());
        let mut places: Vec<_> = std::iter::from_fn(|| waiters.enter(&id("a"))).collect();
        assert_eq!(places.len(), MOST_OF_ONE);
        let others: Vec<_> = std::iter::from_fn(|| waiters.enter(&id("b"))).collect();
        assert_eq!(others.len(), MOST - MOST_OF_ONE);
        assert!(waiters.enter(&id("c")).is_none());
        places.pop();
        assert!(waiters.enter(&id("a")).is_some());
        drop((places, others));
        assert!(waiters.lock().upstreams.is_empty(), "what nobody waits for is not kept");
        assert_eq!(waiters.lock().count, 0);
    }

    #[tokio::test]
    async fn only_those_who_wait_for_what_changed_are_woken() {
        let waiters = Arc::new(Waiters::default());
        let (a, b) = (waiters.enter(&id("a")).expect("a place"), waiters.enter(&id("b")).expect("a place"));
        let (mut for_a, mut for_b) = (Box::pin(a.changed()), Box::pin(b.changed()));
        for_a.as_mut().enable();
        for_b.as_mut().enable();
        waiters.wake([&id("a"), &id("c")]);
        for_a.await;
        assert!(futures_util::poll!(for_b).is_pending());
    }
}
