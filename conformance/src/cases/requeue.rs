//! Requeue: another life for a dead task, and for nothing else.

use docket_core::{CancelAnswer, Existing, Fence, Lease, NewTask, RequeueAnswer, TaskState, limits};

use crate::stage::{ATTEMPTS_MAX, Ask, Edit, SECOND, Stage, ask, key, task};

/// Adds the task, runs it, and lets it die.
async fn dies(stage: &Stage, task: NewTask) -> Lease {
    let lease = stage.running(task).await;
    stage.die(&lease).await;
    lease
}

async fn requeue_at(stage: &Stage, name: &str, fence: Option<Fence>) -> RequeueAnswer {
    stage.store().requeue(&key(name), fence).await.expect("a requeue is answered")
}

pub(crate) async fn a_dead_task_lives_again(stage: Stage) {
    let dead = dies(&stage, task("a")).await;
    stage.advance(SECOND).await;
    assert_eq!(stage.requeue("a").await, RequeueAnswer::Requeued);
    let view = stage.view("a").await;
    assert_eq!((view.state, view.visible_at), (TaskState::Ready, stage.now()));
    assert!(stage.take_one().await.token.fence > dead.token.fence);
}

pub(crate) async fn it_is_the_same_task(stage: Stage) {
    let what = task("a").name("scan").queue("media").args("x").max_attempts(4).max_crashes(6);
    let dead = dies(&stage, what).await;
    stage.requeue("a").await;
    let leases = stage.lease(&ask(1).names(&["scan"]).queues(&["media"])).await.leases;
    assert_eq!((&leases[0].args, leases[0].overrides), (&dead.args, dead.overrides));
}

pub(crate) async fn its_counts_start_again(stage: Stage) {
    stage.add(task("a").max_crashes(3)).await;
    for _ in 0..2 {
        for crashes in 0..3 {
            assert_eq!(stage.crash().await.crashes, crashes);
        }
        stage.nothing_to_lease().await;
        assert_eq!(stage.requeue("a").await, RequeueAnswer::Requeued);
    }
    for attempts in 0..ATTEMPTS_MAX {
        let lease = stage.take_one().await;
        assert_eq!((lease.attempts, lease.crashes), (attempts, 0));
        stage.retry(&lease, SECOND).await;
        stage.advance(SECOND).await;
    }
    assert_eq!(stage.state("a").await, TaskState::Dead);
}

pub(crate) async fn what_killed_it_stays_on_the_record(stage: Stage) {
    dies(&stage, task("a")).await;
    stage.requeue("a").await;
    assert_eq!(stage.view("a").await.error.as_deref(), Some("it is hopeless"));
}

pub(crate) async fn only_the_death_that_was_seen(stage: Stage) {
    let dead = dies(&stage, task("a")).await;
    for fence in [None, Some(Fence(dead.token.fence.0 + 1)), Some(Fence(0))] {
        assert_eq!(requeue_at(&stage, "a", fence).await, RequeueAnswer::Exists(Existing::In(TaskState::Dead)));
    }
    assert_eq!(stage.state("a").await, TaskState::Dead);
}

pub(crate) async fn an_unfinished_task_is_left_alone(stage: Stage) {
    stage.add(task("scheduled").after(SECOND)).await;
    stage.running("running").await;
    stage.add("ready").await;
    for (name, state) in
        [("scheduled", TaskState::Scheduled), ("running", TaskState::Running), ("ready", TaskState::Ready)]
    {
        let before = stage.view(name).await;
        assert_eq!(stage.requeue(name).await, RequeueAnswer::Exists(Existing::In(state)));
        assert_eq!(stage.view(name).await, before);
    }
}

pub(crate) async fn a_run_that_is_being_cancelled_says_so(stage: Stage) {
    stage.running("a").await;
    assert_eq!(stage.cancel("a").await, CancelAnswer::Cancelling);
    assert_eq!(stage.requeue("a").await, RequeueAnswer::Exists(Existing::Cancelling));
}

pub(crate) async fn what_did_not_die_is_left_alone(stage: Stage) {
    let lease = stage.running("done").await;
    stage.complete(&lease).await;
    stage.add("stopped").await;
    stage.cancel("stopped").await;
    for (name, state) in [("done", TaskState::Completed), ("stopped", TaskState::Cancelled)] {
        assert_eq!(stage.requeue(name).await, RequeueAnswer::Exists(Existing::In(state)));
        assert_eq!(stage.state(name).await, state);
    }
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_key_nobody_knows_is_not_found(stage: Stage) {
    assert_eq!(requeue_at(&stage, "a", Some(Fence(1))).await, RequeueAnswer::NotFound);
    assert_eq!(requeue_at(&stage, "a", None).await, RequeueAnswer::NotFound);
    assert!(stage.get("a").await.is_none());
}

pub(crate) async fn a_poisonous_task_can_be_given_another_chance(stage: Stage) {
    stage.add(task("a").max_crashes(1)).await;
    stage.crash().await;
    stage.nothing_to_lease().await;
    assert_eq!(stage.requeue("a").await, RequeueAnswer::Requeued);
    assert_eq!(stage.take_one().await.crashes, 0);
}

/// An operator who looks on Monday still finds tasks that died on Friday.
pub(crate) async fn a_dead_task_waits_for_it(stage: Stage) {
    dies(&stage, task("a")).await;
    stage.advance(limits::DEAD_RETENTION.saturating_sub(SECOND)).await;
    stage.trim().await;
    assert_eq!(stage.requeue("a").await, RequeueAnswer::Requeued);
    stage.take_one().await;
}

pub(crate) async fn a_requeued_task_outlives_its_old_retention(stage: Stage) {
    dies(&stage, task("a")).await;
    stage.requeue("a").await;
    stage.advance(limits::DEAD_RETENTION * 2).await;
    stage.trim().await;
    stage.take_one().await;
}

/// A death without a lease has no fence of its own unless the requeue before it drew one: without
/// that, the second requeue would look like a repetition of the first, answer Requeued, and do
/// nothing.
pub(crate) async fn a_periodic_task_cancelled_again_lives_again(stage: Stage) {
    stage.add(task("a").every(SECOND)).await;
    for _ in 0..3 {
        assert_eq!(stage.cancel("a").await, CancelAnswer::Cancelled);
        assert_eq!(stage.requeue("a").await, RequeueAnswer::Requeued);
        assert_eq!(stage.state("a").await, TaskState::Ready);
    }
    assert_eq!(stage.take(10).await.len(), 1);
}

pub(crate) async fn a_repetition_undoes_no_cancel(stage: Stage) {
    stage.add(task("a").every(SECOND)).await;
    stage.cancel("a").await;
    let death = stage.view("a").await.fence;
    assert_eq!(requeue_at(&stage, "a", death).await, RequeueAnswer::Requeued);
    stage.cancel("a").await;
    assert_eq!(requeue_at(&stage, "a", death).await, RequeueAnswer::Requeued);
    assert_eq!(stage.state("a").await, TaskState::Cancelled);
}
