//! `sync_atproto`.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{TaskKey, TaskState, TestStore};
use docket_tasks::{ListId, Lists, Profile, SyncReport, TrackList, schedule_atproto_sync};
use serde_json::json;

use crate::lists::{LIST, items, track};
use crate::server::Account;
use crate::world::{START, World};

const PROFILE: &str = "fm.plyr.actor.profile";

/// An artist with a profile, an album and likes, who just logged in.
async fn logged_in(world: &World, who: &Account) -> TaskKey {
    let profile = Profile { bio: Some("I compute.".to_owned()), avatar_url: Some("https://cdn.bsky.app/a".to_owned()) };
    world.catalogue.put_profile(&who.did, profile);
    let album = TrackList {
        id: ListId::Album("a1".to_owned()),
        did: who.did.clone(),
        name: "Overtures".to_owned(),
        created_at: Some(START),
        record: None,
        tracks: vec![track(&who.did, 2)],
    };
    world.catalogue.put_list(album);
    world.catalogue.put_list(TrackList::liked(&who.did, None, vec![track(&who.did, 4), track(&who.did, 3)]));
    schedule_atproto_sync(&world.client, &who.did).await.unwrap().key
}

async fn report(world: &World, key: &TaskKey) -> SyncReport {
    let task = world.until(key, TaskState::Completed).await;
    serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap()
}

/// Profile, album and likes are on the PDS, once each.
async fn assert_synced(world: &World, who: &Account) {
    let profiles = world.records(who, PROFILE).await;
    let [profile] = &*profiles else { panic!("{profiles:?}") };
    assert_eq!((&profile.value["bio"], profile.uri.rkey()), (&json!("I compute."), "self"));
    let lists = world.records(who, LIST).await;
    let kinds: Vec<_> =
        lists.iter().map(|list| (list.value["listType"].as_str().unwrap(), items(list).len())).collect();
    assert!(kinds.len() == 2 && kinds.contains(&("album", 1)) && kinds.contains(&("liked", 2)), "{kinds:?}");
    assert!(world.catalogue.liked_by(&who.did).await.unwrap().record.is_some());
}

pub(crate) async fn a_login_brings_everything_up_to_date_and_the_next_one_writes_nothing(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    let key = logged_in(&world, &ada).await;
    assert_eq!(key.as_str(), format!("sync:{}", ada.did));
    let worker = world.worker();
    assert_eq!(report(&world, &key).await, SyncReport { written: 3, unchanged: 0, woken: 0 });
    assert_synced(&world, &ada).await;
    let before = (world.records(&ada, PROFILE).await, world.records(&ada, LIST).await);
    let key = schedule_atproto_sync(&world.client, &ada.did).await.unwrap().key;
    assert_eq!(report(&world, &key).await, SyncReport { written: 0, unchanged: 3, woken: 0 });
    assert_eq!((world.records(&ada, PROFILE).await, world.records(&ada, LIST).await), before);
    assert_eq!(gate.asked("putRecord"), 3);
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_changed_profile_keeps_the_day_it_was_made(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    let key = logged_in(&world, &ada).await;
    let worker = world.worker();
    report(&world, &key).await;
    let made = world.records(&ada, PROFILE).await[0].value["createdAt"].clone();
    let changed = Profile { bio: Some("I compute poetry.".to_owned()), avatar_url: None };
    world.catalogue.put_profile(&ada.did, changed);
    world.pass(Duration::from_hours(1)).await;
    let key = schedule_atproto_sync(&world.client, &ada.did).await.unwrap().key;
    assert_eq!(report(&world, &key).await.written, 1);
    let profile = &world.records(&ada, PROFILE).await[0].value;
    assert_eq!((&profile["createdAt"], &profile["bio"]), (&made, &json!("I compute poetry.")));
    assert!(profile.get("avatar").is_none() && profile["updatedAt"].is_string());
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_part_that_fails_stops_no_other_and_is_tried_again(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    let key = logged_in(&world, &ada).await;
    // The profile is the first part, and its first call fails.
    gate.answer(axum::http::StatusCode::BAD_GATEWAY);
    let worker = world.worker();
    world.until_attempt(&key, 1).await;
    assert_eq!((world.records(&ada, PROFILE).await.len(), world.records(&ada, LIST).await.len()), (0, 2));
    world.pass(Duration::from_mins(10)).await;
    assert_eq!(report(&world, &key).await, SyncReport { written: 1, unchanged: 2, woken: 0 });
    assert_synced(&world, &ada).await;
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_worker_killed_behind_any_write_leaves_one_record_of_each(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    for nth in 1..=3 {
        let (ada, gate) = world.user_behind_gate().await;
        let key = logged_in(&world, &ada).await;
        gate.keep_answer("putRecord", nth);
        let first = world.worker();
        gate.kept(1).await;
        first.killed().await;
        let second = world.worker();
        world.until_crashed(&key, 1).await;
        report(&world, &key).await;
        assert_synced(&world, &ada).await;
        assert_eq!(gate.asked("putRecord"), 3, "killed behind write {nth}");
        second.stopped().await;
        world.audit().await;
    }
}

pub(crate) async fn a_login_wakes_what_waited_for_it(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.server.account("ada").await;
    let like = world.like(&ada).await;
    let worker = world.worker();
    world.until_attempt(&like, 1).await;
    world.log_in(&ada).await;
    let key = schedule_atproto_sync(&world.client, &ada.did).await.unwrap().key;
    assert_eq!(report(&world, &key).await.woken, 1);
    world.until(&like, TaskState::Completed).await;
    world.assert_liked(&ada).await;
    worker.stopped().await;
    world.audit().await;
}
