//! A lane: the tasks of one queue and name, each index of them in the order of its time.

use std::sync::Arc;

use docket_core::Timestamp;

use super::line::Line;
use super::record::{LaneId, Phase, Place, Record};
use super::slots::Slot;

/// Suspects have an index of their own, because a request may have to skip them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Usual,
    Suspect,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Usual, Self::Suspect];

    pub(super) fn of(record: &Record) -> Self {
        if record.is_suspect() { Self::Suspect } else { Self::Usual }
    }
}

/// The unfinished tasks of one kind in a lane.
#[derive(Default, Debug)]
pub(crate) struct Lines {
    /// By the time at which they may be leased.
    pub(crate) queued: Line,
    /// By their deadline.
    pub(crate) leased: Line,
    /// Tasks on their way to another store, by the time at which they were due.
    pub(crate) moving: Line,
}

impl Lines {
    fn of_phase(&mut self, phase: Phase) -> &mut Line {
        match phase {
            Phase::Queued => &mut self.queued,
            Phase::Moving => &mut self.moving,
            _ => &mut self.leased,
        }
    }

    /// Every unfinished task, by phase.
    pub(crate) fn all(&self) -> [(Phase, &Line); 3] {
        [(Phase::Queued, &self.queued), (Phase::Leased, &self.leased), (Phase::Moving, &self.moving)]
    }

    /// The time at which the first of them becomes visible.
    pub(crate) fn head_at(&self) -> Option<Timestamp> {
        let heads = [head(&self.queued), head(&self.leased)];
        heads.into_iter().flatten().map(|(at, _)| at).min()
    }
}

pub(crate) fn head(line: &Line) -> Option<Place> {
    line.first().map(|(place, _)| place)
}

/// One queue and name.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(super) id: Arc<LaneId>,
    usual: Lines,
    suspect: Lines,
    /// How many finished tasks are still kept.
    pub(crate) finished: Finished,
    /// Whether a waiter should poll, by kind.
    pub(super) woken: [bool; 2],
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Finished {
    pub(crate) completed: u64,
    pub(crate) dead: u64,
    pub(crate) cancelled: u64,
}

impl Finished {
    pub(crate) fn of(&mut self, phase: Phase) -> &mut u64 {
        match phase {
            Phase::Completed => &mut self.completed,
            Phase::Dead => &mut self.dead,
            Phase::Cancelled => &mut self.cancelled,
            Phase::Queued | Phase::Leased | Phase::Moving => unreachable!("only the finished are counted here"),
        }
    }
}

impl Lane {
    pub(crate) fn lines(&self, kind: Kind) -> &Lines {
        match kind {
            Kind::Usual => &self.usual,
            Kind::Suspect => &self.suspect,
        }
    }

    fn lines_mut(&mut self, kind: Kind) -> &mut Lines {
        match kind {
            Kind::Usual => &mut self.usual,
            Kind::Suspect => &mut self.suspect,
        }
    }

    pub(super) fn new(id: Arc<LaneId>) -> Self {
        Self {
            id,
            usual: Lines::default(),
            suspect: Lines::default(),
            finished: Finished::default(),
            woken: [false; 2],
        }
    }

    pub(super) fn take_out(&mut self, record: &Record) {
        if record.phase.is_finished() {
            *self.finished.of(record.phase) -= 1;
        } else {
            let line = self.lines_mut(Kind::of(record)).of_phase(record.phase);
            line.remove(&record.place());
        }
    }

    pub(super) fn put(&mut self, slot: Slot, record: &Record, now: Timestamp, woken: &mut Vec<Arc<LaneId>>) {
        if record.phase.is_finished() {
            *self.finished.of(record.phase) += 1;
            return;
        }
        let kind = Kind::of(record);
        let place = record.place();
        let line = self.lines_mut(kind).of_phase(record.phase);
        if record.phase == Phase::Queued && record.visible_at > now {
            line.insert_later(place, slot);
        } else {
            line.insert(place, slot);
        }
        if record.phase != Phase::Moving && (record.visible_at <= now || head(line) == Some(place)) {
            self.wake(kind, woken);
        }
    }

    pub(super) fn wake(&mut self, kind: Kind, woken: &mut Vec<Arc<LaneId>>) {
        if self.woken == [false; 2] {
            woken.push(self.id.clone());
        }
        self.woken[kind as usize] = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        let empty = |lines: &Lines| lines.all().iter().all(|(_, line)| line.is_empty());
        empty(&self.usual) && empty(&self.suspect) && self.finished == Finished::default()
    }
}

impl Record {
    /// Its position among the unfinished tasks, or among the finished periodic tasks.
    pub(super) fn place(&self) -> Place {
        (self.visible_at, self.seq)
    }
}
