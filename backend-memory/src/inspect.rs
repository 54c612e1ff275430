//! The calls that read.

use async_trait::async_trait;
use docket_core::{Cursor, Finding, Inspect, LaneCounts, ListFilter, Page, Result, TaskKey, TaskView, WorkerView};

use crate::table::Table;
use crate::{MemoryBackend, examine};

#[async_trait]
impl Inspect for MemoryBackend {
    async fn get(&self, key: &TaskKey) -> Result<Option<TaskView>> {
        Ok(self.shared().read(|table, now| table.get(key, now)))
    }

    async fn list(&self, filter: &ListFilter, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        self.shared().read(|table, now| table.list(filter, cursor, limit, now))
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>> {
        Ok(self.shared().read(Table::counts))
    }

    async fn workers(&self) -> Result<Vec<WorkerView>> {
        Ok(self.shared().read(Table::workers))
    }

    async fn audit(&self) -> Result<Vec<String>> {
        Ok(self.shared().read(|table, _| table.audit()))
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        Ok(self.shared().read(|table, _| {
            examine::findings(table, &self.shared().options).into_iter().chain([table.clock().finding()]).collect()
        }))
    }
}
