//! Finished, retention over → absent.

use docket_core::{Timestamp, limits};

use super::Table;
use super::indexes::Shelf;
use super::slots::Slot;

impl Table {
    /// Takes finished records away: those over their time, and the oldest beyond the bound; a bounded number a call, and
    /// one more for each task the call has `settled`. Answers how many of them were dead.
    pub(crate) fn trim(&mut self, settled: usize, now: Timestamp) -> u64 {
        let mut left = limits::TRIM_ITEMS_MAX + settled;
        left -= self.trim_shelf(Shelf::Finished, limits::FINISHED_MAX, left, now);
        self.trim_shelf(Shelf::Dead, limits::DEAD_MAX, left, now) as u64
    }

    fn trim_shelf(&mut self, which: Shelf, kept_max: usize, trimmed_max: usize, now: Timestamp) -> usize {
        let line = self.indexes.shelf(which);
        let over = line.iter().take(trimmed_max).take_while(|((expires_at, _), _)| *expires_at <= now).count();
        let beyond = line.len().saturating_sub(kept_max);
        let slots: Vec<Slot> = line.iter().take(over.max(beyond).min(trimmed_max)).map(|(_, slot)| slot).collect();
        for slot in &slots {
            self.remove(*slot);
        }
        slots.len()
    }
}
