//! How much memory adit's pods hold, watched while something happens.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::install::Adit;

/// A look at all pods every half second.
#[derive(Debug)]
pub(crate) struct Watch {
    before: u64,
    stop: watch::Sender<bool>,
    looks: JoinHandle<u64>,
}

impl Watch {
    pub(crate) async fn start(adit: &Adit) -> Self {
        let sites = adit.admin_sites();
        let before = most(&sites).await;
        let (stop, mut stopped) = watch::channel(false);
        let looks = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(500));
            let mut highest = before;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = stopped.wait_for(|stop| *stop) => return highest,
                }
                highest = highest.max(most(&sites).await);
            }
        });
        Self { before, stop, looks }
    }

    /// How many bytes a pod held at most, beyond what the largest held before.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.send_replace(true);
        let highest = self.looks.await.expect("looking does not panic");
        eprintln!("memory: {} MB before, {} MB at most", self.before >> 20, highest >> 20);
        highest - self.before
    }
}

async fn most(sites: &[crate::install::Site]) -> u64 {
    let mut most = 0;
    for site in sites {
        let page = site.page("/metrics").await.expect("metrics").text();
        let line =
            page.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes ")).expect("its memory");
        most = most.max(line.parse::<f64>().expect("a number") as u64);
    }
    most
}
