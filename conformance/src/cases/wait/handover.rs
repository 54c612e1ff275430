//! One waiter watches the next due time for all. When it stops waiting, for any reason, another
//! must watch.

use docket_core::LeaseRequest;
use tokio::time::Instant;

use crate::stage::{Ask, Edit, LONG_WAIT, SECOND, Stage, ask, keys, task};

use super::{A_WHILE, SHORTLY, on_time};

pub(crate) async fn a_waiter_whose_wait_ends_leaves_the_next_due_time_to_another(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let brief = stage.waiting(ask(1).by("brief").waiting(A_WHILE)).await;
    let patient = stage.waiter("patient").await;
    stage.add(task("a").after(SECOND)).await;
    let due = Instant::now() + SECOND;
    assert!(brief.reply().await.leases.is_empty());
    on_time(patient, due).await;
}

pub(crate) async fn a_waiter_that_is_served_leaves_the_next_due_time_to_another(stage: Stage) {
    let stage = stage.with_running_clock().await;
    stage.add(task("later").after(SECOND)).await;
    let due = Instant::now() + SECOND;
    let (first, second) = (stage.waiter("first").await, stage.waiter("second").await);
    stage.add("now").await;
    tokio::time::sleep(A_WHILE).await;
    let (served, other) = if first.is_waiting() { (second, first) } else { (first, second) };
    assert_eq!(keys(&[served.lease().await]), ["now"]);
    on_time(other, due).await;
}

pub(crate) async fn a_waiter_that_is_dropped_leaves_the_next_due_time_to_another(stage: Stage) {
    let stage = stage.with_running_clock().await;
    stage.add(task("a").after(SECOND)).await;
    let due = Instant::now() + SECOND;
    let (first, second) = (stage.waiter("first").await, stage.waiter("second").await);
    first.leave().await;
    on_time(second, due).await;
}

/// The worker that took the task is gone, and so is the waiter it was: the other must know of its deadline.
pub(crate) async fn a_waiter_that_dies_with_its_task_leaves_it_to_another(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let request = |id| LeaseRequest { lease_for: SHORTLY, ..ask(1).by(id).waiting(LONG_WAIT) };
    let (first, second) = (stage.waiting(request("first")).await, stage.waiting(request("second")).await);
    stage.add("a").await;
    let due = Instant::now() + SHORTLY;
    tokio::time::sleep(A_WHILE).await;
    let (dies, other) = if first.is_waiting() { (second, first) } else { (first, second) };
    dies.lease().await;
    on_time(other, due).await;
}
