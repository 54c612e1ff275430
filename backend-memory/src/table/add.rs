//! Absent or finished → Queued.

use docket_core::{AddAnswer, Declared, DefinitionId, Error, NewTask, Result, ScheduleAnswer, Timestamp, words};

use super::Table;
use super::definitions::Definitions;
use super::record::{Answered, CallId, Record};
use super::records::Vacancy;
use super::slots::Slot;

impl Table {
    /// Adds one task, unless its key is unfinished. Repeated: the record remembers the add id and
    /// gives its first answer.
    pub(crate) fn add(&mut self, task: &NewTask, now: Timestamp) -> Result<AddAnswer> {
        let id = CallId::Add(task.add_id);
        let known = self.records.look_up(&task.key);
        if let Ok(slot) = known {
            let record = &mut self.records[slot];
            if let Some(answered) = record.calls.answered(id) {
                return repeated(answered);
            }
            check_time("add a task", task, now.behind_by(self.offset.ahead))?;
            if is_taken(record, task) {
                if let Some(ttl) = task.declared_for {
                    return Ok(self.declare(slot, task, now.plus(ttl), now));
                }
                let existing = record.existing(now);
                record.calls.remember(id, Answered::Exists(existing));
                return Ok(AddAnswer::Exists(existing));
            }
        }
        let slot = self.begin_life("add a task", task, known, now)?;
        self.remember(slot, id, Answered::Added);
        if let Some(ttl) = task.declared_for {
            let first = Definitions::first(DefinitionId::of(task), now.plus(ttl));
            self.records[slot].definitions = Some(Box::new(first));
        }
        Ok(AddAnswer::Added)
    }

    /// A first or a second life of a key that is absent or finished.
    pub(super) fn begin_life(
        &mut self,
        operation: &'static str,
        task: &NewTask,
        known: Result<Slot, Vacancy>,
        now: Timestamp,
    ) -> Result<Slot> {
        check_time(operation, task, now.behind_by(self.offset.ahead))?;
        self.check_room(operation)?;
        let work = self.work(task, now);
        match known {
            Ok(slot) => {
                self.change(slot, now, |record, moment| record.live(work, moment));
                Ok(slot)
            }
            Err(vacancy) => Ok(self.create(&task.key, vacancy, work, now)),
        }
    }

    pub(super) fn remember(&mut self, slot: Slot, id: CallId, answer: Answered) {
        self.records[slot].calls.remember(id, answer);
    }
}

/// Rejects a time that is too far away from the server's clock.
pub(super) fn check_time(operation: &'static str, task: &NewTask, now: Timestamp) -> Result<()> {
    if task.run_at.is_too_far_from(now) { Err(words::too_far(operation)) } else { Ok(()) }
}

/// Only a requeue revives a finished periodic task; a declaration does not.
fn is_taken(record: &Record, task: &NewTask) -> bool {
    let is_seed = record.work.every.is_some() && task.every.is_some();
    !record.phase.is_finished() || is_seed
}

fn repeated(answered: Answered) -> Result<AddAnswer> {
    match answered {
        Answered::Added | Answered::Scheduled(ScheduleAnswer::Placed) => Ok(AddAnswer::Added),
        Answered::Exists(existing) => Ok(AddAnswer::Exists(existing)),
        Answered::Redefined => Ok(AddAnswer::Declared(Declared::Redefined)),
        _ => Err(Error::invalid("add a task", "its add id was used by a schedule; each call has an id of its own")),
    }
}
