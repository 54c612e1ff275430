//! `reap_exports`: nobody adds it, workers begin it by themselves.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{CancelAnswer, TaskKey, TaskState, TestStore};
use docket_tasks::{Job, JobState};

use crate::scene::{ARTIST, Scene, becomes, eventually};

/// From one slot to the next.
const SLOT: Duration = Duration::from_mins(1);

async fn until_job(scene: &Scene, id: &str, state: JobState) -> Job {
    eventually(&format!("job {id} is {state:?}"), async || {
        let job = scene.job(id).await;
        (job.state == state).then_some(job)
    })
    .await
}

pub(crate) async fn a_job_whose_task_was_never_added_is_exported_all_the_same(store: Arc<dyn TestStore>) {
    let scene = Scene::new(store).await;
    scene.track(1, "Overture", Some("audio"));
    // The service committed the job, and died.
    scene.catalogue.kept.put_job(Job::pending("e1", ARTIST));
    let worker = scene.worker();
    until_job(&scene, "e1", JobState::Completed).await;
    assert_eq!(scene.exports(), ["e1.zip"]);
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_job_whose_task_died_of_crashes_fails_with_the_reason(store: Arc<dyn TestStore>) {
    let scene = Scene::new(store).await;
    scene.track(1, "Overture", Some("audio"));
    scene.catalogue.hold(true);
    let key = scene.export("e1").await;
    for crash in 0.. {
        let held = scene.catalogue.held();
        let worker = scene.worker();
        if crash > 0 {
            scene.until_crashed(&key, crash).await;
        }
        eventually("it runs again, or is dead", async || {
            (scene.catalogue.held() > held || scene.view(&key).await.state == TaskState::Dead).then_some(())
        })
        .await;
        worker.killed().await;
        if scene.view(&key).await.state == TaskState::Dead {
            break;
        }
        assert!(crash < 5, "a task that kills its worker is not run forever");
    }
    let worker = scene.worker();
    scene.pass(SLOT).await;
    let job = until_job(&scene, "e1", JobState::Failed).await;
    assert!(job.error.unwrap().contains("lease"));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_job_whose_task_was_cancelled_before_it_ran_fails(store: Arc<dyn TestStore>) {
    let scene = Scene::new(store).await;
    let key: TaskKey = scene.export("e1").await;
    assert_eq!(scene.client.cancel(&key).await.unwrap(), CancelAnswer::Cancelled);
    let worker = scene.worker();
    assert_eq!(until_job(&scene, "e1", JobState::Failed).await.error.as_deref(), Some("cancelled"));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_job_that_waits_for_its_next_attempt_is_left_alone(store: Arc<dyn TestStore>) {
    let scene = Scene::new(store).await;
    scene.track(1, "Overture", Some("audio"));
    scene.catalogue.is_away.store(true, std::sync::atomic::Ordering::SeqCst);
    let key = scene.export("e1").await;
    let worker = scene.worker();
    scene.until(&key, TaskState::Scheduled).await;
    let slots = TaskKey::new("reap_exports").unwrap();
    let leased = async || scene.client.store().get(&slots).await.unwrap().and_then(|task| task.fence);
    let before = leased().await;
    scene.pass(SLOT).await;
    eventually("the slot has passed", async || {
        let task = scene.view(&slots).await;
        (task.fence != before && task.state == TaskState::Scheduled).then_some(())
    })
    .await;
    assert_ne!(scene.job("e1").await.state, JobState::Failed);
    scene.catalogue.is_away.store(false, std::sync::atomic::Ordering::SeqCst);
    // The longest wait of its backoff.
    scene.pass(Duration::from_mins(10)).await;
    becomes("it is exported", || scene.exports() == ["e1.zip"]).await;
    worker.stopped().await;
}
