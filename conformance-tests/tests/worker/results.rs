//! A run that did its work has done it, whatever happens to its result.

use std::sync::Arc;

use docket_core::{Store, TaskKey, TaskState, TaskView, limits};
use docket_memory::MemoryBackend;
use docket_postgres::PostgresBackend;
use docket_redis::RedisBackend;

use crate::cases::{Scene, eventually, fast};
use crate::jobs::{NoJson, Sized};
use crate::logs;

/// A limit of the store's own, below the one that a worker knows.
const STORE_MAX: usize = 2_000;

/// It ran once, is completed, and both its record and the log say what is missing.
async fn is_done_without_a_result(scene: &Scene, key: &str, why: &str) {
    let worker = scene.start(fast());
    let view: TaskView = eventually("it is finished", async || {
        let view = scene.view(key).await;
        view.state.is_finished().then_some(view)
    })
    .await;
    worker.stopped().await;
    assert_eq!((view.state, view.attempts, view.result), (TaskState::Completed, 0, None), "{:?}", view.error);
    let error = view.error.unwrap();
    assert!(error.starts_with("completed without its result: ") && error.contains(why), "{error}");
    assert_eq!(scene.log.starts(), [key], "its work is not done again");
    let lines = logs::lines(key);
    assert!(lines.len() == 1 && lines[0].contains("WARN") && lines[0].contains("not kept"), "{lines:?}");
}

pub(crate) async fn what_cannot_be_kept_does_not_undo_the_work(store: Arc<dyn Store>) {
    logs::keep();
    let (scene, key) = (Scene::new(store), TaskKey::unique().to_string());
    scene.client.add(Sized { bytes: limits::PAYLOAD_BYTES_MAX }).key(key.as_str()).await.unwrap();
    is_done_without_a_result(&scene, &key, "its result has 1048578 bytes; the limit is 1048576").await;
}

pub(crate) async fn what_is_no_json_does_not_undo_the_work(store: Arc<dyn Store>) {
    logs::keep();
    let (scene, key) = (Scene::new(store), TaskKey::unique().to_string());
    scene.client.add(NoJson {}).key(key.as_str()).await.unwrap();
    is_done_without_a_result(&scene, &key, "its result does not encode as JSON").await;
}

async fn what_the_store_refuses_does_not_undo_the_work(store: Arc<dyn Store>) {
    logs::keep();
    let (scene, key) = (Scene::new(store), TaskKey::unique().to_string());
    scene.client.add(Sized { bytes: STORE_MAX }).key(key.as_str()).await.unwrap();
    is_done_without_a_result(&scene, &key, "max_payload_bytes is 2000").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_memory_refuses_does_not_undo_the_work() {
    let options = docket_memory::Options { max_payload_bytes: STORE_MAX, ..docket_memory::Options::default() };
    let store = MemoryBackend::with_options(crate::docket("refused"), options).unwrap();
    what_the_store_refuses_does_not_undo_the_work(Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_refuses_does_not_undo_the_work() {
    let options = docket_redis::Options { max_payload_bytes: STORE_MAX, ..docket_redis::Options::default() };
    let url = conformance_tests::servers::redis_url().await;
    let store = RedisBackend::connect(&url, crate::docket("refused"), options).await.unwrap();
    what_the_store_refuses_does_not_undo_the_work(Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgres_refuses_does_not_undo_the_work() {
    let options = docket_postgres::Options { max_payload_bytes: STORE_MAX, ..docket_postgres::Options::default() };
    let url = conformance_tests::servers::postgres_url().await;
    let store = PostgresBackend::connect(&url, crate::docket("refused"), options).await.unwrap();
    what_the_store_refuses_does_not_undo_the_work(Arc::new(store)).await;
}
