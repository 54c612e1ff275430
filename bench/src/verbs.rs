//! The operations of both sides of a comparison: add, lease and ack, in batches.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{LeaseToken, limits};

use crate::Outcome;
use crate::tasks::Tally;

/// One way to a store: Docket's own calls, or the floor's.
#[async_trait]
pub(crate) trait Verbs: Send + Sync {
    /// The same with connections of its own.
    async fn fork(&self) -> Outcome<Arc<dyn Verbs>>;

    /// Adds tasks for `delay` from now; answers how many were taken.
    async fn add(&self, items: &[Item], delay: Duration) -> Outcome<usize>;

    /// Leases due tasks; waits up to `wait` if there are none, for a wake-up or until the next is
    /// due.
    async fn lease(&self, count: usize, wait: Duration) -> Outcome<Vec<Held>>;

    /// Settles as completed, to be kept this long; returns how many leases were current.
    async fn ack(&self, held: &[Held], retention: Duration) -> Outcome<usize>;

    /// How many tasks are not finished.
    async fn unfinished(&self) -> Outcome<usize>;
}

/// A task to add.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) key: String,
    pub(crate) args: Vec<u8>,
}

/// A task that is leased.
pub(crate) struct Held {
    pub(crate) token: LeaseToken,
    /// The number it carries.
    pub(crate) track: u64,
}

/// How long a lease of both sides is.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// Adds `items` in batches of `batch`; an error unless all were taken.
pub(crate) async fn add_all(verbs: &dyn Verbs, items: &[Item], batch: usize, delay: Duration) -> Outcome {
    let mut taken = 0;
    for some in items.chunks(batch) {
        taken += verbs.add(some, delay).await?;
    }
    if taken == items.len() { Ok(()) } else { Err(format!("{taken} of {} tasks were taken", items.len()).into()) }
}

/// Leases, runs and acks up to `batch` at once, one after another, until nothing is left.
pub(crate) async fn run_all(verbs: &dyn Verbs, batch: usize, tally: &Tally) -> Outcome {
    run_all_kept(verbs, batch, limits::RETENTION, tally).await
}

/// The same, with records kept for `retention`.
pub(crate) async fn run_all_kept(verbs: &dyn Verbs, batch: usize, retention: Duration, tally: &Tally) -> Outcome {
    loop {
        let held = verbs.lease(batch, Duration::ZERO).await?;
        if held.is_empty() {
            return Ok(());
        }
        run(verbs, &held, retention, tally).await?;
    }
}

/// Leases, runs and acks up to `batch` at once, forever: a minimal worker.
pub(crate) async fn serve(verbs: Arc<dyn Verbs>, batch: usize, tally: Arc<Tally>) -> Outcome {
    loop {
        let held = verbs.lease(batch, Duration::from_secs(15)).await?;
        if !held.is_empty() {
            run(&*verbs, &held, limits::RETENTION, &tally).await?;
        }
    }
}

async fn run(verbs: &dyn Verbs, held: &[Held], retention: Duration, tally: &Tally) -> Outcome {
    for task in held {
        tally.run(task.track);
    }
    let settled = verbs.ack(held, retention).await?;
    if settled == held.len() { Ok(()) } else { Err(format!("{settled} of {} leases were settled", held.len()).into()) }
}
