//! The raw floor: the least that a store can be asked for the same lives, without Docket.
//!
//! What it does, as we do: one record per task, refused when its key is there; an order of
//! `visible_at` and of adding; a lease with a deadline and a fence from one counter, and leases that ran out found again;
//! an ack that only the current fence makes; records kept for the default retention and trimmed, a bounded number a call;
//! the store's clock; a wake-up for who waits, kept until taken; as durable as the store is set.
//!
//! What it does not: lanes and names, limits of attempts and crashes, suspects, answers that are the same when a call is
//! repeated, cancels, followers, perpetuals, worker records, counts, heartbeats, handlers. It decodes no args (the number
//! of the task apart), and has no memory of its own but one batch.
//!
//! It drains with two loops, each leasing and settling half of the concurrency in one call each, so that no more is leased
//! at a time than by a worker of ours. Its connections are one for each loop, and one for waiting.

mod memory;
mod postgres;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use docket_core::{Fence, Key, RequestId, Token};
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
    // A request is not among what a floor checks.
    let token = Token { key: Key::new(key)?, fence: Fence(fence), lease: RequestId::from_uuid(Uuid::nil()) };
    Ok(Held { token, track: track(args) })
}

/// How long to wait for a wake-up: until the next is due, at most `left`.
fn until(next: Option<Duration>, left: Duration) -> Duration {
    next.map_or(left, |next| next.min(left))
}

fn micros(time: Duration) -> i64 {
    docket_core::micros(time)
}
