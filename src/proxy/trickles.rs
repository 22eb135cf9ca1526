//! Bodies that come in small pieces take turns. A byte costs its sender one system call, and us a round of the event
//! loop, a read and a write; a head without its body costs us a connection to an endpoint besides. Thousands who send
//! such would keep everybody else waiting: between a few of these steps, everything else that is ready goes first. What
//! comes meanwhile is read at once when its turn has come.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Whose last piece was smaller than this waits for a turn.
const SMALL: usize = 4 * 1024;
/// How many have theirs in a round of the event loop.
const A_ROUND: usize = 16;

/// The turns of one worker.
#[derive(Debug)]
pub(crate) struct Trickles {
    /// How many more may read in this round without waiting.
    left: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Place>>>,
    /// Somebody counts the rounds.
    counted: Cell<bool>,
}

impl Default for Trickles {
    fn default() -> Self {
        Self { left: Cell::new(A_ROUND), waiting: RefCell::default(), counted: Cell::new(false) }
    }
}

/// A place in the line.
#[derive(Debug)]
struct Place {
    called: Cell<bool>,
    waker: RefCell<Waker>,
}

/// What one body has of it.
#[derive(Debug)]
pub(crate) struct Turn {
    trickles: Rc<Trickles>,
    small: bool,
    place: Option<Rc<Place>>,
}

impl Trickles {
    /// For a body that has brought nothing yet.
    pub(crate) fn turn(self: &Rc<Self>) -> Turn {
        Turn { trickles: self.clone(), small: false, place: None }
    }

    fn count(self: &Rc<Self>) {
        if self.counted.replace(true) {
            return;
        }
        let trickles = self.clone();
        tokio::task::spawn_local(async move {
            loop {
                // Comes back when all that is ready has had its turn.
                tokio::task::yield_now().await;
                if !trickles.next_round() {
                    break;
                }
            }
            trickles.counted.set(false);
        });
    }

    /// Calls those who have waited the longest; whether anybody read in the last round or waits for this one.
    fn next_round(&self) -> bool {
        let busy = self.left.replace(A_ROUND) < A_ROUND;
        let mut waiting = self.waiting.borrow_mut();
        while self.left.get() > 0
            && let Some(place) = waiting.pop_front()
        {
            // Nobody else holds it when the body has been dropped.
            if Rc::strong_count(&place) > 1 {
                self.left.update(|left| left - 1);
                place.called.set(true);
                place.waker.borrow().wake_by_ref();
            }
        }
        busy || self.left.get() < A_ROUND
    }
}

impl Turn {
    /// Whether it has to be waited for.
    pub(crate) fn is_wanted(&self) -> bool {
        self.small
    }

    /// Ready when it has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(place) = &self.place {
            if !place.called.get() {
                place.waker.borrow_mut().clone_from(cx.waker());
                return Poll::Pending;
            }
            self.place = None;
            return Poll::Ready(());
        }
        self.trickles.count();
        let left = self.trickles.left.get();
        if left > 0 {
            self.trickles.left.set(left - 1);
            return Poll::Ready(());
        }
        let place = Rc::new(Place { called: Cell::new(false), waker: RefCell::new(cx.waker().clone()) });
        self.trickles.waiting.borrow_mut().push_back(place.clone());
        self.place = Some(place);
        Poll::Pending
    }

    /// So many bytes came.
    pub(crate) fn brought(&mut self, count: usize) {
        self.small = count < SMALL;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn small(trickles: &Rc<Trickles>) -> Turn {
        let mut turn = trickles.turn();
        turn.brought(1);
        turn
    }

    #[tokio::test(flavor = "local")]
    async fn of_many_a_few_have_their_turn_before_everybody_else_goes_on() {
        let (trickles, order) = (Rc::new(Trickles::default()), Rc::new(RefCell::new(Vec::new())));
        let bodies = (0..A_ROUND * 2 + 1).map(|_| {
            let (mut turn, order) = (small(&trickles), order.clone());
            tokio::task::spawn_local(async move {
                poll_fn(|cx| turn.poll(cx)).await;
                order.borrow_mut().push("body");
            })
        });
        let mut tasks: Vec<_> = bodies.collect();
        let other = order.clone();
        tasks.push(tokio::task::spawn_local(async move {
            for _ in 0..5 {
                other.borrow_mut().push("other");
                tokio::task::yield_now().await;
            }
        }));
        for task in tasks {
            task.await.expect("a task");
        }
        let order = order.borrow();
        let rounds: Vec<_> = order.split(|what| *what == "other").map(<[_]>::len).collect();
        assert_eq!(rounds.iter().sum::<usize>(), A_ROUND * 2 + 1);
        assert_eq!(rounds.into_iter().max(), Some(A_ROUND), "{order:?}");
    }

    #[tokio::test(flavor = "local")]
    async fn who_leaves_the_line_takes_nobodys_turn_and_the_rounds_end_with_it() {
        let trickles = Rc::new(Trickles::default());
        let mut cx = Context::from_waker(Waker::noop());
        let mut turns: Vec<_> = (0..A_ROUND * 2).map(|_| small(&trickles)).collect();
        let ready = turns.iter_mut().filter_map(|turn| turn.poll(&mut cx).is_ready().then_some(())).count();
        assert_eq!(ready, A_ROUND);
        turns.clear();
        let mut next = small(&trickles);
        assert!(next.poll(&mut cx).is_pending(), "this round is over");
        poll_fn(|cx| next.poll(cx)).await;
        while trickles.counted.get() {
            tokio::task::yield_now().await;
        }
        assert_eq!((trickles.left.get(), trickles.waiting.borrow().len()), (A_ROUND, 0));
    }

    #[test]
    fn only_small_pieces_make_a_turn_necessary() {
        let mut turn = Rc::new(Trickles::default()).turn();
        assert!(!turn.is_wanted());
        turn.brought(SMALL - 1);
        assert!(turn.is_wanted());
        turn.brought(SMALL);
        assert!(!turn.is_wanted());
    }
}
