//! The order of the end: not ready, still accepting, draining, over. A second signal skips the rest.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::Error;
use super::view::Board;
use crate::config::Config;
use crate::proxy::{Phase, Proxy};
use crate::route::Listener;
use crate::telemetry::access::AccessLog;
use crate::telemetry::logs::LogGuard;

/// Which signal ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// SIGTERM: a cluster's; load balancers still have to learn of it.
    Terminate,
    /// SIGINT: a person's, who waits.
    Interrupt,
}

/// The signals that the program hears.
pub(super) struct Signals {
    both: Mutex<(Signal, Signal)>,
}

impl Signals {
    /// Listens from now on; SIGUSR1 reopens the logs' files.
    pub(super) fn new(log: Arc<LogGuard>, access_log: Option<Arc<AccessLog>>) -> io::Result<Self> {
        let mut reopen = signal(SignalKind::user_defined1())?;
        tokio::spawn(async move {
            while reopen.recv().await.is_some() {
                log.reopen();
                if let Some(access_log) = &access_log {
                    access_log.reopen();
                }
            }
        });
        let both = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { both: Mutex::new(both) })
    }

    /// The next signal. Cancel-safe.
    pub(super) async fn first(&self) -> Ending {
        let mut both = self.both.lock().await;
        let (terminate, interrupt) = &mut *both;
        tokio::select! {
            _ = terminate.recv() => Ending::Terminate,
            _ = interrupt.recv() => Ending::Interrupt,
        }
    }
}

/// Ends when a worker has ended before its time.
pub(super) async fn worker_ends(proxy: &Proxy) -> Error {
    let Some(mut ends) = proxy.ends() else { return std::future::pending().await };
    match ends.recv().await {
        Some(end) => Error::Worker { worker: end.worker, error: end.error.unwrap_or_else(|| "it returned".to_owned()) },
        None => Error::Worker { worker: 0, error: "all workers are gone".to_owned() },
    }
}

/// Takes the program from the first signal to its end.
pub(super) async fn end(signal: Ending, config: &Config, board: &Board, proxy: &Proxy, signals: &Signals) {
    // In this order: whoever sees that it is not ready gets answers that close their connection.
    proxy.enter(Phase::Leaving);
    board.terminate();
    let longest = |of: fn(&Listener) -> Duration| config.listeners.iter().map(of).max().unwrap_or_default();
    let accept = longest(|listener| listener.life_cycle.request_accept_grace);
    let grace = longest(|listener| listener.life_cycle.grace);
    if signal == Ending::Terminate && !accept.is_zero() {
        info!("SIGTERM: accepting for another {accept:?}, each answer closing its connection");
        tokio::select! {
            () = tokio::time::sleep(accept) => {}
            _ = signals.first() => return over(proxy),
        }
    }
    info!(connections = proxy.connections(), "draining for at most {grace:?}");
    proxy.enter(Phase::Draining);
    let drained = async {
        // The listen queue is emptied on the workers; give them a moment to count what was in it.
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if proxy.connections() == 0 {
                return;
            }
        }
    };
    tokio::select! {
        () = drained => {}
        () = tokio::time::sleep(grace) => warn!(connections = proxy.connections(), "connections are cut: graceTimeOut has passed"),
        _ = signals.first() => {}
    }
    over(proxy);
}

fn over(proxy: &Proxy) {
    proxy.enter(Phase::Over);
}
