//! Prefetched tasks: in order, not for long, and given back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::{NewTask, Payload, Settings, Store, TaskState, limits};

use crate::cases::{SOON, Scene, eventually, fast};
use crate::jobs::Slow;

/// Keys `0`, `1`, ... of short tasks, in this order.
async fn add_short(scene: &Scene, keys: std::ops::Range<usize>) {
    let tasks: Vec<NewTask> = keys
        .map(|n| {
            let args = Payload::new(format!(r#"{{"text":"{n}"}}"#));
            NewTask { key: n.to_string().parse().unwrap(), ..NewTask::new("echo".parse().unwrap(), args) }
        })
        .collect();
    for batch in tasks.chunks(limits::BATCH_ITEMS_MAX) {
        for answer in scene.client.add_all(batch).await.unwrap() {
            answer.unwrap();
        }
    }
}

pub(crate) async fn short_tasks_start_in_the_order_in_which_they_were_added(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    add_short(&scene, 0..1_000).await;
    scene.worker(Settings { concurrency: 1, ..fast() }).run_until_finished().await.unwrap();
    let expected: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    assert_eq!(scene.log.starts(), expected);
}

pub(crate) async fn a_stop_gives_back_what_was_leased_ahead(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    add_short(&scene, 0..5_000).await;
    let worker = scene.start(Settings { concurrency: 2, ..fast() });
    eventually("it is in full swing", async || (scene.log.starts().len() >= 2_000).then_some(())).await;
    worker.stopped().await;
    let started = scene.log.starts().len();
    let counts = scene.store.counts().await.unwrap();
    let (ready, running): (u64, u64) = (counts.iter().map(|c| c.ready).sum(), counts.iter().map(|c| c.running).sum());
    assert_eq!((usize::try_from(ready).unwrap(), running), (5_000 - started, 0));
    scene.worker(fast()).run_until_finished().await.unwrap();
    let mut starts = scene.log.starts();
    starts.sort();
    starts.dedup();
    assert_eq!((starts.len(), scene.log.starts().len()), (5_000, 5_000), "each ran once");
}

/// A worker that has leased short tasks ahead, and then comes upon long ones, must not sit on the short ones.
pub(crate) async fn long_tasks_do_not_hold_up_what_was_leased_ahead(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    add_short(&scene, 0..5_000).await;
    for key in ["long 1", "long 2"] {
        scene.client.add(Slow { millis: 8_000, listens: true }).key(key).await.unwrap();
    }
    add_short(&scene, 5_000..5_100).await;
    let first = scene.start(Settings { concurrency: 2, grace: Duration::from_millis(100), ..fast() });
    scene.until("long 1", TaskState::Running).await;
    scene.until("long 2", TaskState::Running).await;
    let begun = Instant::now();
    // Both of its slots are taken, and only another worker can run the tasks behind them.
    let second = scene.start(Settings { concurrency: 2, ..fast() });
    let short = || scene.log.starts().iter().filter(|start| !start.starts_with("long")).count();
    eventually("all short tasks have started", async || (short() >= 5_100).then_some(())).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    second.stopped().await;
    first.stopped().await;
    let last = scene.view("5099").await;
    assert_eq!((last.state, last.attempts, last.crashes), (TaskState::Completed, 0, 0));
    assert_eq!(short(), 5_100, "each ran once");
}
