//! `run_until_finished` ends when nothing is left, and not before.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use conformance_tests::proxy::Proxy;
use docket_core::{Registry, Settings, Store, TaskState};
use docket_postgres::PostgresBackend;
use docket_redis::RedisBackend;

use crate::cases::{Running, Scene, fast};
use crate::jobs::{Back, By, Slow, Tick};

/// One worker in every round; half of the rounds have a second one, half of them tasks that do not count.
const ROUNDS: usize = 20;

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register::<Back>().unwrap().register::<Slow>().unwrap().periodic::<Tick>().unwrap();
    registry
}

/// Tasks that come back soon, by a retry, a snooze and a successor, for longer than the worker waits between two looks.
/// Each is nearly always on its way from one state to the next: it must not escape a look that goes state by state.
async fn round(store: &Arc<dyn Store>, round: usize, times: u32) {
    let scene = Scene::new(store.fork());
    let later = scene.client.add(Slow { millis: 0, listens: false }).key(format!("later {round}"));
    later.after(Duration::from_hours(1)).await.unwrap();
    for by in [By::Retry, By::Snooze, By::Successor] {
        scene.client.add(Back { by, times }).key(format!("{by:?} {round}")).await.unwrap();
    }
    let settings = Settings {
        concurrency: if round.is_multiple_of(2) { 1 } else { 10 },
        max_ahead: if (round / 2).is_multiple_of(2) { 0 } else { Settings::default().max_ahead },
        ..fast()
    };
    let other = (round / 4 % 2 == 1).then(|| Running::of(scene.worker_of(registry(), settings.clone())));
    let run = scene.worker_of(registry(), settings).run_until_finished();
    tokio::time::timeout(Duration::from_mins(1), run).await.expect("what does not count keeps nobody").unwrap();
    assert_eq!(scene.log.done.load(Ordering::SeqCst), 3, "round {round}: {:?}", scene.store.counts().await);
    if let Some(other) = other {
        other.stopped().await;
    }
}

pub(crate) async fn until_finished_leaves_nothing_behind(store: Arc<dyn Store>) {
    for n in 0..ROUNDS {
        round(&store, n, 40).await;
    }
}

pub(crate) async fn until_finished_waits_for_the_tasks_of_other_workers(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Slow { millis: 1_500, listens: true }).key("k").await.unwrap();
    let other = scene.start(fast());
    scene.until("k", TaskState::Running).await;
    scene.worker(fast()).run_until_finished().await.unwrap();
    assert_eq!(scene.view("k").await.state, TaskState::Completed);
    other.stopped().await;
}

/// Every look takes longer than a task is invisible to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_finished_leaves_nothing_behind_on_a_slow_redis() {
    let proxy = Proxy::before(&conformance_tests::servers::redis_url().await).await;
    proxy.delay(Duration::from_millis(5));
    let docket = crate::docket("slow");
    let store = RedisBackend::connect(&proxy.url(), docket, docket_redis::Options::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    for n in 0..ROUNDS {
        round(&store, n, 15).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_finished_leaves_nothing_behind_on_a_slow_postgres() {
    let proxy = Proxy::before(&conformance_tests::servers::postgres_url().await).await;
    proxy.delay(Duration::from_millis(5));
    let docket = crate::docket("slow");
    let store = PostgresBackend::connect(&proxy.url(), docket, docket_postgres::Options::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    for n in 0..ROUNDS {
        round(&store, n, 15).await;
    }
}
