//! `move_track_audio`, between two buckets.

use std::time::Duration;

use docket_core::TaskState;
use docket_tasks::{AudioFile, AudioStorage, Catalogue as _, Storage, Track};
use reqwest::StatusCode;

use crate::server::{SECRET, Server};
use crate::world::{World, read};

/// The audio's bytes, and the first half of their SHA-256.
const AUDIO: &[u8] = b"audio";
const FILE_ID: &str = "6ed8919ce20490a5";
const KEY: &str = "audio/6ed8919ce20490a5.mp3";

/// Track 1 is public.
async fn world() -> World {
    let world = World::new().await;
    world.track(1, AudioFile::new(FILE_ID, "mp3"), AUDIO).await;
    world
}

async fn track(world: &World) -> Track {
    world.catalogue.track(1).await.unwrap().unwrap()
}

/// The contents of each bucket.
async fn objects(world: &World) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (read(&world.public(), KEY).await, read(&world.private(), KEY).await)
}

/// What a browser is told of the object: its type, and who may keep it.
async fn told(bucket: &Storage) -> [String; 2] {
    let address = bucket.download_url(KEY, Duration::from_mins(1)).await.unwrap();
    let response = reqwest::get(address).await.unwrap();
    ["content-type", "cache-control"].map(|name| response.headers()[name].to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_goes_there_and_back_with_what_browsers_are_told_of_it() {
    let world = world().await;
    let worker = world.worker();
    world.until(&world.switch_gate(1, true).await, TaskState::Completed).await;
    assert_eq!(objects(&world).await, (None, Some(AUDIO.to_vec())));
    assert_eq!((track(&world).await.storage, track(&world).await.audio_url), (AudioStorage::Private, None));
    assert_eq!(told(&world.private()).await, ["audio/mpeg", "private, no-store"]);

    world.until(&world.switch_gate(1, false).await, TaskState::Completed).await;
    assert_eq!(objects(&world).await, (Some(AUDIO.to_vec()), None));
    assert_eq!(track(&world).await.audio_url.unwrap(), format!("https://audio.plyr.fm/{KEY}"));
    assert_eq!(told(&world.public()).await, ["audio/mpeg", "public, max-age=31536000, immutable"]);
    worker.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_audio_is_only_for_those_who_have_a_signed_address() {
    let world = world().await;
    let worker = world.worker();
    world.until(&world.switch_gate(1, true).await, TaskState::Completed).await;
    worker.stopped().await;
    let signed = world.private().download_url(KEY, Duration::from_mins(1)).await.unwrap();
    let status = async |url: &str| reqwest::get(url).await.unwrap().status();
    assert_eq!(status(&signed).await, StatusCode::OK);
    assert_eq!(status(signed.split('?').next().unwrap()).await, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_behind_any_call_never_says_private_too_early_and_the_next_run_ends_it() {
    // Begin, one part, complete, delete: there, and back.
    for (is_gated, answered) in [true, false].into_iter().flat_map(|gated| (0..4).map(move |n| (gated, n))) {
        let world = world().await;
        let worker = world.worker();
        if !is_gated {
            world.until(&world.switch_gate(1, true).await, TaskState::Completed).await;
        }
        worker.stopped().await;

        let key = world.switch_gate(1, is_gated).await;
        let gate = world.gate().await;
        gate.stick_after(answered);
        world.kill_behind(&gate).await;
        let said = track(&world).await;
        let (in_public, in_private) = objects(&world).await;
        assert!(in_public.is_some() || in_private.is_some(), "{answered}: nothing is lost");
        assert!(said.storage == AudioStorage::Public || in_public.is_none() || !is_gated, "{answered}: called private");
        assert!(said.audio_url.is_none() || in_public.is_some() || is_gated, "{answered}: an address without audio");

        let worker = world.worker();
        world.until(&key, TaskState::Completed).await;
        worker.stopped().await;
        let expected = if is_gated { (None, Some(AUDIO.to_vec())) } else { (Some(AUDIO.to_vec()), None) };
        assert_eq!(objects(&world).await, expected, "{is_gated} {answered}");
        assert_eq!(track(&world).await.audio_url.is_some(), !is_gated);
        for bucket in [&world.names.public, &world.names.private] {
            assert_eq!(world.server.waiting_parts(bucket).await, 0, "{is_gated} {answered}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_another_track_wants_stays_for_it() {
    let world = world().await;
    world.track(2, AudioFile::new(FILE_ID, "mp3"), AUDIO).await;
    let worker = world.worker();
    world.until(&world.switch_gate(1, true).await, TaskState::Completed).await;
    assert_eq!(objects(&world).await, (Some(AUDIO.to_vec()), Some(AUDIO.to_vec())));
    world.until(&world.switch_gate(2, true).await, TaskState::Completed).await;
    assert_eq!(objects(&world).await, (None, Some(AUDIO.to_vec())));
    world.until(&world.switch_gate(1, false).await, TaskState::Completed).await;
    assert_eq!(objects(&world).await, (Some(AUDIO.to_vec()), Some(AUDIO.to_vec())));
    worker.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_bucket_and_a_wrong_key_are_final_and_leave_the_track_as_it_is() {
    for (secret, reason) in [("guessed-secret", "AWS_SECRET_ACCESS_KEY"), (SECRET, "NoSuchBucket")] {
        let world = world().await;
        let mut buckets = world.buckets(&world.server.endpoint, secret);
        buckets.private = Some(Server::bucket(&world.server.endpoint, "no-such-bucket", secret));
        let key = world.switch_gate(1, true).await;
        let worker = world.worker_with(buckets);
        let error = world.until(&key, TaskState::Dead).await.error.unwrap();
        worker.stopped().await;
        assert!(error.contains(reason) && !error.contains("guessed-secret"), "{error}");
        assert_eq!(
            (track(&world).await.storage, objects(&world).await.0),
            (AudioStorage::Public, Some(AUDIO.to_vec()))
        );
    }
}
