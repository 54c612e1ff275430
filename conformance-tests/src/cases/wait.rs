//! Waiting: a lease call that finds nothing sleeps until there is something for it. A wake-up is a hint, kept until it
//! is taken; what is leased is decided by the lease alone.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::stage::Waiter;

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
/// How late a start may be. Far above what a store needs, far below any interval at which one could look again.
const LATE_MAX: Duration = Duration::from_millis(400);
/// How long a case looks whether a waiter that must sleep does sleep.
const A_WHILE: Duration = Duration::from_millis(150);

async fn still_waiting(waiters: &[&Waiter]) {
    sleep(A_WHILE).await;
    assert!(waiters.iter().all(|waiter| waiter.is_waiting()), "there is nothing for them");
}

/// Takes what the waiter brings, which must be there at this moment, and not before.
async fn on_time(waiter: Waiter, due: Instant) {
    let lease = waiter.lease().await;
    let late = Instant::now().saturating_duration_since(due);
    assert!(late < LATE_MAX, "{} started {late:?} late", lease.token.key);
    assert!(lease.leased_at >= lease.due_at, "and not early");
}
