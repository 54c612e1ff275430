//! `scrobble_to_teal`.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{Answer, TaskKey, TaskState, TestStore, Timestamp};
use docket_tasks::{Played, ScrobbleReport, StatusReport, Tid, schedule_teal_scrobble, wake_did};
use serde_json::{Value, json};

use crate::server::Account;
use crate::world::{START, World};

const PLAY: &str = "fm.teal.feed.play";
const STATUS: &str = "fm.teal.actor.status";
const TRACK: i64 = 42;

impl World {
    fn track(&self, is_wanted: bool) {
        self.rows.kept.put_played(
            TRACK,
            Played {
                is_wanted,
                title: "Notes".to_owned(),
                artist_name: "Ada".to_owned(),
                album_title: Some("Engines".to_owned()),
                length: Some(Duration::from_secs(200)),
            },
        );
    }

    async fn play(&self, who: &Account, at: Timestamp) -> TaskKey {
        schedule_teal_scrobble(&self.client, &who.did, TRACK, at).await.unwrap().key
    }

    async fn report(&self, key: &TaskKey) -> ScrobbleReport {
        let task = self.until(key, TaskState::Completed).await;
        serde_json::from_slice(task.result.unwrap().as_bytes()).unwrap()
    }

    async fn status_of(&self, key: &TaskKey) -> StatusReport {
        match self.report(key).await {
            ScrobbleReport::Reported { status, .. } => status,
            ScrobbleReport::Unwanted => panic!("it was wanted"),
        }
    }
}

fn item(played_time: &str) -> Value {
    json!({
        "trackName": "Notes", "artists": [{"artistName": "Ada"}], "playedTime": played_time, "duration": 200,
        "releaseName": "Engines", "originUri": "http://localhost:5173/track/42",
        "musicServiceUri": "https://plyr.fm", "submissionClientAgent": "plyr.fm/1.0",
    })
}

pub(crate) async fn a_play_and_what_is_playing_are_reported_once(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    world.track(true);
    let ada = world.user().await;
    let key = world.play(&ada, START).await;
    let again = schedule_teal_scrobble(&world.client, &ada.did, TRACK, START).await.unwrap();
    assert!(again.key == key && matches!(again.answer, Answer::Exists(_)), "{again:?}");
    let worker = world.worker();
    assert_eq!(world.status_of(&key).await, StatusReport::Written);
    let (plays, statuses) = (world.records(&ada, PLAY).await, world.records(&ada, STATUS).await);
    let ([play], [status]) = (&*plays, &*statuses) else { panic!("{plays:?} {statuses:?}") };
    assert_eq!(play.uri.rkey(), Tid::at(START).to_string());
    let mut wanted = item("2026-01-01T00:00:00.000000Z");
    assert_eq!(
        status.value,
        json!({"$type": STATUS, "time": "2026-01-01T00:00:00.000000Z",
        "expiry": "2026-01-01T00:10:00.000000Z", "item": wanted})
    );
    wanted["$type"] = PLAY.into();
    assert_eq!(play.value, wanted);
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_worker_killed_behind_either_write_leaves_one_play(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    world.track(true);
    let (ada, gate) = world.user_behind_gate().await;
    let key = world.play(&ada, START).await;
    gate.keep_answer("putRecord", 1);
    let first = world.worker();
    gate.kept(1).await;
    first.killed().await;
    // Its second write is the status.
    gate.keep_answer("putRecord", 2);
    let second = world.worker();
    world.until_crashed(&key, 1).await;
    gate.kept(2).await;
    second.killed().await;
    assert_eq!(world.records(&ada, STATUS).await.len(), 1);
    let last = world.worker();
    world.until_crashed(&key, 2).await;
    assert_eq!(world.status_of(&key).await, StatusReport::Written);
    assert_eq!((world.records(&ada, PLAY).await.len(), world.records(&ada, STATUS).await.len()), (1, 1));
    last.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_late_run_reports_the_play_and_no_stale_status(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    world.track(true);
    let ada = world.user().await;
    let key = world.play(&ada, START).await;
    world.pass(Duration::from_secs(201)).await;
    let worker = world.worker();
    assert_eq!(world.status_of(&key).await, StatusReport::Stale);
    assert_eq!(world.records(&ada, PLAY).await[0].value["playedTime"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(world.records(&ada, STATUS).await, []);
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn an_older_play_does_not_replace_a_newer_status(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    world.track(true);
    let ada = world.user().await;
    let worker = world.worker();
    let newer = world.play(&ada, START.plus(Duration::from_secs(100))).await;
    assert_eq!(world.status_of(&newer).await, StatusReport::Written);
    let older = world.play(&ada, START).await;
    assert_eq!(world.status_of(&older).await, StatusReport::Superseded);
    assert_eq!(world.records(&ada, PLAY).await.len(), 2);
    assert_eq!(world.records(&ada, STATUS).await[0].value["time"], "2026-01-01T00:01:40.000000Z");
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_refused_status_does_not_cost_the_play(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    world.track(true);
    let ada = world.server.account("ada").await;
    world.sessions.log_in(world.server.oauth_session_for(&ada, &format!("atproto repo:{PLAY}")).await);
    let key = world.play(&ada, START).await;
    let worker = world.worker();
    assert!(matches!(world.status_of(&key).await, StatusReport::Refused(why) if why.contains("has no session")));
    assert_eq!(world.records(&ada, PLAY).await.len(), 1);
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn a_parked_play_is_woken_by_a_login(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    world.track(true);
    let (ada, eve) = (world.server.account("ada").await, world.server.account("eve").await);
    let (key, other) = (world.play(&ada, START).await, world.play(&eve, START).await);
    let worker = world.worker();
    world.until_attempt(&key, 1).await;
    world.until_attempt(&other, 1).await;
    world.log_in(&ada).await;
    assert_eq!(wake_did(&world.client, &world.rows.kept, &ada.did).await.unwrap(), 1);
    world.report(&key).await;
    assert_eq!(world.records(&ada, PLAY).await.len(), 1);
    assert_eq!(world.view(&other).await.state, TaskState::Scheduled, "somebody else's play goes on waiting");
    worker.stopped().await;
    world.audit().await;
}

pub(crate) async fn what_is_not_wanted_or_not_known_writes_nothing(store: Arc<dyn TestStore>) {
    let world = World::new(store).await;
    let ada = world.user().await;
    let unknown = world.play(&ada, START).await;
    let worker = world.worker();
    assert_eq!(world.until(&unknown, TaskState::Dead).await.error.as_deref(), Some("there is no track 42"));
    world.track(false);
    let unwanted = world.play(&ada, START.plus(Duration::from_secs(1))).await;
    assert_eq!(world.report(&unwanted).await, ScrobbleReport::Unwanted);
    assert_eq!(world.records(&ada, PLAY).await, []);
    worker.stopped().await;
    world.audit().await;
}
