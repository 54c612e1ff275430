//! The raw baseline: the least that a store can be asked for the same lives, without Docket.
//!
//! As ours, it has: one record per task, refused if its key exists; an order of `visible_at` and of
//! adding; a lease with a deadline and a fence from one counter, and expired leases found again; an
//! ack that only the current fence makes; records kept for the default retention and trimmed, a
//! bounded number per call; the store's clock; a wake-up for waiters, kept until taken; as durable
//! as the store is set.
//!
//! It has no lanes and names, limits of attempts and crashes, suspects, equal answers for repeated
//! calls, cancels, successors, periodic tasks, worker records, counts, heartbeats, handlers. It
//! decodes no args (except the number of the task), and has no memory of its own but one batch.
//!
//! It drains with two loops, each leasing and settling half of the concurrency in one call each, so
//! that it leases no more at a time than a worker of ours. It has one connection for each loop, and
//! one for waiting.

mod memory;
mod postgres;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use docket_core::{Fence, LeaseToken, RequestId, TaskKey};
use uuid::Uuid;

use crate::Outcome;
use crate::servers::{Kind, scheme};
use crate::tasks::{Tally, track};
use crate::verbs::{Held, Verbs, run_all};

/// The floor on the store at `url`.
pub(crate) async fn open(url: &str) -> Outcome<Arc<dyn Verbs>> {
    Ok(match scheme(url)? {
        Kind::Memory => Arc::new(memory::Memory::default()),
        Kind::Redis => Arc::new(redis::Redis::connect(url).await?),
        Kind::Postgres => Arc::new(postgres::Postgres::connect(url).await?),
    })
}

/// Runs all there is, `concurrency` at once.
pub(crate) async fn drain(verbs: &dyn Verbs, concurrency: usize, tally: &Arc<Tally>) -> Outcome {
    let mut loops = Vec::new();
    for _ in 0..LOOPS {
        let (verbs, tally) = (verbs.fork().await?, tally.clone());
        loops.push(tokio::spawn(async move { run_all(&*verbs, (concurrency / LOOPS).max(1), &tally).await }));
    }
    for one in loops {
        one.await??;
    }
    Ok(())
}

const LOOPS: usize = 2;

fn held(key: &str, fence: u64, args: &[u8]) -> Outcome<Held> {
    // A baseline does not check the request.
    let token = LeaseToken { key: TaskKey::new(key)?, fence: Fence(fence), request: RequestId::from_uuid(Uuid::nil()) };
    Ok(Held { token, track: track(args) })
}

/// How long to wait for a wake-up: until the next is due, at most `left`.
fn until(next: Option<Duration>, left: Duration) -> Duration {
    next.map_or(left, |next| next.min(left))
}

fn micros(time: Duration) -> i64 {
    docket_core::micros(time)
}
