//! Notices that files change: told by the operating system, or by looking every second where it cannot tell.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

/// Editors write in several steps: the look waits until nothing happened for this long, …
const QUIET: Duration = Duration::from_millis(15);
/// … but not longer than this in all: a change is to be served within 100 ms.
const LONGEST: Duration = Duration::from_millis(60);
/// How often to look where the operating system cannot tell.
const POLL: Duration = Duration::from_secs(1);

/// A stream of hints to look again.
pub(super) struct Notices {
    hints: mpsc::Receiver<()>,
    /// Ends the watch when dropped; none where there is only polling.
    watcher: Option<RecommendedWatcher>,
}

impl Notices {
    /// Notices what happens at `path`.
    pub(super) fn new(path: &Path) -> Self {
        // One hint that waits says as much as a thousand.
        let (sender, hints) = mpsc::channel(1);
        let hint = move |event: notify::Result<notify::Event>| {
            if event.as_ref().map_or(true, matters) {
                let _ = sender.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(hint).and_then(|mut watcher| {
            let (watched, mode) = place(path);
            watcher.watch(&watched, mode)?;
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => Self { hints, watcher: Some(watcher) },
            Err(error) => {
                warn!("changes of {path:?} are not announced ({error}); it is read every second");
                Self { hints, watcher: None }
            }
        }
    }

    /// Returns when it is time to look again.
    pub(super) async fn next(&mut self) {
        if self.watcher.is_none() {
            return sleep(POLL).await;
        }
        if self.hints.recv().await.is_none() {
            // The watcher's thread is gone: look ourselves from now on.
            self.watcher = None;
            return;
        }
        let latest = Instant::now() + LONGEST;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            match timeout_at(quiet, self.hints.recv()).await {
                Ok(Some(())) if Instant::now() < latest => {}
                _ => return,
            }
        }
    }
}

/// Our own reading must not be a reason to read again.
fn matters(event: &notify::Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => event.need_rescan(),
        _ => true,
    }
}

/// A file is replaced rather than written by most editors, so its directory is what has to be watched.
fn place(path: &Path) -> (PathBuf, RecursiveMode) {
    if path.is_file()
        && let Some(parent) = path.parent()
    {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        return (parent.to_owned(), RecursiveMode::NonRecursive);
    }
    (path.to_owned(), RecursiveMode::Recursive)
}
