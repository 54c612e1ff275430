//! Connections ended by an operator, one after another, and a service that has emptied its own pool.

use std::time::{Duration, Instant};

use docket_core::{Settings, TaskKey, TaskState};
use sqlx::postgres::PgPoolOptions;

use crate::scene::{SOON, Scene, eventually};
use crate::tasks::{Count, Hog};

const TASKS: usize = 2_000;
/// The service's pool, and the tasks that hold all of it.
const POOL: u32 = 5;

/// Ends our oldest connection, if there is one.
const TERMINATE_ONE: &str = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
                             WHERE application_name = 'docket' ORDER BY backend_start LIMIT 1) oldest";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_terminated_in_turn_lose_nothing_and_stall_nothing() {
    let scene = Scene::new().await;
    let worker = scene.start(Settings::default());
    scene.add::<Count>(0..TASKS).await;
    scene.ran(1, SOON).await;
    let (end, mut terminated) = (Instant::now() + Duration::from_secs(6), 0);
    // Adds go on beside it: a drained queue would only wait.
    let ((accepted, errors), ()) = tokio::join!(scene.add_until("during", end), async {
        while Instant::now() < end {
            terminated += scene.number(TERMINATE_ONE).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    assert!(errors.is_empty(), "a client repeats what a dead connection swallowed: {errors:?}");
    scene.ran(TASKS + accepted.len(), SOON).await;
    let gap = scene.log.longest_gap();
    println!("{terminated} connections terminated under {} tasks; the longest gap: {gap:.2?}", TASKS + accepted.len());
    // One every 40 ms on an idle machine; fewer where this process itself has to wait for a processor.
    assert!(terminated > 20, "{terminated}");
    assert!(gap < Duration::from_secs(3), "nothing ran for {gap:?}");
    assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
    scene.settled(numbers().chain(accepted)).await;
    worker.stopped().await;
}

fn numbers() -> impl Iterator<Item = String> {
    (0..TASKS).map(|n| format!("k{n}"))
}

/// Handlers hold every connection that the service has, for longer than their leases: the worker has its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_has_emptied_its_pool_starves_neither_leases_nor_acks() {
    let mut scene = Scene::new().await;
    scene.pool = PgPoolOptions::new().max_connections(POOL).connect_lazy(&scene.server.url()).unwrap();
    // The shortest lease there is.
    let settings = Settings { heartbeat_interval: Duration::from_millis(50), concurrency: 20, ..Settings::default() };
    let worker = scene.start(settings);
    // Twice as many as there are connections: half of them wait for the pool, their leases renewed as well.
    let hogs: Vec<String> = (0..POOL * 2).map(|n| format!("hog{n}")).collect();
    for key in &hogs {
        scene.client.add(Hog { seconds: 4.0 }).key(key).await.unwrap();
    }
    eventually("the pool is empty", SOON, async || {
        (scene.pool.size() == POOL && scene.pool.num_idle() == 0).then_some(())
    })
    .await;
    let (mut accepted, end) = (Vec::new(), Instant::now() + Duration::from_secs(7));
    while Instant::now() < end {
        let key = format!("beside{}", accepted.len());
        scene.client.add(Count::light()).key(&key).await.unwrap();
        eventually("what does not need the pool runs", Duration::from_secs(2), async || {
            let view = scene.store.get(&TaskKey::new(&key).unwrap()).await.unwrap().unwrap();
            (view.state == TaskState::Completed).then_some(())
        })
        .await;
        accepted.push(key);
        assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
    }
    println!("{} tasks ran beside {} that held the service's pool of {POOL}", accepted.len(), hogs.len());
    scene.settled(accepted.into_iter().chain(hogs)).await;
    assert_eq!(scene.number("SELECT max(crashes) FROM docket.task").await, 0, "every lease was renewed");
    worker.stopped().await;
}
