//! Absent or finished → Queued; Queued → Queued, moved; Leased → Leased with a successor; Moving: refused.

use docket_core::{Error, ErrorKind, NewTask, Result, ScheduleAnswer, Timestamp, words};

use super::Table;
use super::add::check_time;
use super::record::{Answered, CallId, Phase};

impl Table {
    /// Places one task, or moves the unfinished one. Repeated: the record remembers the add id and
    /// gives its first answer.
    pub(crate) fn schedule(&mut self, task: &NewTask, now: Timestamp) -> Result<ScheduleAnswer> {
        let id = CallId::Add(task.add_id);
        let known = self.records.look_up(&task.key);
        if let Some(answered) = known.ok().and_then(|slot| self.records[slot].calls.answered(id)) {
            return repeated(answered);
        }
        check_time("schedule a task", task, now.behind_by(self.offset.ahead))?;
        let (slot, answer) = match known.ok().map(|slot| (slot, self.records[slot].phase)) {
            Some((slot, Phase::Leased)) => {
                let work = self.work(task, now);
                self.change(slot, now, |record, _| record.follow(work));
                (slot, ScheduleAnswer::Follows)
            }
            Some((slot, Phase::Queued)) => {
                let work = self.work(task, now);
                self.change(slot, now, |record, _| record.take_over(work));
                (slot, ScheduleAnswer::Moved)
            }
            Some((_, Phase::Moving)) => {
                return Err(Error::new(ErrorKind::Unavailable, "schedule a task", words::MOVING));
            }
            None | Some((_, Phase::Completed | Phase::Dead | Phase::Cancelled)) => {
                (self.begin_life("schedule a task", task, known, now)?, ScheduleAnswer::Placed)
            }
        };
        self.remember(slot, id, Answered::Scheduled(answer));
        Ok(answer)
    }
}

fn repeated(answered: Answered) -> Result<ScheduleAnswer> {
    match answered {
        Answered::Scheduled(answer) => Ok(answer),
        Answered::Added => Ok(ScheduleAnswer::Placed),
        _ => Err(Error::invalid("schedule a task", "its add id was used by an add; each call has an id of its own")),
    }
}
