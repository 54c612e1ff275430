//! A schedule on a running key waits behind the run, and takes its place however the run ends.

use std::time::Duration;

use docket_core::{
    AckAnswer, HeartbeatAnswer, NewTask, Outcome, Payload, RunAt, ScheduleAnswer, TaskState, Timestamp, limits,
};

use crate::stage::{
    ATTEMPTS_MAX, Ask, Edit, LEASE, SECOND, Stage, ask, completed, dead, keys, payload, repeat_in, retry, snooze, task,
};

/// Puts a successor behind the running task `key`.
async fn follow(stage: &Stage, key: &str) {
    assert_eq!(stage.schedule(task(key).args("second")).await, ScheduleAnswer::Follows);
}

/// The successor has taken the place of `key`, as a task that has never run.
async fn is_promoted(stage: &Stage, key: &str, after: &str) {
    let view = stage.view(key).await;
    assert_eq!((view.state, view.args.as_bytes()), (TaskState::Ready, b"second".as_slice()), "after {after}");
    assert_eq!((view.attempts, view.crashes, view.cancelling), (0, 0, false), "after {after}");
    assert_eq!((view.successor, view.every), (None, None), "after {after}");
}

pub(crate) async fn last_schedule_wins(stage: Stage) {
    let lease = stage.running(task("a").args("first")).await;
    for args in ["second", "third"] {
        assert_eq!(stage.schedule(task("a").args(args)).await, ScheduleAnswer::Follows);
    }
    let view = stage.view("a").await;
    assert_eq!((view.state, view.args.as_bytes()), (TaskState::Running, b"first".as_slice()));
    assert_eq!(view.successor.expect("one waits").args.as_bytes(), b"third");
    stage.complete(&lease).await;
    let lease = stage.take_one().await;
    assert_eq!(lease.args.as_bytes(), b"third");
    stage.complete(&lease).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn promoted_however_the_lease_ends(stage: Stage) {
    let endings = [
        ("completed", completed()),
        ("retry", retry(SECOND)),
        ("snooze", snooze(SECOND)),
        ("release", Outcome::Release),
        ("dead", dead()),
        ("repeat", repeat_in(SECOND)),
        ("cancelled", Outcome::Cancelled),
    ];
    for (key, outcome) in endings {
        let lease = stage.running(key).await;
        follow(&stage, key).await;
        stage.settle(&lease, outcome).await;
        is_promoted(&stage, key, key).await;
        let lease = stage.take_one().await;
        stage.complete(&lease).await;
    }
}

pub(crate) async fn promoted_at_the_attempt_limit(stage: Stage) {
    stage.add("a").await;
    for _ in 1..ATTEMPTS_MAX {
        let lease = stage.take_one().await;
        stage.retry(&lease, Duration::ZERO).await;
    }
    let lease = stage.take_one().await;
    follow(&stage, "a").await;
    stage.retry(&lease, SECOND).await;
    is_promoted(&stage, "a", "the last attempt").await;
    assert_eq!(stage.view("a").await.error.as_deref(), Some("it failed"), "as history");
}

pub(crate) async fn promoted_after_a_crash(stage: Stage) {
    let lost = stage.running("a").await;
    follow(&stage, "a").await;
    stage.advance(LEASE).await;
    let reply = stage.lease(&ask(1)).await;
    assert_eq!(reply.swept.crashed, 1);
    let lease = &reply.leases[0];
    assert_eq!((lease.args.as_bytes(), lease.crashes), (b"second".as_slice(), 0));
    assert_eq!(stage.ack(&lost, completed()).await, AckAnswer::Stale);
    assert_eq!(stage.heartbeat(lease).await, HeartbeatAnswer::Held);
}

pub(crate) async fn promoted_at_the_crash_limit(stage: Stage) {
    stage.running(task("a").max_crashes(1)).await;
    follow(&stage, "a").await;
    stage.advance(LEASE).await;
    let reply = stage.lease(&ask(1)).await;
    assert_eq!((reply.swept.crashed, keys(&reply.leases)), (1, vec!["a"]));
    assert_eq!((reply.leases[0].args.as_bytes(), reply.leases[0].crashes), (b"second".as_slice(), 0));
    assert_eq!(reply.leases[0].overrides.max_crashes, None, "the limit was the old task's");
}

pub(crate) async fn promoted_after_a_periodic_task_whose_chain_it_ends(stage: Stage) {
    let lease = stage.running(task("a").every(SECOND)).await;
    follow(&stage, "a").await;
    stage.settle(&lease, Outcome::Repeat { at: RunAt::In(SECOND), args: Some(payload("third")) }).await;
    is_promoted(&stage, "a", "a periodic task").await;
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    assert_eq!(stage.state("a").await, TaskState::Completed);
}

pub(crate) async fn the_running_task_is_untouched(stage: Stage) {
    let lease = stage.running(task("a").args("first")).await;
    let before = stage.view("a").await;
    follow(&stage, "a").await;
    let mut after = stage.view("a").await;
    assert!(after.successor.take().is_some());
    assert_eq!(after, before);
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_late_run_can_still_be_followed(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(LEASE * 2).await;
    follow(&stage, "a").await;
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held, "it was not leased again");
    stage.complete(&lease).await;
    is_promoted(&stage, "a", "a late end").await;
}

pub(crate) async fn it_keeps_its_own_time(stage: Stage) {
    let lease = stage.running("a").await;
    let due = stage.now().plus(SECOND * 60);
    assert_eq!(stage.schedule(task("a").after(SECOND * 60)).await, ScheduleAnswer::Follows);
    assert_eq!(stage.view("a").await.successor.expect("one waits").visible_at, due);
    stage.advance(SECOND).await;
    stage.retry(&lease, SECOND).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.visible_at), (TaskState::Scheduled, due));
}

/// It was due while the other ran: it has waited since then, not since its promotion.
pub(crate) async fn a_time_that_passed_meanwhile_is_kept(stage: Stage) {
    let lease = stage.running("a").await;
    let due: Timestamp = stage.now().plus(SECOND);
    stage.schedule(task("a").at(due)).await;
    stage.advance(SECOND * 5).await;
    stage.complete(&lease).await;
    assert_eq!(stage.take_one().await.due_at, due);
}

pub(crate) async fn it_brings_its_own_name_queue_and_policy(stage: Stage) {
    let lease = stage.running(task("a").max_attempts(9)).await;
    let second = NewTask { args: Payload::new("second"), ..task("a") }.name("other").queue("fast").max_attempts(1);
    assert_eq!(stage.schedule(&second).await, ScheduleAnswer::Follows);
    stage.complete(&lease).await;
    stage.nothing_to_lease().await;
    let leases = stage.lease(&ask(1).names(&["other"]).queues(&["fast"])).await.leases;
    assert_eq!(keys(&leases), ["a"]);
    assert_eq!(leases[0].overrides, second.overrides);
    stage.retry(&leases[0], SECOND).await;
    assert_eq!(stage.state("a").await, TaskState::Dead, "its own attempt limit was reached");
}

pub(crate) async fn it_may_be_a_periodic_task(stage: Stage) {
    let lease = stage.running("a").await;
    stage.schedule(task("a").every(SECOND * 60)).await;
    stage.complete(&lease).await;
    let lease = stage.take_one().await;
    assert_eq!(lease.every, Some(SECOND * 60));
    stage.complete(&lease).await;
    assert_eq!(stage.view("a").await.visible_at, stage.now().plus(SECOND * 60));
}

pub(crate) async fn it_stands_behind_what_was_added_before_its_promotion(stage: Stage) {
    let lease = stage.running("a").await;
    follow(&stage, "a").await;
    stage.add("b").await;
    stage.complete(&lease).await;
    assert_eq!(stage.view("a").await.added_at, stage.now());
    assert_eq!(keys(&stage.take(10).await), ["b", "a"]);
}

pub(crate) async fn a_key_never_has_two_current_tokens(stage: Stage) {
    let first = stage.running("a").await;
    follow(&stage, "a").await;
    stage.nothing_to_lease().await;
    stage.complete(&first).await;
    let second = stage.take_one().await;
    assert!(second.token.fence > first.token.fence);
    assert_eq!(stage.heartbeat(&first).await, HeartbeatAnswer::Lost);
    stage.nothing_to_lease().await;
    assert_eq!(stage.heartbeat(&second).await, HeartbeatAnswer::Held);
}

pub(crate) async fn a_repeated_schedule_does_not_follow_twice(stage: Stage) {
    let lease = stage.running("a").await;
    let second = task("a").args("second");
    assert_eq!(stage.schedule(&second).await, ScheduleAnswer::Follows);
    assert_eq!(stage.schedule(&second).await, ScheduleAnswer::Follows);
    stage.complete(&lease).await;
    assert_eq!(stage.schedule(&second).await, ScheduleAnswer::Follows, "the reply was lost; this is what it said");
    let lease = stage.take_one().await;
    assert_eq!(stage.schedule(&second).await, ScheduleAnswer::Follows);
    assert_eq!(stage.view("a").await.successor, None);
    stage.complete(&lease).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_promoted_task_can_be_followed_again(stage: Stage) {
    let first = stage.running("a").await;
    follow(&stage, "a").await;
    stage.complete(&first).await;
    let second = stage.take_one().await;
    assert_eq!(stage.schedule(task("a").args("third")).await, ScheduleAnswer::Follows);
    stage.complete(&second).await;
    assert_eq!(stage.take_one().await.args.as_bytes(), b"third");
}

pub(crate) async fn a_promoted_task_is_not_trimmed(stage: Stage) {
    let lease = stage.running("a").await;
    follow(&stage, "a").await;
    stage.complete(&lease).await;
    stage.advance(limits::RETENTION * 2).await;
    stage.trim().await;
    is_promoted(&stage, "a", "a trim").await;
}
