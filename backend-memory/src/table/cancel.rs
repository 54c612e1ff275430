//! Queued → Cancelled; Leased in time → cancelling, no follower; Leased and late → Cancelled.

use docket_core::{CancelAnswer, CancelId, Key, Timestamp, limits};

use super::Table;
use super::record::{Answered, CallId, Phase};

impl Table {
    /// Ends a task, or marks its run. Twice: the record knows the cancel id; a later life is never hit.
    pub(crate) fn cancel(&mut self, key: &Key, id: CancelId, now: Timestamp) -> CancelAnswer {
        let id = CallId::Cancel(id);
        let Some(record) = self.records.get(key) else { return CancelAnswer::NotFound };
        if let Some(Answered::Cancelled(answer)) = record.calls.answered(id) {
            return answer;
        }
        let answer = match record.phase {
            Phase::Completed | Phase::Dead | Phase::Cancelled => CancelAnswer::Finished(record.state(now)),
            Phase::Leased if record.visible_at > now => {
                self.change(key, now, |record, _| {
                    record.cancelling = true;
                    record.follower = None;
                });
                CancelAnswer::Cancelling
            }
            Phase::Queued | Phase::Leased => {
                self.change(key, now, |record, moment| {
                    record.follower = None;
                    record.finish(Phase::Cancelled, limits::RETENTION, moment);
                });
                CancelAnswer::Cancelled
            }
        };
        self.remember(key, id, Answered::Cancelled(answer));
        answer
    }
}
