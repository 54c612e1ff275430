//! The end of a process in the middle of an export.

use std::time::{Duration, Instant};

use docket::{TaskKey, TaskState};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::process::{Process, events, eventually};
use crate::scene::{ADA, Scene};

/// Below the time after which a watcher polls by itself.
const TOLD_MAX: Duration = Duration::from_secs(12);
/// Below what platforms wait between the signal and the kill.
const END_MAX: Duration = Duration::from_secs(8);

pub(crate) async fn a_signal_ends_it(scene: &Scene) {
    let service = scene.process("in-process").await;
    let (_, stream) = in_the_middle(scene, &service).await;
    ends_in_time(service, stream).await;
}

pub(crate) async fn another_process_finishes_it(scene: &Scene) {
    let service = scene.process("in-process").await;
    let (id, stream) = in_the_middle(scene, &service).await;
    ends_in_time(service, stream).await;

    let docket = scene.docket().await;
    let key = TaskKey::new(format!("export:{id}")).unwrap();
    let task = docket.store().get(&key).await.unwrap().expect("it is kept");
    assert_eq!((task.attempts, task.crashes), (0, 0), "given back, uncounted: {task:?}");
    assert_ne!(task.state, TaskState::Running);

    scene.outside.hand_out_audio();
    let routes = scene.process("none").await;
    let (mut stream, asked) = (progress(&routes, &id).await, Instant::now());
    let worker = scene.process("only").await;
    assert_eq!(
        worker.refused(Method::GET, &format!("/exports/{id}/progress"), ADA, None).await,
        404,
        "it has no routes"
    );
    let events = events(&mut stream, |_| false).await;
    assert_eq!(events.last().unwrap()["status"], "completed", "{events:?}");
    assert!(asked.elapsed() < TOLD_MAX, "it was not told, it looked: {:?}", asked.elapsed());
    assert_eq!(routes.done(Method::GET, "/health", "", None).await["worker"], "elsewhere");
    for process in [routes, worker] {
        process.terminate();
        assert!(process.ended().await.success());
    }
}

/// The export has begun, waits for audio, and its owner watches.
async fn in_the_middle(scene: &Scene, service: &Process) -> (String, Response) {
    service.done(Method::POST, "/tracks", ADA, Some(scene.upload(0))).await;
    let started = service.done(Method::POST, "/exports/media", ADA, None).await;
    let id = started["export_id"].as_str().unwrap().to_owned();
    let mut stream = progress(service, &id).await;
    let seen = events(&mut stream, |event: &Value| event["status"] == "processing").await;
    assert_eq!(seen.last().unwrap()["status"], "processing", "{seen:?}");
    eventually("the worker waits for audio", async || {
        (scene.outside.asked("/bucket/audio/file0.mp3") > 0).then_some(())
    })
    .await;
    (id, stream)
}

async fn progress(service: &Process, id: &str) -> Response {
    service.send(Method::GET, &format!("/exports/{id}/progress"), ADA, None).await
}

/// The stream ends in order, with the export not said to be over, and so does the process.
async fn ends_in_time(service: Process, mut stream: Response) {
    let signalled = Instant::now();
    service.terminate();
    let rest = events(&mut stream, |_| false).await;
    assert!(rest.iter().all(|event| event["status"] == "processing"), "{rest:?}");
    assert!(service.ended().await.success());
    assert!(signalled.elapsed() < END_MAX, "it took {:?}", signalled.elapsed());
}
