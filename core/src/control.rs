//! The operator's side of a store.

use std::time::Duration;

use async_trait::async_trait;

use crate::{CancelId, Existing, Fence, Key, Result, State};

/// What an operator, or a service on a user's behalf, can change.
///
/// # Cancel safety
///
/// Dropping a call leaves it in the state of a lost reply; repeating it with the same id or fence is safe.
#[async_trait]
pub trait Control: Send + Sync {
    /// Ends a task, or tells its run to end.
    ///
    /// * Not leased, it is cancelled at once: `cancel::a_queued_task_ends_at_once`.
    /// * Leased, it is marked, and its key stays taken until the run ends: `cancel::a_running_task_keeps_its_key`.
    /// * Leased and late, it is cancelled at once: `cancel::a_lost_task_ends_at_once`.
    /// * Any outcome but `Completed` then becomes cancelled, never a retry: `cancel::no_outcome_but_completed_survives`.
    /// * A known cancel id changes nothing: `repeat::cancel_never_hits_a_new_life`.
    async fn cancel(&self, key: &Key, id: CancelId) -> Result<CancelAnswer>;

    /// Gives a dead task, or a perpetual that was cancelled, another life, due now, counts at zero.
    ///
    /// * Only the death of this fence: `repeat::requeue_never_hits_a_new_life`.
    /// * It draws a fence, so that a death without another lease has one of its own:
    ///   `requeue::a_perpetual_cancelled_again_lives_again`.
    /// * A perpetual cancelled before its first lease has no fence; `None` matches it.
    async fn requeue(&self, key: &Key, fence: Option<Fence>) -> Result<RequeueAnswer>;

    /// Takes everything of this docket away, in chunks, and nothing of any other: `control::clear_spares_other_dockets`.
    /// The fence goes on from where it was: `fence::never_goes_back_after_clear`.
    async fn clear(&self) -> Result<u64>;

    /// Takes the offset of the docket's time to zero: from now on it counts steps of the server's clock that are yet to
    /// come. Answers what it was. The docket's time goes on, and nothing that waits is earlier or later by it:
    /// `clock::settling_takes_the_offset_to_zero`.
    ///
    /// * While a task is leased it is a `Conflict`: `clock::settling_waits_for_what_runs`.
    async fn settle_clock(&self) -> Result<Duration>;

    /// Joins the docket: refuses a layout this build cannot read, and, where both sides name one, another environment:
    /// `control::another_environment_is_refused`.
    async fn join(&self, environment: Option<&str>) -> Result<()>;
}

/// The answer to a cancel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CancelAnswer {
    /// It is over.
    Cancelled,
    /// It runs, and its run is told with the next renewal of its lease.
    Cancelling,
    /// It was over already; nothing was changed.
    Finished(State),
    /// There is no such key.
    NotFound,
}

/// The answer to a requeue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RequeueAnswer {
    /// It lives again, now or by the same call before.
    Requeued,
    /// The key is in this state, or died another death; nothing was changed.
    Exists(Existing),
    /// There is no such key.
    NotFound,
}
