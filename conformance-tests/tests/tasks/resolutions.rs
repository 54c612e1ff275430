//! `sync_copyright_resolutions`: nobody adds it, workers begin it by themselves.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use docket_core::{TaskKey, TestStore};
use docket_tasks::{Catalogue, Scan, ScanState};
use serde_json::{Value, json};

use crate::scene::{ARTIST, START, Scene, becomes, eventually};

/// From one slot to the next.
const SLOT: Duration = Duration::from_mins(5);
/// The next slot is a millisecond away.
const JUST_BEFORE: Duration = Duration::from_millis(299_999);

/// Tracks 1 and 2 are flagged.
async fn scene(store: Arc<dyn TestStore>) -> Scene {
    let scene = Scene::new(store).await;
    for id in [1, 2] {
        scene.track(id, "Overture", Some("audio"));
        let flagged = Scan {
            track_id: id,
            file_id: format!("file{id}"),
            state: ScanState::Flagged,
            highest_score: 0.0,
            matches: Vec::new(),
            self_match: None,
            raw_response: Value::Null,
            error: None,
            scanned_at: START,
        };
        scene.catalogue.kept.record_scan(&flagged).await.unwrap();
    }
    scene
}

fn key() -> TaskKey {
    TaskKey::new("sync_copyright_resolutions").unwrap()
}

/// The labeler says that track `id`'s flag was taken back after the scan.
fn negate(scene: &Scene, id: i64) {
    let uri = format!("at://{ARTIST}/fm.plyr.track/{id}");
    let label = json!({ "uri": uri, "val": "copyright-violation", "neg": true, "cts": "2026-01-01T00:00:01Z" });
    scene.labeler.answer(Json(json!({ "negated_uris": [uri] })));
    scene.labeler.answer(Json(json!({ "labels": [label] })));
}

async fn state(scene: &Scene, id: i64) -> ScanState {
    scene.catalogue.kept.scan(id, &format!("file{id}")).await.unwrap().unwrap().state
}

async fn becomes_resolved(scene: &Scene, id: i64) {
    let look = async || (state(scene, id).await == ScanState::Resolved).then_some(());
    eventually(&format!("track {id}'s flag is taken back"), look).await;
}

/// The slot has ended, and the next one waits for its time.
async fn ended(scene: &Scene, failures: u32) {
    eventually("the next slot waits", async || {
        // Until the worker has begun it there is none.
        let task = scene.client.store().get(&key()).await.unwrap()?;
        (task.state == docket_core::TaskState::Scheduled && task.failures == failures).then_some(())
    })
    .await;
}

pub(crate) async fn every_five_minutes_flags_are_taken_back(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    negate(&scene, 1);
    let worker = scene.worker();
    becomes_resolved(&scene, 1).await;
    ended(&scene, 0).await;
    assert_eq!(state(&scene, 2).await, ScanState::Flagged);
    negate(&scene, 2);
    scene.pass(JUST_BEFORE).await;
    assert_eq!((state(&scene, 2).await, scene.labeler.asked()), (ScanState::Flagged, 2));
    scene.pass(Duration::from_millis(1)).await;
    becomes_resolved(&scene, 2).await;
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_slot_that_fails_changes_nothing_and_the_next_one_comes(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    scene.labeler.answer(StatusCode::BAD_GATEWAY);
    let worker = scene.worker();
    ended(&scene, 1).await;
    assert_eq!((state(&scene, 1).await, state(&scene, 2).await), (ScanState::Flagged, ScanState::Flagged));
    negate(&scene, 1);
    scene.pass(SLOT).await;
    becomes_resolved(&scene, 1).await;
    ended(&scene, 0).await;
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_worker_killed_in_a_slot_is_followed_by_another(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let first = scene.worker();
    becomes("the labeler is asked", || scene.labeler.asked() == 1).await;
    first.killed().await;
    let second = scene.worker();
    scene.until_crashed(&key(), 1).await;
    becomes("the labeler is asked again", || scene.labeler.asked() == 2).await;
    // The killed run may still be listening, and takes one answer with it.
    negate(&scene, 1);
    negate(&scene, 1);
    becomes_resolved(&scene, 1).await;
    second.stopped().await;
    scene.audit().await;
}
