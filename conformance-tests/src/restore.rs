//! The fences of a store that comes back from a copy: a snapshot, a backup, or a standby that missed
//! writes.
//!
//! Only a backend's own tests can restore a copy, so this is not a case of the suite. The copy is
//! half a minute old by the docket's clock, which is set: no test waits for it.

use std::time::{Duration, SystemTime};

use docket_core::{Ack, Fence, NewTask, Outcome, QueueBackend, Timestamp, limits};

use crate::layout::{ask, task};

/// How old the copy is when it is put back.
const LOST: Duration = Duration::from_secs(30);
/// The time between two rounds of leases.
const STEP: Duration = Duration::from_secs(3);
/// How long a restore takes at least.
const DOWN: Duration = Duration::from_millis(200);
const TASKS: usize = 12;

/// Checks that the fences drawn after a restore are above all fences drawn since the copy was made.
///
/// The bug: of twelve tasks three had two live runs with one fence, and an outside system that keeps
/// the largest fence refused the later run.
///
/// `set_clock` sets the server's clock as the docket sees it, `copy` copies everything, and
/// `put_back` restores the copy; none of them goes through the store.
///
/// # Panics
///
/// If a fence is not.
pub async fn fences_stay_above_the_lost(
    store: &dyn QueueBackend,
    set_clock: impl AsyncFn(Timestamp),
    copy: impl AsyncFn(),
    put_back: impl AsyncFn(),
) {
    let tasks: Vec<NewTask> = (0..TASKS).map(|n| task(&n.to_string())).collect();
    let added = store.add(&tasks).await.expect("an add is answered");
    assert!(added.iter().all(Result::is_ok), "{added:?}");
    // Ahead of the time that the docket has seen so far.
    let start = now().plus(Duration::from_hours(1));
    set_clock(start).await;
    copy().await;
    let (mut drawn, mut lost) = (Vec::new(), Duration::ZERO);
    while lost <= LOST {
        set_clock(start.plus(lost)).await;
        drawn.extend(fences(store).await);
        lost += STEP;
    }
    for restores in 1..=3 {
        put_back().await;
        set_clock(start.plus(LOST + DOWN * restores)).await;
        let after = fences(store).await;
        assert!(drawn.iter().max() < after.iter().min(), "{drawn:?} came before {after:?}");
        drawn.extend(after);
    }
}

fn now() -> Timestamp {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_micros();
    Timestamp::from_micros(i64::try_from(now).expect("it is before the year 292000"))
}

/// Leases all tasks, one call for each, and releases them; returns their fences.
async fn fences(store: &dyn QueueBackend) -> Vec<Fence> {
    let mut leases = Vec::new();
    for _ in 0..TASKS {
        leases.extend(store.lease(&ask(1)).await.expect("a lease is answered").leases);
    }
    assert_eq!(leases.len(), TASKS, "each is leased");
    let release = |token| Ack { token, outcome: Outcome::Release, max_attempts: 3, retention: limits::RETENTION };
    let acks: Vec<Ack> = leases.iter().map(|lease| release(lease.token.clone())).collect();
    let reply = store.ack(&acks).await.expect("an ack is answered");
    assert!(reply.answers.iter().all(Result::is_ok), "{:?}", reply.answers);
    leases.iter().map(|lease| lease.token.fence).collect()
}
