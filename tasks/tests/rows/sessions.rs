//! Sessions, their tokens, and the lock under which these are refreshed.

use std::sync::Arc;
use std::time::Duration;

use docket_tasks::{
    Credentials, LockAnswer, MemorySessions, OAuthTokens, PostgresSessions, Secret, Session, SessionCipher, SessionId,
    SessionPayload, Sessions, StoreAnswer, TokenVersion,
};
use serde_json::{Value, json};
use sqlx::{Executor as _, PgPool};
use uuid::Uuid;

use crate::database::database;
use crate::on_both;

const ADA: &str = "did:plc:ada";
const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const LONG: Duration = Duration::from_mins(1);

struct Place {
    sessions: Arc<dyn Sessions>,
    kind: Kind,
}

enum Kind {
    Memory(Arc<MemorySessions>),
    Postgres(PgPool),
}

fn memory() -> Place {
    let memory = Arc::new(MemorySessions::default());
    Place { sessions: memory.clone(), kind: Kind::Memory(memory) }
}

async fn postgres() -> Place {
    let pool = database().await;
    Place { sessions: Arc::new(PostgresSessions::new(pool.clone(), cipher())), kind: Kind::Postgres(pool) }
}

on_both! {
    the_newest_session_of_a_did_comes_first,
    one_refreshes_at_a_time_and_may_ask_again,
    a_lock_ends_by_itself,
    new_tokens_free_the_lock_and_have_a_new_version,
    only_the_tokens_that_were_refused_end_the_session,
}

impl Place {
    async fn log_in(&self, id: &str, did: &str) {
        match &self.kind {
            Kind::Memory(memory) => memory.log_in(Session {
                id: SessionId::new(id),
                did: did.to_owned(),
                pds_url: "https://pds.example.com".to_owned(),
                version: TokenVersion(0),
                credentials: tokens("1"),
            }),
            Kind::Postgres(pool) => insert(pool, id, did, &json!({})).await,
        }
    }

    async fn session(&self, id: &str) -> Option<Session> {
        let sessions = self.sessions.sessions_of(ADA).await.unwrap();
        sessions.into_iter().find(|session| session.id == SessionId::new(id))
    }

    async fn lock(&self, version: TokenVersion, holder: Uuid, length: Duration) -> LockAnswer {
        self.sessions.lock(&SessionId::new("s1"), version, holder, length).await.unwrap()
    }

    async fn store(&self, version: TokenVersion, credentials: &Credentials) -> StoreAnswer {
        self.sessions.store_tokens(&SessionId::new("s1"), version, credentials).await.unwrap()
    }
}

fn cipher() -> SessionCipher {
    SessionCipher::new(&Secret::new(KEY)).unwrap()
}

fn tokens(n: &str) -> Credentials {
    Credentials::OAuth(OAuthTokens {
        issuer: "https://auth.example.com".to_owned(),
        scope: "atproto".to_owned(),
        access: Secret::new(format!("access{n}")),
        refresh: Secret::new(format!("refresh{n}")),
        key_pem: Secret::new("pem"),
    })
}

/// As the service does at a login.
async fn insert(pool: &PgPool, id: &str, did: &str, more: &Value) {
    let mut fields = json!({
        "pds_url": "https://pds.example.com", "authserver_iss": "https://auth.example.com", "scope": "atproto",
        "access_token": "access1", "refresh_token": "refresh1", "dpop_private_key_pem": "pem",
    });
    for (name, value) in more.as_object().unwrap() {
        fields[name] = value.clone();
    }
    let sealed = cipher().seal(&SessionPayload::new(fields.as_object().unwrap().clone())).unwrap();
    let insert = "INSERT INTO user_sessions (session_id, did, handle, oauth_session_data, created_at) \
                  VALUES ($1, $2, 'ada.test', $3, clock_timestamp())";
    sqlx::query(insert).bind(id).bind(did).bind(sealed).execute(pool).await.unwrap();
}

async fn the_newest_session_of_a_did_comes_first(place: Place) {
    for (id, did) in [("s1", ADA), ("s2", ADA), ("s3", "did:plc:eve")] {
        place.log_in(id, did).await;
    }
    let sessions = place.sessions.sessions_of(ADA).await.unwrap();
    let ids: Vec<&SessionId> = sessions.iter().map(|session| &session.id).collect();
    assert_eq!(ids, [&SessionId::new("s2"), &SessionId::new("s1")]);
    assert_eq!((&sessions[0].credentials, &*sessions[0].pds_url), (&tokens("1"), "https://pds.example.com"));
}

async fn one_refreshes_at_a_time_and_may_ask_again(place: Place) {
    place.log_in("s1", ADA).await;
    let version = place.session("s1").await.unwrap().version;
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(place.lock(version, one, LONG).await, LockAnswer::Taken);
    assert!(matches!(place.lock(version, two, LONG).await, LockAnswer::Held(left) if left <= LONG));
    assert_eq!(place.lock(version, one, LONG).await, LockAnswer::Taken);
    // Somebody else's lock is not given back.
    place.sessions.unlock(&SessionId::new("s1"), two).await.unwrap();
    assert!(matches!(place.lock(version, two, LONG).await, LockAnswer::Held(_)));
    place.sessions.unlock(&SessionId::new("s1"), one).await.unwrap();
    assert_eq!(place.lock(version, two, LONG).await, LockAnswer::Taken);
}

async fn a_lock_ends_by_itself(place: Place) {
    place.log_in("s1", ADA).await;
    let version = place.session("s1").await.unwrap().version;
    assert_eq!(place.lock(version, Uuid::now_v7(), Duration::ZERO).await, LockAnswer::Taken);
    assert_eq!(place.lock(version, Uuid::now_v7(), LONG).await, LockAnswer::Taken);
}

async fn new_tokens_free_the_lock_and_have_a_new_version(place: Place) {
    place.log_in("s1", ADA).await;
    let old = place.session("s1").await.unwrap().version;
    assert_eq!(place.lock(old, Uuid::now_v7(), LONG).await, LockAnswer::Taken);
    let StoreAnswer::Stored(new) = place.store(old, &tokens("2")).await else { panic!("nobody else was at it") };
    assert!(new.version > old && new.credentials == tokens("2"), "{new:?}");
    assert_eq!(place.session("s1").await.as_ref(), Some(&new));
    assert_eq!(place.store(old, &tokens("3")).await, StoreAnswer::Refreshed(new.clone()));
    assert_eq!(place.lock(old, Uuid::now_v7(), LONG).await, LockAnswer::Refreshed(new.clone()));
    assert_eq!(place.lock(new.version, Uuid::now_v7(), LONG).await, LockAnswer::Taken);
}

async fn only_the_tokens_that_were_refused_end_the_session(place: Place) {
    place.log_in("s1", ADA).await;
    let old = place.session("s1").await.unwrap().version;
    place.store(old, &tokens("2")).await;
    place.sessions.end(&SessionId::new("s1"), old).await.unwrap();
    let current = place.session("s1").await.unwrap().version;
    place.sessions.end(&SessionId::new("s1"), current).await.unwrap();
    assert_eq!(place.session("s1").await, None);
    assert_eq!(place.lock(current, Uuid::now_v7(), LONG).await, LockAnswer::Gone);
    assert_eq!(place.store(current, &tokens("3")).await, StoreAnswer::Gone);
}

#[tokio::test]
async fn tokens_are_encrypted_at_rest() {
    let place = postgres().await;
    let Kind::Postgres(pool) = &place.kind else { unreachable!("it is on Postgres") };
    place.log_in("s1", ADA).await;
    let version = place.session("s1").await.unwrap().version;
    place.store(version, &tokens("2")).await;
    let kept: String =
        sqlx::query_scalar("SELECT oauth_session_data FROM user_sessions").fetch_one(pool).await.unwrap();
    assert!(kept.starts_with("gAAAAA") && !kept.contains("refresh2"), "{kept}");
}

#[tokio::test]
async fn a_service_that_knows_no_versions_still_changes_them() {
    let place = postgres().await;
    let Kind::Postgres(pool) = &place.kind else { unreachable!("it is on Postgres") };
    place.log_in("s1", ADA).await;
    let old = place.session("s1").await.unwrap().version;
    place.lock(old, Uuid::now_v7(), LONG).await;
    pool.execute("UPDATE user_sessions SET handle = 'other.test'").await.unwrap();
    assert_eq!(place.session("s1").await.unwrap().version, old, "the tokens have not changed");
    insert(pool, "s2", ADA, &json!({"access_token": "access2", "refresh_token": "refresh2"})).await;
    let rewrite = "UPDATE user_sessions SET oauth_session_data = \
                   (SELECT oauth_session_data FROM user_sessions WHERE session_id = 's2') WHERE session_id = 's1'";
    pool.execute(rewrite).await.unwrap();
    let LockAnswer::Refreshed(session) = place.lock(old, Uuid::now_v7(), LONG).await else { panic!("it has changed") };
    assert_eq!(session.credentials, tokens("2"));
}

#[tokio::test]
async fn what_ran_out_or_cannot_be_read_is_no_session() {
    let place = postgres().await;
    let Kind::Postgres(pool) = &place.kind else { unreachable!("it is on Postgres") };
    insert(pool, "s1", ADA, &json!({"refresh_token_expires_at": "2020-01-01T00:00:00+00:00"})).await;
    insert(pool, "s2", ADA, &json!({})).await;
    pool.execute("UPDATE user_sessions SET expires_at = now() - interval '1 minute' WHERE session_id = 's2'")
        .await
        .unwrap();
    insert(pool, "s3", ADA, &json!({})).await;
    pool.execute("UPDATE user_sessions SET oauth_session_data = 'gAAAAA' WHERE session_id = 's3'").await.unwrap();
    insert(pool, "s4", ADA, &json!({})).await;
    let sessions = place.sessions.sessions_of(ADA).await.unwrap();
    assert_eq!(sessions.iter().map(|session| &session.id).collect::<Vec<_>>(), [&SessionId::new("s4")]);
}
