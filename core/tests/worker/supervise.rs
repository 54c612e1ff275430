//! No loop ends unseen: the worker restarts it, and ends if restarts do not help.

use std::time::Duration;

use docket_core::{ErrorKind, Settings, TaskState};
use tokio::time::{sleep, timeout};

use crate::sabotage::{Fault, Verb};
use crate::scene::{SECOND, Scene, eventually, usual};
use crate::tasks::Run;

#[tokio::test(start_paused = true)]
async fn a_fetch_loop_that_panics_is_begun_again_and_loses_nothing() {
    let scene = Scene::new();
    scene.sabotage.set(Verb::Lease, Fault::Panics);
    let worker = scene.start(usual());
    for n in 0..5 {
        scene.add(Run::of(SECOND), &format!("k{n}")).await;
    }
    eventually("it has begun three times", 10 * SECOND, async || (scene.sabotage.calls(Verb::Join) >= 3).then_some(()))
        .await;
    scene.sabotage.lift();
    for n in 0..5 {
        scene.until(&format!("k{n}"), TaskState::Completed, 10 * SECOND).await;
    }
    assert_eq!(scene.log.starts().len(), 5);
    assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn t12_a_watchdog_that_dies_is_restarted_and_work_goes_on() {
    let scene = Scene::new();
    // It asks the store as often as ready work may be old.
    let worker = scene.start(Settings { oldest_ready_alarm: SECOND, ..usual() });
    scene.sabotage.set(Verb::Counts, Fault::Panics);
    eventually("it has died three times", 20 * SECOND, async || {
        (scene.sabotage.calls(Verb::Counts) >= 3).then_some(())
    })
    .await;
    scene.add(Run::of(SECOND), "k").await;
    scene.until("k", TaskState::Completed, 2 * SECOND).await;
    assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
    worker.stopped().await;
}

/// A failure that no restart fixes is not hidden: the worker ends, with an error for the process to
/// exit with.
#[tokio::test(start_paused = true)]
async fn t12_a_loop_that_dies_again_and_again_ends_the_worker_with_an_error() {
    let scene = Scene::new();
    scene.sabotage.set(Verb::Lease, Fault::Panics);
    // Ten restarts, the waits between them growing to 5 s.
    let ended = timeout(Duration::from_secs(60), scene.worker(usual()).run()).await;
    let error = ended.expect("it ends by itself").unwrap_err();
    assert_eq!((error.kind(), scene.sabotage.calls(Verb::Join)), (ErrorKind::Internal, 11));
    assert!(error.to_string().contains("sabotage of Lease"), "{error}");
}

/// An outage is not a dead loop: however long it takes, nothing is restarted for it and nothing ends.
#[tokio::test(start_paused = true)]
async fn t12_a_store_that_is_away_is_no_reason_to_restart_a_loop() {
    let scene = Scene::new();
    let worker = scene.start(usual());
    worker.until_ready(SECOND).await;
    for verb in [Verb::Lease, Verb::Heartbeat, Verb::Ack, Verb::Counts] {
        scene.sabotage.set(verb, Fault::Fails);
    }
    scene.add(Run::of(SECOND), "k").await;
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!((worker.health.is_ready(), scene.sabotage.calls(Verb::Join)), (false, 1));
    scene.sabotage.lift();
    scene.until("k", TaskState::Completed, 5 * SECOND).await;
    worker.until_ready(SECOND).await;
    worker.stopped().await;
}
