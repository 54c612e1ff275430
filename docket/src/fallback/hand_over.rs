//! Handing tasks over to the store, once it answers again.
//!
//! A ready task is first claimed by a lease on the memory docket, so that the local worker cannot
//! start it. A task due later cannot be leased; it is added to the store and then cancelled here,
//! early enough that the local worker cannot have started it. Dead tasks are recorded there: see
//! `dead`.

use std::time::Duration;

use docket_core::{Ack, AddAnswer, Error, ErrorKind, KnownName, Lease, LeaseOrder, LeaseRequest, ListFilter, TaskName};
use docket_core::{CancelId, limits};
use docket_core::{
    LeaseSuspects, NewTask, Outcome, RequestId, Result, RunAt, Store, TaskState, WorkerId, WorkerRecord,
};
use tokio::time::timeout;

use super::dead::hand_over_dead;
use super::local::Local;

/// How long one call to the store may take.
const CALL_MAX: Duration = Duration::from_secs(5);
/// A task due sooner than this is left to become ready: longer than a call, so that it cannot start
/// during one.
const LATER: Duration = Duration::from_secs(10);

/// Whether there are tasks to hand over and the store answers. Asked before any task is claimed, so
/// that a store that is down delays none.
///
/// # Cancel safety
///
/// Can be dropped at any time.
pub(super) async fn is_back(local: &Local, store: &dyn Store) -> bool {
    match local.to_hand_over().await {
        Some(key) => bounded("ask whether the store is back", store.get(&key)).await.is_ok(),
        None => false,
    }
}

/// Hands over every task that is not running and not due very soon. An error means that the store
/// is down again.
///
/// # Cancel safety
///
/// Claimed tasks stay claimed for one lease length, then the local worker takes them.
pub(super) async fn hand_over(local: &Local, store: &dyn Store) -> Result<()> {
    hand_over_dead(local, store).await?;
    hand_over_later(local, store).await?;
    while hand_over_ready(local, store).await? {}
    Ok(())
}

/// One batch of ready tasks; returns whether there may be more.
async fn hand_over_ready(local: &Local, store: &dyn Store) -> Result<bool> {
    let (mut leases, mut tasks) = (Vec::new(), Vec::new());
    for lease in local.memory.lease(&claim_for(local)?).await?.leases {
        if let Some(task) = local.added(&lease.token.key).await {
            tasks.push(NewTask { run_at: RunAt::Now, ..with_attempts_left(local, task, lease.attempts) });
            leases.push(lease);
        }
    }
    if leases.is_empty() {
        return Ok(false);
    }
    let end = add_all(local, store, &tasks).await;
    let none = vec![Taken::No; leases.len()];
    let acks: Vec<Ack> =
        leases.iter().zip(end.as_ref().unwrap_or(&none)).map(|(lease, taken)| settle(lease, *taken)).collect();
    local.memory.ack(&acks).await?;
    Ok(end?.iter().all(|taken| *taken == Taken::Yes))
}

/// Tasks due later.
async fn hand_over_later(local: &Local, store: &dyn Store) -> Result<()> {
    let filter = ListFilter { state: Some(TaskState::Scheduled), ..ListFilter::default() };
    let page = local.memory.list(&filter, None, limits::BATCH_ITEMS_MAX).await?;
    let mut tasks = Vec::new();
    for view in page.tasks.into_iter().filter(|view| view.visible_at.since(page.now) > LATER) {
        if let Some(task) = local.added(&view.key).await {
            let run_at = RunAt::In(view.visible_at.since(page.now));
            tasks.push(NewTask { run_at, ..with_attempts_left(local, task, view.attempts) });
        }
    }
    for (task, taken) in tasks.iter().zip(add_all(local, store, &tasks).await?) {
        if taken == Taken::Yes {
            local.memory.cancel(&task.key, CancelId::unique()).await?;
        }
    }
    Ok(())
}

/// Whether the store has it now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Taken {
    Yes,
    No,
}

/// Adds `tasks` to the store; a task that it will never accept is logged once and stays here.
async fn add_all(local: &Local, store: &dyn Store, tasks: &[NewTask]) -> Result<Vec<Taken>> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let answers = bounded("hand tasks over", store.add(tasks)).await?;
    let mut taken = Vec::with_capacity(tasks.len());
    for (task, answer) in tasks.iter().zip(answers) {
        taken.push(match answer {
            Ok(AddAnswer::Added) => {
                tracing::info!(key = %task.key, task = %task.name, "task handed over to the store");
                Taken::Yes
            }
            // Its key exists there: from this very task, if the first answer was lost, or from an
            // earlier one.
            Ok(answer) => {
                tracing::info!(key = %task.key, task = %task.name, ?answer, "the store has a task of this key already");
                Taken::Yes
            }
            Err(error) if error.is_retryable() => Taken::No,
            Err(error) => {
                if local.refused(&task.key).await {
                    tracing::error!(key = %task.key, task = %task.name, ?error, "the store refuses a task; it runs here");
                }
                Taken::No
            }
        });
    }
    Ok(taken)
}

/// A task that failed here has fewer attempts left there.
fn with_attempts_left(local: &Local, mut task: NewTask, attempts: u32) -> NewTask {
    if attempts > 0 {
        let policy = local.registry.policy(&task.name).map(|policy| policy.max_attempts);
        let max_attempts = task.overrides.max_attempts.or(policy).unwrap_or(1);
        task.overrides.max_attempts = Some(max_attempts.saturating_sub(attempts).max(1));
    }
    task
}

fn settle(lease: &Lease, taken: Taken) -> Ack {
    let outcome = match taken {
        Taken::Yes => Outcome::Completed(None),
        Taken::No => Outcome::Release,
    };
    Ack { token: lease.token.clone(), outcome, max_attempts: 1, retention: Duration::ZERO }
}

/// A lease of the hand-over, on the memory docket or on the store.
pub(super) fn claim_for(local: &Local) -> Result<LeaseRequest> {
    let known = |name: &TaskName| KnownName { name: name.clone(), max_crashes: limits::CRASHES_MAX };
    Ok(LeaseRequest {
        request: RequestId::unique(),
        worker: WorkerRecord {
            id: WorkerId::new("hand-over")?,
            queues: local.queues.clone(),
            names: Vec::new(),
            concurrency: limits::BATCH_ITEMS_MAX,
            running: 0,
            settled: 0,
            ttl: limits::LEASE_MAX,
        },
        queues: local.queues.clone(),
        names: local.registry.names().map(known).collect(),
        count: limits::BATCH_ITEMS_MAX,
        suspects: LeaseSuspects::Avoid,
        lease_for: CALL_MAX * 2,
        wait: Duration::ZERO,
        order: LeaseOrder::Earliest,
    })
}

pub(super) async fn bounded<T>(what: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(CALL_MAX, call).await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, what, "no answer in time")))
}

#[cfg(test)]
mod tests {
    use docket_core::{DocketName, TaskView};
    use docket_memory::{MemoryBackend, Options};

    use super::*;
    use crate::fallback::testing::{local, take, task};

    fn store() -> MemoryBackend {
        MemoryBackend::new(DocketName::default())
    }

    async fn found(store: &dyn Store, task: &NewTask) -> Option<TaskView> {
        store.get(&task.key).await.unwrap()
    }

    /// The lease of the only task that is ready.
    async fn lease(local: &Local, store: &dyn Store) -> Lease {
        store.lease(&claim_for(local).unwrap()).await.unwrap().leases.remove(0)
    }

    #[tokio::test]
    async fn what_is_ready_is_handed_over_and_forgotten_here() {
        let (local, store) = (local(), store());
        let (one, two) = (task("quick"), task("quick"));
        take(&local, &one).await;
        take(&local, &two).await;
        hand_over(&local, &store).await.unwrap();
        for task in [&one, &two] {
            assert_eq!(found(&store, task).await.unwrap().state, TaskState::Ready);
        }
        assert!(local.left().await.is_empty());
    }

    #[tokio::test]
    async fn what_is_running_stays() {
        let (local, store) = (local(), store());
        let running = task("quick");
        take(&local, &running).await;
        lease(&local, &*local.memory).await;
        hand_over(&local, &store).await.unwrap();
        assert_eq!(found(&store, &running).await, None);
        assert_eq!(local.left().await.len(), 1);
    }

    #[tokio::test]
    async fn what_failed_here_has_fewer_attempts_left_there() {
        let (local, store) = (local(), store());
        take(&local, &task("quick")).await;
        let token = lease(&local, &*local.memory).await.token;
        let outcome = Outcome::Retry { after: Duration::ZERO, error: "not yet".to_owned() };
        let ack = Ack { token, outcome, max_attempts: 5, retention: Duration::ZERO };
        local.memory.ack(&[ack]).await.unwrap();
        hand_over(&local, &store).await.unwrap();
        assert_eq!(lease(&local, &store).await.overrides.max_attempts, Some(4));
    }

    #[tokio::test]
    async fn what_is_due_later_keeps_its_time_and_what_is_due_soon_stays() {
        let (local, store) = (local(), store());
        let later = NewTask { run_at: RunAt::In(LATER * 2), ..task("quick") };
        let soon = NewTask { run_at: RunAt::In(LATER / 2), ..task("quick") };
        take(&local, &later).await;
        take(&local, &soon).await;
        hand_over(&local, &store).await.unwrap();
        let view = found(&store, &later).await.unwrap();
        let wait = view.visible_at.since(view.added_at);
        assert!(wait <= LATER * 2 && wait > LATER, "{wait:?}");
        assert_eq!(found(&store, &soon).await, None);
        assert_eq!(local.left().await, [(soon.key.clone(), soon.name.clone())]);
    }

    #[tokio::test]
    async fn what_the_store_refuses_runs_here_and_is_not_offered_again() {
        let local = local();
        let strict =
            MemoryBackend::with_options(DocketName::default(), Options { max_payload_bytes: 1, ..Options::default() })
                .unwrap();
        let refused = task("quick");
        take(&local, &refused).await;
        assert!(is_back(&local, &strict).await);
        hand_over(&local, &strict).await.unwrap();
        assert!(!is_back(&local, &strict).await);
        assert_eq!(found(&*local.memory, &refused).await.unwrap().state, TaskState::Ready);
    }
}
