//! Waiting: a lease call that finds nothing sleeps until there is work for it. A wake-up is a hint,
//! kept until it is taken; the lease alone decides which task is leased.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::stage::{Stage, Waiter};

mod handover;
mod many;
mod time;
mod wake;

pub(crate) use handover::*;
pub(crate) use many::*;
pub(crate) use time::*;
pub(crate) use wake::*;

/// How far in the future a case puts a task when it shows that it starts on time.
const SHORTLY: Duration = Duration::from_millis(300);
/// How late a start may be. Far above what a store needs, far below any polling interval.
const LATE_MAX: Duration = Duration::from_millis(400);
/// How long a case looks whether a waiter that must sleep does sleep.
const A_WHILE: Duration = Duration::from_millis(150);

async fn still_waiting(waiters: &[&Waiter]) {
    sleep(A_WHILE).await;
    assert!(waiters.iter().all(|waiter| waiter.is_waiting()), "there is nothing for them");
}

/// A worker gives a lease up by its own clock. A lease counted from the beginning of a long wait
/// was given up at once.
pub(crate) async fn a_lease_counts_from_the_look_that_took_it(stage: Stage) {
    let waiter = stage.waiter("waiter").await;
    still_waiting(&[&waiter]).await;
    let added_at = std::time::Instant::now();
    stage.add("a").await;
    let looked_at = waiter.reply().await.looked_at.expect("a reply says when its look was sent");
    // A look may have been under way when the task was added.
    assert!(looked_at + A_WHILE / 2 > added_at, "it counts {:?} of the wait", added_at - looked_at);
    assert!(looked_at <= std::time::Instant::now());
}

/// Takes the waiter's reply, which must come at this time, and not before.
async fn on_time(waiter: Waiter, due: Instant) {
    let lease = waiter.lease().await;
    let late = Instant::now().saturating_duration_since(due);
    assert!(late < LATE_MAX, "{} started {late:?} late", lease.token.key);
    assert!(lease.leased_at >= lease.due_at, "and not early");
}
