//! The indexes: where each record can be found by its time.

use std::sync::Arc;

use docket_core::{TaskState, Timestamp};

use super::lane::Kind;
use super::lanes::{LaneNo, Lanes};
use super::line::Line;
use super::record::{LaneId, Phase, Place, Record};
use super::slots::Slot;

/// The finished tasks, by how they are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Shelf {
    /// Completed and cancelled.
    Finished,
    Dead,
    /// Finished periodic tasks, by the time they finished. They are never trimmed, so that no seed
    /// brings one back.
    Kept,
}

impl Shelf {
    pub(crate) const ALL: [Self; 3] = [Self::Finished, Self::Dead, Self::Kept];

    fn of(record: &Record) -> (Self, Place) {
        match record.phase {
            _ if record.work.every.is_some() => (Self::Kept, record.place()),
            Phase::Dead => (Self::Dead, (record.expires_at, record.seq)),
            _ => (Self::Finished, (record.expires_at, record.seq)),
        }
    }

    /// Whether a task in `state` can be on this shelf.
    pub(crate) fn may_hold(self, state: TaskState) -> bool {
        match self {
            Self::Finished => matches!(state, TaskState::Completed | TaskState::Cancelled),
            Self::Dead => state == TaskState::Dead,
            Self::Kept => state.is_finished(),
        }
    }
}

/// The finished tasks, by shelf.
#[derive(Default, Debug)]
struct Shelves([Weighed; 3]);

/// A shelf, and the bytes that its records keep.
#[derive(Default, Debug)]
struct Weighed {
    line: Line,
    bytes: usize,
}

impl Shelves {
    fn take_out(&mut self, record: &Record) {
        if record.phase.is_finished() {
            let (which, place) = Shelf::of(record);
            let found = &mut self.0[which as usize];
            found.line.remove(&place);
            found.bytes -= record.kept_bytes();
        }
    }

    fn put(&mut self, slot: Slot, record: &Record) {
        if record.phase.is_finished() {
            let (which, place) = Shelf::of(record);
            let found = &mut self.0[which as usize];
            found.line.insert(place, slot);
            found.bytes += record.kept_bytes();
        }
    }
}

/// All indexes of a docket, and the lanes in which something has moved forward.
#[derive(Default, Debug)]
pub(crate) struct Indexes {
    pub(crate) lanes: Lanes,
    shelves: Shelves,
    /// Lanes whose waiters should poll. Each lane also notes it, so that it is listed once.
    woken: Vec<Arc<LaneId>>,
}

/// A task in a lane becomes visible at this time, which may be sooner than its waiters expect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wake {
    pub(crate) lane: Arc<LaneId>,
    pub(crate) kind: Kind,
    pub(crate) at: Timestamp,
}

impl Indexes {
    /// Takes a record out of its index, lets `step` change it, and puts it back where it then belongs.
    pub(crate) fn change<T>(
        &mut self,
        slot: Slot,
        record: &mut Record,
        now: Timestamp,
        step: impl FnOnce(&mut Record) -> T,
    ) -> T {
        let lane = &mut self.lanes[record.lane];
        lane.take_out(record);
        self.shelves.take_out(record);
        let answer = step(record);
        // The usual case, in which the lane need not be looked up again.
        if Arc::ptr_eq(&record.work.lane, &lane.id) {
            lane.put(slot, record, now, &mut self.woken);
            self.shelves.put(slot, record);
        } else {
            self.lanes.close_if_empty(record.lane);
            self.insert(slot, record, now);
        }
        answer
    }

    /// Puts a new record into its index.
    pub(crate) fn insert(&mut self, slot: Slot, record: &mut Record, now: Timestamp) {
        record.lane = self.lanes.open(&record.work.lane);
        let lane = &mut self.lanes[record.lane];
        // One identity for all of a lane: by it a change sees that the lane is still the same.
        if !Arc::ptr_eq(&record.work.lane, &lane.id) {
            record.work.lane = lane.id.clone();
        }
        lane.put(slot, record, now, &mut self.woken);
        self.shelves.put(slot, record);
    }

    /// Takes a record out of its index, for good.
    pub(crate) fn remove(&mut self, record: &Record) {
        self.lanes[record.lane].take_out(record);
        self.lanes.close_if_empty(record.lane);
        self.shelves.take_out(record);
    }

    pub(crate) fn shelf(&self, which: Shelf) -> &Line {
        &self.shelves.0[which as usize].line
    }

    /// The bytes that the records of a shelf keep.
    pub(crate) fn kept_bytes(&self, which: Shelf) -> usize {
        self.shelves.0[which as usize].bytes
    }

    pub(crate) fn finished_len(&self) -> usize {
        Shelf::ALL.into_iter().map(|shelf| self.shelf(shelf).len()).sum()
    }

    /// The index a record belongs to, and whether it is there: for the audit.
    pub(crate) fn holds(&self, slot: Slot, record: &Record) -> bool {
        let found = if record.phase.is_finished() {
            let (which, place) = Shelf::of(record);
            self.shelf(which).get(&place)
        } else {
            let lines = self.lanes[record.lane].lines(Kind::of(record));
            let line = lines.all().into_iter().find(|(phase, _)| *phase == record.phase);
            line.and_then(|(_, line)| line.get(&record.place()))
        };
        found == Some(slot) && Arc::ptr_eq(&record.work.lane, &self.lanes[record.lane].id)
    }

    /// Notes that a waiter should poll this lane.
    pub(crate) fn wake(&mut self, lane: LaneNo, kind: Kind) {
        self.lanes[lane].wake(kind, &mut self.woken);
    }

    /// The lanes noted since the last call, without the empty ones.
    pub(crate) fn take_wakes(&mut self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for id in std::mem::take(&mut self.woken) {
            let Some(no) = self.lanes.find(&id) else { continue };
            let lane = &mut self.lanes[no];
            let kinds = std::mem::take(&mut lane.woken);
            for kind in Kind::ALL.into_iter().filter(|kind| kinds[*kind as usize]) {
                wakes.extend(lane.lines(kind).head_at().map(|at| Wake { lane: id.clone(), kind, at }));
            }
        }
        wakes
    }

    /// Forgets the lanes noted: there are no waiters.
    pub(crate) fn forget_wakes(&mut self) {
        for id in self.woken.drain(..) {
            if let Some(no) = self.lanes.find(&id) {
                self.lanes[no].woken = [false; 2];
            }
        }
    }
}
