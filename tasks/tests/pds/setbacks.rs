//! Faults between a task and its PDS, shown with `pds_like`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use docket_core::{TaskState, TestStore};
use docket_tasks::{Like, PdsLike, wake_did};

use crate::likes::TRACK;
use crate::world::{START, World};

pub(crate) async fn who_is_logged_out_is_waited_for_and_a_login_wakes_it(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.server.account("ada").await;
    let key = world.like(&ada).await;
    let worker = world.worker();
    let parked = world.until_attempt(&key, 1).await;
    assert!(parked.error.unwrap().contains("tried again when it logs in"));
    assert!(!String::from_utf8_lossy(parked.args.as_bytes()).contains("session"), "args name no session");
    world.log_in(&ada).await;
    assert_eq!(wake_did(&world.client, &world.rows.kept, &ada.did).await.unwrap(), 1);
    assert_eq!(world.until(&key, TaskState::Completed).await.attempts, 0);
    world.assert_liked(&ada).await;
    assert_eq!(wake_did(&world.client, &world.rows.kept, &ada.did).await.unwrap(), 0);
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn who_stays_logged_out_is_given_up_after_a_day_and_still_woken(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.server.account("ada").await;
    let key = world.like(&ada).await;
    let worker = world.worker();
    for attempts in 1..10 {
        world.until_attempt(&key, attempts).await;
        world.pass(Duration::from_hours(4)).await;
    }
    let dead = world.until(&key, TaskState::Dead).await;
    assert!(dead.error.unwrap().contains(&format!("{} has no session", ada.did)));
    world.log_in(&ada).await;
    wake_did(&world.client, &world.rows.kept, &ada.did).await.unwrap();
    world.until(&key, TaskState::Completed).await;
    world.assert_liked(&ada).await;
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn an_overloaded_pds_is_asked_again_no_sooner_than_it_says(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    gate.answer((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "120")], r#"{"error":"RateLimitExceeded"}"#));
    gate.answer((StatusCode::BAD_GATEWAY, "<html>"));
    let key = world.like(&ada).await;
    let worker = world.worker();
    let waiting = world.until_attempt(&key, 1).await;
    assert!(waiting.error.unwrap().contains("429"));
    world.pass(Duration::from_secs(119)).await;
    assert_eq!(gate.asked("putRecord"), 1);
    world.pass(Duration::from_secs(1)).await;
    assert!(world.until_attempt(&key, 2).await.error.unwrap().contains("502"));
    world.pass(Duration::from_mins(6)).await;
    world.until(&key, TaskState::Completed).await;
    world.assert_liked(&ada).await;
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn what_can_never_work_is_dead_with_the_reason(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    world.rows.kept.put_like(&ada.did, TRACK, Like { subject: None, created_at: START });
    let key = PdsLike::add(&world.client, &ada.did, TRACK).await.unwrap().key;
    let worker = world.worker();
    let dead = world.until(&key, TaskState::Dead).await;
    assert_eq!(dead.error.as_deref(), Some("could not make a record: the track it likes has no record"));
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_deleted_account_is_parked_like_a_logout(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    world.server.delete_account(&ada).await;
    let key = world.like(&ada).await;
    let worker = world.worker();
    let parked = world.until_attempt(&key, 1).await;
    assert!(parked.error.unwrap().contains("has no session"));
    worker.stopped().await;
    world.audit().await;
}
