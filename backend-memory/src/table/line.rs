//! Slots in the order of their position, fast at both ends.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::record::Place;
use super::slots::Slot;

/// The largest distance from an end of the queue at which an entry is inserted or removed by moving
/// its neighbours.
const NEAR: usize = 32;

/// An ordered map from positions to slots.
///
/// Nearly every entry is added at the end (a task added now, leased now, finished now) and leaves
/// from the front: these entries are in a queue. The others are in a tree, and a reader sees the
/// two as one. An entry for a later time goes into the tree at once, so that due entries still go
/// to the end of the queue. Removing an entry from the middle of the queue first moves the whole
/// queue into the tree. Each entry moves there at most once, so every operation is logarithmic,
/// amortised.
#[derive(Default, Debug)]
pub(crate) struct Line {
    tree: BTreeMap<Place, Slot>,
    // Invariant: in order.
    queue: VecDeque<(Place, Slot)>,
}

impl Line {
    pub(crate) fn len(&self) -> usize {
        self.tree.len() + self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tree.is_empty() && self.queue.is_empty()
    }

    pub(crate) fn first(&self) -> Option<(Place, Slot)> {
        let queued = self.queue.front().copied();
        // Even an empty tree costs a lookup.
        let sorted = if self.tree.is_empty() { None } else { self.tree.first_key_value().map(pair) };
        match (queued, sorted) {
            (Some(queued), Some(sorted)) => Some(queued.min(sorted)),
            (queued, sorted) => queued.or(sorted),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, Slot)> {
        merge(self.tree.iter().map(pair), self.queue.iter().copied())
    }

    /// The entries from a position on.
    pub(crate) fn after(&self, start: Bound<Place>) -> impl Iterator<Item = (Place, Slot)> {
        let queued = self.queue.range(self.queued_before(start)..).copied();
        merge(self.tree.range((start, Bound::Unbounded)).map(pair), queued)
    }

    /// The number of entries from a position on.
    pub(crate) fn count_after(&self, start: Bound<Place>) -> usize {
        self.tree.range((start, Bound::Unbounded)).count() + self.queue.len() - self.queued_before(start)
    }

    pub(crate) fn get(&self, place: &Place) -> Option<Slot> {
        match self.position(place) {
            Ok(at) => self.queue.get(at).map(|(_, slot)| *slot),
            Err(_) => self.tree.get(place).copied(),
        }
    }

    /// Inserts an entry whose position is free.
    pub(crate) fn insert(&mut self, place: Place, slot: Slot) {
        let (Ok(at) | Err(at)) = self.position(&place);
        if self.is_near(at) {
            self.queue.insert(at, (place, slot));
        } else {
            self.tree.insert(place, slot);
        }
    }

    /// As [`Line::insert`], for an entry before which many earlier ones will be inserted.
    pub(crate) fn insert_later(&mut self, place: Place, slot: Slot) {
        self.tree.insert(place, slot);
    }

    pub(crate) fn remove(&mut self, place: &Place) {
        match self.position(place) {
            Ok(at) if self.is_near(at) => {
                self.queue.remove(at);
            }
            Ok(_) => {
                self.tree.extend(self.queue.drain(..));
                self.tree.remove(place);
            }
            Err(_) => {
                self.tree.remove(place);
            }
        }
    }

    fn queued_before(&self, start: Bound<Place>) -> usize {
        self.queue.partition_point(|(place, _)| match start {
            Bound::Unbounded => false,
            Bound::Included(start) => *place < start,
            Bound::Excluded(start) => *place <= start,
        })
    }

    /// The index of a position in the queue, or where it would be. Looks at the ends first.
    fn position(&self, place: &Place) -> Result<usize, usize> {
        let (Some((first, _)), Some((last, _))) = (self.queue.front(), self.queue.back()) else { return Err(0) };
        match (place.cmp(first), place.cmp(last)) {
            (Ordering::Less, _) => Err(0),
            (Ordering::Equal, _) => Ok(0),
            (_, Ordering::Greater) => Err(self.queue.len()),
            _ => self.queue.binary_search_by(|(other, _)| other.cmp(place)),
        }
    }

    fn is_near(&self, at: usize) -> bool {
        at.min(self.queue.len() - at) <= NEAR
    }
}

fn pair((place, slot): (&Place, &Slot)) -> (Place, Slot) {
    (*place, *slot)
}

/// Merges two ordered iterators.
fn merge<T: Ord>(one: impl Iterator<Item = T>, other: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(first), Some(second)) if second < first => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}

#[cfg(test)]
mod tests {
    use docket_core::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::table::record::Seq;
    use crate::table::slots::Slots;

    fn place(n: u64) -> Place {
        (Timestamp::from_micros(i64::try_from(n / 3).unwrap()), Seq(n % 3))
    }

    proptest! {
        #[test]
        fn a_line_is_an_ordered_map(steps in vec((0..5_u8, 0..400_u64), 0..600)) {
            // Larger than the random positions, so none is used twice.
            let (mut line, mut map, mut next) = (Line::default(), BTreeMap::new(), 400);
            // Each entry is different.
            let mut slots = Slots::default();
            for (step, n) in steps {
                let at = place(n);
                match step {
                    // Mostly at the end.
                    0 | 1 => {
                        next += 1;
                        let slot = slots.insert(());
                        line.insert(place(next), slot);
                        map.insert(place(next), slot);
                    }
                    2 | 3 if !map.contains_key(&at) => {
                        let slot = slots.insert(());
                        if step == 2 { line.insert(at, slot) } else { line.insert_later(at, slot) }
                        map.insert(at, slot);
                    }
                    _ => {
                        // Mostly from the front.
                        let at = if n % 2 == 0 { map.keys().next().copied().unwrap_or(at) } else { at };
                        line.remove(&at);
                        map.remove(&at);
                    }
                }
                prop_assert_eq!(line.len(), map.len());
                prop_assert_eq!(line.is_empty(), map.is_empty());
                prop_assert_eq!(line.first(), map.first_key_value().map(pair));
                prop_assert_eq!(line.get(&at), map.get(&at).copied());
                for start in [Bound::Unbounded, Bound::Included(at), Bound::Excluded(at)] {
                    prop_assert_eq!(line.count_after(start), line.after(start).count());
                    prop_assert!(line.after(start).eq(map.range((start, Bound::Unbounded)).map(pair)));
                }
            }
            prop_assert!(line.iter().eq(map.iter().map(pair)));
        }
    }
}
