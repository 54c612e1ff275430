//! In real time, on the store's own clock: what only it can show.

use std::time::Duration;

use docket_core::LeaseRequest;
use tokio::time::{Instant, sleep};

use crate::stage::{Ask, Edit, SECOND, SOON, Stage, Waiter, ask, keys, retry, task};

use super::{A_WHILE, still_waiting};

/// How far in the future a case puts a task when it shows that it starts on time.
const SHORTLY: Duration = Duration::from_millis(300);
/// How late a start may be. Far above what a store needs, far below any interval at which one could look again.
const LATE_MAX: Duration = Duration::from_millis(400);

/// Takes what the waiter brings, which must be there at this moment, and not before.
async fn on_time(waiter: Waiter, due: Instant) {
    let lease = waiter.lease().await;
    let late = Instant::now().saturating_duration_since(due);
    assert!(late < LATE_MAX, "{} started {late:?} late", lease.token.key);
    assert!(lease.leased_at >= lease.due_at, "and not early");
}

pub(crate) async fn an_add_wakes_a_waiter_within_milliseconds(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let mut waits = Vec::new();
    for n in 0..10 {
        let waiter = stage.waiter(&format!("waiter-{n}")).await;
        let start = Instant::now();
        stage.add(format!("a{n}").as_str()).await;
        waiter.lease().await;
        waits.push(start.elapsed());
    }
    waits.sort_unstable();
    assert!(waits[5] < Duration::from_millis(100), "half of them took longer than {:?}", waits[5]);
}

pub(crate) async fn a_cancel_that_promotes_nothing_wakes_nobody(stage: Stage) {
    let stage = stage.with_running_clock().await;
    stage.add(task("a").after(SHORTLY)).await;
    let waiter = stage.waiter("waiter").await;
    stage.cancel("a").await;
    sleep(SHORTLY).await;
    still_waiting(&[&waiter]).await;
    stage.add("b").await;
    assert_eq!(keys(&[waiter.lease().await]), ["b"]);
}

/// Due tasks waited for a poll of up to 300 s elsewhere. Here the wait ends when the task is due.
pub(crate) async fn a_scheduled_task_starts_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    stage.add(task("a").after(SHORTLY)).await;
    let due = Instant::now() + SHORTLY;
    on_time(stage.waiter("waiter").await, due).await;
}

pub(crate) async fn a_task_scheduled_meanwhile_starts_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let waiter = stage.waiter("waiter").await;
    stage.add(task("a").after(SHORTLY)).await;
    on_time(waiter, Instant::now() + SHORTLY).await;
}

pub(crate) async fn a_task_scheduled_before_the_next_one_starts_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    stage.add(task("later").after(SECOND * 30)).await;
    let waiter = stage.waiter("waiter").await;
    stage.add(task("sooner").after(SHORTLY)).await;
    on_time(waiter, Instant::now() + SHORTLY).await;
}

pub(crate) async fn a_retried_task_starts_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let lease = stage.running("a").await;
    let waiter = stage.waiter("waiter").await;
    stage.settle(&lease, retry(SHORTLY)).await;
    on_time(waiter, Instant::now() + SHORTLY).await;
}

pub(crate) async fn a_lost_task_starts_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    stage.add("a").await;
    let short = LeaseRequest { lease: SHORTLY, ..ask(1) };
    assert_eq!(stage.lease(&short).await.leases.len(), 1);
    let due = Instant::now() + SHORTLY;
    on_time(stage.waiter("waiter").await, due).await;
}

pub(crate) async fn many_waiters_start_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let mut waiters = Vec::new();
    for n in 0..5 {
        waiters.push(stage.waiter(&format!("waiter-{n}")).await);
    }
    let tasks: Vec<_> = (0..5).map(|n| task(&format!("a{n}")).after(SHORTLY)).collect();
    stage.add_all(&tasks).await;
    let due = Instant::now() + SHORTLY;
    for waiter in waiters {
        on_time(waiter, due).await;
    }
}

/// One waiter watches the next due time for all; when its wait ends, another must watch.
pub(crate) async fn a_waiter_whose_wait_ends_leaves_the_next_due_time_to_another(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let brief = stage.waiting(ask(1).by("brief").waiting(A_WHILE)).await;
    let patient = stage.waiter("patient").await;
    stage.add(task("a").after(SHORTLY)).await;
    let due = Instant::now() + SHORTLY;
    assert!(brief.reply().await.leases.is_empty());
    on_time(patient, due).await;
}

pub(crate) async fn a_wait_ends_at_its_bound(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let start = Instant::now();
    let reply = stage.lease(&ask(1).waiting(SHORTLY)).await;
    assert!(reply.leases.is_empty());
    let waited = start.elapsed();
    assert!(waited >= SHORTLY && waited < SHORTLY + LATE_MAX, "{waited:?}");
}

pub(crate) async fn without_a_wait_the_answer_comes_at_once(stage: Stage) {
    stage.add(task("a").after(SECOND * 3_600)).await;
    let start = Instant::now();
    assert!(stage.lease(&ask(1)).await.leases.is_empty());
    assert!(start.elapsed() < SOON);
}
