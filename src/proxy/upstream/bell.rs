//! Wakes an upstream connection's task, except for nothing.
//!
//! Whoever takes a frame of an answer's body wakes the task of its connection, which may have the next one (hyper 1.12,
//! `body::chan`). After the last frame there is none: the task would look at its socket and its queues in vain, once per
//! request, at a tenth of what the request costs.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};

/// The bell of one connection's task. Shared with the answer that is read from it; in fact only ever used on one thread.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    task: OnceLock<Waker>,
    /// Nobody hears it at the moment.
    held: AtomicBool,
    /// It was rung meanwhile.
    rung: AtomicBool,
}

impl Bell {
    /// Polls `future` with this bell as its waker: for a future that is always polled by one and the same task.
    pub(crate) fn carry<F: Future + Unpin>(self: Arc<Self>, mut future: F) -> impl Future<Output = F::Output> {
        let waker = Waker::from(self.clone());
        std::future::poll_fn(move |cx| {
            self.task.get_or_init(|| cx.waker().clone());
            std::pin::Pin::new(&mut future).poll(&mut Context::from_waker(&waker))
        })
    }

    /// Keeps it from ringing; what rings meanwhile is heard when the hold ends, unless it was for nothing.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.held.store(true, Relaxed);
        Hold(self)
    }

    fn ring(&self) {
        if self.held.load(Relaxed) {
            self.rung.store(true, Relaxed);
        } else if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

/// A bell that does not ring for as long as this lives.
#[derive(Debug)]
pub(crate) struct Hold<'a>(&'a Bell);

impl Hold<'_> {
    /// It was rung for nothing.
    pub(crate) fn hush(self) {
        self.0.rung.store(false, Relaxed);
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.held.store(false, Relaxed);
        if self.0.rung.load(Relaxed) {
            self.0.rung.store(false, Relaxed);
            self.0.ring();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Poll;

    use super::*;

    #[derive(Default)]
    struct Heard(AtomicUsize);

    impl Wake for Heard {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// A bell that has been polled by a task, and what the task heard.
    fn bell() -> (Arc<Bell>, Arc<Heard>) {
        let (bell, heard) = (Arc::new(Bell::default()), Arc::new(Heard::default()));
        let mut carried = Box::pin(bell.clone().carry(std::future::pending::<()>()));
        assert_eq!(carried.as_mut().poll(&mut Context::from_waker(&heard.clone().into())), Poll::Pending);
        (bell, heard)
    }

    #[test]
    fn a_task_hears_its_bell() {
        let (bell, heard) = bell();
        Waker::from(bell.clone()).wake_by_ref();
        Waker::from(bell).wake();
        assert_eq!(heard.0.load(Relaxed), 2);
    }

    #[test]
    fn what_rings_during_a_hold_is_heard_after_it_unless_it_was_for_nothing() {
        let (bell, heard) = bell();
        let hold = bell.hold();
        Waker::from(bell.clone()).wake();
        assert_eq!(heard.0.load(Relaxed), 0);
        drop(hold);
        assert_eq!(heard.0.load(Relaxed), 1);
        let hold = bell.hold();
        Waker::from(bell.clone()).wake();
        hold.hush();
        assert_eq!(heard.0.load(Relaxed), 1);
        drop(bell.hold());
        assert_eq!(heard.0.load(Relaxed), 1, "nothing is left of what was hushed");
        Waker::from(bell).wake();
        assert_eq!(heard.0.load(Relaxed), 2);
    }
}
