//! The end of a chain: a cancel, and how a requeue restarts it.

use docket_core::{AddAnswer, CancelAnswer, Existing, Outcome, RequeueAnswer, ScheduleAnswer, TaskState, limits};

use crate::stage::{Edit, LEASE, SECOND, Stage, completed, dead, repeat_in, retry, snooze, task};

use super::{EVERY, chain, wait_of};

pub(crate) async fn a_cancel_ends_the_chain(stage: Stage) {
    stage.add(chain()).await;
    assert_eq!(stage.cancel("chain").await, CancelAnswer::Cancelled);
    stage.advance(EVERY * 3).await;
    stage.nothing_to_lease().await;
    assert_eq!(stage.state("chain").await, TaskState::Cancelled);
}

pub(crate) async fn a_cancelled_run_does_not_come_back(stage: Stage) {
    let outcomes = [repeat_in(EVERY), retry(SECOND), dead(), snooze(SECOND), Outcome::Release, completed()];
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let name = &format!("chain-{n}");
        let running = stage.running(task(name).every(EVERY)).await;
        assert_eq!(stage.cancel(name).await, CancelAnswer::Cancelling);
        let ends = if outcome == completed() { TaskState::Completed } else { TaskState::Cancelled };
        stage.settle(&running, outcome).await;
        assert_eq!(stage.state(name).await, ends);
    }
    stage.advance(EVERY * 3).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_cancelled_run_that_is_lost_does_not_come_back(stage: Stage) {
    stage.running(chain()).await;
    stage.cancel("chain").await;
    stage.advance(LEASE).await;
    stage.nothing_to_lease().await;
    assert_eq!(stage.state("chain").await, TaskState::Cancelled);
}

/// Every worker seeds its periodic tasks when it starts; a task that an operator has stopped must
/// stay stopped.
pub(crate) async fn seeding_does_not_undo_a_cancel(stage: Stage) {
    stage.add(chain()).await;
    stage.cancel("chain").await;
    for _ in 0..3 {
        assert_eq!(stage.add(chain()).await, AddAnswer::Exists(Existing::In(TaskState::Cancelled)));
    }
    stage.nothing_to_lease().await;
}

pub(crate) async fn seeding_does_not_undo_a_cancel_that_met_a_completed_run(stage: Stage) {
    let lease = stage.running(chain()).await;
    stage.cancel("chain").await;
    stage.complete(&lease).await;
    assert_eq!(stage.add(chain()).await, AddAnswer::Exists(Existing::In(TaskState::Completed)));
    stage.advance(EVERY).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_cancelled_chain_is_not_trimmed(stage: Stage) {
    stage.add(chain()).await;
    stage.cancel("chain").await;
    stage.advance(limits::DEAD_RETENTION * 2).await;
    stage.trim().await;
    assert_eq!(stage.add(chain()).await, AddAnswer::Exists(Existing::In(TaskState::Cancelled)));
}

pub(crate) async fn a_requeue_brings_the_chain_back(stage: Stage) {
    let lease = stage.running(chain()).await;
    stage.settle(&lease, Outcome::Cancelled).await;
    assert_eq!(stage.requeue("chain").await, RequeueAnswer::Requeued);
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    assert_eq!(wait_of(&stage).await, EVERY);
}

pub(crate) async fn a_requeue_brings_back_what_never_ran(stage: Stage) {
    stage.add(chain().after(EVERY)).await;
    stage.cancel("chain").await;
    assert_eq!(stage.view("chain").await.fence, None);
    assert_eq!(stage.requeue("chain").await, RequeueAnswer::Requeued);
    assert_eq!(stage.take_one().await.every, Some(EVERY));
}

pub(crate) async fn an_add_without_an_interval_is_no_seed(stage: Stage) {
    stage.add(chain()).await;
    stage.cancel("chain").await;
    assert_eq!(stage.add("chain").await, AddAnswer::Added);
    let lease = stage.take_one().await;
    assert_eq!(lease.every, None);
    stage.complete(&lease).await;
    assert_eq!(stage.state("chain").await, TaskState::Completed);
}

pub(crate) async fn a_schedule_is_no_seed(stage: Stage) {
    stage.add(chain()).await;
    stage.cancel("chain").await;
    assert_eq!(stage.schedule(chain()).await, ScheduleAnswer::Placed);
    assert_eq!(stage.take_one().await.every, Some(EVERY));
}
