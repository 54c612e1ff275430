//! What ends a wait.

use std::time::Duration;

use docket_core::Outcome;

use crate::stage::{Ask, Edit, LEASE, LONG_WAIT, SECOND, Stage, ask, keys, retry, task};

pub(crate) async fn an_add_wakes_a_waiter(stage: Stage) {
    let waiter = stage.waiter("waiter").await;
    stage.add("a").await;
    assert_eq!(keys(&[waiter.lease().await]), ["a"]);
}

pub(crate) async fn a_schedule_wakes_a_waiter(stage: Stage) {
    let waiter = stage.waiter("waiter").await;
    stage.schedule("a").await;
    waiter.lease().await;
}

pub(crate) async fn a_move_wakes_a_waiter(stage: Stage) {
    stage.add(task("a").after(SECOND * 3_600)).await;
    let waiter = stage.waiter("waiter").await;
    stage.schedule("a").await;
    waiter.lease().await;
}

pub(crate) async fn a_requeue_wakes_a_waiter(stage: Stage) {
    let lease = stage.running("a").await;
    stage.die(&lease).await;
    let waiter = stage.waiter("waiter").await;
    stage.requeue("a").await;
    waiter.lease().await;
}

pub(crate) async fn a_release_wakes_a_waiter(stage: Stage) {
    let lease = stage.running("a").await;
    let waiter = stage.waiter("waiter").await;
    stage.settle(&lease, Outcome::Release).await;
    waiter.lease().await;
}

pub(crate) async fn a_retry_wakes_a_waiter(stage: Stage) {
    let lease = stage.running("a").await;
    let waiter = stage.waiter("waiter").await;
    stage.settle(&lease, retry(Duration::ZERO)).await;
    assert_eq!(waiter.lease().await.attempts, 1);
}

pub(crate) async fn a_promoted_successor_wakes_a_waiter(stage: Stage) {
    let lease = stage.running("a").await;
    stage.schedule("a").await;
    let waiter = stage.waiter("waiter").await;
    stage.complete(&lease).await;
    waiter.lease().await;
}

pub(crate) async fn a_lost_lease_wakes_a_waiter(stage: Stage) {
    stage.running("a").await;
    let waiter = stage.waiter("waiter").await;
    stage.advance(LEASE).await;
    assert_eq!(waiter.lease().await.crashes, 1);
}

pub(crate) async fn what_is_ready_is_not_waited_for(stage: Stage) {
    stage.add("a").await;
    let waiter = stage.waiter("waiter").await;
    assert_eq!(keys(&[waiter.lease().await]), ["a"]);
}

/// Less than asked for is still an answer: a batch is not waited full.
pub(crate) async fn some_are_enough_to_end_a_wait(stage: Stage) {
    let waiter = stage.waiting(ask(10).by("waiter").waiting(LONG_WAIT)).await;
    stage.add("a").await;
    assert_eq!(keys(&waiter.reply().await.leases), ["a"]);
}

pub(crate) async fn a_wake_up_is_kept_while_nobody_waits(stage: Stage) {
    stage.add_all(&["a", "b"].map(task)).await;
    for (id, name) in [("first", "a"), ("second", "b")] {
        assert_eq!(keys(&[stage.waiter(id).await.lease().await]), [name]);
    }
}

pub(crate) async fn next_visible_ignores_unasked_names(stage: Stage) {
    stage.add(task("ready").name("other")).await;
    stage.add(task("sooner").name("other").after(SECOND)).await;
    stage.add(task("mine").after(SECOND * 30)).await;
    assert_eq!(stage.lease(&ask(1)).await.next_visible, Some(SECOND * 30));
}

pub(crate) async fn next_visible_ignores_unasked_queues(stage: Stage) {
    stage.add(task("ready").queue("media")).await;
    stage.add(task("mine").after(SECOND * 30)).await;
    assert_eq!(stage.lease(&ask(1)).await.next_visible, Some(SECOND * 30));
}
