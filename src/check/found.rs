//! What manifests hold: the objects that a translator reads, and what could not be taken.

use std::collections::BTreeSet;
use std::path::Path;

use crate::objects::{Change, Objects};
use crate::source::directory::{name, place};
use crate::source::manifest::Manifests;

/// What the manifests hold.
#[derive(Default)]
pub(super) struct Found {
    pub(super) objects: Objects,
    pub(super) keys: BTreeSet<String>,
    pub(super) undecodable: Vec<String>,
    unserved: usize,
}

impl Found {
    /// Adds the manifests of a file. The first of two objects with one name counts.
    pub(super) fn take(&mut self, path: &Path, manifests: Manifests) {
        self.undecodable
            .extend(manifests.problems.iter().map(|problem| format!("{}: {}", place(path, problem), problem.reason)));
        for mut change in manifests.changes {
            if let Change::Unserved(_, count) = &mut change {
                self.unserved = self.unserved.saturating_add(*count);
                *count = self.unserved;
            } else if !self.keys.insert(name(&change).unwrap_or_default()) {
                self.undecodable.push(format!(
                    "{}: {} is given twice",
                    path.display(),
                    name(&change).unwrap_or_default()
                ));
                continue;
            }
            self.objects.apply(change);
        }
    }
}
