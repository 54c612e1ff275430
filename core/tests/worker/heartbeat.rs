//! Renewals: a lease lasts as long as its run, and nothing is leased that could not be renewed.

use std::time::Duration;

use docket_core::TaskState;
use docket_core::worker::Alarm;
use tokio::time::sleep;

use crate::sabotage::{Fault, Verb};
use crate::scene::{SECOND, Scene, usual};
use crate::tasks::Run;

#[tokio::test(start_paused = true)]
async fn a_run_of_an_hour_keeps_its_lease() {
    let scene = Scene::new();
    scene.add(Run::of(Duration::from_secs(3_600)), "long").await;
    let workers = [scene.start(usual()), scene.start(usual())];
    sleep(Duration::from_secs(3_600) + SECOND).await;
    let view = scene.view("long").await;
    assert_eq!((view.state, view.attempts, view.crashes, scene.log.starts().len()), (TaskState::Completed, 0, 0, 1));
    for worker in workers {
        worker.stopped().await;
    }
}

/// Half a lease is the time that one renewal may take.
#[tokio::test(start_paused = true)]
async fn slow_renewals_are_renewals() {
    let scene = Scene::new();
    scene.add(Run::of(Duration::from_secs(5 * 60)), "long").await;
    let worker = scene.start(usual());
    scene.until("long", TaskState::Running, SECOND).await;
    scene.sabotage.set(Verb::Heartbeat, Fault::Slow(4 * SECOND));
    let view = scene.until("long", TaskState::Completed, Duration::from_secs(5 * 60)).await;
    assert_eq!((view.crashes, scene.log.starts().len(), scene.log.told()), (0, 1, 0));
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_leased_while_leases_cannot_be_renewed() {
    let scene = Scene::new();
    scene.add(Run::of(SECOND), "k").await;
    scene.sabotage.set(Verb::Heartbeat, Fault::Fails);
    let worker = scene.start(usual());
    let held_back = |alarm: &Alarm| matches!(alarm, Alarm::HeldBack { what: "renewing leases", .. });
    worker.until_alarm(3 * SECOND, held_back).await;
    sleep(Duration::from_secs(60)).await;
    let view = scene.view("k").await;
    assert_eq!((view.state, view.fence, worker.health.is_ready()), (TaskState::Ready, None, false));
    scene.sabotage.lift();
    scene.until("k", TaskState::Completed, 5 * SECOND).await;
    assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
    worker.stopped().await;
}
