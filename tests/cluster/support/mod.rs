//! What the cluster tests share: kubectl, a client, a load, and waiting for a condition.

pub(crate) mod between;
pub(crate) mod client;
pub(crate) mod helm;
pub(crate) mod install;
pub(crate) mod kubectl;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod traffic;
#[path = "../../support/trusting.rs"]
pub(crate) mod trusting;

use std::env;
use std::fs::File;
use std::time::{Duration, Instant};

/// How long anything in a cluster may take to become true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` gives a value, and says what was missing when it never does.
pub(crate) async fn eventually<T>(what: &str, condition: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(PATIENCE, what, condition).await
}

/// As [`eventually`], but sooner.
pub(crate) async fn within<T>(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match condition().await {
            Ok(value) => return value,
            Err(missing) if start.elapsed() > limit => panic!("{what}: not within {limit:?}: {missing}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Whether to take the time for everything (`ADIT_FAULTS=long`), or as much as each change is worth.
pub(crate) fn long() -> bool {
    env::var("ADIT_FAULTS").is_ok_and(|value| value == "long")
}

/// Whether a test that takes long has been asked for; if not, it says so.
pub(crate) fn asked_for_long() -> bool {
    if !long() {
        eprintln!("skipped: it takes long, and ADIT_FAULTS is not `long`");
    }
    long()
}

/// This test's turn: names in a cluster are shared, also with a run of another checkout on this machine. Take it first,
/// so that it is given back last.
pub(crate) fn turn() -> File {
    let path = env::temp_dir().join("adit-cluster-tests.lock");
    let file = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    tokio::task::block_in_place(|| file.lock()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file
}
