//! `notify_flag`, as scans add it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use docket_core::{RequeueAnswer, TaskKey, TaskState, TestStore};
use docket_tasks::{Catalogue, Notified, NotifyReport, Scan, ScanReport, ScanState};
use serde_json::Value;

use crate::desk::Effect;
use crate::scene::{START, Scene, becomes, eventually};
use crate::service::flagged;

/// Track 1, whose scan will flag it.
async fn scene(store: Arc<dyn TestStore>) -> Scene {
    let scene = Scene::with_desk(store).await;
    scene.track(1, "Overture", Some("audio"));
    scene.moderation.answer(flagged());
    scene
}

fn key() -> TaskKey {
    TaskKey::new("flag:1:file1").unwrap()
}

/// Waits until the scan has added the notices and they have come to this.
async fn until(scene: &Scene, state: TaskState) -> docket_core::TaskView {
    eventually("the scan adds the notices", async || scene.look(&key()).await).await;
    scene.until(&key(), state).await
}

/// Everybody was told, once.
async fn assert_told_once(scene: &Scene) {
    let task = until(scene, TaskState::Completed).await;
    let report: NotifyReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert_eq!(report, NotifyReport::Flagged { event: Notified::Told, message: Notified::Told });
    assert_eq!(scene.desk.events(), ["flag:1:file1"]);
    let messages = scene.desk.messages();
    assert!(messages.len() == 1 && messages[0].contains("\"Overture\" by @ada.bsky.social"), "{messages:?}");
}

pub(crate) async fn a_scan_that_runs_twice_tells_everybody_once(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let scan = scene.scan(1).await;
    let worker = scene.worker();
    assert_told_once(&scene).await;
    scene.until(&scan, TaskState::Completed).await;
    let told = scene.view(&key()).await;
    scene.scan(1).await;
    scene.until(&scan, TaskState::Completed).await;
    assert_eq!(scene.view(&key()).await.fence, told.fence, "the second scan adds nothing");
    docket_tasks::schedule_flag_notice(&scene.client, 1, "file1").await.unwrap();
    eventually("they run again", async || (scene.view(&key()).await.fence > told.fence).then_some(())).await;
    assert_told_once(&scene).await;
    assert_eq!(scene.desk.asked_for_event(), 1);
    worker.stopped().await;
    scene.audit().await;
}

/// Kills a worker whose notice arrived and was not answered; gives how often moderators' entries were asked for in the end.
async fn killed_behind(effect: Effect, store: Arc<dyn TestStore>) -> usize {
    let scene = scene(store).await;
    scene.desk.stick(effect);
    scene.scan(1).await;
    let first = scene.worker();
    becomes("a notice is not answered", || scene.desk.is_stuck()).await;
    first.killed().await;
    let second = scene.worker();
    scene.until_crashed(&TaskKey::new("flag:1:file1").unwrap(), 1).await;
    assert_told_once(&scene).await;
    second.stopped().await;
    scene.audit().await;
    scene.desk.asked_for_event()
}

pub(crate) async fn a_worker_killed_behind_the_event_asks_for_the_same_one_again(store: Arc<dyn TestStore>) {
    assert_eq!(killed_behind(Effect::Event, store).await, 2, "with one key, for one entry");
}

pub(crate) async fn a_worker_killed_behind_the_message_leaves_one_message(store: Arc<dyn TestStore>) {
    assert_eq!(killed_behind(Effect::Message, store).await, 1);
}

pub(crate) async fn a_flag_that_a_killed_scan_left_untold_is_told(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let row = Scan {
        track_id: 1,
        file_id: "file1".to_owned(),
        state: ScanState::Flagged,
        highest_score: 0.0,
        matches: Vec::new(),
        self_match: None,
        raw_response: Value::Null,
        error: None,
        scanned_at: START,
    };
    scene.catalogue.kept.record_scan(&row).await.unwrap();
    let scan = scene.scan(1).await;
    let worker = scene.worker();
    let task = scene.until(&scan, TaskState::Completed).await;
    let report: ScanReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert_eq!(report, ScanReport::Scanned { state: ScanState::Flagged, match_count: 0, self_match: None });
    assert_told_once(&scene).await;
    assert_eq!(scene.moderation.asked(), 0, "the verdict was paid for");
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn an_outage_of_one_is_tried_again_no_sooner_than_it_says_and_the_other_is_told(
    store: Arc<dyn TestStore>,
) {
    let scene = scene(store).await;
    scene.desk.refuse(Effect::Event, (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")], "busy"));
    scene.scan(1).await;
    let worker = scene.worker();
    assert_eq!(until(&scene, TaskState::Scheduled).await.attempts, 1);
    assert_eq!((scene.desk.events().len(), scene.desk.messages().len()), (0, 1));
    scene.pass(Duration::from_millis(6_999)).await;
    assert_eq!(scene.view(&key()).await.state, TaskState::Scheduled);
    scene.pass(Duration::from_millis(1)).await;
    assert_told_once(&scene).await;
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_refused_message_is_dead_with_the_reason_and_a_requeue_tells_what_is_missing(
    store: Arc<dyn TestStore>,
) {
    let scene = scene(store).await;
    scene.desk.refuse(Effect::Message, (StatusCode::BAD_REQUEST, "recipient has disabled incoming messages"));
    scene.scan(1).await;
    let worker = scene.worker();
    let dead = until(&scene, TaskState::Dead).await;
    assert!(dead.error.unwrap().contains("disabled incoming messages"));
    assert_eq!(scene.client.requeue(&key(), dead.fence).await.unwrap(), RequeueAnswer::Requeued);
    assert_told_once(&scene).await;
    assert_eq!(scene.desk.asked_for_event(), 1);
    worker.stopped().await;
    scene.audit().await;
}
