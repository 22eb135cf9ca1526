//! What a new list changes: the difference to what is known, taken only when the list is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::objects::{ObjectKey, pack};
use crate::source::keys::Keys;

/// The known objects of one watch, and the list that is just coming in.
#[derive(Debug)]
pub(super) struct Known<K> {
    objects: BTreeMap<ObjectKey, Arc<K>>,
    listing: Option<Listing<K>>,
    /// Those that cannot be decoded, and why.
    unreadable: BTreeMap<ObjectKey, String>,
    /// Those of which that was told.
    told: BTreeMap<ObjectKey, String>,
    /// Makes their keys.
    pub(super) keys: Keys,
}

#[derive(Debug)]
struct Listing<K> {
    seen: BTreeSet<ObjectKey>,
    unreadable: BTreeMap<ObjectKey, String>,
    new: Vec<(ObjectKey, Arc<K>)>,
}

/// One difference: the object now, or `None` when it went.
pub(super) type Difference<K> = (ObjectKey, Option<Arc<K>>);

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            listing: None,
            unreadable: BTreeMap::new(),
            told: BTreeMap::new(),
            keys: Keys::default(),
        }
    }
}

impl<K: PartialEq> Known<K> {
    /// How many objects are known.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// An object came or changed. Nothing, when it says what we know already: the API server writes more into an
    /// object than translation reads.
    pub(super) fn put(&mut self, key: ObjectKey, object: K) -> Option<Difference<K>> {
        self.unreadable.remove(&key);
        if self.objects.get(&key).is_some_and(|known| **known == object) {
            return None;
        }
        let object = Arc::new(object);
        self.objects.insert(key.clone(), object.clone());
        Some((key, Some(object)))
    }

    /// An object came or changed, but cannot be read: what we know of it stays.
    pub(super) fn put_unreadable(&mut self, key: ObjectKey, reason: String) {
        self.unreadable.insert(key, reason);
    }

    /// An object went.
    pub(super) fn remove(&mut self, key: ObjectKey) -> Option<Difference<K>> {
        self.unreadable.remove(&key);
        self.objects.remove(&key).map(|_| (key, None))
    }

    /// A list begins. One that began before and never ended is forgotten: it removes nothing.
    pub(super) fn begin_list(&mut self) {
        self.listing = Some(Listing { seen: BTreeSet::new(), unreadable: BTreeMap::new(), new: Vec::new() });
    }

    /// The list has this object.
    pub(super) fn list(&mut self, key: ObjectKey, object: K) {
        let Some(listing) = &mut self.listing else { return };
        if self.objects.get(&key).is_none_or(|known| **known != object) {
            listing.new.push((key.clone(), Arc::new(object)));
        }
        listing.seen.insert(key);
    }

    /// The list has this object, but it cannot be read: what we know of it stays.
    pub(super) fn list_unreadable(&mut self, key: ObjectKey, reason: String) {
        if let Some(listing) = &mut self.listing {
            listing.seen.insert(key.clone());
            listing.unreadable.insert(key, reason);
        }
    }

    /// The list is complete: what it has not is gone.
    pub(super) fn end_list(&mut self) -> Vec<Difference<K>> {
        let Some(listing) = self.listing.take() else { return Vec::new() };
        self.unreadable = listing.unreadable;
        let gone: Vec<_> = self.objects.keys().filter(|key| !listing.seen.contains(*key)).cloned().collect();
        let mut differences = Vec::with_capacity(listing.new.len().saturating_add(gone.len()));
        for (key, object) in listing.new {
            self.objects.insert(key.clone(), object.clone());
            differences.push((key, Some(object)));
        }
        for key in gone {
            self.objects.remove(&key);
            differences.push((key, None));
        }
        pack(&mut self.objects);
        differences
    }

    /// What became unreadable (`Some`: why) or readable (`None`) since this was last asked.
    pub(super) fn readability(&mut self) -> Vec<(ObjectKey, Option<String>)> {
        if self.unreadable == self.told {
            return Vec::new();
        }
        let told = std::mem::replace(&mut self.told, self.unreadable.clone());
        let news = self.unreadable.iter().filter(|(key, why)| told.get(*key) != Some(*why));
        let mended = told.keys().filter(|key| !self.unreadable.contains_key(*key));
        let news = news.map(|(key, why)| (key.clone(), Some(why.clone())));
        news.chain(mended.map(|key| (key.clone(), None))).collect()
    }

    /// Forgets everything, and says so.
    pub(super) fn clear(&mut self) -> Vec<Difference<K>> {
        self.listing = None;
        self.unreadable.clear();
        std::mem::take(&mut self.objects).into_keys().map(|key| (key, None)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("default", name)
    }

    fn known(objects: &[(&str, u32)]) -> Known<u32> {
        let mut known = Known::default();
        known.begin_list();
        for (name, object) in objects {
            known.list(key(name), *object);
        }
        known.end_list();
        known
    }

    fn names(differences: Vec<Difference<u32>>) -> Vec<(String, Option<u32>)> {
        differences.into_iter().map(|(key, object)| (key.name.to_string(), object.map(|object| *object))).collect()
    }

    #[test]
    fn a_complete_list_removes_what_it_lacks_and_leaves_alone_what_it_repeats() {
        let mut known = known(&[("a", 1), ("b", 2), ("c", 3)]);
        known.begin_list();
        known.list(key("a"), 1);
        known.list(key("c"), 4);
        known.list(key("d"), 5);
        assert_eq!(names(known.end_list()), [("c".into(), Some(4)), ("d".into(), Some(5)), ("b".into(), None)]);
    }

    #[test]
    fn a_list_that_breaks_off_removes_nothing_and_changes_nothing() {
        let mut known = known(&[("a", 1), ("b", 2)]);
        known.begin_list();
        known.list(key("a"), 9);
        known.begin_list();
        known.list(key("a"), 1);
        known.list(key("b"), 2);
        assert_eq!(names(known.end_list()), []);
        assert_eq!(known.len(), 2);
    }

    #[test]
    fn an_unreadable_object_in_a_list_keeps_its_last_good_version() {
        let mut known = known(&[("a", 1)]);
        known.begin_list();
        known.list_unreadable(key("a"), "bad".into());
        assert_eq!(names(known.end_list()), []);
        assert_eq!(known.len(), 1);
        assert_eq!(known.readability(), [(key("a"), Some("bad".into()))]);
        assert_eq!(known.readability(), []);
        known.put(key("a"), 1);
        assert_eq!(known.readability(), [(key("a"), None)]);
    }

    #[test]
    fn an_event_that_repeats_what_is_known_is_no_difference() {
        let mut known = known(&[("a", 1)]);
        assert_eq!(known.put(key("a"), 1), None);
        assert_eq!(known.put(key("a"), 2), Some((key("a"), Some(Arc::new(2)))));
        assert_eq!(known.remove(key("x")), None);
        assert_eq!(known.remove(key("a")), Some((key("a"), None)));
    }

    #[test]
    fn a_list_end_without_its_beginning_is_ignored() {
        let mut known = known(&[("a", 1)]);
        known.list(key("z"), 1);
        assert_eq!(names(known.end_list()), []);
    }
}
