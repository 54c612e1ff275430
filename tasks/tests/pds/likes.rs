//! `pds_like`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use docket_core::{Answer, Key, State, TestStore};
use docket_tasks::{Change, Like, PdsLike, Record, RecordReport, schedule_pds_like, wake_did};
use serde_json::json;

use crate::server::Account;
use crate::world::{PAST_ANY_LEASE, START, World, eventually, subject};

const LIKE: &str = "fm.plyr.like";
const TRACK: i64 = 42;

impl World {
    async fn like(&self, who: &Account) -> Key {
        self.rows.kept.put_like(&who.did, TRACK, Like { subject: Some(subject()), created_at: START });
        schedule_pds_like(&self.client, &who.did, TRACK, Change::Creation).await.unwrap().key
    }

    async fn unlike(&self, who: &Account) -> Key {
        self.rows.kept.remove(&like_of(who));
        schedule_pds_like(&self.client, &who.did, TRACK, Change::Deletion).await.unwrap().key
    }

    /// Row, slot and repository say the same: liked.
    async fn assert_liked(&self, who: &Account) {
        let records = self.records(who, LIKE).await;
        let [record] = &*records else { panic!("{records:?}") };
        let content = json!({"$type": LIKE, "subject": subject(), "createdAt": "2026-01-01T00:00:00.000000Z"});
        assert_eq!(record.value, content);
        assert_eq!(self.rows.kept.uri(&like_of(who)).as_ref(), Some(&record.uri));
        assert_eq!(self.rows.kept.rkey(&like_of(who)).unwrap().to_string(), record.uri.rkey());
    }

    /// Nothing is left.
    async fn assert_not_liked(&self, who: &Account) {
        assert_eq!(self.records(who, LIKE).await, []);
        assert_eq!((self.rows.kept.uri(&like_of(who)), self.rows.kept.rkey(&like_of(who))), (None, None));
    }
}

fn like_of(who: &Account) -> Record {
    Record::Like { did: who.did.clone(), track_id: TRACK }
}

pub(crate) async fn a_like_is_a_record_and_an_unlike_takes_it_away(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    let key = world.like(&ada).await;
    let worker = world.worker();
    let task = world.until(&key, State::Completed).await;
    let report: RecordReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert!(matches!(report, RecordReport::Written(written) if written.uri.did() == ada.did));
    world.assert_liked(&ada).await;
    // The same once more, as a lost reply would have it: nothing changes.
    let before = world.records(&ada, LIKE).await;
    let fence = world.view(&key).await.fence;
    PdsLike::add(&world.client, &ada.did, TRACK).await.unwrap();
    eventually("it has run again", async || (world.view(&key).await.fence > fence).then_some(())).await;
    world.until(&key, State::Completed).await;
    assert_eq!(world.records(&ada, LIKE).await, before);
    world.unlike(&ada).await;
    world.until(&key, State::Completed).await;
    eventually("it is gone", async || world.records(&ada, LIKE).await.is_empty().then_some(())).await;
    world.until(&key, State::Completed).await;
    world.assert_not_liked(&ada).await;
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_burst_of_changes_ends_as_the_row(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    for _ in 0..10 {
        world.like(&ada).await;
        world.unlike(&ada).await;
    }
    let key = world.like(&ada).await;
    let worker = world.worker();
    world.until(&key, State::Completed).await;
    world.assert_liked(&ada).await;
    assert_eq!((gate.asked("putRecord"), gate.asked("deleteRecord")), (1, 0));
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_worker_killed_behind_the_put_leaves_one_record(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    let key = world.like(&ada).await;
    gate.keep_answer("putRecord", 1);
    let first = world.worker();
    gate.kept(1).await;
    assert_eq!(world.records(&ada, LIKE).await.len(), 1, "the put has taken effect");
    first.killed().await;
    let second = world.worker();
    world.pass(PAST_ANY_LEASE).await;
    assert_eq!(world.until(&key, State::Completed).await.crashes, 1);
    assert_eq!(gate.asked("putRecord"), 2);
    world.assert_liked(&ada).await;
    second.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_worker_killed_behind_the_row_leaves_one_record(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    let key = world.like(&ada).await;
    world.rows.hold(true);
    let first = world.worker();
    eventually("it has confirmed", async || (world.rows.held() == 1).then_some(())).await;
    first.killed().await;
    world.rows.hold(false);
    let second = world.worker();
    world.pass(PAST_ANY_LEASE).await;
    world.until(&key, State::Completed).await;
    world.assert_liked(&ada).await;
    second.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_worker_killed_behind_the_delete_leaves_none(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    let key = world.like(&ada).await;
    let first = world.worker();
    world.until(&key, State::Completed).await;
    gate.keep_answer("deleteRecord", 1);
    world.unlike(&ada).await;
    gate.kept(1).await;
    first.killed().await;
    let second = world.worker();
    world.pass(PAST_ANY_LEASE).await;
    world.until(&key, State::Completed).await;
    assert_eq!(gate.asked("deleteRecord"), 2, "that it is gone already is a success");
    world.assert_not_liked(&ada).await;
    second.stopped().await;
    world.audit().await;
}

pub(crate) async fn an_unlike_while_the_like_is_written_leaves_none(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    let key = world.like(&ada).await;
    world.rows.hold(true);
    let worker = world.worker();
    eventually("it has confirmed", async || (world.rows.held() == 1).then_some(())).await;
    world.rows.kept.remove(&like_of(&ada));
    let receipt = schedule_pds_like(&world.client, &ada.did, TRACK, Change::Deletion).await.unwrap();
    assert_eq!(receipt.answer, Answer::Follows);
    world.rows.hold(false);
    eventually("it is gone", async || world.records(&ada, LIKE).await.is_empty().then_some(())).await;
    world.until(&key, State::Completed).await;
    world.assert_not_liked(&ada).await;
    worker.stopped().await;
    world.audit().await;
}

/// The service died between the commit of the unlike and the schedule.
pub(crate) async fn an_unlike_nobody_scheduled_is_seen_by_the_run_it_overtook(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    let key = world.like(&ada).await;
    gate.keep_answer("putRecord", 1);
    let first = world.worker();
    gate.kept(1).await;
    world.rows.kept.remove(&like_of(&ada));
    first.killed().await;
    let second = world.worker();
    world.pass(PAST_ANY_LEASE).await;
    world.until(&key, State::Completed).await;
    world.assert_not_liked(&ada).await;
    second.stopped().await;
    world.audit().await;
}

pub(crate) async fn what_nobody_wants_is_nothing(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    // Liked and unliked before any worker came; and a task for what never was.
    world.like(&ada).await;
    let key = world.unlike(&ada).await;
    let unknown = PdsLike::add(&world.client, &ada.did, 7).await.unwrap().key;
    let worker = world.worker();
    world.until(&key, State::Completed).await;
    let task = world.until(&unknown, State::Completed).await;
    let report: RecordReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert_eq!(report, RecordReport::Nothing);
    world.assert_not_liked(&ada).await;
    worker.stopped().await;
    world.audit().await;
}

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
    assert_eq!(world.until(&key, State::Completed).await.attempts, 0);
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
    let dead = world.until(&key, State::Dead).await;
    assert!(dead.error.unwrap().contains(&format!("{} has no session", ada.did)));
    world.log_in(&ada).await;
    wake_did(&world.client, &world.rows.kept, &ada.did).await.unwrap();
    world.until(&key, State::Completed).await;
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
    world.until(&key, State::Completed).await;
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
    let dead = world.until(&key, State::Dead).await;
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
