//! Ending a task from outside: at once, or by telling its run.

use docket_core::{AckAnswer, CancelAnswer, HeartbeatAnswer, Outcome, ScheduleAnswer, TaskState};

use crate::stage::{Edit, LEASE, SECOND, Stage, completed, dead, keys, repeat_in, retry, snooze, task};

/// Every way to end a run, by what its record says when the run was cancelled.
fn endings() -> [(&'static str, Outcome, TaskState); 7] {
    [
        ("completed", completed(), TaskState::Completed),
        ("retry", retry(SECOND), TaskState::Cancelled),
        ("snooze", snooze(SECOND), TaskState::Cancelled),
        ("release", Outcome::Release, TaskState::Cancelled),
        ("dead", dead(), TaskState::Cancelled),
        ("repeat", repeat_in(SECOND), TaskState::Cancelled),
        ("cancelled", Outcome::Cancelled, TaskState::Cancelled),
    ]
}

pub(crate) async fn a_queued_task_ends_at_once(stage: Stage) {
    stage.add("ready").await;
    stage.add(task("scheduled").after(SECOND)).await;
    for key in ["ready", "scheduled"] {
        assert_eq!(stage.cancel(key).await, CancelAnswer::Cancelled);
        let view = stage.view(key).await;
        assert_eq!((view.state, view.visible_at, view.cancelling), (TaskState::Cancelled, stage.now(), false));
    }
    stage.advance(SECOND).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_retried_task_ends_at_once(stage: Stage) {
    let lease = stage.running("a").await;
    stage.retry(&lease, SECOND).await;
    assert_eq!(stage.cancel("a").await, CancelAnswer::Cancelled);
    let view = stage.view("a").await;
    assert_eq!((view.state, view.attempts), (TaskState::Cancelled, 1));
    assert_eq!(view.error.as_deref(), Some("it failed"));
}

pub(crate) async fn a_running_task_is_told(stage: Stage) {
    let lease = stage.running("a").await;
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
    assert_eq!(stage.cancel("a").await, CancelAnswer::Cancelling);
    stage.advance(SECOND).await;
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Cancelled);
    assert_eq!(stage.view("a").await.visible_at, stage.now().plus(LEASE), "and it has its time to end");
}

pub(crate) async fn a_running_task_keeps_its_key(stage: Stage) {
    let lease = stage.running("a").await;
    stage.cancel("a").await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.cancelling), (TaskState::Running, true));
    stage.nothing_to_lease().await;
    stage.settle(&lease, Outcome::Cancelled).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.cancelling), (TaskState::Cancelled, false));
}

pub(crate) async fn a_lost_task_ends_at_once(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(LEASE).await;
    assert_eq!(stage.cancel("a").await, CancelAnswer::Cancelled);
    assert_eq!(stage.state("a").await, TaskState::Cancelled);
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Lost);
    assert_eq!(stage.ack(&lease, completed()).await, AckAnswer::Stale);
    stage.nothing_to_lease().await;
}

/// In another queue the cancel of a running task ended as a retry, and the work began again.
pub(crate) async fn no_outcome_but_completed_survives(stage: Stage) {
    for (key, outcome, state) in endings() {
        let lease = stage.running(key).await;
        assert_eq!(stage.cancel(key).await, CancelAnswer::Cancelling);
        stage.settle(&lease, outcome).await;
        assert_eq!(stage.state(key).await, state, "{key}");
    }
    stage.advance(LEASE).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_passed_deadline_ends_a_cancelled_run(stage: Stage) {
    stage.running("a").await;
    stage.cancel("a").await;
    stage.advance(LEASE).await;
    stage.nothing_to_lease().await;
    assert_eq!(stage.state("a").await, TaskState::Cancelled);
}

pub(crate) async fn a_late_end_of_a_cancelled_run_counts(stage: Stage) {
    let lease = stage.running("a").await;
    stage.cancel("a").await;
    stage.advance(LEASE * 2).await;
    stage.complete(&lease).await;
    assert_eq!(stage.state("a").await, TaskState::Completed);
}

pub(crate) async fn the_last_attempt_of_a_cancelled_run_is_not_a_death(stage: Stage) {
    let lease = stage.running(task("a").max_attempts(1)).await;
    stage.cancel("a").await;
    stage.retry(&lease, SECOND).await;
    assert_eq!(stage.state("a").await, TaskState::Cancelled);
}

pub(crate) async fn a_cancelled_run_of_a_periodic_task_is_its_last(stage: Stage) {
    for (key, outcome, state) in endings() {
        let lease = stage.running(task(key).every(SECOND)).await;
        stage.cancel(key).await;
        stage.settle(&lease, outcome).await;
        assert_eq!(stage.state(key).await, state, "{key}");
    }
    stage.advance(LEASE).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_running_task_can_be_cancelled_twice(stage: Stage) {
    let lease = stage.running("a").await;
    assert_eq!(stage.cancel("a").await, CancelAnswer::Cancelling);
    assert_eq!(stage.cancel("a").await, CancelAnswer::Cancelling);
    stage.retry(&lease, SECOND).await;
    assert_eq!(stage.cancel("a").await, CancelAnswer::Finished(TaskState::Cancelled));
}

pub(crate) async fn a_finished_task_is_left_alone(stage: Stage) {
    let ends =
        [(TaskState::Completed, completed()), (TaskState::Dead, dead()), (TaskState::Cancelled, Outcome::Cancelled)];
    for (state, end) in ends {
        let lease = stage.running(state.as_str()).await;
        stage.settle(&lease, end).await;
        let before = stage.view(state.as_str()).await;
        stage.advance(SECOND).await;
        assert_eq!(stage.cancel(state.as_str()).await, CancelAnswer::Finished(state));
        assert_eq!(stage.view(state.as_str()).await, before);
    }
}

pub(crate) async fn an_absent_key_is_not_found(stage: Stage) {
    assert_eq!(stage.cancel("a").await, CancelAnswer::NotFound);
    assert_eq!(stage.get("a").await, None, "and nothing is left of the call");
}

pub(crate) async fn it_drops_the_successor(stage: Stage) {
    let lease = stage.running("a").await;
    assert_eq!(stage.schedule("a").await, ScheduleAnswer::Follows);
    stage.cancel("a").await;
    assert_eq!(stage.view("a").await.successor, None);
    stage.settle(&lease, Outcome::Cancelled).await;
    assert_eq!(stage.state("a").await, TaskState::Cancelled);
}

pub(crate) async fn it_drops_the_successor_of_a_lost_task(stage: Stage) {
    stage.running("a").await;
    stage.schedule("a").await;
    stage.advance(LEASE).await;
    assert_eq!(stage.cancel("a").await, CancelAnswer::Cancelled);
    assert_eq!(stage.state("a").await, TaskState::Cancelled);
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_schedule_after_it_makes_a_new_successor(stage: Stage) {
    let lease = stage.running("a").await;
    stage.cancel("a").await;
    assert_eq!(stage.schedule(task("a").args("second")).await, ScheduleAnswer::Follows);
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Cancelled, "the run still has to end");
    stage.retry(&lease, SECOND).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.args.as_bytes(), lease.attempts), (b"second".as_slice(), 0));
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held, "the cancel was not meant for this one");
}

pub(crate) async fn a_schedule_after_it_outlives_a_lost_run(stage: Stage) {
    stage.running("a").await;
    stage.cancel("a").await;
    stage.schedule(task("a").args("second")).await;
    stage.advance(LEASE).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.args.as_bytes(), lease.crashes), (b"second".as_slice(), 0));
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
}

pub(crate) async fn it_leaves_other_tasks_alone(stage: Stage) {
    stage.add("a").await;
    stage.add("ab").await;
    stage.cancel("a").await;
    assert_eq!(keys(&stage.take(10).await), ["ab"]);
}
