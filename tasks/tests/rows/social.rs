//! Likes, comments, plays, and the slots beside them.

use std::sync::Arc;
use std::time::Duration;

use docket_core::Timestamp;
use docket_tasks::{
    AtUri, Comment, Confirmed, Like, MemorySocial, PostgresCatalogue, Record, Row, Social, StrongRef, Wanted,
};
use sqlx::{Executor as _, PgPool};

use crate::database::database;
use crate::on_both;

const ADA: &str = "did:plc:ada";
const TRACK: i64 = 7;
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_001);

struct Place {
    social: Arc<dyn Social>,
    kind: Kind,
}

enum Kind {
    Memory(Arc<MemorySocial>),
    Postgres(PgPool),
}

fn memory() -> Place {
    let memory = Arc::new(MemorySocial::default());
    Place { social: memory.clone(), kind: Kind::Memory(memory) }
}

async fn postgres() -> Place {
    let pool = database().await;
    Place { social: Arc::new(PostgresCatalogue::new(pool.clone())), kind: Kind::Postgres(pool) }
}

on_both! {
    a_slot_outlives_its_like_until_it_is_confirmed,
    a_like_given_again_takes_the_same_record_back,
    a_confirmation_of_what_was_wanted_before_forgets_nothing,
    what_a_pds_lacks_is_listed_oldest_first,
    an_edit_is_another_wish_for_the_same_record,
}

impl Place {
    async fn like(&self) {
        match &self.kind {
            Kind::Memory(memory) => memory.put_like(ADA, TRACK, like()),
            Kind::Postgres(pool) => {
                let insert = "INSERT INTO track_likes (track_id, user_did, created_at) \
                              VALUES ($1, $2, to_timestamp($3 / 1000000.0))";
                let insert = sqlx::query(insert).bind(TRACK).bind(ADA).bind(START.as_micros());
                insert.execute(pool).await.unwrap();
            }
        }
    }

    async fn unlike(&self) {
        match &self.kind {
            Kind::Memory(memory) => memory.remove(&liked()),
            Kind::Postgres(pool) => {
                pool.execute("DELETE FROM track_likes").await.unwrap();
            }
        }
    }

    async fn comment(&self, text: &str) {
        match &self.kind {
            Kind::Memory(memory) => memory.put_comment(ADA, 1, comment(text)),
            Kind::Postgres(pool) => {
                let insert = "INSERT INTO track_comments (id, track_id, user_did, text, timestamp_ms, created_at) \
                              VALUES (1, $1, $2, $3, 4200, to_timestamp($4 / 1000000.0)) \
                              ON CONFLICT (id) DO UPDATE SET text = excluded.text";
                let insert = sqlx::query(insert).bind(TRACK).bind(ADA).bind(text).bind(START.as_micros());
                insert.execute(pool).await.unwrap();
            }
        }
    }

    async fn wanted(&self, record: &Record) -> Option<Wanted> {
        self.social.wanted(record).await.unwrap()
    }

    async fn confirm(&self, record: &Record, wanted: &Wanted) -> Confirmed {
        self.social.confirm(record, wanted.revision, &uri(wanted)).await.unwrap()
    }

    async fn lacking(&self) -> Vec<Record> {
        self.social.unconfirmed(ADA, 10).await.unwrap()
    }
}

fn liked() -> Record {
    Record::Like { did: ADA.to_owned(), track_id: TRACK }
}

fn subject() -> StrongRef {
    let uri = "at://did:plc:artist/fm.plyr.track/self".parse().unwrap();
    StrongRef { uri, cid: "cid".to_owned() }
}

fn like() -> Like {
    Like { subject: Some(subject()), created_at: START }
}

fn comment(text: &str) -> Comment {
    Comment {
        subject: Some(subject()),
        text: text.to_owned(),
        timestamp_ms: 4_200,
        created_at: START,
        updated_at: None,
    }
}

fn uri(wanted: &Wanted) -> AtUri {
    AtUri::new(&wanted.did, "fm.plyr.like", wanted.rkey).unwrap()
}

async fn a_slot_outlives_its_like_until_it_is_confirmed(place: Place) {
    assert_eq!(place.wanted(&liked()).await, None);
    place.like().await;
    let wanted = place.wanted(&liked()).await.unwrap();
    assert_eq!((&*wanted.did, wanted.revision, &wanted.row), (ADA, 1, &Some(Row::Like(like()))));
    assert_eq!(place.confirm(&liked(), &wanted).await, Confirmed::Settled);
    place.unlike().await;
    let unwanted = place.wanted(&liked()).await.unwrap();
    assert_eq!(unwanted, Wanted { revision: 2, row: None, ..wanted });
    assert_eq!(place.confirm(&liked(), &unwanted).await, Confirmed::Settled);
    assert_eq!(place.wanted(&liked()).await, None);
    // Late, or twice: there is nothing to confirm.
    assert_eq!(place.confirm(&liked(), &unwanted).await, Confirmed::Settled);
}

async fn a_like_given_again_takes_the_same_record_back(place: Place) {
    place.like().await;
    let first = place.wanted(&liked()).await.unwrap();
    place.unlike().await;
    place.like().await;
    assert_eq!(place.wanted(&liked()).await.unwrap(), Wanted { revision: 3, ..first });
}

async fn a_confirmation_of_what_was_wanted_before_forgets_nothing(place: Place) {
    place.like().await;
    let before = place.wanted(&liked()).await.unwrap();
    place.unlike().await;
    assert_eq!(place.confirm(&liked(), &before).await, Confirmed::Changed);
    assert_eq!(place.wanted(&liked()).await.unwrap().revision, 2);
    assert_eq!(place.lacking().await, [liked()]);
}

async fn what_a_pds_lacks_is_listed_oldest_first(place: Place) {
    place.comment("first").await;
    place.like().await;
    let said = Record::Comment { id: 1 };
    assert_eq!(place.lacking().await, [said.clone(), liked()]);
    assert_eq!(place.social.unconfirmed(ADA, 1).await.unwrap(), [said]);
    assert_eq!(place.social.unconfirmed("did:plc:eve", 10).await.unwrap(), []);
    for record in place.lacking().await {
        let wanted = place.wanted(&record).await.unwrap();
        place.confirm(&record, &wanted).await;
    }
    assert_eq!(place.lacking().await, []);
}

async fn an_edit_is_another_wish_for_the_same_record(place: Place) {
    let record = Record::Comment { id: 1 };
    place.comment("tpyo").await;
    let first = place.wanted(&record).await.unwrap();
    assert_eq!(first.row, Some(Row::Comment(comment("tpyo"))));
    assert_eq!(place.confirm(&record, &first).await, Confirmed::Settled);
    assert_eq!(place.lacking().await, [], "keeping its address changes nothing");
    place.comment("typo").await;
    let edited = place.wanted(&record).await.unwrap();
    assert_eq!(edited, Wanted { revision: 2, row: Some(Row::Comment(comment("typo"))), ..first });
    assert_eq!(place.lacking().await, [record]);
}

/// The database keeps the slots itself, whoever changes the rows.
mod triggers {
    use super::*;

    #[tokio::test]
    async fn a_like_from_the_firehose_is_there_already_and_its_record_key_is_known() {
        let (place, pool) = on_database().await;
        let insert = "INSERT INTO track_likes (track_id, user_did, atproto_like_uri) \
                      VALUES (7, 'did:plc:ada', 'at://did:plc:ada/fm.plyr.like/3jzfcijpj2z2a')";
        pool.execute(insert).await.unwrap();
        assert_eq!(place.lacking().await, []);
        place.unlike().await;
        let unwanted = place.wanted(&liked()).await.unwrap();
        assert_eq!((unwanted.rkey.to_string().as_str(), &unwanted.row), ("3jzfcijpj2z2a", &None));
        assert_eq!(place.lacking().await, [liked()]);
    }

    #[tokio::test]
    async fn likes_and_comments_of_a_deleted_track_are_to_be_deleted() {
        let (place, pool) = on_database().await;
        place.like().await;
        place.comment("nice").await;
        pool.execute("DELETE FROM tracks").await.unwrap();
        for record in place.lacking().await {
            assert_eq!(place.wanted(&record).await.unwrap().row, None);
        }
        assert_eq!(place.lacking().await.len(), 2);
    }

    #[tokio::test]
    async fn a_rollback_takes_the_slot_along() {
        let (place, pool) = on_database().await;
        let mut tx = pool.begin().await.unwrap();
        tx.execute("INSERT INTO track_likes (track_id, user_did) VALUES (7, 'did:plc:ada')").await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(place.wanted(&liked()).await, None);
    }

    #[tokio::test]
    async fn an_unlike_during_the_confirmation_waits_and_is_not_lost() {
        let (place, pool) = on_database().await;
        place.like().await;
        let wanted = place.wanted(&liked()).await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        tx.execute("DELETE FROM track_likes").await.unwrap();
        let (social, of) = (place.social.clone(), wanted.clone());
        let confirm = tokio::spawn(async move { social.confirm(&liked(), of.revision, &uri(&of)).await });
        tx.commit().await.unwrap();
        let told = confirm.await.unwrap().unwrap();
        // Whichever came first, the unlike is still to be done.
        assert!(matches!(told, Confirmed::Settled | Confirmed::Changed));
        assert_eq!(place.wanted(&liked()).await.unwrap(), Wanted { revision: 2, row: None, ..wanted });
        assert_eq!(place.lacking().await, [liked()]);
    }

    /// A request once failed because the end of a run locked the slot first and the row then: the other way round.
    #[tokio::test]
    async fn an_edit_and_a_confirmation_never_wait_for_each_other() {
        let (place, pool) = on_database().await;
        place.comment("first").await;
        let record = Record::Comment { id: 1 };
        let wanted = place.wanted(&record).await.unwrap();
        let mut edit = pool.begin().await.unwrap();
        edit.execute("SELECT FROM track_comments FOR UPDATE").await.unwrap();
        let (social, of) = (place.social.clone(), record.clone());
        let confirm = tokio::spawn(async move { social.confirm(&of, wanted.revision, &uri(&wanted)).await });
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        edit.execute("UPDATE track_comments SET text = 'second'").await.unwrap();
        edit.commit().await.unwrap();
        assert_eq!(confirm.await.unwrap().unwrap(), Confirmed::Changed);
        assert_eq!(place.lacking().await, [record]);
    }

    #[tokio::test]
    async fn its_record_keys_are_timestamps_that_grow() {
        let (_, pool) = on_database().await;
        let read = "SELECT pds_tid() FROM generate_series(1, 50)";
        let made: Vec<String> = sqlx::query_scalar(read).fetch_all(&pool).await.unwrap();
        assert!(made.iter().all(|tid| tid.parse::<docket_tasks::Tid>().is_ok()), "{made:?}");
        let later: String = sqlx::query_scalar("SELECT pds_tid()").fetch_one(&pool).await.unwrap();
        let micros = |tid: &str| tid.parse::<docket_tasks::Tid>().unwrap();
        assert!(micros(&made[0]) < micros(&later));
    }

    #[tokio::test]
    async fn a_play_is_reported_only_for_who_wants_it() {
        let (place, pool) = on_database().await;
        let played = place.social.played(ADA, TRACK).await.unwrap().unwrap();
        assert!(!played.is_wanted);
        assert_eq!((&*played.title, &*played.artist_name, played.album_title), ("Notes", "artist.test", None));
        assert_eq!(played.length, Some(Duration::from_secs(200)));
        pool.execute("INSERT INTO user_preferences (did, enable_teal_scrobbling) VALUES ('did:plc:ada', true)")
            .await
            .unwrap();
        assert!(place.social.played(ADA, TRACK).await.unwrap().unwrap().is_wanted);
        assert_eq!(place.social.played(ADA, 8).await.unwrap(), None);
    }

    async fn on_database() -> (Place, PgPool) {
        let place = postgres().await;
        let Kind::Postgres(pool) = &place.kind else { unreachable!("it is on Postgres") };
        let pool = pool.clone();
        (place, pool)
    }
}
