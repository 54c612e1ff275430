//! `process_export`.

use std::io::{Cursor, Read as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use docket_core::{Answer, CancelAnswer, TaskState, TestStore};
use docket_tasks::{ExportReport, JobState, ProcessExport};
use serde_json::Value;
use zip::ZipArchive;

use crate::scene::{ARTIST, Scene, becomes, eventually};

/// Two tracks whose names collide, and one whose audio is lost.
async fn scene(store: Arc<dyn TestStore>) -> Scene {
    let scene = Scene::new(store).await;
    scene.track(1, "Over/ture", Some("first"));
    scene.track(2, "OVERTURE", Some("second"));
    scene.track(3, "Lost", None);
    scene
}

/// The archive is whole: common to every case that ends well.
fn assert_archive(scene: &Scene, id: &str) {
    let mut zip = ZipArchive::new(Cursor::new(scene.archive(id))).unwrap();
    let mut entries = Vec::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        entries.push((entry.name().unwrap().into_owned(), text));
    }
    let (manifest_name, manifest) = entries.pop().unwrap();
    let entries: Vec<(&str, &str)> = entries.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(entries, [("Overture.mp3", "first"), ("OVERTURE (1).mp3", "second")]);
    assert_eq!(manifest_name, "MANIFEST.txt");
    assert!(manifest.contains("2 of 3 tracks") && manifest.contains("Lost\ttrack 3"), "{manifest}");
}

pub(crate) async fn the_archive_the_job_and_the_result_agree(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let key = scene.export("e1").await;
    let worker = scene.worker();
    let task = scene.until(&key, TaskState::Completed).await;
    let report: ExportReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert_eq!((report.processed_count, report.total_count, report.missing[0].track_id), (2, 3, 3));
    assert_eq!(report.bytes, scene.archive("e1").len() as u64);
    assert_archive(&scene, "e1");
    let job = scene.job("e1").await;
    assert_eq!((job.state, job.progress_pct), (JobState::Completed, 100));
    assert_eq!(Value::Object(job.result), serde_json::to_value(report).unwrap());
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn an_outage_is_tried_again_and_leaves_nothing_visible(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    scene.catalogue.is_away.store(true, Ordering::SeqCst);
    let key = scene.export("e1").await;
    let worker = scene.worker();
    let task = eventually("an attempt is counted", async || {
        let task = scene.view(&key).await;
        (task.attempts == 1 && task.state == TaskState::Scheduled).then_some(task)
    })
    .await;
    assert!(task.error.unwrap().contains("it is away"));
    assert_eq!((scene.exports(), scene.job("e1").await.state), (Vec::new(), JobState::Processing));
    scene.catalogue.is_away.store(false, Ordering::SeqCst);
    scene.pass(Duration::from_mins(1)).await;
    scene.until(&key, TaskState::Completed).await;
    assert_archive(&scene, "e1");
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_worker_killed_in_the_middle_leaves_one_archive(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    scene.catalogue.hold(true);
    let key = scene.export("e1").await;
    let first = scene.worker();
    becomes("the export is in the middle", || scene.catalogue.held() == 1).await;
    assert!(!scene.exports().contains(&"e1.zip".to_owned()), "half an archive is visible");
    first.killed().await;
    scene.catalogue.hold(false);
    let second = scene.worker();
    scene.until_crashed(&key, 1).await;
    scene.until(&key, TaskState::Completed).await;
    assert_archive(&scene, "e1");
    assert_eq!(scene.job("e1").await.state, JobState::Completed);
    // The killed run has undone its remaining effects.
    becomes("only the archive is left", || scene.exports() == ["e1.zip"]).await;
    second.stopped().await;
    scene.audit().await;
}

pub(crate) async fn a_cancel_takes_the_upload_back_and_fails_the_job(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    scene.catalogue.hold(true);
    let key = scene.export("e1").await;
    let worker = scene.worker();
    becomes("the export is in the middle", || scene.catalogue.held() == 1).await;
    assert_eq!(scene.exports().len(), 1, "its upload has begun");
    assert_eq!(scene.client.cancel(&key).await.unwrap(), CancelAnswer::Cancelling);
    scene.until(&key, TaskState::Cancelled).await;
    assert_eq!(scene.exports(), Vec::<String>::new());
    let job = scene.job("e1").await;
    assert_eq!((job.state, job.error.as_deref()), (JobState::Failed, Some("cancelled")));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn what_can_never_work_is_dead_with_the_reason(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let worker = scene.worker();
    let unknown = ProcessExport { export_id: "unknown".to_owned(), artist_did: ARTIST.to_owned() };
    let key = scene.client.add(unknown).await.unwrap().key;
    assert_eq!(scene.until(&key, TaskState::Dead).await.error.as_deref(), Some("there is no job unknown"));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn adding_it_twice_exports_once(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    let key = scene.export("e1").await;
    let again = docket_tasks::schedule_export(&scene.client, "e1", ARTIST).await.unwrap();
    assert!(again.key == key && matches!(again.answer, Answer::Exists(_)), "{again:?}");
    let worker = scene.worker();
    let fence = scene.until(&key, TaskState::Completed).await.fence;
    let report = scene.job("e1").await.result;
    // A second life of the key finds the work done: it reports the same, and uploads nothing.
    std::fs::remove_file(report["archive"].as_str().unwrap().strip_prefix("file://").unwrap()).unwrap();
    docket_tasks::schedule_export(&scene.client, "e1", ARTIST).await.unwrap();
    eventually("the second life is over", async || {
        let task = scene.view(&key).await;
        (task.state == TaskState::Completed && task.fence > fence).then_some(())
    })
    .await;
    assert_eq!((scene.job("e1").await.result, scene.exports()), (report, Vec::new()));
    worker.stopped().await;
    scene.audit().await;
}

pub(crate) async fn more_exports_than_may_run_at_once_come_back_uncounted(store: Arc<dyn TestStore>) {
    let scene = scene(store).await;
    scene.catalogue.hold(true);
    let mut keys = Vec::new();
    for id in ["e1", "e2", "e3"] {
        keys.push(scene.export(id).await);
    }
    let worker = scene.worker();
    becomes("two are in the middle", || scene.catalogue.held() == docket_tasks::EXPORTS_MAX).await;
    let waiting = eventually("the third waits", async || {
        for key in &keys {
            let task = scene.view(key).await;
            if task.state == TaskState::Scheduled {
                return Some(task);
            }
        }
        None
    })
    .await;
    assert_eq!((waiting.attempts, waiting.error), (0, None));
    scene.catalogue.hold(false);
    for key in keys.iter().filter(|key| **key != waiting.key) {
        scene.until(key, TaskState::Completed).await;
    }
    scene.pass(Duration::from_secs(10)).await;
    scene.until(&waiting.key, TaskState::Completed).await;
    for id in ["e1", "e2", "e3"] {
        assert_archive(&scene, id);
    }
    worker.stopped().await;
    scene.audit().await;
}
