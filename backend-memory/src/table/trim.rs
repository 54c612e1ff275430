//! Finished, retention over → absent.

use docket_core::{Timestamp, limits};

use super::Table;
use super::indexes::Shelf;
use super::slots::Slot;

impl Table {
    /// Removes finished records whose retention is over, then the oldest beyond the bound: a
    /// bounded number per call, and one more for each task that the call has `settled`. Returns how
    /// many of them were dead.
    pub(crate) fn trim(&mut self, settled: usize, now: Timestamp) -> u64 {
        let mut left = limits::TRIM_ITEMS_MAX + settled;
        let finished = Bounds { records: limits::FINISHED_MAX, bytes: limits::FINISHED_BYTES_MAX };
        let dead = Bounds { records: limits::DEAD_MAX, bytes: limits::DEAD_BYTES_MAX };
        left -= self.trim_shelf(Shelf::Finished, finished, left, now);
        self.trim_shelf(Shelf::Dead, dead, left, now) as u64
    }

    fn trim_shelf(&mut self, which: Shelf, kept: Bounds, trimmed_max: usize, now: Timestamp) -> usize {
        let line = self.indexes.shelf(which);
        let over = line.iter().take(trimmed_max).take_while(|((expires_at, _), _)| *expires_at <= now).count();
        let beyond = line.len().saturating_sub(kept.records).max(self.too_heavy(which, kept.bytes, trimmed_max));
        let slots: Vec<Slot> = line.iter().take(over.max(beyond).min(trimmed_max)).map(|(_, slot)| slot).collect();
        for slot in &slots {
            self.remove(*slot);
        }
        slots.len()
    }

    /// How many of the oldest records must be removed until the others keep at most `bytes_max`;
    /// examines at most `trimmed_max`.
    fn too_heavy(&self, which: Shelf, bytes_max: usize, trimmed_max: usize) -> usize {
        let mut bytes = self.indexes.kept_bytes(which);
        let mut count = 0;
        for (_, slot) in self.indexes.shelf(which).iter().take(trimmed_max) {
            if bytes <= bytes_max {
                break;
            }
            bytes -= self.records[slot].kept_bytes();
            count += 1;
        }
        count
    }
}

/// The bounds of a shelf.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    records: usize,
    bytes: usize,
}
