//! The lanes of a docket that are not empty.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use docket_core::{Queue, TaskName};

use super::lane::Lane;
use super::record::LaneId;
use super::slots::{Slot, Slots};

/// The number of a lane, for as long as the lane is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct LaneNo(Slot);

/// Lanes by queue and name, and by number.
#[derive(Default, Debug)]
pub(crate) struct Lanes {
    numbers: BTreeMap<Arc<LaneId>, LaneNo>,
    by_number: Slots<Lane>,
    /// The lane opened last: most tasks of a batch go into the same one.
    latest: Option<(Arc<LaneId>, LaneNo)>,
}

impl Lanes {
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(crate) fn find(&self, id: &LaneId) -> Option<LaneNo> {
        self.numbers.get(id).copied()
    }

    /// The identity of a lane, shared with the lane if it is there.
    pub(crate) fn id(&self, queue: &Queue, name: &TaskName) -> Arc<LaneId> {
        if let Some((latest, _)) = &self.latest
            && latest.name == *name
            && latest.queue == *queue
        {
            return latest.clone();
        }
        let id = LaneId { queue: queue.clone(), name: name.clone() };
        self.find(&id).map_or_else(|| Arc::new(id), |no| self[no].id.clone())
    }

    /// The lane of this identity; opens it if it is not there.
    pub(crate) fn open(&mut self, id: &Arc<LaneId>) -> LaneNo {
        if let Some((latest, no)) = &self.latest
            && Arc::ptr_eq(latest, id)
        {
            return *no;
        }
        let no = self.find(id).unwrap_or_else(|| {
            let no = LaneNo(self.by_number.insert(Lane::new(id.clone())));
            self.numbers.insert(id.clone(), no);
            no
        });
        self.latest = Some((self[no].id.clone(), no));
        no
    }

    /// Removes a lane if it is empty.
    pub(crate) fn close_if_empty(&mut self, no: LaneNo) {
        if self[no].is_empty() {
            let lane = self.by_number.remove(no.0);
            self.numbers.remove(&lane.id);
            self.latest = None;
        }
    }

    /// Every lane, in order of queue and name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LaneNo, &Lane)> {
        self.numbers.values().map(|no| (*no, &self[*no]))
    }
}

impl Index<LaneNo> for Lanes {
    type Output = Lane;

    fn index(&self, no: LaneNo) -> &Lane {
        &self.by_number[no.0]
    }
}

impl IndexMut<LaneNo> for Lanes {
    fn index_mut(&mut self, no: LaneNo) -> &mut Lane {
        &mut self.by_number[no.0]
    }
}
