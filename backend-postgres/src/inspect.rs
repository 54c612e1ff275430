//! The calls that read.

use std::time::Duration;

use async_trait::async_trait;
use docket_core::{
    Cursor, Error, ErrorKind, Fence, Finding, Inspect, LaneCounts, ListFilter, Page, Payload, Queue, Result,
    SuccessorView, TaskKey, TaskName, TaskState, TaskView, WorkerId, WorkerRecord, WorkerView, limits, words,
};

use crate::request::{Columns, push, whole};
use crate::{PostgresBackend, examine};

#[async_trait]
impl Inspect for PostgresBackend {
    async fn get(&self, key: &TaskKey) -> Result<Option<TaskView>> {
        let operation = "look at a task";
        let mut arguments = self.arguments()?;
        push(&mut arguments, key.as_str())?;
        let rows = self.commands.rows(&self.statements().get, arguments, operation).await?;
        rows.first().map(|row| read_view(&Columns::of(row, operation))).transpose()
    }

    async fn list(&self, filter: &ListFilter, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let operation = "list tasks";
        let after = cursor.map(read_cursor).transpose()?;
        let mut arguments = self.arguments()?;
        push(&mut arguments, after)?;
        push(&mut arguments, whole(limits::LIST_LOOK_MAX))?;
        push(&mut arguments, whole(limit.clamp(1, limits::BATCH_ITEMS_MAX)))?;
        push(&mut arguments, whole(limits::BATCH_BYTES_MAX))?;
        push(&mut arguments, filter.state.map(TaskState::as_str))?;
        push(&mut arguments, filter.name.as_ref().map(TaskName::as_str))?;
        push(&mut arguments, filter.queue.as_ref().map(Queue::as_str))?;
        let rows = self.commands.rows(&self.statements().list, arguments, operation).await?;
        let mut page = Page::default();
        for row in &rows {
            let columns = Columns::of(row, operation);
            page.now = columns.timestamp("now")?;
            page.clock = columns.clock()?;
            page.next = columns.read::<Option<String>>("last")?.map(|key| write_cursor(&key));
            // An empty page has one row without a task.
            if columns.read::<Option<String>>("key")?.is_some() {
                page.tasks.push(read_view(&columns)?);
            }
        }
        Ok(page)
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>> {
        let operation = "count tasks";
        let rows = self.commands.rows(&self.statements().counts, self.arguments()?, operation).await?;
        rows.iter().map(|row| read_counts(&Columns::of(row, operation))).collect()
    }

    async fn workers(&self) -> Result<Vec<WorkerView>> {
        let operation = "list workers";
        let rows = self.commands.rows(&self.statements().workers, self.arguments()?, operation).await?;
        let mut workers = Vec::with_capacity(rows.len());
        for row in &rows {
            let columns = Columns::of(row, operation);
            let leased_ago = columns.optional_duration("leased_ago")?;
            match serde_json::from_str::<WorkerRecord>(columns.read("record")?) {
                Ok(record) => workers.push(WorkerView { record, leased_ago }),
                // A record that another build wrote must not hide the others.
                Err(error) => tracing::warn!(?error, "record of a worker cannot be read; left out"),
            }
        }
        Ok(workers)
    }

    async fn audit(&self) -> Result<Vec<String>> {
        let operation = "audit the docket";
        let rows = self.commands.rows(&self.statements().audit, self.arguments()?, operation).await?;
        rows.iter().map(|row| Columns::of(row, operation).only()).collect()
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let mut findings = examine::examine(&self.commands).await?;
        findings.push(self.list(&ListFilter::default(), None, 1).await?.clock.finding());
        findings.push(examine::schema(&self.commands, &self.statements().layout, self.arguments()?).await?);
        Ok(findings)
    }
}

/// The prefix of our cursors; the rest is the last key examined.
const CURSOR: &str = "after|";

fn write_cursor(key: &str) -> Cursor {
    Cursor(format!("{CURSOR}{key}"))
}

fn read_cursor(cursor: &Cursor) -> Result<&str> {
    let key = cursor.0.strip_prefix(CURSOR).filter(|key| TaskKey::new(key).is_ok());
    key.ok_or_else(|| Error::invalid("list tasks", "invalid cursor: not from a page of this store"))
}

fn read_counts(columns: &Columns<'_>) -> Result<LaneCounts> {
    let count = |column: &str| columns.count::<u64>(columns.read(column)?);
    Ok(LaneCounts {
        queue: columns.parsed(columns.read("queue")?)?,
        name: columns.parsed(columns.read("name")?)?,
        scheduled: count("scheduled")?,
        ready: count("ready")?,
        running: count("running")?,
        moving: count("moving")?,
        completed: count("completed")?,
        dead: count("dead")?,
        cancelled: count("cancelled")?,
        oldest_ready: columns.optional_duration("oldest_ready")?,
    })
}

/// The columns of `docket.view`.
fn read_view(columns: &Columns<'_>) -> Result<TaskView> {
    let count = |column: &str| columns.count::<u32>(columns.read(column)?);
    let payload = |column: &str| columns.read::<Option<Vec<u8>>>(column).map(|bytes| bytes.map(Payload::new));
    let state: &str = columns.read("state")?;
    let successor = payload("successor_args")?.zip(columns.read::<Option<i64>>("successor_visible_at")?);
    let fence = columns.read::<Option<i64>>("fence")?;
    let every = columns.read::<Option<i64>>("every")?;
    Ok(TaskView {
        key: columns.parsed(columns.read("key")?)?,
        name: columns.parsed(columns.read("name")?)?,
        queue: columns.parsed(columns.read("queue")?)?,
        state: words::state(state)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "look at a task", format!("unknown state {state:?}")))?,
        args: Payload::new(columns.read::<Vec<u8>>("args")?),
        attempts: count("attempts")?,
        crashes: count("crashes")?,
        fence: fence.map(|fence| columns.count(fence).map(Fence)).transpose()?,
        visible_at: columns.timestamp("visible_at")?,
        added_at: columns.timestamp("added_at")?,
        worker: columns.read::<Option<String>>("worker")?.map(WorkerId::new).transpose()?,
        error: columns.read::<Option<Vec<u8>>>("error")?.map(|error| String::from_utf8_lossy(&error).into_owned()),
        result: payload("result")?,
        every: every.map(|micros| columns.count(micros).map(Duration::from_micros)).transpose()?,
        failures: count("failures")?,
        cancelling: columns.read("cancelling")?,
        successor: successor
            .map(|(args, at)| SuccessorView { args, visible_at: docket_core::Timestamp::from_micros(at) }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        assert_eq!(read_cursor(&write_cursor("a|\"ü")).unwrap(), "a|\"ü");
        for text in ["", "after|", "elsewhere", "after|a\nb"] {
            assert!(read_cursor(&Cursor(text.to_owned())).is_err(), "{text:?}");
        }
    }
}
