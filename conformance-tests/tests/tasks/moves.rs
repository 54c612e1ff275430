//! `move_track_audio`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use docket_core::{TaskState, TestStore};
use docket_tasks::{AudioStorage, Catalogue, MoveReport, Track};

use crate::scene::Scene;

/// Track 1 is public.
async fn scene(store: Arc<dyn TestStore>) -> Scene {
    let scene = Scene::new(store).await;
    scene.track(1, "Overture", Some("audio"));
    scene
}

async fn track(scene: &Scene) -> Track {
    scene.catalogue.kept.track(1).await.unwrap().unwrap()
}

pub(crate) async fn the_objects_the_track_and_the_result_agree(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let worker = scene.worker();
    let key = scene.switch_gate(1, true).await;
    assert_eq!(key.as_str(), "track-audio:1");
    let task = scene.until(&key, TaskState::Completed).await;
    let report: MoveReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert_eq!(report, MoveReport::Placed { storage: AudioStorage::Private, copied: 1, shared: 0 });
    assert_eq!((scene.audio(1), track(&scene).await.audio_url), ((false, true), None));
    scene.until(&scene.switch_gate(1, false).await, TaskState::Completed).await;
    assert_eq!(scene.audio(1), (true, false));
    assert!(track(&scene).await.audio_url.unwrap().ends_with("/audio/file1.mp3"));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn the_last_of_many_switches_counts(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let worker = scene.worker();
    let mut key = scene.switch_gate(1, true).await;
    for is_gated in [false, true, false, true, false, true] {
        key = scene.switch_gate(1, is_gated).await;
    }
    scene.until(&key, TaskState::Completed).await;
    assert_eq!((scene.audio(1), track(&scene).await.storage), ((false, true), AudioStorage::Private));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_switch_while_it_moves_is_followed(store: Arc<dyn TestStore>) {
    for (is_gated, expected) in [(true, (true, false)), (false, (false, true))] {
        let scene = scene(store.clone()).await;
        let worker = scene.worker();
        if !is_gated {
            scene.until(&scene.switch_gate(1, true).await, TaskState::Completed).await;
        }
        scene.catalogue.switches_gate.store(true, Ordering::SeqCst);
        scene.until(&scene.switch_gate(1, is_gated).await, TaskState::Completed).await;
        // Nobody scheduled the other direction; the run itself saw it.
        assert_eq!(scene.audio(1), expected);
        assert_eq!(track(&scene).await.audio_url.is_some(), is_gated);
        worker.stopped().await;
    }
}

pub(crate) async fn an_outage_is_tried_again_and_the_track_is_never_called_private_too_early(
    store: Arc<dyn TestStore>,
) {
    let scene = scene(store).await;
    scene.catalogue.is_away.store(true, Ordering::SeqCst);
    let key = scene.switch_gate(1, true).await;
    let worker = scene.worker();
    assert_eq!(scene.until(&key, TaskState::Scheduled).await.attempts, 1);
    assert_eq!((scene.audio(1), track(&scene).await.storage), ((true, false), AudioStorage::Public));
    scene.catalogue.is_away.store(false, Ordering::SeqCst);
    // The longest wait of its backoff.
    scene.pass(Duration::from_hours(4)).await;
    scene.until(&key, TaskState::Completed).await;
    assert_eq!((scene.audio(1), track(&scene).await.storage), ((false, true), AudioStorage::Private));
    worker.stopped().await;
    scene.audit().await;
}
