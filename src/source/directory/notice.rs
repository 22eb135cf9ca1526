//! Notices that files change: told by the operating system, or by looking every second where it cannot tell.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
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
    /// Absolute, so that it compares with what is announced.
    path: PathBuf,
    sender: mpsc::Sender<()>,
    hints: mpsc::Receiver<()>,
    /// What was watched is no longer what is at the path.
    moved: Arc<AtomicBool>,
    /// Ends the watch when dropped; none where there is only polling.
    watcher: Option<RecommendedWatcher>,
}

impl Notices {
    /// Notices what happens at `path`.
    pub(super) fn new(path: &Path) -> Self {
        // One hint that waits says as much as a thousand.
        let (sender, hints) = mpsc::channel(1);
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut notices = Self { path, sender, hints, moved: Arc::default(), watcher: None };
        if let Err(error) = notices.watch() {
            warn!("changes of {:?} are not announced ({error}); it is read every second", notices.path);
        }
        notices
    }

    /// Watches anew what was replaced as a whole, or could not be watched before. To be called before each look.
    pub(super) fn renew(&mut self) {
        if self.moved.swap(false, Ordering::Relaxed) || self.watcher.is_none() {
            // While it fails, every second is a look and another try.
            let _ = self.watch();
        }
    }

    fn watch(&mut self) -> notify::Result<()> {
        self.watcher = None;
        let (path, sender, moved) = (self.path.clone(), self.sender.clone(), self.moved.clone());
        let single = path.is_file();
        let hint = move |event: notify::Result<notify::Event>| {
            if let Ok(event) = &event {
                let inside = event.paths.is_empty() || event.paths.iter().any(|changed| changed.starts_with(&path));
                if !matters(event) || !(inside || single) {
                    return;
                }
                if event.paths.contains(&path) && replaces(event) {
                    moved.store(true, Ordering::Relaxed);
                }
            }
            let _ = sender.try_send(());
        };
        let mut watcher = notify::recommended_watcher(hint)?;
        if !single {
            watcher.watch(&self.path, RecursiveMode::Recursive)?;
        }
        // A file is replaced rather than written by most editors, and a directory by tools that switch a link to the
        // next version: both are seen from the directory above only.
        if let Some(parent) = self.path.parent() {
            let watched = watcher.watch(parent, RecursiveMode::NonRecursive);
            if single {
                watched?;
            }
        }
        self.watcher = Some(watcher);
        Ok(())
    }

    /// Returns when it is time to look again.
    pub(super) async fn next(&mut self) {
        if self.watcher.is_none() {
            return sleep(POLL).await;
        }
        // Never the end: we hold a sender ourselves.
        let _ = self.hints.recv().await;
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

/// Whether it puts something else at the place.
fn replaces(event: &notify::Event) -> bool {
    matches!(event.kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
}
