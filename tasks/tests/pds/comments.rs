//! `pds_comment`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use docket_core::{TaskKey, TaskState, TestStore, Timestamp};
use docket_tasks::{Change, Comment, Record, schedule_pds_comment};
use serde_json::json;

use crate::server::Account;
use crate::world::{START, World, eventually, subject};

const COMMENT: &str = "fm.plyr.comment";

fn fresh_id() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

fn comment(text: &str, updated_at: Option<Timestamp>) -> Comment {
    Comment { subject: Some(subject()), text: text.to_owned(), timestamp_ms: 4_200, created_at: START, updated_at }
}

impl World {
    async fn comment(&self, who: &Account, id: i64, text: &str) -> TaskKey {
        self.rows.kept.put_comment(&who.did, id, comment(text, None));
        schedule_pds_comment(&self.client, id, Change::Creation).await.unwrap().key
    }

    async fn edit(&self, who: &Account, id: i64, text: &str) {
        self.rows.kept.put_comment(&who.did, id, comment(text, Some(START)));
        schedule_pds_comment(&self.client, id, Change::Update).await.unwrap();
    }

    async fn delete(&self, id: i64) {
        self.rows.kept.remove(&Record::Comment { id });
        schedule_pds_comment(&self.client, id, Change::Deletion).await.unwrap();
    }

    async fn texts(&self, who: &Account) -> Vec<String> {
        let records = self.records(who, COMMENT).await;
        records.iter().map(|record| record.value["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until it says `text` and nothing is left to do.
    async fn until_text(&self, who: &Account, key: &TaskKey, text: &str) {
        eventually(text, async || (self.texts(who).await == [text]).then_some(())).await;
        self.until(key, TaskState::Completed).await;
        assert_eq!(self.texts(who).await, [text]);
    }
}

pub(crate) async fn it_is_created_edited_and_deleted(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, id) = (world.user().await, fresh_id());
    let key = world.comment(&ada, id, "nice").await;
    let worker = world.worker();
    world.until(&key, TaskState::Completed).await;
    let records = world.records(&ada, COMMENT).await;
    let [record] = &*records else { panic!("{records:?}") };
    let content = json!({"$type": COMMENT, "subject": subject(), "text": "nice", "timestampMs": 4_200,
        "createdAt": "2026-01-01T00:00:00.000000Z"});
    assert_eq!(record.value, content);
    assert_eq!(world.rows.kept.uri(&Record::Comment { id }).as_ref(), Some(&record.uri));
    world.edit(&ada, id, "nicer").await;
    world.until_text(&ada, &key, "nicer").await;
    let edited = world.records(&ada, COMMENT).await.remove(0);
    assert_eq!((&edited.uri, &edited.value["createdAt"]), (&record.uri, &content["createdAt"]));
    assert_eq!(edited.value["updatedAt"], "2026-01-01T00:00:00.000000Z");
    world.delete(id).await;
    eventually("it is gone", async || world.texts(&ada).await.is_empty().then_some(())).await;
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn of_a_burst_of_edits_the_last_wins(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ((ada, gate), id) = (world.user_behind_gate().await, fresh_id());
    let worker = world.worker();
    let key = world.comment(&ada, id, "v0").await;
    for n in 1..=20 {
        world.edit(&ada, id, &format!("v{n}")).await;
    }
    world.until_text(&ada, &key, "v20").await;
    assert!(gate.asked("putRecord") < 20, "a burst is not twenty writes: {}", gate.asked("putRecord"));
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn an_edit_while_it_is_created_is_not_lost(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, id) = (world.user().await, fresh_id());
    let key = world.comment(&ada, id, "tpyo").await;
    world.rows.hold(true);
    let worker = world.worker();
    eventually("it has confirmed", async || (world.rows.held() == 1).then_some(())).await;
    world.edit(&ada, id, "typo").await;
    world.rows.hold(false);
    world.until_text(&ada, &key, "typo").await;
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_worker_killed_behind_any_effect_leaves_one_record(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ((ada, gate), id) = (world.user_behind_gate().await, fresh_id());
    let key = world.comment(&ada, id, "one").await;
    gate.keep_answer("putRecord", 1);
    let first = world.worker();
    gate.kept(1).await;
    first.killed().await;
    // The text changes before anybody comes back.
    world.rows.kept.put_comment(&ada.did, id, comment("two", Some(START)));
    let second = world.worker();
    world.rows.hold(true);
    world.until_crashed(&key, 1).await;
    eventually("it has confirmed", async || (world.rows.held() == 1).then_some(())).await;
    second.killed().await;
    world.rows.hold(false);
    let third = world.worker();
    world.until_crashed(&key, 2).await;
    world.until_text(&ada, &key, "two").await;
    gate.keep_answer("deleteRecord", 1);
    world.delete(id).await;
    gate.kept(2).await;
    third.killed().await;
    let fourth = world.worker();
    world.until_crashed(&key, 1).await;
    world.until(&key, TaskState::Completed).await;
    assert_eq!(world.texts(&ada).await, Vec::<String>::new());
    assert_eq!(world.rows.kept.rkey(&Record::Comment { id }), None);
    fourth.stopped().await;
    world.audit().await;
}

pub(crate) async fn one_that_is_deleted_before_it_was_written_is_never_seen(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ((ada, gate), id) = (world.user_behind_gate().await, fresh_id());
    let key = world.comment(&ada, id, "regretted").await;
    world.delete(id).await;
    let worker = world.worker();
    world.until(&key, TaskState::Completed).await;
    assert_eq!((gate.asked("putRecord"), world.texts(&ada).await), (0, Vec::new()));
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn what_can_never_work_is_dead_with_the_reason(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, id) = (world.user().await, fresh_id());
    let key = world.comment(&ada, id, &"x".repeat(1_001)).await;
    let worker = world.worker();
    let dead = world.until(&key, TaskState::Dead).await;
    assert!(dead.error.unwrap().contains("1 to 1000 bytes, this one 1001"));
    // The author shortens it.
    world.edit(&ada, id, "short").await;
    world.until_text(&ada, &key, "short").await;
    worker.stopped().await;
    world.audit().await;
}
