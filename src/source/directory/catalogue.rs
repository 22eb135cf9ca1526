//! All objects of a directory by name, and the difference between two moments. No I/O, and it is not kept: the files
//! hold the objects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::objects::{Change, ObjectKey};

/// Names an object across kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    kind: &'static str,
    key: ObjectKey,
}

impl Id {
    /// The name of the object that came or went.
    pub(super) fn of(change: &Change) -> Option<Self> {
        name(change).map(|(kind, key)| Self { kind, key: key.clone() })
    }

    /// Whether this may be the object of which no more is known than that.
    pub(super) fn may_be(&self, kind: &str, name: &str) -> bool {
        (kind.is_empty() || kind == self.kind) && (name.is_empty() || name == &*self.key.name)
    }
}

/// What an [`Id`] holds, where it is.
fn name(change: &Change) -> Option<(&'static str, &ObjectKey)> {
    Some(match change {
        Change::Ingress(key, _) => ("Ingress", key),
        Change::Class(key, _) => ("IngressClass", key),
        Change::Service(key, _) => ("Service", key),
        Change::Slice(key, _) => ("EndpointSlice", key),
        Change::Endpoints(key, _) => ("Endpoints", key),
        Change::Secret(key, _) => ("Secret", key),
        Change::Node(key, _) => ("Node", key),
        Change::Access(_) | Change::Unserved(..) | Change::Undecodable(_) => return None,
    })
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// The objects of one moment, which their files hold.
#[derive(Debug, Default)]
pub(super) struct Catalogue<'a> {
    /// By name.
    objects: Vec<&'a Change>,
    /// What is the same whatever file says it: counts of kinds.
    unserved: BTreeMap<&'static str, usize>,
}

/// The same object in two files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Double {
    id: Id,
    taken: PathBuf,
    left: PathBuf,
}

impl fmt::Display for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, taken, left } = self;
        write!(f, "{id} is in {} and in {}; the first counts", taken.display(), left.display())
    }
}

/// What differs between two catalogues.
#[derive(Debug, Default)]
pub(super) struct Differences {
    added: Vec<(Id, Change)>,
    updated: Vec<(Id, Change)>,
    removed: Vec<(Id, Change)>,
    counts: Vec<Change>,
}

impl<'a> Catalogue<'a> {
    /// Collects objects. The first of several with the same name counts, so that the order of the files decides.
    pub(super) fn of(objects: impl Iterator<Item = (&'a Path, &'a Change)>) -> (Self, BTreeSet<Double>) {
        let (mut catalogue, mut doubles) = (Self::default(), BTreeSet::new());
        let mut named = Vec::new();
        for (path, object) in objects {
            if let Change::Unserved(kind, count) = object {
                let sum = catalogue.unserved.entry(kind).or_default();
                *sum = sum.saturating_add(*count);
            }
            if let Some(name) = name(object) {
                named.push((name, path, object));
            }
        }
        // Keeps the order of those with the same name.
        named.sort_by_key(|(name, ..)| *name);
        for same in named.chunk_by(|(one, ..), (other, ..)| one == other) {
            let Some(((_, taken, first), rest)) = same.split_first() else { continue };
            let double =
                |left: &Path| Id::of(first).map(|id| Double { id, taken: (*taken).to_owned(), left: left.to_owned() });
            doubles.extend(rest.iter().filter_map(|(_, left, _)| double(left)));
            catalogue.objects.push(first);
        }
        (catalogue, doubles)
    }

    /// How many objects there are.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// The object of the same name.
    fn find(&self, like: &Change) -> Option<&'a Change> {
        let wanted = name(like);
        self.objects
            .binary_search_by(|object| name(object).cmp(&wanted))
            .ok()
            .and_then(|at| self.objects.get(at).copied())
    }

    /// What differs from `before`.
    pub(super) fn differences(&self, before: &Catalogue<'_>) -> Differences {
        let mut differences = Differences::default();
        for &object in &self.objects {
            let Some(id) = Id::of(object) else { continue };
            match before.find(object) {
                None => differences.added.push((id, object.clone())),
                Some(known) if !same(known, object) => differences.updated.push((id, object.clone())),
                Some(_) => {}
            }
        }
        for &object in before.objects.iter().filter(|object| self.find(object).is_none()) {
            differences.removed.extend(Id::of(object).map(|id| (id, gone(object))));
        }
        let kinds: BTreeSet<_> = self.unserved.keys().chain(before.unserved.keys()).copied().collect();
        for kind in kinds {
            let count = |catalogue: &Catalogue<'_>| catalogue.unserved.get(kind).copied().unwrap_or(0);
            if count(self) != count(before) {
                differences.counts.push(Change::Unserved(kind, count(self)));
            }
        }
        differences
    }
}

impl Differences {
    /// Whether nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.updated.is_empty() && self.removed.is_empty() && self.counts.is_empty()
    }

    /// The changes that lead from the one to the other.
    pub(super) fn into_changes(self) -> Vec<Change> {
        let objects = self.added.into_iter().chain(self.updated).chain(self.removed).map(|(_, change)| change);
        objects.chain(self.counts).collect()
    }
}

/// So many objects are named in one line.
const NAMED: usize = 8;

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("added", &self.added), ("updated", &self.updated), ("removed", &self.removed)];
        let named = all.iter().flat_map(|(what, objects)| objects.iter().map(move |(id, _)| format!("{id} {what}")));
        let counts = self.counts.iter().filter_map(|change| match change {
            Change::Unserved(kind, count) => Some(format!("{count} {kind} that nothing serves")),
            _ => None,
        });
        let named: Vec<_> = named.chain(counts).collect();
        let shown = named.get(..NAMED).unwrap_or(&named);
        f.write_str(&shown.join(", "))?;
        match named.len().saturating_sub(shown.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn same(a: &Change, b: &Change) -> bool {
    match (a, b) {
        (Change::Ingress(_, a), Change::Ingress(_, b)) => a == b,
        (Change::Class(_, a), Change::Class(_, b)) => a == b,
        (Change::Service(_, a), Change::Service(_, b)) => a == b,
        (Change::Slice(_, a), Change::Slice(_, b)) => a == b,
        (Change::Endpoints(_, a), Change::Endpoints(_, b)) => a == b,
        (Change::Secret(_, a), Change::Secret(_, b)) => a == b,
        (Change::Node(_, a), Change::Node(_, b)) => a == b,
        _ => false,
    }
}

fn gone(object: &Change) -> Change {
    match object.clone() {
        Change::Ingress(key, _) => Change::Ingress(key, None),
        Change::Class(key, _) => Change::Class(key, None),
        Change::Service(key, _) => Change::Service(key, None),
        Change::Slice(key, _) => Change::Slice(key, None),
        Change::Endpoints(key, _) => Change::Endpoints(key, None),
        Change::Secret(key, _) => Change::Secret(key, None),
        Change::Node(key, _) => Change::Node(key, None),
        other @ (Change::Access(_) | Change::Unserved(..) | Change::Undecodable(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::objects::Service;

    fn service(name: &str, external: &str) -> Change {
        let service = Service { external_name: external.into(), ..Service::default() };
        Change::Service(ObjectKey::new("default", name), Some(Arc::new(service)))
    }

    fn catalogue<'a>(files: &'a [(&str, &[Change])]) -> (Catalogue<'a>, BTreeSet<Double>) {
        Catalogue::of(
            files.iter().flat_map(|(path, objects)| objects.iter().map(move |object| (Path::new(path), object))),
        )
    }

    #[test]
    fn one_line_says_what_was_added_updated_and_removed() {
        let before = [service("a", "1"), service("b", "1"), service("c", "1")];
        let after = [service("a", "1"), service("b", "2"), service("d", "1")];
        let differences = catalogue(&[("x.yaml", &after)]).0.differences(&catalogue(&[("x.yaml", &before)]).0);
        let line = "Service default/d added, Service default/b updated, Service default/c removed";
        assert_eq!(differences.to_string(), line);
        assert_eq!(differences.into_changes().len(), 3);
    }

    #[test]
    fn an_object_that_moves_to_another_file_has_not_changed() {
        let object = [service("a", "1")];
        let differences = catalogue(&[("y.yaml", &object)]).0.differences(&catalogue(&[("x.yaml", &object)]).0);
        assert!(differences.is_empty());
    }

    #[test]
    fn of_the_same_object_in_two_files_the_first_counts_and_the_other_takes_over() {
        let (x, y) = ([service("a", "1")], [service("a", "2")]);
        let files: [(&str, &[Change]); 2] = [("x.yaml", &x), ("y.yaml", &y)];
        let (both, doubles) = catalogue(&files);
        let said: Vec<_> = doubles.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["Service default/a is in x.yaml and in y.yaml; the first counts"]);
        assert_eq!(catalogue(&[("y.yaml", &y)]).0.differences(&both).to_string(), "Service default/a updated");
    }

    #[test]
    fn a_long_line_is_cut() {
        let many: Vec<_> = (0..20).map(|number| service(&format!("s{number:02}"), "1")).collect();
        let differences = catalogue(&[("x.yaml", &many)]).0.differences(&Catalogue::default());
        assert!(differences.to_string().ends_with("Service default/s07 added and 12 more"));
    }
}
