//! The operator's side of a store.

use std::time::Duration;

use async_trait::async_trait;

use crate::contract::{CancelId, Error, ErrorKind, Existing, Fence, Result, TaskKey, TaskState};

/// The changes that an operator, or a service on a user's behalf, can make.
///
/// # Cancel safety
///
/// Dropping a call is like losing its reply; repeating it with the same id or fence is safe.
#[async_trait]
pub trait Control: Send + Sync {
    /// Ends a task, or asks its run to stop.
    ///
    /// * A task that is not leased is cancelled at once: `cancel::a_queued_task_ends_at_once`.
    /// * A leased task is marked, and keeps its key until the run ends:
    ///   `cancel::a_running_task_keeps_its_key`.
    /// * A task whose lease has expired is cancelled at once: `cancel::a_lost_task_ends_at_once`.
    /// * Any outcome but `Completed` then becomes cancelled, never a retry:
    ///   `cancel::no_outcome_but_completed_survives`.
    /// * A known cancel id changes nothing: `repeat::cancel_never_hits_a_new_life`.
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer>;

    /// Starts a dead task, or a cancelled periodic one, again: due now, counts at zero.
    ///
    /// * Only the death of this fence: `repeat::requeue_never_hits_a_new_life`.
    /// * It draws a fence, so that a death without another lease has one of its own:
    ///   `requeue::a_periodic_task_cancelled_again_lives_again`.
    /// * A periodic task that was cancelled before its first lease has no fence; `None` matches it.
    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer>;

    /// Deletes everything of this docket, in chunks, and nothing of any other:
    /// `control::clear_spares_other_dockets`. Fences go on from where they were:
    /// `fence::never_goes_back_after_clear`.
    async fn clear(&self) -> Result<u64>;

    /// Resets the reported offset of the docket's time to zero: from now on it counts later steps
    /// of the server's clock. Returns the offset before. The docket's time goes on, and no waiting
    /// task becomes earlier or later: `clock::settling_takes_the_offset_to_zero`.
    ///
    /// * While a task is leased it is a `Conflict`: `clock::settling_waits_for_what_runs`.
    ///
    /// The provided method is for a store whose clock cannot be set back: there is no offset.
    async fn settle_clock(&self) -> Result<Duration> {
        Ok(Duration::ZERO)
    }

    /// Joins the docket. Refuses a layout that this build cannot read, and another environment if
    /// both sides name one: `control::another_environment_is_refused`.
    ///
    /// The provided method is for a store that has one layout and keeps no environment: it refuses
    /// one, since nothing would compare it.
    async fn join(&self, environment: Option<&str>) -> Result<()> {
        match environment {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "join the docket",
                "this store keeps no environment; leave it out",
            )),
        }
    }
}

/// The answer to a cancel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CancelAnswer {
    /// It is cancelled.
    Cancelled,
    /// It runs; its run learns of it with the next renewal of its lease.
    Cancelling,
    /// It had already finished; nothing was changed.
    Finished(TaskState),
    /// There is no such key.
    NotFound,
}

/// The answer to a requeue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RequeueAnswer {
    /// It is queued again, now or by an earlier copy of the same call.
    Requeued,
    /// The key is in this state, or died another death; nothing was changed.
    Exists(Existing),
    /// There is no such key.
    NotFound,
}
