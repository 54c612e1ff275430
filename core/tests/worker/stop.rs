//! Stopping: running tasks end, or go back uncounted.

use std::time::Duration;

use docket_core::TaskState;

use crate::scene::{SECOND, Scene, usual};
use crate::tasks::Run;

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_running_tasks() {
    let scene = Scene::new();
    scene.add(Run::of(2 * SECOND), "k").await;
    let worker = scene.start(usual());
    scene.until("k", TaskState::Running, SECOND).await;
    worker.stopped().await;
    assert_eq!(scene.state("k").await, TaskState::Completed);
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_tasks_are_given_back_uncounted() {
    let scene = Scene::new();
    scene.add(Run::of(Duration::from_secs(60)), "listens").await;
    scene.add(Run::of(Duration::from_secs(60)).stubborn(), "does not").await;
    let worker = scene.start(usual());
    scene.until("listens", TaskState::Running, SECOND).await;
    scene.until("does not", TaskState::Running, SECOND).await;
    let took = worker.stopped().await;
    // The grace is 3 s; a handler that does not stop is dropped half a second later.
    assert!(took >= 3 * SECOND && took < 4 * SECOND, "{took:?}");
    for key in ["listens", "does not"] {
        let view = scene.view(key).await;
        assert_eq!((view.state, view.attempts, view.crashes), (TaskState::Ready, 0, 0), "{key}");
    }
}
