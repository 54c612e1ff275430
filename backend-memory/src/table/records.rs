//! The records of a docket: one for each key.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};

use docket_core::Key;

use super::record::Record;
use super::slots::{Slot, Slots};

/// Records by their key, and by the slot under which the indexes know them: who comes by an index need not look a key up.
#[derive(Default, Debug)]
pub(crate) struct Records {
    by_key: HashMap<Key, Slot>,
    slots: Slots<Record>,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Where the record of `key` is, if it has one.
    pub(crate) fn find(&self, key: &Key) -> Option<Slot> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Record> {
        self.find(key).map(|slot| &self.slots[slot])
    }

    /// The record in a slot that may have been emptied since.
    pub(crate) fn at(&self, slot: Slot) -> Option<&Record> {
        self.slots.get(slot)
    }

    /// Takes in the record of a key that has none.
    pub(crate) fn insert(&mut self, record: Record) -> Slot {
        let key = record.key.clone();
        let slot = self.slots.insert(record);
        self.by_key.insert(key, slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Record {
        let record = self.slots.remove(slot);
        self.by_key.remove(&record.key);
        record
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Record)> {
        self.slots.iter()
    }

    /// Whether each record is found under its key, and no key without one: for the audit.
    pub(crate) fn is_sound(&self) -> bool {
        self.by_key.len() == self.len() && self.iter().all(|(slot, record)| self.find(&record.key) == Some(slot))
    }
}

impl Index<Slot> for Records {
    type Output = Record;

    fn index(&self, slot: Slot) -> &Record {
        &self.slots[slot]
    }
}

impl IndexMut<Slot> for Records {
    fn index_mut(&mut self, slot: Slot) -> &mut Record {
        &mut self.slots[slot]
    }
}
