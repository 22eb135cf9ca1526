//! Which states there are of each upstream.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::state::UpstreamState;
use crate::route::{Upstream, UpstreamId};

/// The states of each upstream, by its id. That is in its settings: tens of thousands of copies would be megabytes.
#[derive(Default)]
pub(super) struct States {
    table: HashTable<Living>,
    hasher: RandomState,
}

/// The states of one upstream that somebody holds: usually one; two while a snapshot with other settings is replaced.
struct Living {
    newest: Arc<Upstream>,
    states: Vec<Weak<UpstreamState>>,
}

impl Living {
    fn id(&self) -> &UpstreamId {
        &self.newest.id
    }
}

impl States {
    /// Those of `id`, the newest last. Some may be gone.
    pub(super) fn get(&self, id: &UpstreamId) -> &[Weak<UpstreamState>] {
        let found = self.table.find(self.hasher.hash_one(id), |living| living.id() == id);
        found.map_or(&[], |living| &living.states)
    }

    /// Adds one, and forgets those of the same upstream that are gone.
    pub(super) fn add(&mut self, state: &Arc<UpstreamState>) {
        let Self { table, hasher } = self;
        let id = &state.spec.id;
        let same = |living: &Living| living.id() == id;
        match table.entry(hasher.hash_one(id), same, |other| hasher.hash_one(other.id())) {
            Entry::Occupied(mut entry) => {
                let living = entry.get_mut();
                living.newest = state.spec.clone();
                living.states.retain(|state| state.strong_count() > 0);
                living.states.push(Arc::downgrade(state));
            }
            Entry::Vacant(entry) => {
                entry.insert(Living { newest: state.spec.clone(), states: [Arc::downgrade(state)].into() });
            }
        }
    }

    /// Forgets the upstreams of which no state is held.
    pub(super) fn forget_unused(&mut self) {
        self.table.retain(|living| living.states.iter().any(|state| state.strong_count() > 0));
    }

    /// How many upstreams there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}
