//! Schedule: place or move.

use docket_core::{AckAnswer, NewTask, ScheduleAnswer, TaskState, limits};

use crate::stage::{Ask, Edit, LEASE, SECOND, Stage, ask, keys, payload, task};

async fn schedule_all(stage: &Stage, tasks: &[NewTask]) -> Vec<ScheduleAnswer> {
    let answers = stage.store().schedule(tasks).await.expect("a schedule is answered");
    answers.into_iter().map(|answer| answer.expect("the task is taken")).collect()
}

pub(crate) async fn places_what_is_not_there(stage: Stage) {
    assert_eq!(stage.schedule(task("a").after(SECOND)).await, ScheduleAnswer::Placed);
    assert_eq!(stage.state("a").await, TaskState::Scheduled);
    stage.advance(SECOND).await;
    assert_eq!(stage.take_one().await.args, payload("a"));
}

pub(crate) async fn moves_a_queued_task(stage: Stage) {
    stage.add(task("a").args("old").after(SECOND)).await;
    assert_eq!(stage.schedule(task("a").args("new").after(SECOND * 2)).await, ScheduleAnswer::Moved);
    stage.advance(SECOND).await;
    stage.nothing_to_lease().await;
    stage.advance(SECOND).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.args, lease.due_at), (payload("new"), stage.now()));
}

pub(crate) async fn moves_a_ready_task_into_the_future(stage: Stage) {
    stage.add("a").await;
    stage.schedule(task("a").after(SECOND)).await;
    stage.nothing_to_lease().await;
    stage.advance(SECOND).await;
    stage.take_one().await;
}

pub(crate) async fn moves_a_distant_task_to_now(stage: Stage) {
    stage.add(task("a").after(limits::DELAY_MAX)).await;
    stage.schedule("a").await;
    stage.take_one().await;
    stage.advance(SECOND).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn moves_a_task_to_another_lane(stage: Stage) {
    stage.add("a").await;
    stage.schedule(task("a").name("scan").queue("media")).await;
    stage.nothing_to_lease().await;
    assert!(stage.lease(&ask(10).names(&["scan"])).await.leases.is_empty());
    let reply = stage.lease(&ask(10).names(&["scan"]).queues(&["media"])).await;
    assert_eq!(keys(&reply.leases), ["a"]);
}

pub(crate) async fn takes_the_new_limits(stage: Stage) {
    stage.add(task("a").max_attempts(9).max_crashes(9)).await;
    let what = task("a").max_attempts(1).every(SECOND);
    stage.schedule(&what).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.overrides, lease.every), (what.overrides, what.every));
}

pub(crate) async fn moving_twice_leaves_one_task(stage: Stage) {
    for _ in 0..3 {
        stage.schedule("a").await;
    }
    assert_eq!(stage.take(10).await.len(), 1);
}

pub(crate) async fn a_retried_task_can_be_moved(stage: Stage) {
    let lease = stage.running("a").await;
    stage.retry(&lease, SECOND * 60).await;
    assert_eq!(stage.schedule("a").await, ScheduleAnswer::Moved);
    let again = stage.take_one().await;
    assert_eq!((again.attempts, again.crashes), (0, 0));
    assert!(again.token.fence > lease.token.fence);
}

pub(crate) async fn a_finished_key_is_placed_again(stage: Stage) {
    let lease = stage.running("completed").await;
    stage.complete(&lease).await;
    let lease = stage.running("dead").await;
    stage.die(&lease).await;
    stage.add("cancelled").await;
    stage.cancel("cancelled").await;
    for name in ["completed", "dead", "cancelled"] {
        assert_eq!(stage.schedule(name).await, ScheduleAnswer::Placed, "{name}");
        let lease = stage.take_one().await;
        assert_eq!((lease.attempts, lease.crashes), (0, 0));
    }
}

pub(crate) async fn a_running_task_is_left_alone(stage: Stage) {
    let lease = stage.running(task("a").args("old")).await;
    assert_eq!(stage.schedule(task("a").args("new").after(SECOND)).await, ScheduleAnswer::Follows);
    let view = stage.view("a").await;
    assert_eq!((view.state, view.fence, view.args), (TaskState::Running, Some(lease.token.fence), payload("old")));
    assert_eq!(stage.ack(&lease, crate::stage::completed()).await, AckAnswer::Settled);
}

/// A lease that is late is still a lease: its worker may be about to settle it.
pub(crate) async fn a_late_run_is_left_alone(stage: Stage) {
    let lease = stage.running(task("a").args("old")).await;
    stage.advance(LEASE * 2).await;
    assert_eq!(stage.schedule(task("a").args("new")).await, ScheduleAnswer::Follows);
    assert_eq!(stage.ack(&lease, crate::stage::completed()).await, AckAnswer::Settled);
    assert_eq!(stage.take_one().await.args, payload("new"));
}

pub(crate) async fn each_item_has_its_own_answer(stage: Stage) {
    stage.running("running").await;
    stage.add("queued").await;
    let batch = ["absent", "running", "queued"].map(task);
    assert_eq!(
        schedule_all(&stage, &batch).await,
        [ScheduleAnswer::Placed, ScheduleAnswer::Follows, ScheduleAnswer::Moved]
    );
}

pub(crate) async fn a_key_twice_in_a_batch_is_placed_and_moved(stage: Stage) {
    let batch = [task("a").args("first"), task("a").args("second")];
    assert_eq!(schedule_all(&stage, &batch).await, [ScheduleAnswer::Placed, ScheduleAnswer::Moved]);
    assert_eq!(stage.take_one().await.args, payload("second"));
}
