//! `classify_genres`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use docket_core::{TaskState, TestStore};
use docket_tasks::{Genres, GenresReport};
use serde_json::{Value, json};

use crate::scene::{Scene, becomes};

/// Track 1, whose artist asked for tags.
async fn scene(store: Arc<dyn TestStore>) -> Scene {
    let scene = Scene::new(store).await;
    scene.track(1, "Overture", Some("audio"));
    scene.catalogue.kept.ask_for_tags(1);
    scene
}

fn heard() -> Json<Value> {
    Json(json!({ "status": "succeeded", "output": { "Electronic---Ambient": 0.8, "Rock---Indie Rock": 0.1 } }))
}

pub(crate) async fn the_track_and_the_result_agree(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    scene.replicate.answer(heard());
    let key = scene.classify(1).await;
    assert_eq!(key.as_str(), "genres:1:file1");
    let worker = scene.worker();
    let task = scene.until(&key, TaskState::Completed).await;
    let report: GenresReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert_eq!(report, GenresReport::Classified { top_genre: Some("ambient".to_owned()), count: 4, tagged: true });
    let kept = scene.catalogue.kept.genres(1, "file1").await.unwrap().unwrap();
    assert_eq!((kept[0].name.as_str(), kept.len()), ("ambient", 4));
    assert_eq!(scene.catalogue.kept.tags_of(1), ["ambient", "electronic"]);
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn an_outage_is_tried_again_no_sooner_than_the_service_says(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    scene.replicate.answer((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]));
    scene.replicate.answer(heard());
    let key = scene.classify(1).await;
    let worker = scene.worker();
    assert_eq!(scene.until(&key, TaskState::Scheduled).await.attempts, 1);
    scene.pass(Duration::from_millis(6_999)).await;
    assert_eq!(scene.view(&key).await.state, TaskState::Scheduled);
    scene.pass(Duration::from_millis(1)).await;
    scene.until(&key, TaskState::Completed).await;
    assert_eq!(scene.replicate.asked(), 2);
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_worker_killed_while_it_listens_leaves_one_set_of_tags(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let key = scene.classify(1).await;
    let first = scene.worker();
    becomes("the model is asked", || scene.replicate.asked() == 1).await;
    first.killed().await;
    let second = scene.worker();
    scene.until_crashed(&key, 1).await;
    becomes("the model is asked again", || scene.replicate.asked() == 2).await;
    // One answer for each of the two: the killed run may still be listening.
    scene.replicate.answer(heard());
    scene.replicate.answer(heard());
    scene.until(&key, TaskState::Completed).await;
    assert_eq!(scene.catalogue.kept.tags_of(1), ["ambient", "electronic"]);
    second.stopped().await;
    scene.audit().await;
}
