//! Values under numbers that are used again. A stored value never moves.

use std::ops::{Index, IndexMut};

/// Values in one piece of memory.
const BLOCK: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 10;

/// The number of a value, until it is removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Slot(u32);

/// Values in blocks of equal size: values inserted one after another are adjacent, and growing
/// copies nothing. A removed value leaves room for the next one; the memory is freed when all
/// values are removed.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    blocks: Vec<Vec<Option<T>>>,
    free: Vec<Slot>,
    len: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slots<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, value: T) -> Slot {
        self.len += 1;
        if let Some(slot) = self.free.pop() {
            *self.room_mut(slot) = Some(value);
            return slot;
        }
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let before = (self.blocks.len() - 1) << BLOCK_BITS;
        let block = self.blocks.last_mut().expect("there is one with room");
        block.push(Some(value));
        Slot(u32::try_from(before + block.len() - 1).expect("bounds on records keep numbers within 32 bits"))
    }

    pub(crate) fn get(&self, Slot(n): Slot) -> Option<&T> {
        self.blocks.get(n as usize >> BLOCK_BITS)?.get(n as usize % BLOCK)?.as_ref()
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> T {
        let value = self.room_mut(slot).take().expect(FULL);
        self.len -= 1;
        self.free.push(slot);
        if self.len == 0 && self.blocks.len() > 1 {
            *self = Self::default();
        }
        value
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let rooms = (0..).map(Slot).zip(self.blocks.iter().flatten());
        rooms.filter_map(|(slot, room)| Some((slot, room.as_ref()?)))
    }

    fn room_mut(&mut self, Slot(n): Slot) -> &mut Option<T> {
        &mut self.blocks[n as usize >> BLOCK_BITS][n as usize % BLOCK]
    }
}

const FULL: &str = "a slot is asked for only while it is full";

impl<T> Index<Slot> for Slots<T> {
    type Output = T;

    fn index(&self, slot: Slot) -> &T {
        self.get(slot).expect(FULL)
    }
}

impl<T> IndexMut<Slot> for Slots<T> {
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        self.room_mut(slot).as_mut().expect(FULL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_in_a_row_has_numbers_in_a_row_and_stays_where_it_is() {
        let mut slots = Slots::default();
        let all: Vec<_> = (0..3 * BLOCK).map(|n| slots.insert(n)).collect();
        assert!(all.is_sorted());
        assert!(all.iter().enumerate().all(|(n, slot)| slots[*slot] == n));
        assert!(slots.iter().eq(all.iter().map(|slot| (*slot, &slots[*slot]))));
    }

    #[test]
    fn room_is_used_again_and_given_back_when_all_is_gone() {
        let mut slots = Slots::default();
        let all: Vec<_> = (0..=BLOCK).map(|n| slots.insert(n)).collect();
        assert_eq!((slots.remove(all[3]), slots.len()), (3, BLOCK));
        assert_eq!(slots.insert(7), all[3]);
        assert_eq!((slots[all[3]], slots.blocks.len()), (7, 2));
        for slot in all {
            slots.remove(slot);
        }
        assert_eq!((slots.len(), slots.blocks.len(), slots.free.len()), (0, 0, 0));
    }
}
