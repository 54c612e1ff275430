//! The indexes: where each record can be found by its time.

use std::collections::BTreeMap;

use docket_core::{State, Timestamp};

use super::lane::{Kind, Lane};
use super::line::Line;
use super::record::{LaneId, Phase, Place, Record};

/// Where the finished are kept, by the time at which they are trimmed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Shelf {
    /// Completed and cancelled.
    Finished,
    Dead,
    /// Finished perpetuals, by the time they finished: never trimmed, so that no seed brings one back.
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

    /// Whether a task in `state` can be on it.
    pub(crate) fn may_hold(self, state: State) -> bool {
        match self {
            Self::Finished => matches!(state, State::Completed | State::Cancelled),
            Self::Dead => state == State::Dead,
            Self::Kept => state.is_finished(),
        }
    }
}

/// The finished tasks, by shelf.
#[derive(Default, Debug)]
struct Shelves([Line; 3]);

impl Shelves {
    fn take_out(&mut self, record: &Record) {
        if record.phase.is_finished() {
            let (which, place) = Shelf::of(record);
            self.0[which as usize].remove(&place);
        }
    }

    fn put(&mut self, record: &Record) {
        if record.phase.is_finished() {
            let (which, place) = Shelf::of(record);
            self.0[which as usize].insert(place, record.key.clone());
        }
    }
}

/// All indexes of a docket, and the lanes in which something has moved forward.
#[derive(Default, Debug)]
pub(crate) struct Indexes {
    pub(crate) lanes: BTreeMap<LaneId, Lane>,
    shelves: Shelves,
    /// Lanes that somebody who waits should look at: each is noted in the lane, and here when it was not yet.
    woken: Vec<LaneId>,
}

/// Something in a lane becomes visible at this time, sooner than whoever waits may think.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wake {
    pub(crate) lane: LaneId,
    pub(crate) kind: Kind,
    pub(crate) at: Timestamp,
}

impl Indexes {
    /// Takes a record out of its index, lets `step` change it, and puts it back where it then belongs.
    pub(crate) fn change<T>(&mut self, record: &mut Record, now: Timestamp, step: impl FnOnce(&mut Record) -> T) -> T {
        let lane = self.lanes.get_mut(&record.work.lane).expect("a record's lane exists");
        lane.take_out(record);
        self.shelves.take_out(record);
        let left = lane.is_empty().then(|| lane.id.clone());
        let answer = step(record);
        // The usual case, in which the lane need not be looked up again.
        if record.work.lane == lane.id {
            lane.put(record, now, &mut self.woken);
            self.shelves.put(record);
            return answer;
        }
        if let Some(id) = left {
            self.lanes.remove(&id);
        }
        self.insert(record, now);
        answer
    }

    /// Puts a new record into its index.
    pub(crate) fn insert(&mut self, record: &Record, now: Timestamp) {
        let id = &record.work.lane;
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.put(record, now, &mut self.woken);
        } else {
            let lane = self.lanes.entry(id.clone()).or_insert_with(|| Lane::new(id.clone()));
            lane.put(record, now, &mut self.woken);
        }
        self.shelves.put(record);
    }

    /// Takes a record out of its index, for good.
    pub(crate) fn remove(&mut self, record: &Record) {
        let lane = self.lanes.get_mut(&record.work.lane).expect("a record's lane exists");
        lane.take_out(record);
        if lane.is_empty() {
            self.lanes.remove(&record.work.lane);
        }
        self.shelves.take_out(record);
    }

    pub(crate) fn shelf(&self, which: Shelf) -> &Line {
        &self.shelves.0[which as usize]
    }

    pub(crate) fn finished_len(&self) -> usize {
        Shelf::ALL.into_iter().map(|shelf| self.shelf(shelf).len()).sum()
    }

    /// The index a record belongs to, and whether it is there: for the audit.
    pub(crate) fn holds(&self, record: &Record) -> bool {
        let found = if record.phase.is_finished() {
            let (which, place) = Shelf::of(record);
            self.shelf(which).get(&place)
        } else {
            self.lanes.get(&record.work.lane).and_then(|lane| {
                let lines = lane.lines(Kind::of(record));
                let (_, line) = lines.all().into_iter().find(|(phase, _)| *phase == record.phase)?;
                line.get(&record.place())
            })
        };
        found == Some(&record.key)
    }

    /// Notes that somebody who waits should look at this lane, if there is one.
    pub(crate) fn wake(&mut self, id: &LaneId, kind: Kind) {
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.wake(kind, &mut self.woken);
        }
    }

    /// The lanes noted since the last call, without those in which nothing is left.
    pub(crate) fn take_wakes(&mut self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for id in std::mem::take(&mut self.woken) {
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            let kinds = std::mem::take(&mut lane.woken);
            for kind in Kind::ALL.into_iter().filter(|kind| kinds[*kind as usize]) {
                wakes.extend(lane.lines(kind).head_at().map(|at| Wake { lane: id.clone(), kind, at }));
            }
        }
        wakes
    }

    /// Forgets the lanes noted: nobody waits.
    pub(crate) fn forget_wakes(&mut self) {
        for id in self.woken.drain(..) {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.woken = [false; 2];
            }
        }
    }
}
