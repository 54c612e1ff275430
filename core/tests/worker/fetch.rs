//! Leasing: a free slot first, then a lease.

use std::time::Duration;

use docket_core::{Settings, TaskState};
use tokio::time::{Instant, sleep};

use crate::sabotage::{Fault, Verb};
use crate::scene::{SECOND, Scene, usual};
use crate::tasks::Run;

async fn add_many(scene: &Scene, count: usize, time: Duration) {
    for n in 0..count {
        scene.add(Run::of(time), &format!("k{n}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_never_exceeded() {
    let scene = Scene::new();
    add_many(&scene, 20, SECOND).await;
    scene.worker(Settings { concurrency: 3, ..usual() }).run_until_finished().await.unwrap();
    assert_eq!((scene.log.starts().len(), scene.log.running_max()), (20, 3));
}

/// The system this replaces slept its check interval whenever every slot was taken.
#[tokio::test(start_paused = true)]
async fn a_freed_slot_is_refilled_at_once() {
    let scene = Scene::new();
    add_many(&scene, 100, SECOND).await;
    let begun = Instant::now();
    let settings = Settings { concurrency: 10, check_interval: Duration::from_secs(5 * 60), ..usual() };
    scene.worker(settings).run_until_finished().await.unwrap();
    assert_eq!(scene.log.starts().len(), 100);
    assert!(begun.elapsed() < 11 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_leased_ahead_of_long_tasks() {
    let scene = Scene::new();
    add_many(&scene, 60, Duration::from_millis(100)).await;
    let worker = scene.start(Settings { concurrency: 4, ..usual() });
    for _ in 0..100 {
        sleep(Duration::from_millis(10)).await;
        let counts = scene.store.counts().await.unwrap();
        let leased: u64 = counts.iter().map(|lane| lane.running).sum();
        // Four run. Forty are started in a second, so one may wait.
        assert!(leased <= 5, "{leased} are leased");
    }
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_reply_is_lost_is_asked_for_again() {
    let scene = Scene::new();
    add_many(&scene, 5, SECOND).await;
    scene.sabotage.set(Verb::Lease, Fault::LosesOneReply);
    let worker = scene.start(usual());
    for n in 0..5 {
        // Not a lease length later: the same request brings the same tasks.
        let view = scene.until(&format!("k{n}"), TaskState::Completed, 3 * SECOND).await;
        assert_eq!((view.attempts, view.crashes), (0, 0));
    }
    assert_eq!(scene.log.starts().len(), 5);
    worker.stopped().await;
}
