//! Keys in order of their place, quick where a busy docket is: at both ends.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use docket_core::Key;

use super::record::Place;

/// How far from an end of the tail an entry may be put in or taken out by moving its neighbours.
const NEAR: usize = 32;

/// An ordered map from places to keys.
///
/// Nearly everything comes in at the end (what is added now, leased now, finished now) and leaves from the front, so the
/// end is a queue. What is put in or taken out elsewhere turns the queue into a tree first: each entry moves there at most
/// once, so every operation is logarithmic over time, wherever it is.
#[derive(Default, Debug)]
pub(crate) struct Line {
    tree: BTreeMap<Place, Key>,
    // Invariant: in order, and behind everything in the tree.
    tail: VecDeque<(Place, Key)>,
}

impl Line {
    pub(crate) fn len(&self) -> usize {
        self.tree.len() + self.tail.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tree.is_empty() && self.tail.is_empty()
    }

    pub(crate) fn first(&self) -> Option<(&Place, &Key)> {
        // A tree that is empty costs a look all the same.
        let first = if self.tree.is_empty() { None } else { self.tree.first_key_value() };
        first.or_else(|| self.tail.front().map(pair))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Place, &Key)> {
        self.tree.iter().chain(self.tail.iter().map(pair))
    }

    /// The entries from a place on.
    pub(crate) fn after(&self, start: Bound<Place>) -> impl Iterator<Item = (&Place, &Key)> {
        let before = self.tail.partition_point(|(place, _)| match start {
            Bound::Unbounded => false,
            Bound::Included(start) => *place < start,
            Bound::Excluded(start) => *place <= start,
        });
        self.tree.range((start, Bound::Unbounded)).chain(self.tail.range(before..).map(pair))
    }

    pub(crate) fn get(&self, place: &Place) -> Option<&Key> {
        match self.position(place) {
            Ok(at) => self.tail.get(at).map(|(_, key)| key),
            Err(_) => self.tree.get(place),
        }
    }

    pub(crate) fn insert(&mut self, place: Place, key: Key) {
        let is_last = match self.tail.back() {
            Some((last, _)) => *last < place,
            None => self.tree.last_key_value().is_none_or(|(last, _)| *last < place),
        };
        if is_last {
            self.tail.push_back((place, key));
            return;
        }
        match self.position(&place) {
            Ok(at) => self.tail[at].1 = key,
            Err(at) if at > 0 && self.is_near(at) => self.tail.insert(at, (place, key)),
            Err(0) => {
                self.tree.insert(place, key);
            }
            Err(_) => {
                self.settle_down();
                self.tree.insert(place, key);
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

fn pair((place, key): &(Place, Key)) -> (&Place, &Key) {
    (place, key)
}

#[cfg(test)]
mod tests {
    use docket_core::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::table::record::Seq;

    fn place(n: u64) -> Place {
        (Timestamp::from_micros(i64::try_from(n / 3).unwrap()), Seq(n % 3))
    }

    fn listed<'a>(entries: impl Iterator<Item = (&'a Place, &'a Key)>) -> Vec<(Place, Key)> {
        entries.map(|(place, key)| (*place, key.clone())).collect()
    }

    proptest! {
        #[test]
        fn a_line_is_an_ordered_map(steps in vec((0..4_u8, 0..400_u64), 0..600)) {
            let (mut line, mut map, mut next) = (Line::default(), BTreeMap::new(), 0);
            for (step, n) in steps {
                let at = place(n);
                match step {
                    // Mostly at the end.
                    0 | 1 => {
                        next += 1;
                        let key = Key::new(next.to_string()).unwrap();
                        line.insert(place(next), key.clone());
                        map.insert(place(next), key);
                    }
                    2 => {
                        let key = Key::new(format!("at {n}")).unwrap();
                        line.insert(at, key.clone());
                        map.insert(at, key);
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
                prop_assert_eq!(line.first(), map.first_key_value());
                prop_assert_eq!(line.get(&at), map.get(&at));
                for start in [Bound::Unbounded, Bound::Included(at), Bound::Excluded(at)] {
                    prop_assert_eq!(listed(line.after(start)), listed(map.range((start, Bound::Unbounded))));
                }
            }
            prop_assert_eq!(listed(line.iter()), listed(map.iter()));
        }
    }
}
