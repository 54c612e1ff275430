//! `pds_like`.

use std::sync::Arc;

use docket_core::{Answer, TaskKey, TaskState, TestStore};
use docket_tasks::{Change, Like, PdsLike, Record, RecordReport, schedule_pds_like};
use serde_json::json;

use crate::server::Account;
use crate::world::{START, World, eventually, subject};

const LIKE: &str = "fm.plyr.like";
pub(crate) const TRACK: i64 = 42;

impl World {
    pub(crate) async fn like(&self, who: &Account) -> TaskKey {
        self.rows.kept.put_like(&who.did, TRACK, Like { subject: Some(subject()), created_at: START });
        schedule_pds_like(&self.client, &who.did, TRACK, Change::Creation).await.unwrap().key
    }

    async fn unlike(&self, who: &Account) -> TaskKey {
        self.rows.kept.remove(&like_of(who));
        schedule_pds_like(&self.client, &who.did, TRACK, Change::Deletion).await.unwrap().key
    }

    /// Row, slot and repository say the same: liked.
    pub(crate) async fn assert_liked(&self, who: &Account) {
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
    let task = world.until(&key, TaskState::Completed).await;
    let report: RecordReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert!(matches!(report, RecordReport::Written(written) if written.uri.did() == ada.did));
    world.assert_liked(&ada).await;
    // The same once more, as after a lost reply: nothing changes.
    let before = world.records(&ada, LIKE).await;
    let fence = world.view(&key).await.fence;
    PdsLike::add(&world.client, &ada.did, TRACK).await.unwrap();
    eventually("it has run again", async || (world.view(&key).await.fence > fence).then_some(())).await;
    world.until(&key, TaskState::Completed).await;
    assert_eq!(world.records(&ada, LIKE).await, before);
    world.unlike(&ada).await;
    world.until(&key, TaskState::Completed).await;
    eventually("it is gone", async || world.records(&ada, LIKE).await.is_empty().then_some(())).await;
    world.until(&key, TaskState::Completed).await;
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
    world.until(&key, TaskState::Completed).await;
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
    world.until_crashed(&key, 1).await;
    assert_eq!(world.until(&key, TaskState::Completed).await.crashes, 1);
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
    world.until_crashed(&key, 1).await;
    world.until(&key, TaskState::Completed).await;
    world.assert_liked(&ada).await;
    second.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_worker_killed_behind_the_delete_leaves_none(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    let key = world.like(&ada).await;
    let first = world.worker();
    world.until(&key, TaskState::Completed).await;
    gate.keep_answer("deleteRecord", 1);
    world.unlike(&ada).await;
    gate.kept(1).await;
    first.killed().await;
    let second = world.worker();
    world.until_crashed(&key, 1).await;
    world.until(&key, TaskState::Completed).await;
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
    world.until(&key, TaskState::Completed).await;
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
    let worker = world.worker();
    gate.kept(1).await;
    world.rows.kept.remove(&like_of(&ada));
    gate.release();
    let task = world.until(&key, TaskState::Completed).await;
    assert_eq!((task.attempts, gate.asked("putRecord"), gate.asked("deleteRecord")), (0, 1, 1));
    world.assert_not_liked(&ada).await;
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn what_nobody_wants_is_nothing(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    // Liked and unliked before any worker came; and a task for a like that never was.
    world.like(&ada).await;
    let key = world.unlike(&ada).await;
    let unknown = PdsLike::add(&world.client, &ada.did, 7).await.unwrap().key;
    let worker = world.worker();
    world.until(&key, TaskState::Completed).await;
    let task = world.until(&unknown, TaskState::Completed).await;
    let report: RecordReport = serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap();
    assert_eq!(report, RecordReport::Nothing);
    world.assert_not_liked(&ada).await;
    worker.stopped().await;
    world.audit().await;
}
