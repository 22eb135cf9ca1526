//! A steady load that counts every failure with its reason.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::client::{Connection, Failure};

/// What one client does.
#[derive(Clone, Copy, Debug)]
struct Visitor {
    /// Keeps its connection between two requests.
    keeps_connection: bool,
    path: &'static str,
}

/// Clients that ask for the weather until they are told to stop.
#[derive(Debug)]
pub(crate) struct Load {
    clients: JoinSet<()>,
    stop: watch::Sender<bool>,
    tally: Arc<Mutex<Tally>>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Answers with 200.
    pub(crate) answered: u64,
    /// Everything else, by its reason.
    pub(crate) failed: BTreeMap<String, Failed>,
    /// Answers by the pod that gave them.
    pub(crate) pods: BTreeMap<String, u64>,
}

/// What failed for one reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failed {
    count: u64,
    /// When the first and the last did, by the clock that logs have.
    at: Option<(jiff::Timestamp, jiff::Timestamp)>,
}

impl Load {
    /// Starts `clients` clients on `address:80`, each with a request every `pause`. Half of them keep their connections,
    /// half open a new one for each request; half of each ask for a slow page.
    pub(crate) fn start(address: &str, clients: usize, pause: Duration) -> Self {
        Self::start_at(address, 80, clients, pause)
    }

    /// Starts asking at another port.
    pub(crate) fn start_at(address: &str, port: u16, clients: usize, pause: Duration) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut load = Self { clients: JoinSet::new(), stop, tally: Arc::default() };
        for index in 0..clients {
            let visitor =
                Visitor { keeps_connection: index % 2 == 0, path: if index % 4 < 2 { "/" } else { "/london/uk/" } };
            // Spread over the first pause, so that they do not ask in step.
            let first =
                Instant::now() + pause * u32::try_from(index).unwrap_or(0) / u32::try_from(clients).unwrap_or(1);
            let (address, tally, stopped) = (address.to_owned(), load.tally.clone(), stopped.clone());
            load.clients.spawn(visit(visitor, (address, port), first, pause, tally, stopped));
        }
        load
    }

    /// The tally so far.
    pub(crate) fn so_far(&self) -> Tally {
        self.tally.lock().expect("no client panics").clone()
    }

    /// Forgets which pods answered, to see who answers from now on.
    pub(crate) fn forget_pods(&self) {
        self.tally.lock().expect("no client panics").pods.clear();
    }

    /// Ends it. Requests in flight are waited for and count.
    pub(crate) async fn stop(mut self) -> Tally {
        self.stop.send_replace(true);
        while self.clients.join_next().await.is_some() {}
        self.so_far()
    }

    /// Ends it and insists that nothing failed.
    pub(crate) async fn stop_without_failure(self, at_least: u64) {
        let tally = self.stop().await;
        eprintln!("{tally}");
        assert!(tally.failed.is_empty(), "{tally}");
        assert!(tally.answered >= at_least, "too little load to show anything: {tally}");
    }
}

impl Tally {
    /// Whether any request failed.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: u64 = self.failed.values().map(|failed| failed.count).sum();
        write!(f, "{} answered, {failed} failed {:?}, by {} pods", self.answered, self.failed, self.pods.len())
    }
}

async fn visit(
    visitor: Visitor,
    address: (String, u16),
    first: Instant,
    pause: Duration,
    tally: Arc<Mutex<Tally>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = interval_at(first, pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let outcome = ask(&visitor, &address, &mut kept).await;
        if !visitor.keeps_connection {
            kept = None;
        }
        let mut tally = tally.lock().expect("no client panics");
        match outcome {
            Ok(pod) => {
                tally.answered += 1;
                *tally.pods.entry(pod).or_default() += 1;
            }
            Err(reason) => {
                kept = None;
                let failed = tally.failed.entry(reason).or_default();
                let now = jiff::Timestamp::now();
                failed.count += 1;
                failed.at = Some((failed.at.map_or(now, |(first, _)| first), now));
            }
        }
    }
}

/// One request; the name of the pod that answered. A kept connection that closed before the request was sent is
/// replaced once, as every client does.
async fn ask(
    visitor: &Visitor,
    (address, port): &(String, u16),
    kept: &mut Option<Connection>,
) -> Result<String, String> {
    for _ in 0..2 {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::open(address, *port).await?,
        };
        match connection.get("weather.lvh.me", visitor.path).await {
            Ok(answer) if answer.status == 200 => {
                let body: serde_json::Value =
                    serde_json::from_str(&answer.body).map_err(|error| format!("body: {error}"))?;
                let closes = answer.headers.get("connection").is_some_and(|value| value == "close");
                if !closes {
                    *kept = Some(connection);
                }
                return Ok(body["pod"].as_str().unwrap_or_default().to_owned());
            }
            Ok(answer) => return Err(format!("{}: {}", answer.status, answer.body.trim())),
            Err(Failure::Unsent) => {}
            Err(Failure::Lost(reason)) => return Err(reason),
        }
    }
    Err("two connections in a row closed before the request was sent".to_owned())
}
