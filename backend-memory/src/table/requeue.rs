//! Dead, or a finished perpetual, of the same fence → Queued, due now.

use docket_core::{Fence, Key, RequeueAnswer, Timestamp};

use super::Table;
use super::record::{Phase, Record};

/// The fence of a record that was never leased.
const NEVER_LEASED: Fence = Fence(0);

impl Table {
    /// Gives a dead task another life. Twice: the record knows the fence requeued last; a later life is never hit.
    pub(crate) fn requeue(&mut self, key: &Key, fence: Option<Fence>, now: Timestamp) -> RequeueAnswer {
        let fence = fence.unwrap_or(NEVER_LEASED);
        let Some(record) = self.records.get(key) else { return RequeueAnswer::NotFound };
        if record.requeued == Some(fence) {
            return RequeueAnswer::Requeued;
        }
        if !record.can_be_requeued() || record.fence() != fence {
            return RequeueAnswer::Exists(record.existing(now));
        }
        self.change(key, now, |record, moment| {
            record.requeued = Some(fence);
            record.live_again(moment);
        });
        RequeueAnswer::Requeued
    }
}

impl Record {
    fn can_be_requeued(&self) -> bool {
        self.phase == Phase::Dead || (self.phase.is_finished() && self.work.every.is_some())
    }

    fn fence(&self) -> Fence {
        self.held.as_ref().map_or(NEVER_LEASED, |held| held.fence)
    }
}
