//! What the worker holds: a run is told when its lease ends, and not before.

use std::time::Duration;

use docket_core::TaskState;
use tokio::time::{Instant, sleep};

use crate::sabotage::{Fault, Verb};
use crate::scene::{SECOND, Scene, eventually, usual};
use crate::tasks::Run;

/// How a run is told, from its latest proved renewal on.
async fn told_after(scene: &Scene, fault: Fault) -> Duration {
    scene.sabotage.set(Verb::Heartbeat, fault);
    let begun = Instant::now();
    eventually("the run is told", 11 * SECOND, async || (scene.log.told() == 1).then_some(())).await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_run_is_told_at_the_end_of_a_lease_that_nobody_renews() {
    for fault in [Fault::NeverAnswers, Fault::Fails] {
        let scene = Scene::new();
        scene.add(Run::of(Duration::from_secs(60)), "k").await;
        let worker = scene.start(usual());
        scene.until("k", TaskState::Running, SECOND).await;
        sleep(30 * SECOND).await;
        let took = told_after(&scene, fault).await;
        // The latest renewal is at most 2 s old.
        assert!(took > 7 * SECOND && took <= 10 * SECOND + Duration::from_millis(20), "{fault:?}: {took:?}");
        scene.sabotage.lift();
        let view = scene.until("k", TaskState::Completed, Duration::from_secs(2 * 60)).await;
        assert_eq!((view.attempts, scene.log.starts().len()), (0, 2), "a lost lease is not an attempt");
        worker.stopped().await;
    }
}

/// By the worker's own clock a lease ends no later than by the store's.
#[tokio::test(start_paused = true)]
async fn a_run_has_ended_before_another_worker_starts_it_again() {
    let scene = Scene::new();
    scene.add(Run::of(Duration::from_secs(60)), "k").await;
    let worker = scene.start(usual());
    scene.until("k", TaskState::Running, SECOND).await;
    let other = scene.start_unharmed(usual());
    scene.sabotage.set(Verb::Heartbeat, Fault::NeverAnswers);
    sleep(30 * SECOND).await;
    assert_eq!((scene.log.starts().len(), scene.log.running_max()), (2, 1));
    scene.sabotage.lift();
    scene.until("k", TaskState::Completed, Duration::from_secs(60)).await;
    for worker in [worker, other] {
        worker.stopped().await;
    }
}
