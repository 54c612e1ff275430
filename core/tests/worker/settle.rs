//! Outcomes: each is settled once, however long the store takes to say so.

use std::time::Duration;

use docket_core::TaskState;
use docket_core::worker::Alarm;
use tokio::time::sleep;

use crate::sabotage::{Fault, Verb};
use crate::scene::{Running, SECOND, Scene, eventually, usual};
use crate::tasks::{Fail, How, Run};

/// A task that runs for a second, under way.
async fn running(scene: &Scene) -> Running {
    scene.add(Run::of(SECOND), "k").await;
    let worker = scene.start(usual());
    scene.until("k", TaskState::Running, Duration::from_millis(500)).await;
    worker
}

#[tokio::test(start_paused = true)]
async fn an_outcome_whose_reply_is_lost_counts_once() {
    let scene = Scene::new();
    let worker = running(&scene).await;
    scene.sabotage.set(Verb::Ack, Fault::LosesOneReply);
    scene.until("k", TaskState::Completed, 2 * SECOND).await;
    scene.add(Fail { how: How::Error, runs: 2 }, "fails").await;
    scene.sabotage.set(Verb::Ack, Fault::LosesOneReply);
    let view = scene.until("fails", TaskState::Completed, 20 * SECOND).await;
    assert_eq!((view.attempts, scene.log.starts()), (1, vec!["k".to_owned(), "1".to_owned(), "2".to_owned()]));
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_tried_for_a_minute() {
    let scene = Scene::new();
    let worker = running(&scene).await;
    scene.sabotage.set(Verb::Ack, Fault::Fails);
    sleep(50 * SECOND).await;
    assert!(!worker.health.is_ready());
    scene.sabotage.lift();
    let view = scene.until("k", TaskState::Completed, 2 * SECOND).await;
    assert_eq!((view.attempts, view.crashes, scene.log.starts().len()), (0, 0, 1));
    // Its next lease call is answered at once, not after a wait for work.
    worker.until_ready(SECOND).await;
    worker.stopped().await;
}

/// After that the lease is left to its deadline, and the task runs again.
#[tokio::test(start_paused = true)]
async fn an_outcome_that_a_minute_did_not_settle_is_given_up() {
    let scene = Scene::new();
    let worker = running(&scene).await;
    scene.sabotage.set(Verb::Ack, Fault::Fails);
    sleep(Duration::from_secs(75)).await;
    scene.sabotage.lift();
    let view = scene.until("k", TaskState::Completed, 30 * SECOND).await;
    assert_eq!((view.attempts, view.crashes, scene.log.starts().len()), (0, 1, 2));
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_leased_while_outcomes_cannot_be_settled() {
    let scene = Scene::new();
    scene.add(Run::of(SECOND), "k").await;
    scene.sabotage.set(Verb::Ack, Fault::Fails);
    let worker = scene.start(usual());
    let held_back = |alarm: &Alarm| matches!(alarm, Alarm::HeldBack { what: "settling tasks", .. });
    worker.until_alarm(3 * SECOND, held_back).await;
    sleep(Duration::from_secs(60)).await;
    let view = scene.view("k").await;
    assert_eq!((view.state, view.fence, worker.health.is_ready()), (TaskState::Ready, None, false));
    scene.sabotage.lift();
    scene.until("k", TaskState::Completed, 5 * SECOND).await;
    eventually("no alarm is left", SECOND, async || worker.health.alarms().is_empty().then_some(())).await;
    worker.stopped().await;
}
