//! The loop between source, translation and proxy; leadership, statuses and Events.
//!
//! One task owns the objects and the translator. In its loop one of three things happens at a time: the source says
//! something, what it said is due to be translated, or the process ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tracing::{debug, info};

use self::holdoff::Holdoff;
use self::problems::Problems;
pub use self::readiness::Readiness;
use self::status::Wanted;
use crate::objects::{Objects, Touched};
use crate::route::Report;
use crate::source::Event;
use crate::translate::{Output, Translator};

mod election;
pub mod events;
pub mod holdoff;
pub mod leader;
mod problems;
mod readiness;
pub mod status;
#[cfg(test)]
mod tests;

/// Where the loop's results go.
pub struct Outlets<P, S> {
    /// Installs an output in the proxy. Called on this task, one output after the other; also where the old one ends.
    pub publish: P,
    /// Told how long it took from the event to the served table.
    pub on_swap: S,
    /// Who asks whether we are ready.
    pub readiness: watch::Sender<Readiness>,
    /// The statuses that differ from what they should say, for [`status::run`].
    pub statuses: watch::Sender<Arc<Wanted>>,
    /// What is wrong, for [`events::run`].
    pub reports: watch::Sender<Arc<Report>>,
}

/// How many events are taken at once.
const BATCH: usize = 1024;

/// Runs the loop until `shutdown`, or until the source ends.
///
/// Nothing is published before the source is synced: until then a missing object may just not be here yet.
pub async fn run<P, S>(
    mut events: mpsc::Receiver<Event>,
    translator: Translator,
    settings: holdoff::Settings,
    outlets: Outlets<P, S>,
    shutdown: impl Future<Output = ()>,
) where
    P: FnMut(&Output),
    S: FnMut(Duration),
{
    let mut state = State {
        objects: Objects::default(),
        touched: Vec::new(),
        translator,
        last: None,
        problems: Problems::default(),
        holdoff: Holdoff::new(settings),
        outlets,
    };
    let mut shutdown = std::pin::pin!(shutdown);
    let mut batch = Vec::new();
    loop {
        let due = state.holdoff.due();
        tokio::select! {
            // What is here already goes into the same translation. Cancel-safe: what is received is in the batch.
            biased;
            () = &mut shutdown => return,
            received = events.recv_many(&mut batch, BATCH) => {
                if received == 0 {
                    // What the source said last counts as well.
                    state.translate();
                    return;
                }
                for event in batch.drain(..) {
                    state.take(event);
                }
            }
            () = at(due) => state.translate(),
        }
        // A source that never pauses must not keep what is due from being served.
        if state.holdoff.due().is_some_and(|due| due <= Instant::now()) {
            state.translate();
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

struct State<P, S> {
    objects: Objects,
    touched: Vec<Touched>,
    translator: Translator,
    last: Option<Output>,
    problems: Problems,
    holdoff: Holdoff,
    outlets: Outlets<P, S>,
}

impl<P: FnMut(&Output), S: FnMut(Duration)> State<P, S> {
    fn take(&mut self, event: Event) {
        match event {
            Event::Changes(changes) => {
                let synced = self.is_synced();
                for change in changes {
                    let touched = self.objects.apply(change);
                    if synced && !touched.is_empty() {
                        self.touched.extend(touched);
                        self.holdoff.event(Instant::now());
                    }
                }
            }
            Event::Synced => {
                self.outlets.readiness.send_modify(|readiness| {
                    readiness.synced = true;
                    readiness.waiting.clear();
                });
                self.objects.settle();
                self.touched = vec![Touched::All];
                self.holdoff.event(Instant::now());
            }
            Event::Waiting(waiting) => self.outlets.readiness.send_modify(|readiness| readiness.waiting = waiting),
        }
    }

    fn is_synced(&self) -> bool {
        self.outlets.readiness.borrow().synced
    }

    fn translate(&mut self) {
        let Some(oldest) = self.holdoff.oldest() else { return };
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let output = self.translator.apply(&self.objects, &touched);
        // The translator keeps the `Arc` of what did not change.
        let differs = |last: &Output| {
            !Arc::ptr_eq(&last.routes, &output.routes) || !Arc::ptr_eq(&last.endpoints, &output.endpoints)
        };
        let tables_differ = self.last.as_ref().is_none_or(differs);
        let report_differs = self.last.as_ref().is_none_or(|last| !Arc::ptr_eq(&last.report, &output.report));
        // The report is published as well: the admin pages show it.
        if tables_differ || report_differs {
            (self.outlets.publish)(&output);
        }
        let now = Instant::now();
        self.holdoff.done(now);
        if tables_differ {
            let took = now.saturating_duration_since(oldest);
            (self.outlets.on_swap)(took);
            debug!(?took, touched = touched.len(), "the routing table has changed");
        }
        if self.last.is_none() {
            let (hosts, ingresses) = (output.routes.hosts.len(), output.report.accepted.len());
            info!("the first routing table is installed: {hosts} hosts from {ingresses} Ingresses");
            self.outlets.readiness.send_modify(|readiness| readiness.installed = true);
        }
        if report_differs && self.last.as_ref().is_none_or(|last| last.report.problems != output.report.problems) {
            self.problems.news(&output.report).log();
            self.outlets.reports.send_replace(output.report.clone());
        }
        self.compare_statuses(&output, &touched);
        // The old output ends here, on the control plane's runtime.
        self.last = Some(output);
    }

    /// One changed Ingress among ten thousand is compared alone.
    fn compare_statuses(&self, output: &Output, touched: &[Touched]) {
        let ingresses: Vec<_> = touched
            .iter()
            .filter_map(|touched| match touched {
                Touched::Ingress(key) => Some(key),
                _ => None,
            })
            .collect();
        let accepted = &output.report.accepted;
        let same_accepted = self.last.as_ref().is_some_and(|last| last.report.accepted.ptr_eq(accepted));
        let alone = ingresses.len() == touched.len() || same_accepted;
        self.outlets.statuses.send_if_modified(|before| {
            let wanted = status::wanted(before, alone.then_some(&ingresses), &self.objects, &output.report);
            let differs = **before != wanted;
            if differs {
                *before = Arc::new(wanted);
            }
            differs
        });
    }
}
