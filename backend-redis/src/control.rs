//! The operator's calls.

use std::time::Duration;

use async_trait::async_trait;
use docket_core::{CancelAnswer, CancelId, Control, Error, ErrorKind, Fence, RequeueAnswer, Result, TaskKey, words};

use redis::Value;

use crate::fields::{Fields, word};
use crate::{RedisBackend, scripts};

/// The layout of the keys and records that this build writes. Every script compares it: see
/// `prelude.lua`.
pub(crate) const LAYOUT: i64 = 3;

#[async_trait]
impl Control for RedisBackend {
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer> {
        let operation = "cancel a task";
        let mut call = self.call(&scripts::CANCEL, 0);
        call.key(key).id(id.as_uuid());
        let answer = word(self.commands.script(&call, operation).await?, operation)?;
        words::meaning(&answer, operation, words::cancel_answer)
    }

    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer> {
        let operation = "requeue a task";
        let mut call = self.call(&scripts::REQUEUE, 0);
        call.key(key).number(fence.map_or(0, |fence| fence.0));
        let answer = word(self.commands.script(&call, operation).await?, operation)?;
        words::meaning(&answer, operation, words::requeue_answer)
    }

    async fn clear(&self) -> Result<u64> {
        let operation = "clear the docket";
        let gone = self.commands.script(&self.call(&scripts::CLEAR, 0), operation).await?;
        Fields::one(gone, operation).count()
    }

    async fn settle_clock(&self) -> Result<Duration> {
        let operation = "settle the clock";
        let was = self.commands.script(&self.call(&scripts::SETTLE_CLOCK, 0), operation).await?;
        if was == Value::Nil {
            return Err(Error::new(ErrorKind::Conflict, operation, words::LEASED));
        }
        Fields::one(was, operation).count().map(Duration::from_micros)
    }

    async fn join(&self, environment: Option<&str>) -> Result<()> {
        let operation = "join the docket";
        let mut call = self.call(&scripts::JOIN, 0);
        call.text(environment.unwrap_or(""));
        let theirs = self.run(&call, operation).await?.text()?;
        match environment {
            Some(ours) if !theirs.is_empty() && theirs != ours => {
                let message =
                    format!("it belongs to {theirs:?}, not to {ours:?}; check DOCKET_NAME and DOCKET_ENVIRONMENT");
                Err(Error::new(ErrorKind::Conflict, operation, message))
            }
            _ => Ok(()),
        }
    }
}
