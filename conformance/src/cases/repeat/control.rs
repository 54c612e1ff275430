//! A cancel or a requeue whose reply was lost.

use docket_core::{CancelAnswer, CancelId, HeartbeatAnswer, Outcome, RequeueAnswer, TaskState};

use crate::stage::{Edit, Stage, key, payload, task};

use super::another_life;

pub(crate) async fn cancel_after_lost_reply(stage: Stage) {
    stage.add("queued").await;
    let id = CancelId::unique();
    assert_eq!(stage.cancel_as("queued", id).await, CancelAnswer::Cancelled);
    assert_eq!(stage.cancel_as("queued", id).await, CancelAnswer::Cancelled);
    let lease = stage.running("running").await;
    let id = CancelId::unique();
    assert_eq!(stage.cancel_as("running", id).await, CancelAnswer::Cancelling);
    stage.settle(&lease, Outcome::Cancelled).await;
    assert_eq!(stage.cancel_as("running", id).await, CancelAnswer::Cancelling);
}

pub(crate) async fn cancel_never_hits_a_new_life(stage: Stage) {
    stage.add("a").await;
    let id = CancelId::unique();
    stage.cancel_as("a", id).await;
    stage.add("a").await;
    assert_eq!(stage.cancel_as("a", id).await, CancelAnswer::Cancelled);
    assert_eq!(stage.state("a").await, TaskState::Ready);
}

pub(crate) async fn cancel_that_came_too_late_never_hits_a_new_life(stage: Stage) {
    another_life(&stage, "a").await;
    let id = CancelId::unique();
    assert_eq!(stage.cancel_as("a", id).await, CancelAnswer::Finished(TaskState::Completed));
    let lease = stage.running("a").await;
    assert_eq!(stage.cancel_as("a", id).await, CancelAnswer::Finished(TaskState::Completed));
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
}

pub(crate) async fn cancel_never_hits_a_successor_that_came_later(stage: Stage) {
    let lease = stage.running("a").await;
    let id = CancelId::unique();
    stage.cancel_as("a", id).await;
    stage.schedule(task("a").args("after the cancel")).await;
    assert_eq!(stage.cancel_as("a", id).await, CancelAnswer::Cancelling);
    stage.settle(&lease, Outcome::Cancelled).await;
    assert_eq!(stage.take_one().await.args, payload("after the cancel"));
}

pub(crate) async fn requeue_after_lost_reply(stage: Stage) {
    let lease = stage.running("a").await;
    stage.die(&lease).await;
    let requeue = || async {
        let fence = Some(lease.token.fence);
        stage.store().requeue(&key("a"), fence).await.expect("a requeue is answered")
    };
    assert_eq!(requeue().await, RequeueAnswer::Requeued);
    assert_eq!(requeue().await, RequeueAnswer::Requeued, "while it is queued");
    let again = stage.take_one().await;
    assert_eq!(requeue().await, RequeueAnswer::Requeued, "while it runs");
    stage.complete(&again).await;
    assert_eq!(requeue().await, RequeueAnswer::Requeued, "once it has finished");
    stage.nothing_to_lease().await;
}

pub(crate) async fn requeue_never_hits_a_new_life(stage: Stage) {
    let lease = stage.running("a").await;
    stage.die(&lease).await;
    assert_eq!(stage.requeue("a").await, RequeueAnswer::Requeued);
    let again = stage.take_one().await;
    stage.die(&again).await;
    let answer = stage.store().requeue(&key("a"), Some(lease.token.fence)).await.expect("a requeue is answered");
    assert_eq!(answer, RequeueAnswer::Requeued, "that death was requeued, this one was not");
    assert_eq!(stage.state("a").await, TaskState::Dead);
}
