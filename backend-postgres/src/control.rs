//! The operator's calls.

use std::time::Duration;

use async_trait::async_trait;
use docket_core::{CancelAnswer, CancelId, Control, Error, ErrorKind, Fence, RequeueAnswer, Result, TaskKey, words};

use crate::PostgresBackend;
use crate::request::{Columns, push};

/// The number of tasks that one statement of a clear deletes.
const CLEAR_CHUNK: i64 = 1_000;

#[async_trait]
impl Control for PostgresBackend {
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer> {
        let operation = "cancel a task";
        let mut arguments = self.arguments()?;
        push(&mut arguments, key.as_str())?;
        push(&mut arguments, *id.as_uuid())?;
        let row = self.commands.row(&self.statements().cancel, arguments, operation).await?;
        words::meaning(&Columns::of(&row, operation).only::<String>()?, operation, words::cancel_answer)
    }

    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer> {
        let operation = "requeue a task";
        let mut arguments = self.arguments()?;
        push(&mut arguments, key.as_str())?;
        // No sequence can have drawn a fence this large: it matches no task.
        push(&mut arguments, fence.map_or(0, |fence| i64::try_from(fence.0).unwrap_or(i64::MAX)))?;
        let row = self.commands.row(&self.statements().requeue, arguments, operation).await?;
        words::meaning(&Columns::of(&row, operation).only::<String>()?, operation, words::requeue_answer)
    }

    async fn clear(&self) -> Result<u64> {
        let operation = "clear the docket";
        let mut all = 0;
        loop {
            let mut arguments = self.arguments()?;
            push(&mut arguments, CLEAR_CHUNK)?;
            let row = self.commands.row(&self.statements().clear, arguments, operation).await?;
            let columns = Columns::of(&row, operation);
            let gone: u64 = columns.count(columns.only()?)?;
            if gone == 0 {
                return Ok(all);
            }
            all += gone;
        }
    }

    async fn settle_clock(&self) -> Result<Duration> {
        let operation = "settle the clock";
        let row = self.commands.row(&self.statements().settle_clock, self.arguments()?, operation).await?;
        let columns = Columns::of(&row, operation);
        match columns.only::<Option<i64>>()? {
            Some(was) => columns.count(was).map(Duration::from_micros),
            None => Err(Error::new(ErrorKind::Conflict, operation, words::LEASED)),
        }
    }

    async fn join(&self, environment: Option<&str>) -> Result<()> {
        let operation = "join the docket";
        let ours = environment.filter(|text| !text.is_empty());
        let mut arguments = self.arguments()?;
        push(&mut arguments, ours)?;
        let row = self.commands.row(&self.statements().join, arguments, operation).await?;
        let columns = Columns::of(&row, operation);
        let theirs: Option<String> = columns.only()?;
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if theirs != ours => {
                let message =
                    format!("it belongs to {theirs:?}, not to {ours:?}; check DOCKET_NAME and DOCKET_ENVIRONMENT");
                Err(Error::new(ErrorKind::Conflict, operation, message))
            }
            _ => Ok(()),
        }
    }
}
