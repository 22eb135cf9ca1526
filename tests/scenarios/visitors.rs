//! Clients that keep asking until they are told to stop, and what came of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Visitors {
    clients: JoinSet<()>,
    stop: watch::Sender<bool>,
    tally: Arc<Mutex<Tally>>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// How often each outcome was.
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// The longest that one took.
    pub(crate) slowest: Duration,
}

impl Visitors {
    /// Starts `clients` clients, each of which does `ask` every `pause`; what that gives is the outcome that is counted.
    pub(crate) fn start<F>(clients: usize, pause: Duration, ask: impl Fn(usize) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = String> + Send,
    {
        let (stop, stopped) = watch::channel(false);
        let mut visitors = Self { clients: JoinSet::new(), stop, tally: Arc::default() };
        for index in 0..clients {
            let (ask, tally, mut stopped) = (ask.clone(), visitors.tally.clone(), stopped.clone());
            visitors.clients.spawn(async move {
                let mut ticks = interval(pause);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        _ = ticks.tick() => {}
                        _ = stopped.wait_for(|stop| *stop) => return,
                    }
                    let start = Instant::now();
                    let outcome = ask(index).await;
                    let mut tally = tally.lock().expect("no client panics");
                    tally.slowest = tally.slowest.max(start.elapsed());
                    *tally.outcomes.entry(outcome).or_default() += 1;
                }
            });
        }
        visitors
    }

    /// What came of it so far.
    pub(crate) fn so_far(&self) -> Tally {
        self.tally.lock().expect("no client panics").clone()
    }

    /// Counts anew.
    pub(crate) fn forget(&self) {
        *self.tally.lock().expect("no client panics") = Tally::default();
    }

    /// Ends it. What is under way is waited for and counts.
    pub(crate) async fn stop(mut self) -> Tally {
        self.stop.send_replace(true);
        while let Some(end) = self.clients.join_next().await {
            end.expect("no client panics");
        }
        let tally = self.so_far();
        eprintln!("{tally:?}");
        tally
    }
}
