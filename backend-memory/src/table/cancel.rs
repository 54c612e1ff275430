//! Queued → Cancelled; Leased in time → cancelling, no successor; Leased and late → Cancelled; Moving: refused.

use docket_core::{CancelAnswer, CancelId, Error, ErrorKind, Result, TaskKey, Timestamp, limits, words};

use super::Table;
use super::record::{Answered, CallId, Phase};

impl Table {
    /// Ends a task, or marks its run. Repeated: the record remembers the cancel id; a later life is
    /// never cancelled.
    pub(crate) fn cancel(&mut self, key: &TaskKey, id: CancelId, now: Timestamp) -> Result<CancelAnswer> {
        let id = CallId::Cancel(id);
        let Some(slot) = self.records.find(key) else { return Ok(CancelAnswer::NotFound) };
        let record = &self.records[slot];
        if let Some(Answered::Cancelled(answer)) = record.calls.answered(id) {
            return Ok(answer);
        }
        let answer = match record.phase {
            Phase::Moving => return Err(Error::new(ErrorKind::Unavailable, "cancel a task", words::MOVING)),
            _ if record.is_away() => return Err(Error::new(ErrorKind::Conflict, "cancel a task", words::ELSEWHERE)),
            Phase::Completed | Phase::Dead | Phase::Cancelled => CancelAnswer::Finished(record.state(now)),
            Phase::Leased if record.visible_at > now => {
                self.change(slot, now, |record, _| {
                    record.cancelling = true;
                    record.successor = None;
                });
                CancelAnswer::Cancelling
            }
            Phase::Queued | Phase::Leased => {
                self.change(slot, now, |record, moment| {
                    record.successor = None;
                    record.finish(Phase::Cancelled, limits::RETENTION, moment);
                });
                CancelAnswer::Cancelled
            }
        };
        self.remember(slot, id, Answered::Cancelled(answer));
        Ok(answer)
    }
}
