//! TLS handshakes take turns. The server's first answer costs as much as a hundred requests, and whoever asks for it has
//! paid next to nothing: between two of them, everything else that is ready goes first.

use std::pin::pin;
use std::task::Poll;

use tokio::sync::Semaphore;

/// The turns of one worker.
#[derive(Debug)]
pub(crate) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Turns {
    /// Runs `costly`, whose first step is made in its turn: in the order of asking, and one per round of the event loop.
    /// The caller's deadline bounds the wait; who gives up, or is not `wanted` any more by then, has cost nothing.
    pub(crate) async fn take<F: Future>(&self, costly: F, wanted: impl FnOnce(&F) -> bool) -> Option<F::Output> {
        // Never closed.
        let turn = self.0.acquire().await.ok();
        if !wanted(&costly) {
            return None;
        }
        let mut costly = pin!(costly);
        let first = std::future::poll_fn(|cx| Poll::Ready(costly.as_mut().poll(cx))).await;
        // Comes back when the runtime has looked for what is ready elsewhere.
        tokio::task::yield_now().await;
        drop(turn);
        match first {
            Poll::Ready(output) => Some(output),
            Poll::Pending => Some(costly.await),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[tokio::test(flavor = "local")]
    async fn between_two_costly_steps_others_go_first() {
        let (turns, order) = (Rc::new(Turns::default()), Rc::new(RefCell::new(Vec::new())));
        let costly = (0..3).map(|nth| {
            let (turns, order) = (turns.clone(), order.clone());
            tokio::task::spawn_local(async move {
                turns.take(async { order.borrow_mut().push(format!("costly {nth}")) }, |_| true).await;
            })
        });
        let mut tasks: Vec<_> = costly.collect();
        let other = order.clone();
        tasks.push(tokio::task::spawn_local(async move {
            for _ in 0..2 {
                tokio::task::yield_now().await;
                other.borrow_mut().push("other".to_owned());
            }
        }));
        for task in tasks {
            task.await.expect("a task");
        }
        assert_eq!(*order.borrow(), ["costly 0", "other", "costly 1", "other", "costly 2"]);
    }

    #[tokio::test]
    async fn a_turn_that_nobody_waits_for_any_more_is_the_next_ones() {
        let turns = Turns::default();
        let held = turns.take(std::future::pending::<()>(), |_| true);
        let waits = turns.take(async { 2 }, |_| true);
        {
            let (held, waits) = (pin!(held), pin!(waits));
            tokio::select! {
                biased;
                _ = held => unreachable!("it never ends"),
                two = waits => assert_eq!(two, Some(2)),
            }
        }
        assert_eq!(turns.take(async { unreachable!("nobody wants it") }, |_| false).await, None::<()>);
        assert_eq!(turns.take(async { 3 }, |_| true).await, Some(3));
    }
}
