//! The objects in a directory of manifests, followed as the files are edited. No cluster.

mod catalogue;
mod files;
mod notice;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use tokio::sync::mpsc;
use tracing::{info, warn};

use self::catalogue::{Catalogue, Differences, Double, Id};
use self::files::Files;
pub(crate) use self::files::{place, read_all};
use self::notice::Notices;
use super::{Error, Event};
use crate::objects::{Change, ObjectKey};

/// What is read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `providers.directory.path`: a directory, read with all its subdirectories, or one file.
    pub path: PathBuf,
}

/// Reads the manifests and follows their changes until `shutdown`, or until nobody listens.
///
/// A directory that cannot be read at the start is an error; later it only keeps things as they are.
pub async fn run(
    settings: Settings,
    events: mpsc::Sender<Event>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    // Before the first look, so that nothing falls between the two.
    let mut notices = Notices::new(&settings.path);
    let mut files = Files::new(settings.path.clone());
    let mut doubles = BTreeSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut told = BTreeMap::new();
    let mut first = true;
    loop {
        notices.renew();
        match look(&mut files, &mut doubles) {
            Ok((count, differences)) => {
                if first {
                    info!("read {count} objects in {} files of {:?}", files.len(), settings.path);
                } else if !differences.is_empty() {
                    info!("manifests changed: {differences}");
                }
                let mut changes = differences.into_changes();
                let problems = files.problems();
                changes.extend(readability(&told, &problems));
                told = problems;
                if !changes.is_empty() && events.send(Event::Changes(changes)).await.is_err() {
                    return Ok(());
                }
            }
            Err(source) if first => return Err(Error::Directory { path: settings.path, source }),
            Err(error) => warn!("the manifests in {:?} cannot be read, and stay as they were: {error}", settings.path),
        }
        if std::mem::take(&mut first) && events.send(Event::Synced).await.is_err() {
            return Ok(());
        }
        tokio::select! {
            // Cancel-safe: a notice that was taken is followed by a complete look.
            () = notices.next() => {}
            () = &mut shutdown => return Ok(()),
        }
    }
}

/// Reads the files again: how many objects there are, and what differs from before. Speaks of doubles that are new.
fn look(files: &mut Files, doubles: &mut BTreeSet<Double>) -> io::Result<(usize, Differences)> {
    let before = files.clone();
    files.read()?;
    let (catalogue, found) = Catalogue::of(files.objects());
    for double in found.difference(doubles) {
        warn!("{double}");
    }
    *doubles = found;
    Ok((catalogue.len(), catalogue.differences(&Catalogue::of(before.objects()).0)))
}

/// What cannot be read any more, and what can again.
fn readability(told: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<Change> {
    let change = |place: &str, why| Change::undecodable("Manifest", ObjectKey::new("", place), why);
    let wrong = now.iter().filter(|(place, why)| told.get(*place) != Some(*why));
    let mended = told.keys().filter(|place| !now.contains_key(*place));
    let wrong = wrong.map(|(place, why)| change(place, Some(why.as_str().into())));
    wrong.chain(mended.map(|place| change(place, None))).collect()
}

/// Kind and key of the object that came, as messages name it.
pub(crate) fn name(change: &Change) -> Option<String> {
    Id::of(change).map(|id| id.to_string())
}
