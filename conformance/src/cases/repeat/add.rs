//! An `add` or a `schedule` whose reply was lost.

use docket_core::{AddAnswer, Existing, ScheduleAnswer, TaskState, limits};

use crate::stage::{Edit, SECOND, Stage, payload, task};

use super::another_life;

/// A push timed out but had landed; the retry made a second job. Here it makes none, whatever
/// became of the first.
pub(crate) async fn add_after_lost_reply(stage: Stage) {
    let task = task("a");
    assert_eq!(stage.add(&task).await, AddAnswer::Added);
    assert_eq!(stage.add(&task).await, AddAnswer::Added, "while it is queued");
    let lease = stage.take_one().await;
    assert_eq!(stage.add(&task).await, AddAnswer::Added, "while it runs");
    stage.complete(&lease).await;
    assert_eq!(stage.add(&task).await, AddAnswer::Added, "once it has finished");
    stage.nothing_to_lease().await;
    assert_eq!(stage.state("a").await, TaskState::Completed);
}

/// P1's add is answered into the void; P2 adds the key later; both are done; P1 repeats: not a third run.
pub(crate) async fn add_after_a_later_life(stage: Stage) {
    let first = task("a");
    stage.add(&first).await;
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    another_life(&stage, "a").await;
    assert_eq!(stage.add(&first).await, AddAnswer::Added);
    stage.nothing_to_lease().await;
}

pub(crate) async fn add_after_many_later_lives(stage: Stage) {
    let first = task("a");
    stage.add(&first).await;
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    for _ in 1..limits::CALL_IDS_MAX {
        another_life(&stage, "a").await;
    }
    assert_eq!(stage.add(&first).await, AddAnswer::Added);
    stage.nothing_to_lease().await;
}

pub(crate) async fn add_after_a_move(stage: Stage) {
    let first = task("a").args("old");
    stage.add(&first).await;
    stage.schedule(task("a").args("new").after(SECOND)).await;
    assert_eq!(stage.add(&first).await, AddAnswer::Added);
    stage.nothing_to_lease().await;
    stage.advance(SECOND).await;
    assert_eq!(stage.take_one().await.args, payload("new"));
}

/// The key was taken when the call came, and that is its answer, also once the key is free.
pub(crate) async fn add_that_found_the_key_taken(stage: Stage) {
    let lease = stage.running("a").await;
    let late = task("a");
    let answer = AddAnswer::Exists(Existing::In(TaskState::Running));
    assert_eq!(stage.add(&late).await, answer);
    stage.complete(&lease).await;
    assert_eq!(stage.add(&late).await, answer);
    stage.nothing_to_lease().await;
}

pub(crate) async fn add_while_trimming_goes_on(stage: Stage) {
    let first = task("a");
    stage.add(&first).await;
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    stage.advance(limits::REPEAT_MAX).await;
    stage.trim().await;
    assert_eq!(stage.add(&first).await, AddAnswer::Added);
    stage.nothing_to_lease().await;
}

pub(crate) async fn one_add_twice_in_a_batch(stage: Stage) {
    let task = task("a");
    assert_eq!(stage.add_all(&[task.clone(), task]).await, [AddAnswer::Added, AddAnswer::Added]);
    assert_eq!(stage.take(10).await.len(), 1);
}

pub(crate) async fn schedule_after_lost_reply(stage: Stage) {
    let (place, shift) = (task("a"), task("a").after(SECOND));
    for (call, answer) in [(&place, ScheduleAnswer::Placed), (&shift, ScheduleAnswer::Moved)] {
        assert_eq!(stage.schedule(call).await, answer);
        let before = stage.view("a").await;
        assert_eq!(stage.schedule(call).await, answer);
        assert_eq!(stage.view("a").await, before);
    }
}

/// P1 schedules, the reply is lost; P2 moves it; P1 repeats: P2's move stands, for both got
/// success.
pub(crate) async fn schedule_after_a_later_move(stage: Stage) {
    let first = task("a").args("p1").after(SECOND);
    assert_eq!(stage.schedule(&first).await, ScheduleAnswer::Placed);
    assert_eq!(stage.schedule(task("a").args("p2").after(SECOND * 60)).await, ScheduleAnswer::Moved);
    assert_eq!(stage.schedule(&first).await, ScheduleAnswer::Placed);
    let view = stage.view("a").await;
    assert_eq!((view.args, view.visible_at), (payload("p2"), stage.now().plus(SECOND * 60)));
}

pub(crate) async fn schedule_of_a_successor_after_a_later_one(stage: Stage) {
    let lease = stage.running("a").await;
    let first = task("a").args("p1");
    assert_eq!(stage.schedule(&first).await, ScheduleAnswer::Follows);
    assert_eq!(stage.schedule(task("a").args("p2")).await, ScheduleAnswer::Follows);
    assert_eq!(stage.schedule(&first).await, ScheduleAnswer::Follows);
    stage.complete(&lease).await;
    assert_eq!(stage.take_one().await.args, payload("p2"));
}

pub(crate) async fn schedule_of_a_successor_that_has_run(stage: Stage) {
    let lease = stage.running("a").await;
    let successor = task("a");
    stage.schedule(&successor).await;
    stage.complete(&lease).await;
    let lease = stage.take_one().await;
    assert_eq!(stage.schedule(&successor).await, ScheduleAnswer::Follows, "while it runs");
    stage.complete(&lease).await;
    assert_eq!(stage.schedule(&successor).await, ScheduleAnswer::Follows, "once it has finished");
    stage.nothing_to_lease().await;
}
