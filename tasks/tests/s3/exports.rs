//! `process_export`.

use std::io::{Cursor, Read as _};
use std::time::Duration;

use docket_core::{TaskKey, TaskState};
use docket_tasks::{AudioFile, Buckets, ExportDownload, JobState, PART_BYTES, export_download};
use reqwest::{Response, StatusCode};
use zip::ZipArchive;

use crate::server::{SECRET, Server};
use crate::world::{ARTIST, World, eventually, read};

const ARCHIVE: &str = "exports/e1.zip";

/// This many tracks of `bytes` each, and an export of them.
async fn world(tracks: u8, bytes: usize) -> (World, TaskKey) {
    let world = World::new().await;
    for id in 1..=tracks {
        world.track(id.into(), AudioFile::new(format!("file{id}"), "mp3"), &vec![id; bytes]).await;
    }
    let key = world.export("e1").await;
    (world, key)
}

/// An address to download the archive from, for a while.
async fn address(world: &World, valid_for: Duration) -> String {
    let services = world.services(world.buckets(&world.server.endpoint, SECRET));
    let download = export_download(&services, "e1", ARTIST, valid_for).await.unwrap();
    let ExportDownload::Ready(address) = download else { panic!("{download:?}") };
    address
}

/// The archive holds every track, whole.
fn assert_archive(archive: Vec<u8>, tracks: u8, bytes: usize) {
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    // And a manifest.
    assert_eq!(archive.len(), usize::from(tracks) + 1);
    for id in 1..=tracks {
        let mut audio = Vec::new();
        archive.by_name(&format!("Song {id}.mp3")).unwrap().read_to_end(&mut audio).unwrap();
        assert!(audio == vec![id; bytes], "track {id}");
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_many_parts_is_whole_and_all_its_parts_but_the_last_are_equal() {
    let bytes = 9 << 20;
    let (world, key) = world(3, bytes).await;
    let gate = world.gate().await;
    let worker = world.worker_behind(&gate);
    world.until(&key, TaskState::Completed).await;
    worker.stopped().await;

    let passed = gate.passed();
    assert!(passed.iter().all(|call| call.object.ends_with(ARCHIVE)), "{passed:?}");
    let mut parts: Vec<_> = passed.iter().filter(|call| call.what.starts_with("part ")).collect();
    parts.sort_by_key(|part| part.what.clone());
    let (last, full) = parts.split_last().unwrap();
    assert_eq!(full.iter().map(|part| part.bytes).collect::<Vec<_>>(), [PART_BYTES; 3]);
    assert!((1..=PART_BYTES).contains(&last.bytes), "{last:?}");
    assert_eq!((passed.len(), world.server.waiting_parts(&world.names.exports).await), (6, 0));

    let response = reqwest::get(address(&world, Duration::from_mins(1)).await).await.unwrap();
    assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "application/zip"));
    let filename = "attachment; filename=\"plyr-tracks-2026-01-01.zip\"";
    assert_eq!(header(&response, "content-disposition"), filename);
    assert_archive(response.bytes().await.unwrap().into(), 3, bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_is_for_those_who_have_its_signed_address_while_that_is_good() {
    let (world, key) = world(1, 5).await;
    let worker = world.worker();
    world.until(&key, TaskState::Completed).await;
    worker.stopped().await;
    let signed = address(&world, Duration::from_secs(3)).await;
    let status = async |url: &str| reqwest::get(url).await.unwrap().status();
    assert_eq!(status(&signed).await, StatusCode::OK);
    let unsigned = signed.split('?').next().unwrap();
    assert_eq!(status(unsigned).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&signed.replace("X-Amz-Expires=3&", "X-Amz-Expires=3600&")).await, StatusCode::FORBIDDEN);
    // The clock is the server's, which nobody can move.
    eventually("the address ends", async || (status(&signed).await == StatusCode::FORBIDDEN).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_behind_any_call_leaves_nothing_to_see_and_no_parts_and_the_next_run_one_archive() {
    let bytes = 5 << 20;
    // Two parts: begin, one, two, complete.
    for answered in 0..4 {
        let (world, key) = world(2, bytes).await;
        let gate = world.gate().await;
        gate.stick_after(answered);
        world.kill_behind(&gate).await;
        let is_complete = gate.passed().iter().any(|call| call.what == "complete");
        let exports = Server::bucket(&world.server.endpoint, &world.names.exports, SECRET);
        assert_eq!(exports.size(ARCHIVE).await.unwrap().is_some(), is_complete, "after {answered} answers");
        let waiting = async || world.server.waiting_parts(&world.names.exports).await;
        eventually("no part waits", async || (waiting().await == 0).then_some(())).await;

        let worker = world.worker();
        world.until(&key, TaskState::Completed).await;
        worker.stopped().await;
        assert_archive(read(&exports, ARCHIVE).await.unwrap(), 2, bytes);
        assert_eq!(waiting().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_and_a_missing_bucket_are_final_and_say_so_in_the_job() {
    for (secret, exports, reason) in
        [("guessed-secret", None, "AWS_SECRET_ACCESS_KEY"), (SECRET, Some("no-such-bucket"), "NoSuchBucket")]
    {
        let (world, key) = world(1, 5).await;
        let mut buckets = world.buckets(&world.server.endpoint, secret);
        if let Some(name) = exports {
            buckets = Buckets { exports: Server::bucket(&world.server.endpoint, name, secret), ..buckets };
        }
        let worker = world.worker_with(buckets);
        let task = world.until(&key, TaskState::Dead).await;
        worker.stopped().await;
        let job = docket_tasks::Catalogue::job(&*world.catalogue, "e1").await.unwrap().unwrap();
        assert_eq!((task.attempts, job.state, job.error.as_deref()), (1, JobState::Failed, task.error.as_deref()));
        let error = task.error.unwrap();
        assert!(error.contains(reason) && !error.contains("guessed-secret"), "{error}");
    }
}
