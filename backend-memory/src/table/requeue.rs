//! Dead, or a finished periodic task, of the same fence → Queued, due now.

use docket_core::{Error, ErrorKind, Fence, RequeueAnswer, Result, TaskKey, Timestamp, words};

use super::Table;
use super::record::{Phase, Record};

impl Table {
    /// Starts a dead task again. Repeated: the record remembers the fence requeued last; a later
    /// life is never requeued.
    pub(crate) fn requeue(&mut self, key: &TaskKey, fence: Option<Fence>, now: Timestamp) -> Result<RequeueAnswer> {
        let Some(slot) = self.records.find(key) else { return Ok(RequeueAnswer::NotFound) };
        let record = &self.records[slot];
        if record.requeued.is_some_and(|(death, _)| death == fence) {
            return Ok(RequeueAnswer::Requeued);
        }
        if record.is_away() {
            return Err(Error::new(ErrorKind::Conflict, "requeue a task", words::ELSEWHERE));
        }
        if !record.can_be_requeued() || record.fence() != fence {
            return Ok(RequeueAnswer::Exists(record.existing(now)));
        }
        self.change(slot, now, |record, moment| {
            record.requeued = Some((fence, moment.counters.next_fence(moment.now)));
            record.live_again(moment);
        });
        Ok(RequeueAnswer::Requeued)
    }
}

impl Record {
    fn can_be_requeued(&self) -> bool {
        self.phase == Phase::Dead || (self.phase.is_finished() && self.work.every.is_some())
    }
}
