//! What the fences of a store must be that comes back from a copy: a snapshot, a backup, a standby that missed writes.
//!
//! Only a backend's own tests can put a copy back, so this is no case. The copy is half a minute old by the docket's own
//! time, which is set: nobody waits for it.

use std::time::{Duration, SystemTime};

use docket_core::{Ack, Fence, NewTask, Outcome, QueueBackend, Timestamp, limits};

use crate::layout::{ask, task};

/// How old the copy is when it is put back.
const LOST: Duration = Duration::from_secs(30);
/// From one round of leases to the next, meanwhile.
const STEP: Duration = Duration::from_secs(3);
/// How long putting a copy back takes at least.
const DOWN: Duration = Duration::from_millis(200);
const TASKS: usize = 12;

/// Checks that fences drawn after a copy was put back are above all that were drawn since it was made.
///
/// Of twelve tasks three had two live runs of one fence, and an outside system that keeps the largest refused the run
/// that was the later one.
///
/// Behind the store's back `set_clock` sets the server's clock as the docket sees it, `copy` copies everything, and `put_back`
/// puts the copy in place of what is there.
///
/// # Panics
///
/// When one is not.
pub async fn fences_stay_above_the_lost(
    store: &dyn QueueBackend,
    set_clock: impl AsyncFn(Timestamp),
    copy: impl AsyncFn(),
    put_back: impl AsyncFn(),
) {
    let tasks: Vec<NewTask> = (0..TASKS).map(|n| task(&n.to_string())).collect();
    let added = store.add(&tasks).await.expect("an add is answered");
    assert!(added.iter().all(Result::is_ok), "{added:?}");
    // Ahead of the clock that the docket has seen so far.
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

/// Takes all tasks, one call for each, and gives them back; answers their fences.
async fn fences(store: &dyn QueueBackend) -> Vec<Fence> {
    let mut leases = Vec::new();
    for _ in 0..TASKS {
        leases.extend(store.lease(&ask(1)).await.expect("a lease is answered").leases);
    }
    assert_eq!(leases.len(), TASKS, "each is leased");
    let release = |token| Ack { token, outcome: Outcome::Release, max_attempts: 3, retention: limits::RETENTION };
    let acks: Vec<Ack> = leases.iter().map(|lease| release(lease.token.clone())).collect();
    let reply = store.ack(&acks, None).await.expect("an ack is answered");
    assert!(reply.answers.iter().all(Result::is_ok), "{:?}", reply.answers);
    leases.iter().map(|lease| lease.token.fence).collect()
}
