//! Recording tasks in the store that died here while it was down.
//!
//! A parcel brings the task with its counts and its error to the head of its lane; a lease of the
//! hand-over takes it from there, and settles it as dead. If a worker is quicker, the task has one
//! more run, and is recorded as well.

use std::time::Duration;

use docket_core::{Ack, Arrival, KnownName, Lease, LeaseOrder, LeaseRequest, ListFilter, NewTask};
use docket_core::{
    LeaseSuspects, Outcome, Parcel, ParcelId, Result, Store, TaskState, TaskView, Timestamp, Verb, limits,
};

use super::hand_over::{bounded, claim_for};
use super::local::Local;

/// Hands over the dead tasks. An error means that the store is down again.
///
/// # Cancel safety
///
/// A task that was not settled there becomes visible when its lease expires, and has one attempt
/// left.
pub(super) async fn hand_over_dead(local: &Local, store: &dyn Store) -> Result<()> {
    let filter = ListFilter { state: Some(TaskState::Dead), ..ListFilter::default() };
    for view in local.memory.list(&filter, None, limits::BATCH_ITEMS_MAX).await?.tasks {
        if let Some(task) = local.added(&view.key).await {
            hand_over(local, store, &view, task).await?;
        }
    }
    Ok(())
}

async fn hand_over(local: &Local, store: &dyn Store, view: &TaskView, task: NewTask) -> Result<()> {
    let (key, name) = (&view.key, &view.name);
    let parcel = parcel(view, task);
    match bounded("hand a dead task over", store.take_in(std::slice::from_ref(&parcel))).await?.pop() {
        Some(Ok(Arrival::Placed)) => {
            bury(local, store, &parcel).await?;
            tracing::info!(%key, %name, "task that died in the fallback recorded in the store");
        }
        Some(Err(error)) if error.is_retryable() => return Ok(()),
        Some(Err(error)) => tracing::error!(%key, %name, ?error, "the store refuses a task that died in the fallback"),
        // Another task of the key, which is more recent than this one.
        Some(Ok(_)) | None => {
            tracing::warn!(%key, %name, "the store has another task with the key of a task that died here");
        }
    }
    local.forget(key).await;
    Ok(())
}

/// With one attempt less than it had: its death counts one.
fn parcel(view: &TaskView, task: NewTask) -> Parcel {
    Parcel {
        id: ParcelId::unique(),
        key: task.key,
        name: task.name,
        queue: task.queue,
        args: task.args,
        // Before all tasks that waited there during the outage.
        visible_at: Timestamp::from_micros(0),
        due_at: view.added_at,
        added_at: view.added_at,
        every: None,
        overrides: task.overrides,
        attempts: view.attempts.saturating_sub(1),
        crashes: view.crashes,
        failures: 0,
        crashed_in_a_row: 0,
        fence: None,
        error: view.error.clone(),
        placed_by: Verb::Add,
    }
}

/// Leases it there, and settles it as dead.
async fn bury(local: &Local, store: &dyn Store, parcel: &Parcel) -> Result<()> {
    let known = KnownName { name: parcel.name.clone(), max_crashes: limits::CRASHES_MAX };
    let request = LeaseRequest {
        queues: vec![parcel.queue.clone()],
        names: vec![known],
        count: 1,
        suspects: LeaseSuspects::Allow,
        order: LeaseOrder::Earliest,
        ..claim_for(local)?
    };
    let leases = bounded("lease a dead task", store.lease(&request)).await?.leases;
    let acks: Vec<Ack> = leases.into_iter().map(|lease| settle(lease, parcel)).collect();
    if !acks.is_empty() {
        bounded("settle a dead task", store.ack(&acks)).await?;
    }
    Ok(())
}

fn settle(lease: Lease, parcel: &Parcel) -> Ack {
    let outcome = if lease.token.key == parcel.key {
        Outcome::Dead { error: parcel.error.clone().unwrap_or_default() }
    } else {
        // A worker was quicker, and this is the one behind it.
        Outcome::Release
    };
    Ack { token: lease.token, outcome, max_attempts: 1, retention: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use docket_core::{DocketName, QueueBackend as _};
    use docket_memory::{MemoryBackend, Options};

    use super::*;
    use crate::fallback::testing::{local, take, task};

    /// A task that died here, with an error.
    async fn died(local: &Local) -> NewTask {
        let task = task("quick");
        take(local, &task).await;
        let lease = local.memory.lease(&claim_for(local).unwrap()).await.unwrap().leases.remove(0);
        let outcome = Outcome::Dead { error: "no such thing".to_owned() };
        let ack = Ack { token: lease.token, outcome, max_attempts: 5, retention: Duration::ZERO };
        local.memory.ack(&[ack]).await.unwrap();
        task
    }

    /// It used to be forgotten: only a log line showed that it had ever been added.
    #[tokio::test]
    async fn what_died_here_is_dead_there_with_its_error_and_its_counts() {
        let (local, store) = (local(), MemoryBackend::new(DocketName::default()));
        let dead = died(&local).await;
        assert_eq!(local.left().await, [(dead.key.clone(), dead.name.clone())], "it is kept until it is recorded");
        // What waited through the outage is older.
        let waiting = task("quick");
        store.add(std::slice::from_ref(&waiting)).await.unwrap();
        hand_over_dead(&local, &store).await.unwrap();
        let view = docket_core::Inspect::get(&store, &dead.key).await.unwrap().unwrap();
        assert_eq!((view.state, view.error.as_deref(), view.attempts), (TaskState::Dead, Some("no such thing"), 1));
        assert_eq!(view.queue, dead.queue, "a requeue brings it to its workers");
        let other = docket_core::Inspect::get(&store, &waiting.key).await.unwrap().unwrap();
        assert_eq!((other.state, other.attempts), (TaskState::Ready, 0));
        assert!(local.left().await.is_empty());
    }

    #[tokio::test]
    async fn one_that_the_store_refuses_or_has_is_forgotten_here() {
        let strict = Options { max_payload_bytes: 1, ..Options::default() };
        let strict = MemoryBackend::with_options(DocketName::default(), strict).unwrap();
        let local = local();
        died(&local).await;
        hand_over_dead(&local, &strict).await.unwrap();
        assert!(local.left().await.is_empty());
        let store = MemoryBackend::new(DocketName::default());
        let dead = died(&local).await;
        store.add(std::slice::from_ref(&dead)).await.unwrap();
        hand_over_dead(&local, &store).await.unwrap();
        let view = docket_core::Inspect::get(&store, &dead.key).await.unwrap().unwrap();
        assert_eq!(view.state, TaskState::Ready);
        assert!(local.left().await.is_empty());
    }
}
