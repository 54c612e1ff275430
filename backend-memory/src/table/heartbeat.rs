//! Leased → Leased, with a later deadline.

use std::time::Duration;

use docket_core::{HeartbeatAnswer, LeaseToken, Timestamp, WorkerRecord};

use super::Table;
use super::workers::Sign;

impl Table {
    /// Keeps a worker's record alive.
    pub(crate) fn beat(&mut self, worker: &WorkerRecord, now: Timestamp) {
        self.workers.write(&worker.clone().into(), Sign::Heartbeat, now);
    }

    /// Extends one lease. Repeated: the deadline moves again, as with the next heartbeat.
    pub(crate) fn extend(&mut self, token: &LeaseToken, lease: Duration, now: Timestamp) -> HeartbeatAnswer {
        let Some(slot) = self.current(token) else { return HeartbeatAnswer::Lost };
        self.change(slot, now, |record, _| {
            record.visible_at = now.plus(lease);
            if record.cancelling { HeartbeatAnswer::Cancelled } else { HeartbeatAnswer::Held }
        })
    }
}
