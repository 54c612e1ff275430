//! Time is the store's, and the suite moves it.

use std::time::Duration;

use docket_core::{ErrorKind, Timestamp};

use crate::stage::{Edit, LEASE, SECOND, Stage, key, refusal, task};

async fn now(stage: &Stage) -> Timestamp {
    stage.store().list(&docket_core::ListFilter::default(), None, 1).await.expect("tasks can be listed").now
}

pub(crate) async fn moving_it_wakes_every_waiter(stage: Stage) {
    stage.add(task("a").after(SECOND * 60)).await;
    stage.add(task("b").after(SECOND * 60)).await;
    let (one, two) = (stage.waiter("one").await, stage.waiter("two").await);
    stage.advance(SECOND * 60).await;
    let mut found = [one.lease().await.token.key, two.lease().await.token.key];
    found.sort();
    assert_eq!(found, [key("a"), key("b")]);
}

pub(crate) async fn a_step_that_makes_nothing_due_leaves_waiters_waiting(stage: Stage) {
    stage.add(task("a").after(SECOND * 60)).await;
    let waiter = stage.waiter("one").await;
    stage.advance(SECOND * 59).await;
    stage.nothing_to_lease().await;
    assert!(waiter.is_waiting());
    stage.advance(SECOND).await;
    assert_eq!(waiter.lease().await.leased_at, stage.now());
}

pub(crate) async fn it_stands_still_until_it_is_moved(stage: Stage) {
    assert_eq!(now(&stage).await, stage.now());
    stage.advance(Duration::from_micros(1)).await;
    assert_eq!(now(&stage).await, stage.now());
}

pub(crate) async fn unset_it_runs(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let before = now(&stage).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert!(now(&stage).await > before);
}

pub(crate) async fn the_first_setting_needs_an_empty_docket(stage: Stage) {
    let running = stage.with_running_clock().await;
    running.add("a").await;
    let far = now(&running).await.plus(LEASE);
    assert_eq!(refusal(&running.store().set_clock(far).await), ErrorKind::Conflict);
    assert!(now(&running).await < far, "a refused setting changes nothing");
}

pub(crate) async fn it_never_goes_back(stage: Stage) {
    stage.add("a").await;
    stage.advance(SECOND).await;
    let earlier = Timestamp::from_micros(stage.now().as_micros() - 1);
    stage.store().set_clock(earlier).await.expect_err("the clock only moves forward");
    assert_eq!(now(&stage).await, stage.now());
}

pub(crate) async fn every_handle_reads_the_same(stage: Stage) {
    let fork = stage.fork();
    stage.advance(SECOND * 7).await;
    let page = fork.list(&docket_core::ListFilter::default(), None, 1).await.expect("tasks can be listed");
    assert_eq!(page.now, stage.now());
}

/// Leases on the application's clock needed half a minute of slack elsewhere.
pub(crate) async fn a_lease_is_measured_by_it_alone(stage: Stage) {
    let added = stage.now();
    stage.add("a").await;
    stage.advance(SECOND * 3).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.due_at, lease.leased_at), (added, stage.now()));
    assert_eq!(lease.deadline, stage.now().plus(LEASE));
    assert_eq!(stage.view("a").await.visible_at, lease.deadline);
}

pub(crate) async fn each_docket_has_its_own(stage: Stage) {
    let other = stage.neighbour().await;
    stage.advance(SECOND).await;
    assert_eq!(now(&other).await, other.now());
    assert!(now(&stage).await > now(&other).await);
}
