//! In real time, on the store's own clock: what only it can show.

use std::time::Duration;

use docket_core::{Heartbeat, LeaseRequest};
use tokio::time::{Instant, sleep};

use crate::stage::{Ask, Edit, LONG_WAIT, SECOND, SOON, Stage, ask, keys, repeat_in, retry, task};

use super::{LATE_MAX, SHORTLY, on_time, still_waiting};

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
    let short = LeaseRequest { lease_for: SHORTLY, ..ask(1) };
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

pub(crate) async fn a_task_put_off_starts_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    stage.add(task("a").after(SHORTLY / 2)).await;
    let waiter = stage.waiter("waiter").await;
    stage.schedule(task("a").after(SHORTLY)).await;
    on_time(waiter, Instant::now() + SHORTLY).await;
}

pub(crate) async fn the_next_occurrence_starts_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let lease = stage.running(task("chain").every(SECOND * 60)).await;
    let waiter = stage.waiter("waiter").await;
    stage.settle(&lease, repeat_in(SHORTLY)).await;
    on_time(waiter, Instant::now() + SHORTLY).await;
}

pub(crate) async fn a_name_seen_for_the_first_time_starts_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let waiter = stage.waiting(ask(1).by("waiter").names(&["brand_new"]).waiting(LONG_WAIT)).await;
    stage.add(task("a").name("brand_new").after(SHORTLY)).await;
    on_time(waiter, Instant::now() + SHORTLY).await;
}

/// The waiter has noted the old deadline; the renewal moved it, and then the worker died.
pub(crate) async fn a_task_lost_after_a_renewal_starts_on_time(stage: Stage) {
    let stage = stage.with_running_clock().await;
    stage.add("a").await;
    let short = LeaseRequest { lease_for: SHORTLY, ..ask(1) };
    let token = stage.lease(&short).await.leases.remove(0).token;
    let waiter = stage.waiter("waiter").await;
    let beat = Heartbeat { worker: short.worker, tokens: vec![token], lease_for: SHORTLY * 2 };
    stage.store().heartbeat(&beat).await.expect("a heartbeat is answered");
    let due = Instant::now() + SHORTLY * 2;
    on_time(waiter, due).await;
}
