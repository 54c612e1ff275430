//! Waiting: a lease call that finds nothing sleeps until there is something for it. A wake-up is a hint, kept until it
//! is taken; what is leased is decided by the lease alone.

use std::time::Duration;

use tokio::time::sleep;

use crate::stage::Waiter;

mod many;
mod time;
mod wake;

pub(crate) use many::*;
pub(crate) use time::*;
pub(crate) use wake::*;

/// How long a case looks whether a waiter that must sleep does sleep.
const A_WHILE: Duration = Duration::from_millis(150);

async fn still_waiting(waiters: &[&Waiter]) {
    sleep(A_WHILE).await;
    assert!(waiters.iter().all(|waiter| waiter.is_waiting()), "there is nothing for them");
}
