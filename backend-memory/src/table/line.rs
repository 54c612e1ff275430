//! Slots in order of their place, quick where a busy docket is: at both ends.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::record::Place;
use super::slots::Slot;

/// How far from an end of the tail an entry may be put in or taken out by moving its neighbours.
const NEAR: usize = 32;

/// An ordered map from places to slots.
///
/// Nearly everything comes in at the end (what is added now, leased now, finished now) and leaves from the front, so the
/// end is a queue. What is put in or taken out elsewhere turns the queue into a tree first: each entry moves there at most
/// once, so every operation is logarithmic over time, wherever it is.
#[derive(Default, Debug)]
pub(crate) struct Line {
    tree: BTreeMap<Place, Slot>,
    // Invariant: in order, and behind everything in the tree.
    tail: VecDeque<(Place, Slot)>,
}

impl Line {
    pub(crate) fn len(&self) -> usize {
        self.tree.len() + self.tail.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tree.is_empty() && self.tail.is_empty()
    }

    pub(crate) fn first(&self) -> Option<(Place, Slot)> {
        // A tree that is empty costs a look all the same.
        let first = if self.tree.is_empty() { None } else { self.tree.first_key_value() };
        first.map(pair).or_else(|| self.tail.front().copied())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, Slot)> {
        self.tree.iter().map(pair).chain(self.tail.iter().copied())
    }

    /// The entries from a place on.
    pub(crate) fn after(&self, start: Bound<Place>) -> impl Iterator<Item = (Place, Slot)> {
        let before = self.tail.partition_point(|(place, _)| match start {
            Bound::Unbounded => false,
            Bound::Included(start) => *place < start,
            Bound::Excluded(start) => *place <= start,
        });
        self.tree.range((start, Bound::Unbounded)).map(pair).chain(self.tail.range(before..).copied())
    }

    pub(crate) fn get(&self, place: &Place) -> Option<Slot> {
        match self.position(place) {
            Ok(at) => self.tail.get(at).map(|(_, slot)| *slot),
            Err(_) => self.tree.get(place).copied(),
        }
    }

    pub(crate) fn insert(&mut self, place: Place, slot: Slot) {
        let is_last = match self.tail.back() {
            Some((last, _)) => *last < place,
            None => self.tree.last_key_value().is_none_or(|(last, _)| *last < place),
        };
        if is_last {
            self.tail.push_back((place, slot));
            return;
        }
        match self.position(&place) {
            Ok(at) => self.tail[at].1 = slot,
            Err(at) if at > 0 && self.is_near(at) => self.tail.insert(at, (place, slot)),
            Err(0) => {
                self.tree.insert(place, slot);
            }
            Err(_) => {
                self.settle_down();
                self.tree.insert(place, slot);
            }
        }
    }

    pub(crate) fn remove(&mut self, place: &Place) {
        match self.position(place) {
            Ok(at) if self.is_near(at) => {
                self.tail.remove(at);
            }
            Ok(_) => {
                self.settle_down();
                self.tree.remove(place);
            }
            Err(_) => {
                self.tree.remove(place);
            }
        }
    }

    /// Where in the tail a place is, or would be.
    fn position(&self, place: &Place) -> Result<usize, usize> {
        match self.tail.front() {
            None => Err(0),
            Some((first, _)) if place <= first => {
                if place == first {
                    Ok(0)
                } else {
                    Err(0)
                }
            }
            Some(_) => self.tail.binary_search_by(|(other, _)| other.cmp(place)),
        }
    }

    fn is_near(&self, at: usize) -> bool {
        at.min(self.tail.len() - at) <= NEAR
    }

    fn settle_down(&mut self) {
        self.tree.extend(self.tail.drain(..));
    }
}

fn pair((place, slot): (&Place, &Slot)) -> (Place, Slot) {
    (*place, *slot)
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
        fn a_line_is_an_ordered_map(steps in vec((0..4_u8, 0..400_u64), 0..600)) {
            let (mut line, mut map, mut next) = (Line::default(), BTreeMap::new(), 0);
            // Every entry is another.
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
                    2 => {
                        let slot = slots.insert(());
                        line.insert(at, slot);
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
                    prop_assert!(line.after(start).eq(map.range((start, Bound::Unbounded)).map(pair)));
                }
            }
            prop_assert!(line.iter().eq(map.iter().map(pair)));
        }
    }
}
