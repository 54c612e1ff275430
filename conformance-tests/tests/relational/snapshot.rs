//! A transaction that is open while 100,000 tasks pass: no vacuum may clean up after them.

use std::time::{Duration, Instant};

use docket_core::{
    KnownName, LeaseOrder, LeaseRequest, LeaseSuspects, Queue, RequestId, Settings, Task, TaskName, WorkerId,
    WorkerRecord, limits,
};
use sqlx::{Executor as _, PgConnection};

use crate::scene::{Scene, eventually};
use crate::tasks::Brief;

const TASKS: usize = 100_000;
const WINDOW: usize = 10_000;
const BATCH: usize = 1_000;
/// How far the adds may run ahead of the worker.
const AHEAD: usize = 5_000;
/// How long a slow machine may take for one window.
const PATIENCE: Duration = Duration::from_mins(2);
/// Looks timed at either end.
const LOOKS: usize = 40;

const DEAD: &str = "SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables WHERE schemaname = 'docket'";

/// Queues elsewhere slow down with every dead row that a lease has to step over: a report over the weekend, and on Monday
/// a lease takes a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_held_open_slows_nothing_down() {
    let scene = Scene::alone().await;
    let mut other = begin_report(&scene).await;
    let worker = scene.start(Settings { concurrency: 100, ..Settings::default() });
    let (mut windows, mut looks) = (Vec::new(), Vec::new());
    for start in (0..TASKS).step_by(WINDOW) {
        windows.push(pass(&scene, start).await);
        if start == 0 || start + WINDOW == TASKS {
            looks.push(look_time(&scene).await);
        }
    }
    worker.stopped().await;
    let (dead, took) = (scene.number(DEAD).await, windows.iter().sum::<Duration>());
    println!("{TASKS} tasks past an open transaction in {took:.1?}; by {WINDOW}: {windows:.2?}");
    println!("a look for nothing: {:.2?} at first, {:.2?} at last; {dead} dead rows", looks[0], looks[1]);
    // The middle of three: one window may share the machine with something else.
    let (first, last) = (median(&windows[..3]), median(&windows[TASKS / WINDOW - 3..]));
    assert!(last < first * 2, "{windows:?}");
    assert!(looks[1] < looks[0] * 2, "{looks:?}");
    assert_eq!(scene.store.audit().await.unwrap(), Vec::<String>::new());

    // Three rows die in a life, and were all still there.
    assert!(scene.number(DEAD).await > 150_000);
    other.execute("COMMIT").await.unwrap();
    let left = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE schemaname = 'docket' AND relname = 'task'";
    // Repeatedly: an analyze by the server itself is a transaction that keeps them, too.
    eventually("vacuum cleans up after it", Duration::from_secs(10), async || {
        scene.connection().await.execute("VACUUM docket.task").await.unwrap();
        (scene.number(left).await < 1_000).then_some(())
    })
    .await;
}

/// Begins a transaction that has a snapshot and has written: a report that takes its time.
async fn begin_report(scene: &Scene) -> PgConnection {
    let mut other = scene.connection().await;
    other.execute("CREATE TABLE report (n bigint)").await.unwrap();
    other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    other.execute("INSERT INTO report SELECT count(*) FROM docket.task").await.unwrap();
    other
}

/// Has one window of tasks pass, added while the worker takes them.
async fn pass(scene: &Scene, start: usize) -> Duration {
    let began = Instant::now();
    let before = scene.log.len() - start;
    for from in (start..start + WINDOW).step_by(BATCH) {
        scene.ran((before + from).saturating_sub(AHEAD), PATIENCE).await;
        scene.add::<Brief>(from..from + BATCH).await;
    }
    scene.ran(before + start + WINDOW, PATIENCE).await;
    began.elapsed()
}

/// How long a look takes that finds nothing, as a client sees it: the median.
async fn look_time(scene: &Scene) -> Duration {
    let mut times = Vec::new();
    for _ in 0..LOOKS {
        let began = Instant::now();
        assert!(scene.store.lease(&request()).await.unwrap().leases.is_empty());
        times.push(began.elapsed());
    }
    median(&times)
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

/// A look into the lane that all has passed through.
fn request() -> LeaseRequest {
    let (name, queue) = (TaskName::new(Brief::NAME).unwrap(), Queue::default());
    LeaseRequest {
        request: RequestId::unique(),
        worker: WorkerRecord {
            id: WorkerId::new("probe").unwrap(),
            queues: vec![queue.clone()],
            names: vec![(name.clone(), queue.clone())],
            concurrency: 1,
            running: 0,
            settled: 0,
            ttl: Duration::from_secs(10),
        },
        queues: vec![queue],
        names: vec![KnownName { name, max_crashes: limits::CRASHES_MAX }],
        count: 1,
        suspects: LeaseSuspects::Allow,
        lease_for: Duration::from_secs(10),
        wait: Duration::ZERO,
        order: LeaseOrder::Precedence,
    }
}
