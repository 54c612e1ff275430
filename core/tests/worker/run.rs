//! One run of one task: whatever it does, it ends in one outcome.

use std::time::Duration;

use docket_core::{Settings, TaskState, TaskView};

use crate::scene::{SECOND, Scene, usual};
use crate::tasks::{Fail, How};

/// Runs a task that fails this often, until it is in this state.
async fn fail(how: How, runs: usize, end: TaskState) -> (TaskView, Vec<String>) {
    let scene = Scene::new();
    scene.add(Fail { how, runs }, "k").await;
    let worker = scene.start(usual());
    let view = scene.until("k", end, Duration::from_secs(2 * 60)).await;
    worker.stopped().await;
    (view, scene.log.starts())
}

#[tokio::test(start_paused = true)]
async fn a_fatal_failure_is_dead_at_once() {
    let (view, starts) = fail(How::Fatal, 9, TaskState::Dead).await;
    assert_eq!((view.error.as_deref(), starts.len()), (Some("no such disk"), 1));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_failed_attempt() {
    let (view, starts) = fail(How::Hangs, 1, TaskState::Completed).await;
    assert_eq!(starts, ["1", "2"]);
    assert!(view.error.unwrap().contains("longer than its timeout of 20s"));
}

#[tokio::test(start_paused = true)]
async fn a_snooze_is_no_attempt() {
    let (view, starts) = fail(How::Snooze, 5, TaskState::Completed).await;
    assert_eq!((view.attempts, starts), (0, vec!["1".to_owned(); 6]));
}

/// It once left the task running, and renewed forever.
#[tokio::test(start_paused = true)]
async fn a_panic_whose_payload_panics_is_a_failed_attempt() {
    let scene = Scene::new();
    for n in 0..4 {
        scene.add(Fail { how: How::PanicsTwice, runs: 99 }, &format!("k{n}")).await;
    }
    // Two slots for four tasks: each is free again.
    let worker = scene.start(Settings { concurrency: 2, ..usual() });
    for n in 0..4 {
        let view = scene.until(&format!("k{n}"), TaskState::Dead, 60 * SECOND).await;
        assert_eq!((view.error.as_deref(), view.crashes), (Some("panicked: (no message)"), 0));
    }
    assert_eq!(scene.log.running(), 0);
    worker.stopped().await;
}
