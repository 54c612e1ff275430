//! `scan_copyright`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use docket_core::{RequeueAnswer, TaskState, TestStore};
use docket_tasks::{Scan, ScanReport, ScanState};

use crate::scene::{Scene, becomes, eventually};
use crate::service::{clear, flagged};

/// Track 1, ready to be scanned.
async fn scene(store: Arc<dyn TestStore>) -> Scene {
    let scene = Scene::with_desk(store).await;
    scene.track(1, "Overture", Some("audio"));
    scene
}

/// The one row there is.
fn row(scene: &Scene) -> Scan {
    let scans = scene.catalogue.kept.scans();
    assert_eq!(scans.len(), 1, "{scans:?}");
    scans.into_iter().next().unwrap()
}

pub(crate) async fn the_row_and_the_result_agree(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    scene.moderation.answer(flagged());
    let key = scene.scan(1).await;
    assert_eq!(key.as_str(), "scan:1:file1");
    let worker = scene.worker();
    let task = scene.until(&key, TaskState::Completed).await;
    let report: ScanReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert_eq!(report, ScanReport::Scanned { state: ScanState::Flagged, match_count: 1, self_match: None });
    let row = row(&scene);
    assert_eq!((row.track_id, row.file_id.as_str(), row.state), (1, "file1", ScanState::Flagged));
    assert_eq!((row.matches[0].artist.as_str(), scene.moderation.asked()), ("Somebody Else", 1));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn an_outage_is_tried_again_no_sooner_than_the_service_says(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    scene.moderation.answer((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")], "busy"));
    scene.moderation.answer(clear());
    let key = scene.scan(1).await;
    let worker = scene.worker();
    let task = scene.until(&key, TaskState::Scheduled).await;
    assert_eq!(task.attempts, 1);
    assert_eq!(scene.catalogue.kept.scans(), [], "an outage leaves no row");
    scene.pass(Duration::from_millis(6_999)).await;
    assert_eq!(scene.view(&key).await.state, TaskState::Scheduled);
    scene.pass(Duration::from_millis(1)).await;
    scene.until(&key, TaskState::Completed).await;
    assert_eq!((row(&scene).state, scene.moderation.asked()), (ScanState::Clear, 2));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn an_outage_to_the_end_is_a_failed_scan_that_a_requeue_repairs(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let key = scene.scan(1).await;
    let worker = scene.worker();
    for attempt in 1..=5 {
        assert_eq!(scene.catalogue.kept.scans(), [], "before attempt {attempt}");
        scene.moderation.answer(StatusCode::BAD_GATEWAY);
        eventually("the attempt is counted", async || {
            let task = scene.view(&key).await;
            (task.attempts == attempt || task.state == TaskState::Dead).then_some(())
        })
        .await;
        // The longest wait of its backoff.
        scene.pass(Duration::from_hours(1)).await;
    }
    let dead = scene.until(&key, TaskState::Dead).await;
    assert!(dead.error.unwrap().contains("502"));
    assert!(row(&scene).state == ScanState::Failed && row(&scene).error.unwrap().contains("502"));
    assert_eq!(scene.moderation.asked(), 5);
    scene.moderation.answer(clear());
    assert_eq!(scene.client.requeue(&key, dead.fence).await.unwrap(), RequeueAnswer::Requeued);
    scene.until(&key, TaskState::Completed).await;
    assert_eq!((row(&scene).state, row(&scene).error), (ScanState::Clear, None));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_worker_killed_while_it_asks_leaves_one_row(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let key = scene.scan(1).await;
    let first = scene.worker();
    becomes("the service is asked", || scene.moderation.asked() == 1).await;
    first.killed().await;
    let second = scene.worker();
    scene.until_crashed(&key, 1).await;
    becomes("the service is asked again", || scene.moderation.asked() == 2).await;
    // One answer for each of the two: the killed run may still be listening.
    scene.moderation.answer(clear());
    scene.moderation.answer(clear());
    scene.until(&key, TaskState::Completed).await;
    assert_eq!(row(&scene).state, ScanState::Clear);
    second.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_wrong_key_is_dead_at_once_and_a_failed_scan(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let key = scene.scan(1).await;
    let worker = scene.worker_with_key("a-wrong-key");
    let error = scene.until(&key, TaskState::Dead).await.error.unwrap();
    assert!(error.contains("MODERATION_AUTH_TOKEN") && !error.contains("a-wrong-key"), "{error}");
    assert_eq!(row(&scene).state, ScanState::Failed);
    worker.stopped().await;
    scene.audit().await;
}
