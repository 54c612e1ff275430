//! The indexes: where each record can be found by its time.

use std::collections::BTreeMap;

use docket_core::{Key, State, Timestamp};

use super::record::{LaneId, Phase, Place, Record};

/// Keys in order of their time, then of adding.
pub(crate) type Line = BTreeMap<Place, Key>;

/// Suspects stand apart, because a request may have to pass them by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Usual,
    Suspect,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Usual, Self::Suspect];

    fn of(record: &Record) -> Self {
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
    /// Those that were taken out, by the time at which they might have been leased.
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

    /// When the first of them becomes visible.
    pub(crate) fn head_at(&self) -> Option<Timestamp> {
        let heads = [head(&self.queued), head(&self.leased)];
        heads.into_iter().flatten().map(|(at, _)| at).min()
    }
}

pub(crate) fn head(line: &Line) -> Option<Place> {
    line.first_key_value().map(|(place, _)| *place)
}

/// One queue and name.
#[derive(Default, Debug)]
pub(crate) struct Lane {
    usual: Lines,
    suspect: Lines,
    /// How many are finished and still kept.
    pub(crate) finished: Finished,
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

    fn is_empty(&self) -> bool {
        let empty = |lines: &Lines| lines.all().iter().all(|(_, line)| line.is_empty());
        empty(&self.usual) && empty(&self.suspect) && self.finished == Finished::default()
    }
}

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
            _ if record.work.every.is_some() => (Self::Kept, (record.visible_at, record.seq)),
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

/// All indexes of a docket, and the lanes in which something has moved forward.
#[derive(Default, Debug)]
pub(crate) struct Indexes {
    pub(crate) lanes: BTreeMap<LaneId, Lane>,
    finished: Line,
    dead: Line,
    kept: Line,
    /// Lanes that somebody who waits should look at, by kind (usual, suspect).
    woken: BTreeMap<LaneId, [bool; 2]>,
}

/// Something in a lane becomes visible at this time, sooner than whoever waits may think.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wake {
    pub(crate) lane: LaneId,
    pub(crate) kind: Kind,
    pub(crate) at: Timestamp,
}

impl Indexes {
    /// Takes a record out of its index; called before it changes.
    pub(crate) fn remove(&mut self, record: &Record) {
        let id = &record.work.lane;
        let lane = self.lanes.get_mut(id).expect("a record's lane exists");
        if record.phase.is_finished() {
            *lane.finished.of(record.phase) -= 1;
        } else {
            lane.lines_mut(Kind::of(record)).of_phase(record.phase).remove(&(record.visible_at, record.seq));
        }
        if lane.is_empty() {
            self.lanes.remove(id);
        }
        if record.phase.is_finished() {
            let (which, place) = Shelf::of(record);
            self.shelf_mut(which).remove(&place);
        }
    }

    /// Puts a record into its index; called after it has changed.
    pub(crate) fn insert(&mut self, record: &Record, now: Timestamp) {
        if record.phase.is_finished() {
            *self.lane_mut(&record.work.lane).finished.of(record.phase) += 1;
            let (which, place) = Shelf::of(record);
            self.shelf_mut(which).insert(place, record.key.clone());
            return;
        }
        let kind = Kind::of(record);
        let place = (record.visible_at, record.seq);
        let line = self.lane_mut(&record.work.lane).lines_mut(kind).of_phase(record.phase);
        line.insert(place, record.key.clone());
        if record.phase != Phase::Moving && (record.visible_at <= now || head(line) == Some(place)) {
            self.wake(&record.work.lane, kind);
        }
    }

    fn lane_mut(&mut self, id: &LaneId) -> &mut Lane {
        // Not `entry`: the lane is nearly always there, and its name need not be cloned.
        if !self.lanes.contains_key(id) {
            self.lanes.insert(id.clone(), Lane::default());
        }
        self.lanes.get_mut(id).expect("it was just put there")
    }

    pub(crate) fn shelf(&self, which: Shelf) -> &Line {
        match which {
            Shelf::Finished => &self.finished,
            Shelf::Dead => &self.dead,
            Shelf::Kept => &self.kept,
        }
    }

    fn shelf_mut(&mut self, which: Shelf) -> &mut Line {
        match which {
            Shelf::Finished => &mut self.finished,
            Shelf::Dead => &mut self.dead,
            Shelf::Kept => &mut self.kept,
        }
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
                line.get(&(record.visible_at, record.seq))
            })
        };
        found == Some(&record.key)
    }

    /// Notes that somebody who waits should look at this lane.
    pub(crate) fn wake(&mut self, lane: &LaneId, kind: Kind) {
        if !self.woken.contains_key(lane) {
            self.woken.insert(lane.clone(), [false; 2]);
        }
        self.woken.get_mut(lane).expect("it was just put there")[kind as usize] = true;
    }

    /// The lanes noted since the last call, without those in which nothing is left.
    pub(crate) fn take_wakes(&mut self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for (lane, kinds) in std::mem::take(&mut self.woken) {
            let Some(lines) = self.lanes.get(&lane) else { continue };
            for kind in Kind::ALL.into_iter().filter(|kind| kinds[*kind as usize]) {
                wakes.extend(lines.lines(kind).head_at().map(|at| Wake { lane: lane.clone(), kind, at }));
            }
        }
        wakes
    }

    /// Forgets the lanes noted: nobody waits.
    pub(crate) fn forget_wakes(&mut self) {
        self.woken.clear();
    }
}
