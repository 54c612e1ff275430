//! The records of a docket: one for each key.

use std::hash::{BuildHasher, RandomState};
use std::ops::{Index, IndexMut};

use docket_core::TaskKey;
use hashbrown::HashTable;

use super::record::Record;
use super::slots::{Slot, Slots};

/// Records by their key, and by the slot under which the indexes know them: a lookup by an index needs no key.
#[derive(Default, Debug)]
pub(crate) struct Records {
    /// Slots only: ten times smaller than with keys, so that trimming finds its records without
    /// leaving the cache.
    by_key: HashTable<Slot>,
    slots: Slots<Kept>,
    /// Seeded anew in each docket, and hard to guess, because users may choose the keys.
    hashing: RandomState,
}

/// A record, and the hash of its key: computed once in its life.
#[derive(Debug)]
struct Kept {
    hash: u64,
    record: Record,
}

/// The position for a key that has no record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vacancy {
    hash: u64,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Where the record of `key` is, or would be.
    pub(crate) fn look_up(&self, key: &TaskKey) -> Result<Slot, Vacancy> {
        let hash = self.hashing.hash_one(key);
        let found = self.by_key.find(hash, |slot| self[*slot].key == *key);
        found.copied().ok_or(Vacancy { hash })
    }

    /// Where the record of `key` is, if it has one.
    pub(crate) fn find(&self, key: &TaskKey) -> Option<Slot> {
        self.look_up(key).ok()
    }

    pub(crate) fn get(&self, key: &TaskKey) -> Option<&Record> {
        self.find(key).map(|slot| &self[slot])
    }

    /// The record in a slot that may have been emptied since.
    pub(crate) fn at(&self, slot: Slot) -> Option<&Record> {
        self.slots.get(slot).map(|kept| &kept.record)
    }

    /// Inserts the record of a key that has none.
    pub(crate) fn insert(&mut self, Vacancy { hash }: Vacancy, record: Record) -> Slot {
        let slot = self.slots.insert(Kept { hash, record });
        self.by_key.insert_unique(hash, slot, |slot| self.slots[*slot].hash);
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Record {
        let Kept { hash, record } = self.slots.remove(slot);
        if let Ok(entry) = self.by_key.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        record
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Record)> {
        self.slots.iter().map(|(slot, kept)| (slot, &kept.record))
    }

    /// Whether each record is found under its key, and no key without one: for the audit.
    pub(crate) fn is_sound(&self) -> bool {
        self.by_key.len() == self.len() && self.iter().all(|(slot, record)| self.find(&record.key) == Some(slot))
    }
}

impl Index<Slot> for Records {
    type Output = Record;

    fn index(&self, slot: Slot) -> &Record {
        &self.slots[slot].record
    }
}

impl IndexMut<Slot> for Records {
    fn index_mut(&mut self, slot: Slot) -> &mut Record {
        &mut self.slots[slot].record
    }
}
