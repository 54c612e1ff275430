//! The operator's calls.

use std::time::Duration;

use async_trait::async_trait;
use docket_core::{CancelAnswer, CancelId, Control, Fence, RequeueAnswer, Result, TaskKey};

use crate::MemoryBackend;
use crate::table::Table;

#[async_trait]
impl Control for MemoryBackend {
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer> {
        self.shared().write(|table, now| table.cancel(key, id, now))
    }

    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer> {
        self.shared().write(|table, now| table.requeue(key, fence, now))
    }

    async fn clear(&self) -> Result<u64> {
        // Dropped after the lock is released: dropping a million records takes a while.
        let cleared = self.shared().write(|table, _| Table::clear(table));
        Ok(cleared.len() as u64)
    }

    async fn settle_clock(&self) -> Result<Duration> {
        self.shared().write(|table, _| table.settle_clock())
    }

    async fn join(&self, environment: Option<&str>) -> Result<()> {
        self.shared().write(|table, _| table.join(environment))
    }
}
