//! The answers to calls about a task that is moving, and about one that was let go.

use docket_core::{AddAnswer, CancelAnswer, CancelId, ErrorKind, Existing, RequeueAnswer, ScheduleAnswer, TaskState};

use crate::stage::{Edit, SECOND, Stage, key, keys, payload, refusal, task};

pub(crate) async fn an_add_finds_the_key_taken(stage: Stage) {
    let first = task("a");
    stage.moving(first.clone()).await;
    assert_eq!(stage.add("a").await, AddAnswer::Exists(Existing::In(TaskState::Moving)));
    assert_eq!(stage.add(first).await, AddAnswer::Added);
    assert_eq!(stage.state("a").await, TaskState::Moving);
}

pub(crate) async fn a_schedule_or_a_cancel_has_to_wait(stage: Stage) {
    let parcel = stage.moving(task("a")).await;
    let later = task("a").args("later");
    let answers = stage.store().schedule(std::slice::from_ref(&later)).await.expect("a schedule is answered");
    assert!(answers[0].as_ref().expect_err("it moves").is_retryable());
    let id = CancelId::unique();
    let cancelled = stage.store().cancel(&key("a"), id).await;
    assert!(cancelled.expect_err("it moves").is_retryable());
    stage.put_back(&[parcel]).await;
    assert_eq!(stage.schedule(later).await, ScheduleAnswer::Moved);
    assert_eq!(stage.cancel_as("a", id).await, CancelAnswer::Cancelled);
}

pub(crate) async fn a_schedule_after_it_places_a_new_task(stage: Stage) {
    let parcel = stage.moving(task("a")).await;
    stage.let_go(&[parcel]).await;
    assert_eq!(stage.schedule(task("a").args("later")).await, ScheduleAnswer::Placed);
    assert_eq!(stage.take_one().await.args, payload("later"));
}

pub(crate) async fn a_cancel_after_it_says_where_to_ask(stage: Stage) {
    let parcel = stage.moving(task("a")).await;
    stage.let_go(&[parcel]).await;
    assert_eq!(refusal(&stage.store().cancel(&key("a"), CancelId::unique()).await), ErrorKind::Conflict);
    stage.add("a").await;
    assert_eq!(stage.cancel("a").await, CancelAnswer::Cancelled);
}

pub(crate) async fn a_repeated_add_after_it_is_answered(stage: Stage) {
    let first = task("a");
    let parcel = stage.moving(first.clone()).await;
    stage.let_go(&[parcel]).await;
    assert_eq!(stage.add(first).await, AddAnswer::Added);
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_requeue_changes_nothing(stage: Stage) {
    stage.add(task("a").every(SECOND)).await;
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    stage.take_out().await;
    assert_eq!(stage.requeue("a").await, RequeueAnswer::Exists(Existing::In(TaskState::Moving)));
    assert_eq!(stage.state("a").await, TaskState::Moving);
}

pub(crate) async fn it_is_counted_and_listed_as_moving(stage: Stage) {
    stage.moving(task("a")).await;
    let lanes = stage.store().counts().await.expect("tasks are counted");
    assert_eq!((lanes.len(), lanes[0].moving, lanes[0].ready, lanes[0].oldest_ready), (1, 1, 0, None));
}

pub(crate) async fn what_is_put_back_wakes_a_waiter(stage: Stage) {
    let parcel = stage.moving(task("a")).await;
    let waiter = stage.waiter("waiter").await;
    stage.put_back(&[parcel]).await;
    assert_eq!(keys(&[waiter.lease().await]), ["a"]);
}
