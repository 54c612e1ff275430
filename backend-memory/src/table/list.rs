//! Reading one record, or a page of them by the indexes.

use std::ops::Bound;

use docket_core::{
    Cursor, Error, ListFilter, Page, Queue, Result, SuccessorView, TaskKey, TaskName, TaskState, TaskView, Timestamp,
    limits,
};

use super::Table;
use super::indexes::Shelf;
use super::lane::Kind;
use super::line::Line;
use super::record::{LaneId, Phase, Place, Record, Seq};
use super::slots::Slot;

impl Table {
    pub(crate) fn get(&self, key: &TaskKey, now: Timestamp) -> Option<TaskView> {
        self.records.get(key).map(|record| record.view(now).behind_by(self.offset.ahead))
    }

    /// A page: one index after the other, each in its order, from the cursor on.
    pub(crate) fn list(
        &self,
        filter: &ListFilter,
        cursor: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page> {
        let after = cursor.map(Position::read).transpose()?;
        let limit = limit.clamp(1, limits::BATCH_ITEMS_MAX);
        let ahead = self.offset.ahead;
        let mut page = Page { now: now.behind_by(ahead), clock: self.offset.clock, ..Page::default() };
        let (mut looked, mut bytes) = (0, 0);
        let mut last = None;
        for (section, line) in self.sections(filter, after.as_ref()) {
            let from = after.as_ref().filter(|after| after.section == section).map(|after| after.place);
            for (place, slot) in range(line, filter.state, from, now) {
                if looked == limits::LIST_LOOK_MAX || page.tasks.len() == limit || bytes >= limits::BATCH_BYTES_MAX {
                    page.next = last.map(|last: Position| last.write());
                    return Ok(page);
                }
                looked += 1;
                last = Some(Position { section: section.clone(), place });
                let record = &self.records[slot];
                if record.fits(filter, now) {
                    bytes += record.work.args.len();
                    page.tasks.push(record.view(now).behind_by(ahead));
                }
            }
        }
        Ok(page)
    }

    /// The indexes that can hold tasks of this filter, from the cursor's on.
    fn sections<'a>(&'a self, filter: &ListFilter, after: Option<&Position>) -> Vec<(Section, &'a Line)> {
        let mut sections = Vec::new();
        for (_, lane) in self.indexes.lanes.iter() {
            let id = &lane.id;
            if filter.queue.as_ref().is_some_and(|queue| *queue != id.queue)
                || filter.name.as_ref().is_some_and(|name| *name != id.name)
            {
                continue;
            }
            for kind in Kind::ALL {
                let lines = lane.lines(kind);
                for (phase, line) in lines.all() {
                    if !line.is_empty() && may_hold(phase, filter.state) {
                        sections.push((Section::Lane(LaneId::clone(id), kind, phase), line));
                    }
                }
            }
        }
        let shelves = Shelf::ALL.into_iter().filter(|shelf| filter.state.is_none_or(|state| shelf.may_hold(state)));
        sections.extend(shelves.map(|shelf| (Section::Shelf(shelf), self.indexes.shelf(shelf))));
        sections.retain(|(section, _)| after.is_none_or(|after| after.section <= *section));
        sections
    }
}

/// Whether an index of this phase can hold a task in `state`.
fn may_hold(phase: Phase, state: Option<TaskState>) -> bool {
    match state {
        None => true,
        Some(TaskState::Ready) => phase != Phase::Moving,
        Some(TaskState::Scheduled) => phase == Phase::Queued,
        Some(TaskState::Running) => phase == Phase::Leased,
        Some(TaskState::Moving) => phase == Phase::Moving,
        Some(_) => false,
    }
}

/// The entries of an index that can be in `state`, after `from`.
fn range(
    line: &Line,
    state: Option<TaskState>,
    from: Option<Place>,
    now: Timestamp,
) -> impl Iterator<Item = (Place, Slot)> {
    let visible = (now, Seq(u64::MAX));
    let later = matches!(state, Some(TaskState::Scheduled | TaskState::Running)).then_some(visible);
    let start = from.max(later).map_or(Bound::Unbounded, Bound::Excluded);
    // Not the end of the range: the cursor of another filter could put the start after it.
    let end = (state == Some(TaskState::Ready)).then_some(visible);
    line.after(start).take_while(move |(place, _)| end.is_none_or(|end| *place <= end))
}

/// One index, in the order of listing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Section {
    Lane(LaneId, Kind, Phase),
    Shelf(Shelf),
}

/// The position at which a page ended.
#[derive(Debug)]
struct Position {
    section: Section,
    place: Place,
}

impl Position {
    /// `visible_at|seq|…`: the rest is the index. No name contains a `|`.
    fn write(&self) -> Cursor {
        let (at, seq) = (self.place.0.as_micros(), self.place.1.0);
        Cursor(match &self.section {
            Section::Lane(lane, kind, phase) => {
                let kind = if *kind == Kind::Usual { "usual" } else { "suspect" };
                let phase = match phase {
                    Phase::Queued => "queued",
                    Phase::Moving => "moving",
                    _ => "leased",
                };
                format!("{at}|{seq}|{kind}|{phase}|{}|{}", lane.queue, lane.name)
            }
            Section::Shelf(Shelf::Finished) => format!("{at}|{seq}|finished"),
            Section::Shelf(Shelf::Dead) => format!("{at}|{seq}|dead"),
            Section::Shelf(Shelf::Kept) => format!("{at}|{seq}|kept"),
        })
    }

    fn read(cursor: &Cursor) -> Result<Self> {
        Self::parse(&cursor.0)
            .ok_or_else(|| Error::invalid("list tasks", "invalid cursor: not from a page of this store"))
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('|').collect();
        let [at, seq, section @ ..] = parts.as_slice() else { return None };
        let section = match section {
            ["finished"] => Section::Shelf(Shelf::Finished),
            ["dead"] => Section::Shelf(Shelf::Dead),
            ["kept"] => Section::Shelf(Shelf::Kept),
            [kind, phase, queue, name] => {
                let lane = LaneId { queue: Queue::new(queue).ok()?, name: TaskName::new(name).ok()? };
                let kind = if *kind == "usual" { Kind::Usual } else { Kind::Suspect };
                let phase = match *phase {
                    "queued" => Phase::Queued,
                    "moving" => Phase::Moving,
                    _ => Phase::Leased,
                };
                Section::Lane(lane, kind, phase)
            }
            _ => return None,
        };
        Some(Self { section, place: (Timestamp::from_micros(at.parse().ok()?), Seq(seq.parse().ok()?)) })
    }
}

impl Record {
    fn fits(&self, filter: &ListFilter, now: Timestamp) -> bool {
        filter.state.is_none_or(|state| state == self.state(now))
            && filter.name.as_ref().is_none_or(|name| *name == self.work.lane.name)
            && filter.queue.as_ref().is_none_or(|queue| *queue == self.work.lane.queue)
    }

    fn view(&self, now: Timestamp) -> TaskView {
        TaskView {
            key: self.key.clone(),
            name: self.work.lane.name.clone(),
            queue: self.work.lane.queue.clone(),
            state: self.state(now),
            args: self.work.args.clone(),
            attempts: self.attempts,
            crashes: self.crashes,
            fence: self.fence(),
            visible_at: self.visible_at,
            added_at: self.added_at,
            worker: self.held.as_ref().map(|held| held.worker.clone()),
            error: self.error.clone(),
            result: self.result.clone(),
            every: self.work.every,
            failures: self.failures,
            cancelling: self.cancelling,
            successor: self
                .successor
                .as_ref()
                .map(|successor| SuccessorView { args: successor.work.args.clone(), visible_at: successor.work.at }),
        }
    }
}
