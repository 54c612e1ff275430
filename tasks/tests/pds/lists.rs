//! `sync_album_list`.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{TaskKey, TaskState, TestStore};
use docket_tasks::{
    AtUri, KeptRecord, ListId, ListReport, Lists, StrongRef, Swap, TrackList, schedule_album_list_sync,
};
use serde_json::{Value, json};

use crate::server::Account;
use crate::world::{START, World, atproto, eventually};

pub(crate) const LIST: &str = "fm.plyr.list";
/// How long an album is left alone first.
const DEBOUNCE: Duration = Duration::from_secs(5);

/// The record of one of the artist's tracks.
pub(crate) fn track(did: &str, number: usize) -> StrongRef {
    let uri =
        AtUri::new(did, "fm.plyr.track", format!("3jzfcijpj2{number:03}").replace(['0', '1', '8', '9'], "2")).unwrap();
    StrongRef { uri, cid: crate::world::subject().cid }
}

impl World {
    /// Puts an album of these tracks in, or in place of the one there is; where its record is stays known.
    pub(crate) async fn album(&self, who: &Account, tracks: &[StrongRef]) -> TaskKey {
        let record = self.catalogue.album("a1").await.unwrap().and_then(|known| known.record);
        self.catalogue.put_list(TrackList {
            id: ListId::Album("a1".to_owned()),
            did: who.did.clone(),
            name: "Overtures".to_owned(),
            created_at: Some(START),
            record,
            tracks: tracks.to_vec(),
        });
        schedule_album_list_sync(&self.client, "a1").await.unwrap().key
    }

    async fn listed(&self, key: &TaskKey) -> ListReport {
        self.pass(DEBOUNCE).await;
        let task = self.until(key, TaskState::Completed).await;
        serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap()
    }

    /// The one list record there is.
    pub(crate) async fn list(&self, who: &Account) -> KeptRecord {
        let records = self.records(who, LIST).await;
        assert_eq!(records.len(), 1, "{records:?}");
        records.into_iter().next().unwrap()
    }
}

pub(crate) fn items(record: &KeptRecord) -> Vec<Value> {
    record.value["items"].as_array().unwrap().iter().map(|item| item["subject"]["uri"].clone()).collect()
}

fn uris(tracks: &[&StrongRef]) -> Vec<Value> {
    tracks.iter().map(|track| track.uri.to_string().into()).collect()
}

pub(crate) async fn it_is_written_and_only_when_something_changed(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    let (one, two) = (track(&ada.did, 2), track(&ada.did, 3));
    let worker = world.worker();
    let key = world.album(&ada, &[one.clone(), two.clone()]).await;
    assert_eq!(key.as_str(), "album-list:a1");
    let ListReport::Written(written) = world.listed(&key).await else { panic!("not written") };
    let list = world.list(&ada).await;
    let subjects = [json!({ "subject": one }), json!({ "subject": two })];
    let content = json!({
        "$type": LIST, "items": subjects, "name": "Overtures", "listType": "album",
        "createdAt": "2026-01-01T00:00:00.000000Z",
    });
    assert_eq!((&list.value, &list.uri, &list.cid), (&content, &written.uri, &written.cid));
    assert_eq!(world.catalogue.album("a1").await.unwrap().unwrap().record, Some(written.uri.clone()));
    // The same again: nothing is written.
    let key = world.album(&ada, &[one.clone(), two.clone()]).await;
    assert_eq!(world.listed(&key).await, ListReport::Unchanged(written));
    assert_eq!(gate.asked("putRecord"), 1);
    // The last track leaves: no item dangles.
    let key = world.album(&ada, &[]).await;
    assert!(matches!(world.listed(&key).await, ListReport::Written(_)));
    assert_eq!(items(&world.list(&ada).await), Vec::<Value>::new());
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn the_order_the_artist_gave_it_is_kept(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    let [one, two, three] = [2, 3, 4].map(|number| track(&ada.did, number));
    let worker = world.worker();
    let key = world.album(&ada, &[one.clone(), two.clone()]).await;
    world.listed(&key).await;
    let list = world.list(&ada).await;
    let mut reordered = list.value.clone();
    reordered["items"].as_array_mut().unwrap().reverse();
    let client = atproto(world.sessions.clone());
    client.put_record(&list.uri, &reordered, Swap::At(&list.cid)).await.unwrap();
    let key = world.album(&ada, &[one.clone(), two.clone(), three.clone()]).await;
    world.listed(&key).await;
    let list = world.list(&ada).await;
    assert_eq!(items(&list), uris(&[&two, &one, &three]));
    assert_eq!(list.value["createdAt"], "2026-01-01T00:00:00.000000Z", "its creation date stays");
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_burst_of_uploads_is_one_write(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    let tracks: Vec<StrongRef> = (2..12).map(|number| track(&ada.did, number * 11)).collect();
    let worker = world.worker();
    let mut key = world.album(&ada, &[]).await;
    for count in 1..=tracks.len() {
        key = world.album(&ada, &tracks[..count]).await;
    }
    world.listed(&key).await;
    assert_eq!((items(&world.list(&ada).await).len(), gate.asked("putRecord")), (tracks.len(), 1));
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_worker_killed_behind_the_put_leaves_one_record(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    gate.keep_answer("putRecord", 1);
    let first = world.worker();
    let key = world.album(&ada, &[track(&ada.did, 2)]).await;
    world.pass(DEBOUNCE).await;
    gate.kept(1).await;
    assert_eq!(world.records(&ada, LIST).await.len(), 1, "the put has taken effect");
    first.killed().await;
    let second = world.worker();
    world.until_crashed(&key, 1).await;
    world.until(&key, TaskState::Completed).await;
    let list = world.list(&ada).await;
    assert_eq!(gate.asked("putRecord"), 1, "the second run finds it as it should be");
    assert_eq!(world.catalogue.album("a1").await.unwrap().unwrap().record, Some(list.uri));
    second.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_write_of_somebody_else_in_between_is_read_again(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let (ada, gate) = world.user_behind_gate().await;
    let (one, two) = (track(&ada.did, 2), track(&ada.did, 3));
    let worker = world.worker();
    let key = world.album(&ada, std::slice::from_ref(&one)).await;
    world.listed(&key).await;
    // The next run has read the record when another writer changes it.
    gate.keep_answer("getRecord", 1);
    let key = world.album(&ada, &[one.clone(), two.clone()]).await;
    world.pass(DEBOUNCE).await;
    gate.kept(1).await;
    let list = world.list(&ada).await;
    let mut renamed = list.value.clone();
    renamed["name"] = "Somebody was here".into();
    atproto(world.sessions.clone()).put_record(&list.uri, &renamed, Swap::Any).await.unwrap();
    gate.release();
    world.until(&key, TaskState::Completed).await;
    let list = world.list(&ada).await;
    assert_eq!((items(&list), &list.value["name"]), (uris(&[&one, &two]), &json!("Overtures")));
    assert_eq!(world.view(&key).await.attempts, 0);
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn what_can_never_work_is_dead_and_what_is_gone_is_done(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    let worker = world.worker();
    let gone = schedule_album_list_sync(&world.client, "gone").await.unwrap().key;
    assert_eq!(world.listed(&gone).await, ListReport::Deleted);
    let key = world.album(&ada, &[]).await;
    assert_eq!(world.listed(&key).await, ListReport::Empty);
    let many: Vec<StrongRef> = (0..501).map(|_| track(&ada.did, 2)).collect();
    let key = world.album(&ada, &many).await;
    world.pass(DEBOUNCE).await;
    let error = eventually("it is dead", async || {
        let task = world.view(&key).await;
        (task.state == TaskState::Dead).then_some(task.error)
    })
    .await;
    assert!(error.unwrap().contains("501 tracks, a list holds 500"));
    assert_eq!(world.records(&ada, LIST).await, []);
    worker.stopped().await;
    world.audit().await;
}
