//! Compares records with indexes, both ways.

use super::Table;
use super::indexes::Shelf;
use super::lane::{Finished, Kind};
use super::line::Line;
use super::record::{Phase, Record};

impl Table {
    /// A line per defect; none on a sound docket.
    pub(crate) fn audit(&self) -> Vec<String> {
        let mut defects = Vec::new();
        if !self.records.is_sound() {
            defects.push("keys and records differ".to_owned());
        }
        for (slot, record) in self.records.iter() {
            let key = &record.key;
            if !self.indexes.holds(slot, record) {
                defects.push(format!("the record {key} ({:?}) is not in its index", record.phase));
            }
            defects.extend(contradictions(record).map(|wrong| format!("the record {key} {wrong}")));
        }
        self.audit_indexes(&mut defects);
        self.audit_requests(&mut defects);
        if !self.workers.is_sound() {
            defects.push("workers and their expiry differ".to_owned());
        }
        defects
    }

    /// Each remembered request has the right number of unsettled leases.
    fn audit_requests(&self, defects: &mut Vec<String>) {
        let holders = self.records.iter().filter_map(|(_, record)| record.holder());
        let remembered = holders.filter(|(request, fence)| self.requests.remembers(*request, *fence)).count();
        match self.requests.held() {
            None => defects.push("answered requests and their ages differ".to_owned()),
            Some(held) if held != remembered => {
                defects.push(format!("answered requests hold {held} leases, the records {remembered}"));
            }
            Some(_) => {}
        }
    }

    /// All records have been found in their index, so only surplus entries are left to find.
    fn audit_indexes(&self, defects: &mut Vec<String>) {
        let mut entries = 0;
        let mut counted = Finished::default();
        for (_, lane) in self.indexes.lanes.iter() {
            let before = entries;
            for (_, line) in Kind::ALL.map(|kind| lane.lines(kind)).iter().flat_map(|lines| lines.all()) {
                entries += line.len();
                self.audit_line(line, Unfinished::Yes, defects);
            }
            counted.completed += lane.finished.completed;
            counted.dead += lane.finished.dead;
            counted.cancelled += lane.finished.cancelled;
            if entries == before && lane.finished == Finished::default() {
                defects.push(format!("the lane {}|{} is empty", lane.id.queue, lane.id.name));
            }
        }
        for line in Shelf::ALL.map(|shelf| self.indexes.shelf(shelf)) {
            entries += line.len();
            self.audit_line(line, Unfinished::No, defects);
        }
        if entries != self.records.len() {
            defects.push(format!("{} records have {entries} index entries", self.records.len()));
        }
        if counted != self.count_finished() {
            defects.push(format!("the lanes count {counted:?}, the records {:?}", self.count_finished()));
        }
    }

    fn audit_line(&self, line: &Line, unfinished: Unfinished, defects: &mut Vec<String>) {
        for (place, slot) in line.iter() {
            match self.records.at(slot) {
                None => defects.push(format!("an index names {slot:?} at {place:?}, which has no record")),
                Some(record) if record.phase.is_finished() == (unfinished == Unfinished::Yes) => {
                    defects.push(format!("an index names {}, which is {:?}", record.key, record.phase));
                }
                Some(_) => {}
            }
        }
    }

    fn count_finished(&self) -> Finished {
        let mut counted = Finished::default();
        for (_, record) in self.records.iter().filter(|(_, record)| record.phase.is_finished()) {
            *counted.of(record.phase) += 1;
        }
        counted
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unfinished {
    Yes,
    No,
}

/// Contradictions within one record.
fn contradictions(record: &Record) -> impl Iterator<Item = &'static str> {
    let leased = record.phase == Phase::Leased;
    [
        (leased && record.held.is_none(), "is leased by nobody"),
        (!leased && record.cancelling, "waits for a run to notice a cancel, and has no run"),
        (!leased && record.successor.is_some(), "has a successor, and nothing to follow"),
        (record.phase == Phase::Moving && record.parcel.is_none(), "moves, and no call took it out"),
    ]
    .into_iter()
    .filter_map(|(wrong, what)| wrong.then_some(what))
}
