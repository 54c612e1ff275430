//! A day in the service, route by route; the effects are looked up outside.

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::{Process, events, eventually};
use crate::scene::{ADA, BOB, Scene};

pub(crate) async fn every_route_has_its_effect(scene: Scene) {
    let service = scene.process("in-process").await;
    log_in(&scene, &service).await;
    let tracks = uploads(&scene, &service).await;
    let album = album(&scene, &service, &tracks).await;
    likes(&scene, &service, tracks[0]).await;
    comments(&scene, &service, tracks[0]).await;
    play(&scene, &service, tracks[0]).await;
    gate(&scene, &service, tracks[1]).await;
    export(&service).await;
    until_listed(&scene, &service, &album, &tracks).await;
    assert_eq!(service.done(Method::GET, "/health", "", None).await["worker"], "here");
    service.terminate();
    assert!(service.ended().await.success());
}

async fn log_in(scene: &Scene, service: &Process) {
    assert_eq!(service.refused(Method::POST, "/auth/callback", "", Some(scene.login())).await, 401);
    for did in [ADA, BOB] {
        service.done(Method::POST, "/auth/callback", did, Some(scene.login())).await;
        until(scene, did, "fm.plyr.actor.profile", |records| records.len() == 1 && records[0]["avatar"].is_string())
            .await;
    }
}

async fn uploads(scene: &Scene, service: &Process) -> [i64; 2] {
    let mut ids = [0; 2];
    for (number, id) in (0..).zip(&mut ids) {
        *id = service.done(Method::POST, "/tracks", ADA, Some(scene.upload(number))).await["id"].as_i64().unwrap();
    }
    let program = json!({ "title": "x", "file_id": "x", "file_type": "exe" });
    assert_eq!(service.refused(Method::POST, "/tracks", ADA, Some(program)).await, 422);
    for path in ["/moderation/scan", "/replicate/v1/predictions"] {
        eventually(path, async || (scene.outside.asked(path) == 2).then_some(())).await;
    }
    ids
}

async fn album(scene: &Scene, service: &Process, tracks: &[i64]) -> String {
    let album = service.done(Method::POST, "/albums", ADA, Some(json!({ "title": "Tones" }))).await;
    let path = format!("/albums/{}/tracks", album["id"].as_str().unwrap());
    assert_eq!(service.refused(Method::POST, &path, BOB, Some(json!({ "track_id": tracks[0] }))).await, 403);
    for track in tracks {
        service.done(Method::POST, &path, ADA, Some(json!({ "track_id": track }))).await;
    }
    assert_eq!(scene.outside.records(ADA, "fm.plyr.list"), [] as [Value; 0], "a burst is one write, after it");
    path
}

/// The album is on the PDS, and follows when a track leaves it.
async fn until_listed(scene: &Scene, service: &Process, album: &str, tracks: &[i64]) {
    let has = |count| move |lists: &[Value]| lists.len() == 1 && lists[0]["items"].as_array().unwrap().len() == count;
    until(scene, ADA, "fm.plyr.list", has(2)).await;
    service.done(Method::DELETE, &format!("{album}/{}", tracks[1]), ADA, None).await;
    until(scene, ADA, "fm.plyr.list", has(1)).await;
}

async fn likes(scene: &Scene, service: &Process, track: i64) {
    let path = format!("/tracks/{track}/like");
    assert_eq!(service.refused(Method::POST, "/tracks/77/like", BOB, None).await, 404);
    service.done(Method::POST, &path, BOB, None).await;
    until(scene, BOB, "fm.plyr.like", |likes| likes.len() == 1).await;
    service.done(Method::DELETE, &path, BOB, None).await;
    until(scene, BOB, "fm.plyr.like", <[Value]>::is_empty).await;
    service.done(Method::POST, &path, BOB, None).await;
    until(scene, BOB, "fm.plyr.like", |likes| likes.len() == 1).await;
}

async fn comments(scene: &Scene, service: &Process, track: i64) {
    let path = format!("/tracks/{track}/comments");
    let new = |text: &str| Some(json!({ "text": text, "timestamp_ms": 1 }));
    assert_eq!(service.refused(Method::POST, &path, BOB, new(&"x".repeat(1_001))).await, 422);
    let id = service.done(Method::POST, &path, BOB, new("first")).await["id"].as_i64().unwrap();
    let path = format!("/tracks/comments/{id}");
    until(scene, BOB, "fm.plyr.comment", |comments| comments.len() == 1).await;
    assert_eq!(service.refused(Method::PATCH, &path, ADA, Some(json!({ "text": "not hers" }))).await, 403);
    service.done(Method::PATCH, &path, BOB, Some(json!({ "text": "second" }))).await;
    until(scene, BOB, "fm.plyr.comment", |comments| comments.len() == 1 && comments[0]["text"] == "second").await;
    assert_eq!(service.refused(Method::DELETE, &path, ADA, None).await, 403);
    service.done(Method::DELETE, &path, BOB, None).await;
    until(scene, BOB, "fm.plyr.comment", <[Value]>::is_empty).await;
    assert_eq!(service.refused(Method::DELETE, &path, BOB, None).await, 404);
}

async fn play(scene: &Scene, service: &Process, track: i64) {
    let answer = service.done(Method::POST, &format!("/tracks/{track}/play"), BOB, None).await;
    assert_eq!(answer["scrobbled"], true);
    until(scene, BOB, "fm.teal.feed.play", |plays| plays.len() == 1 && plays[0]["trackName"] == "Track 0").await;
}

async fn gate(scene: &Scene, service: &Process, track: i64) {
    let (path, gate) = (format!("/tracks/{track}"), Some(json!({ "support_gate": true })));
    assert_eq!(service.refused(Method::PATCH, &path, BOB, gate.clone()).await, 403);
    service.done(Method::PATCH, &path, ADA, gate).await;
    let is_there = |bucket| scene.audio(bucket, "file1").exists();
    eventually("the audio is private", async || (is_there("private") && !is_there("public")).then_some(())).await;
}

async fn export(service: &Process) {
    assert_eq!(service.refused(Method::POST, "/exports/media", BOB, None).await, 404);
    let started = service.done(Method::POST, "/exports/media", ADA, None).await;
    let id = started["export_id"].as_str().unwrap();
    let (progress, download) = (format!("/exports/{id}/progress"), format!("/exports/{id}/download"));
    for path in [&progress, &download] {
        assert_eq!(service.refused(Method::GET, path, "", None).await, 401, "{path}");
        assert_eq!(service.refused(Method::GET, path, BOB, None).await, 403, "{path}");
    }
    assert_eq!(service.refused(Method::GET, "/exports/none/progress", ADA, None).await, 404);
    let mut stream = service.send(Method::GET, &progress, ADA, None).await;
    let events = events(&mut stream, |_| false).await;
    let last = events.last().expect("it says at least how it ended");
    assert_eq!(
        (&last["status"], &last["progress_pct"], &last["processed_count"]),
        (&json!("completed"), &json!(100), &json!(2))
    );
    assert_eq!(last["download_url"], download);
    assert!(events.windows(2).all(|pair| pair[0] != pair[1]), "only changes are sent: {events:?}");
    assert_eq!(service.refused(Method::GET, &download, ADA, None).await, 307);
}

/// While the docket takes nothing, a request is refused, and leaves no row.
pub(crate) async fn a_row_and_its_task_are_one(scene: &Scene) {
    let service = scene.process("none").await;
    let id = service.done(Method::POST, "/tracks", ADA, Some(scene.upload(0))).await["id"].as_i64().unwrap();
    let (path, likes) = (format!("/tracks/{id}/like"), "SELECT count(*) FROM track_likes");
    scene.execute("ALTER SCHEMA docket RENAME TO gone").await;
    assert_eq!(service.refused(Method::POST, &path, BOB, None).await, 503);
    assert_eq!(scene.count(likes).await, 0);
    scene.execute("ALTER SCHEMA gone RENAME TO docket").await;
    service.done(Method::POST, &path, BOB, None).await;
    assert_eq!(scene.count(likes).await, 1);
    let key = docket::TaskKey::new(format!("like:{BOB}:{id}")).unwrap();
    assert!(scene.docket().await.store().get(&key).await.unwrap().is_some());
}

async fn until(scene: &Scene, did: &str, collection: &str, is_so: impl Fn(&[Value]) -> bool) {
    eventually(&format!("{collection} of {did}"), async || {
        is_so(&scene.outside.records(did, collection)).then_some(())
    })
    .await;
}
