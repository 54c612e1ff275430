//! Waiting, on a clock that moves only when every task of the runtime sleeps: a busy loop would
//! never end, and a lost wake-up shows as a full wait.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{
    DocketName, KnownName, LeaseOrder, LeaseReply, LeaseRequest, LeaseSuspects, NewTask, Payload, Queue, QueueBackend,
    RequestId, RunAt, TaskKey, TaskName, WorkerId, WorkerRecord, limits,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::MemoryBackend;

const WAIT: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);
/// The grain of tokio's timer.
const TICK: Duration = Duration::from_millis(1);

fn docket() -> Arc<MemoryBackend> {
    Arc::new(MemoryBackend::new(DocketName::default()))
}

fn task(name: &str, after: Duration) -> NewTask {
    NewTask { run_at: RunAt::In(after), ..NewTask::new(TaskName::new(name).unwrap(), Payload::new("{}")) }
}

fn ask(names: &[&str], count: usize) -> LeaseRequest {
    let names: Vec<_> = names.iter().map(|name| TaskName::new(name).unwrap()).collect();
    LeaseRequest {
        request: RequestId::unique(),
        worker: WorkerRecord {
            id: WorkerId::new("worker").unwrap(),
            queues: vec![Queue::default()],
            names: Vec::new(),
            concurrency: count,
            running: 0,
            settled: 0,
            ttl: WAIT,
        },
        queues: vec![Queue::default()],
        names: names.into_iter().map(|name| KnownName { name, max_crashes: 5 }).collect(),
        count,
        suspects: LeaseSuspects::Allow,
        lease_for: limits::LEASE_MAX,
        wait: WAIT,
        order: LeaseOrder::Precedence,
    }
}

async fn add(docket: &MemoryBackend, task: NewTask) {
    docket.add(&[task]).await.unwrap().remove(0).unwrap();
}

/// A lease call under way, and how long it took.
fn waiter(docket: &Arc<MemoryBackend>, request: LeaseRequest) -> JoinHandle<(LeaseReply, Duration)> {
    let docket = docket.clone();
    tokio::spawn(async move {
        let start = Instant::now();
        let reply = docket.lease(&request).await.unwrap();
        (reply, start.elapsed())
    })
}

/// Lets all tasks of the runtime run.
async fn settle() {
    sleep(TICK).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_nothing_ends_when_it_should() {
    let (reply, took) = waiter(&docket(), ask(&["a"], 1)).await.unwrap();
    assert!(reply.leases.is_empty());
    assert!((WAIT..=WAIT + TICK).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_add_wakes_a_waiter_at_once() {
    let docket = docket();
    let waiting = waiter(&docket, ask(&["a"], 1));
    sleep(SECOND).await;
    add(&docket, task("a", Duration::ZERO)).await;
    let (reply, took) = waiting.await.unwrap();
    assert_eq!(reply.leases.len(), 1);
    assert!(took <= SECOND + TICK, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_there_when_a_later_task_is_due() {
    let docket = docket();
    let waiting = waiter(&docket, ask(&["a"], 1));
    settle().await;
    add(&docket, task("a", 7 * SECOND)).await;
    // Sooner than the time at which the waiter would poll.
    add(&docket, task("a", 3 * SECOND)).await;
    let (reply, took) = waiting.await.unwrap();
    assert_eq!(reply.leases.len(), 1);
    assert!((3 * SECOND..=3 * SECOND + 3 * TICK).contains(&took), "{took:?}");
    assert!(reply.leases[0].leased_at >= reply.leases[0].due_at);
}

#[tokio::test(start_paused = true)]
async fn one_add_wakes_one_waiter_of_its_name() {
    let docket = docket();
    let other = waiter(&docket, ask(&["b"], 1));
    let mut waiting: Vec<_> = (0..3).map(|_| waiter(&docket, ask(&["a"], 1))).collect();
    settle().await;
    add(&docket, task("a", Duration::ZERO)).await;
    add(&docket, task("a", Duration::ZERO)).await;
    settle().await;
    let served = waiting.iter().filter(|waiter| waiter.is_finished()).count();
    assert_eq!(served, 2);
    let (reply, took) = waiting.remove(2).await.unwrap();
    assert!(reply.leases.is_empty() && took >= WAIT);
    assert!(other.await.unwrap().0.leases.is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_full_passes_the_rest_on() {
    let docket = docket();
    let waiting: Vec<_> = (0..4).map(|_| waiter(&docket, ask(&["a"], 2))).collect();
    settle().await;
    let tasks: Vec<_> = (0..8).map(|_| task("a", Duration::ZERO)).collect();
    docket.add(&tasks).await.unwrap();
    for waiter in waiting {
        let (reply, took) = waiter.await.unwrap();
        assert_eq!(reply.leases.len(), 2);
        assert!(took < SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waiter_passes_its_wake_up_on() {
    let docket = docket();
    let first = waiter(&docket, ask(&["a"], 1));
    settle().await;
    let second = waiter(&docket, ask(&["a"], 1));
    settle().await;
    // Woken, and dropped before it could poll: nothing else runs in between.
    add(&docket, task("a", Duration::ZERO)).await;
    first.abort();
    let (reply, took) = timeout(WAIT * 2, second).await.unwrap().unwrap();
    assert_eq!(reply.leases.len(), 1);
    assert!(took < SECOND, "{took:?}");
}

/// The waiter that knew of a due time leaves with other work; the waiter that stays did not know of
/// it.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_leaves_hands_over_the_due_time_it_was_armed_for() {
    let docket = docket();
    let leaving = waiter(&docket, ask(&["a", "b"], 1));
    settle().await;
    let staying = waiter(&docket, ask(&["a"], 1));
    settle().await;
    add(&docket, task("a", 5 * SECOND)).await;
    settle().await;
    add(&docket, task("b", Duration::ZERO)).await;
    assert_eq!(leaving.await.unwrap().0.leases.len(), 1);
    let (reply, took) = staying.await.unwrap();
    assert_eq!(reply.leases.len(), 1);
    assert!(took <= 5 * SECOND + 5 * TICK, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_found_at_its_deadline() {
    let docket = docket();
    let staying = waiter(&docket, ask(&["a"], 1));
    settle().await;
    add(&docket, task("b", Duration::ZERO)).await;
    add(&docket, NewTask { key: TaskKey::new("k").unwrap(), ..task("a", 5 * SECOND) }).await;
    settle().await;
    // Another worker leases it at the same moment, and dies.
    staying.abort();
    sleep(5 * SECOND).await;
    let dead = LeaseRequest { wait: Duration::ZERO, lease_for: 4 * SECOND, ..ask(&["a"], 1) };
    assert_eq!(docket.lease(&dead).await.unwrap().leases.len(), 1);
    let (reply, took) = waiter(&docket, ask(&["a"], 1)).await.unwrap();
    assert_eq!((reply.leases.len(), reply.swept.crashed), (1, 1));
    assert!((4 * SECOND..=4 * SECOND + TICK).contains(&took), "{took:?}");
}
