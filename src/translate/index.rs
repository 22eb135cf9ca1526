//! Who names what.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::objects::{ObjectKey, pack};

/// Objects that are named, each with one that names it.
#[derive(Default)]
pub(super) struct Index(BTreeSet<(ObjectKey, ObjectKey)>);

impl Index {
    /// All that name `named`.
    pub(super) fn of(&self, named: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        let nobody = ObjectKey { namespace: Arc::default(), name: Arc::default() };
        let from = self.0.range((named.clone(), nobody)..);
        from.take_while(move |(other, _)| other == named).map(|(_, who)| who)
    }

    /// `who` named these, and names those now.
    pub(super) fn relate(&mut self, who: &ObjectKey, old: &[ObjectKey], new: &[ObjectKey]) {
        for gone in old.iter().filter(|key| !new.contains(key)) {
            self.0.remove(&(gone.clone(), who.clone()));
        }
        for come in new.iter().filter(|key| !old.contains(key)) {
            self.0.insert((come.clone(), who.clone()));
        }
    }

    /// Lays out anew what has come one by one.
    pub(super) fn settle(&mut self) {
        pack(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_an_object_is_found_until_it_names_another() {
        let key = |name: &str| ObjectKey::new("default", name);
        let mut index = Index::default();
        index.relate(&key("one"), &[], &[key("a"), key("b")]);
        index.relate(&key("two"), &[], &[key("b")]);
        assert_eq!(index.of(&key("b")).collect::<Vec<_>>(), [&key("one"), &key("two")]);
        index.relate(&key("one"), &[key("a"), key("b")], &[key("a")]);
        assert_eq!(index.of(&key("b")).collect::<Vec<_>>(), [&key("two")]);
        assert_eq!(index.of(&key("a")).count(), 1);
    }
}
