//! The client, asked of a real PDS and its authorization server.

use std::sync::Arc;

use docket_tasks::{AtUri, Atproto, Credentials, MemorySessions, PdsError, Session, Sessions as _, Swap, Tid, Write};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::server::{Account, Server};
use crate::world::{atproto, eventually};

const LIKE: &str = "fm.plyr.like";

struct Scene {
    server: Arc<Server>,
    account: Account,
    sessions: Arc<MemorySessions>,
    atproto: Atproto,
}

impl Scene {
    async fn on(server: Arc<Server>) -> Self {
        let (account, sessions) = (server.account("ada").await, Arc::new(MemorySessions::default()));
        let atproto = atproto(sessions.clone());
        Self { server, account, sessions, atproto }
    }

    async fn by_oauth() -> Self {
        let scene = Self::on(Server::shared().await).await;
        scene.sessions.log_in(scene.server.oauth_session(&scene.account).await);
        scene
    }

    fn uri(&self, rkey: &str) -> AtUri {
        AtUri::new(&self.account.did, LIKE, rkey).unwrap()
    }

    async fn put(&self, rkey: &str) -> Result<(), PdsError> {
        self.atproto.put_record(&self.uri(rkey), &record(1), Swap::Any).await.map(drop)
    }

    async fn session(&self) -> Option<Session> {
        self.sessions.sessions_of(&self.account.did).await.unwrap().into_iter().next()
    }

    /// The record as an anonymous reader sees it.
    async fn kept(&self, rkey: &str) -> Option<Value> {
        let found = self.atproto.public_record(&self.server.pds, &self.uri(rkey)).await.unwrap();
        found.map(|record| record.value)
    }
}

fn record(n: u32) -> Value {
    json!({ "$type": LIKE, "n": n })
}

#[tokio::test]
async fn records_are_written_read_and_taken_away_with_tokens_bound_to_a_key() {
    let scene = Scene::by_oauth().await;
    let Scene { atproto, server, account, .. } = &scene;
    let uri = scene.uri(&Tid::new().to_string());
    let made = atproto.create_record(&uri, &record(1)).await.unwrap();
    assert_eq!(made.uri, uri);
    let put = atproto.put_record(&uri, &record(2), Swap::Any).await.unwrap();
    let kept = atproto.get_record(&uri).await.unwrap().unwrap();
    assert_eq!((&kept.value, &kept.cid), (&record(2), &put.cid));
    let again = atproto.put_record(&uri, &record(2), Swap::Any).await.unwrap();
    assert_eq!(again, put);
    let page = atproto.list_records(&server.pds, &account.did, LIKE, None).await.unwrap();
    assert_eq!(page.records, [kept]);
    for _ in 0..2 {
        atproto.delete_record(&uri).await.unwrap();
        assert_eq!(atproto.get_record(&uri).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_put_for_another_state_of_the_record_is_told_so() {
    let scene = Scene::by_oauth().await;
    let (atproto, uri) = (&scene.atproto, scene.uri("self"));
    let first = atproto.put_record(&uri, &record(1), Swap::Absent).await.unwrap();
    let second = atproto.put_record(&uri, &record(2), Swap::At(&first.cid)).await.unwrap();
    assert_ne!(first.cid, second.cid);
    for stale in [Swap::Absent, Swap::At(&first.cid)] {
        let error = atproto.put_record(&uri, &record(3), stale).await.unwrap_err();
        assert!(matches!(error, PdsError::InvalidSwap(_)), "{stale:?}: {error:?}");
    }
    assert_eq!(scene.kept("self").await, Some(record(2)));
}

#[tokio::test]
async fn several_writes_happen_together_or_not_at_all() {
    let scene = Scene::by_oauth().await;
    let (a, b) = (scene.uri("a"), scene.uri("b"));
    scene
        .atproto
        .apply_writes(&[Write::Create(a.clone(), record(1)), Write::Create(b.clone(), record(2))])
        .await
        .unwrap();
    let update = Write::Update(a.clone(), record(3));
    let error = scene.atproto.apply_writes(&[update.clone(), Write::Delete(scene.uri("unknown"))]).await.unwrap_err();
    // Of a record that is not there it says that it is broken itself.
    assert!(matches!(error, PdsError::Retry(..) | PdsError::Permanent(_)), "{error:?}");
    assert_eq!(scene.kept("a").await, Some(record(1)));
    scene.atproto.apply_writes(&[update, Write::Delete(b)]).await.unwrap();
    assert_eq!((scene.kept("a").await, scene.kept("b").await), (Some(record(3)), None));
}

#[tokio::test]
async fn an_app_password_will_do() {
    let scene = Scene::on(Server::shared().await).await;
    scene.sessions.log_in(scene.server.app_password_session(&scene.account).await);
    scene.put("self").await.unwrap();
    assert_eq!(scene.kept("self").await, Some(record(1)));
}

#[tokio::test]
async fn who_is_logged_out_or_allowed_something_else_is_told_so() {
    let scene = Scene::on(Server::shared().await).await;
    assert!(matches!(scene.put("self").await.unwrap_err(), PdsError::LoggedOut(did) if did == scene.account.did));
    let other = scene.server.oauth_session_for(&scene.account, "atproto repo:fm.plyr.comment").await;
    scene.sessions.log_in(other);
    assert!(matches!(scene.put("self").await.unwrap_err(), PdsError::LoggedOut(_)));
    // An older session that may is found behind the newest, which may not.
    let fitting = scene.server.oauth_session_for(&scene.account, "atproto repo:fm.plyr.like").await;
    let newest = scene.session().await.unwrap();
    scene.sessions.log_out(&scene.account.did);
    scene.sessions.log_in(fitting);
    scene.sessions.log_in(newest);
    scene.put("self").await.unwrap();
}

#[tokio::test]
async fn a_token_that_ran_out_is_refreshed_once_by_two_workers_at_once_and_nonces_change() {
    let server = Server::alone().await;
    server.token_seconds(60).await;
    let scene = Scene::on(server).await;
    scene.sessions.log_in(scene.server.oauth_session(&scene.account).await);
    let before = scene.session().await.unwrap();
    scene.put("before").await.unwrap();
    assert_eq!(scene.session().await.unwrap(), before, "a good token is left alone");
    // Longer than the lifetime of the token and of a nonce; not so long that our proofs look too
    // old.
    scene.server.advance(150).await;
    // Another process: connections, nonces and locks of its own; only the sessions are shared.
    let other = atproto(scene.sessions.clone());
    let uri = scene.uri("other");
    let value = record(1);
    let (here, there) = tokio::join!(scene.put("here"), other.put_record(&uri, &value, Swap::Any));
    here.unwrap();
    there.unwrap();
    let after = scene.session().await.unwrap();
    assert_eq!(after.version.0, before.version.0 + 1, "the refresh token was used once");
    assert_ne!(after.credentials, before.credentials);
    // And the one it gave is as good.
    scene.server.advance(30).await;
    scene.put("after").await.unwrap();
}

#[tokio::test]
async fn an_app_password_session_is_refreshed() {
    let scene = Scene::on(Server::alone().await).await;
    scene.sessions.log_in(scene.server.app_password_session(&scene.account).await);
    scene.server.advance(3 * 3_600).await;
    scene.put("self").await.unwrap();
    assert_eq!(scene.session().await.unwrap().version.0, 2);
}

/// Between the answer and the catalogue the only good refresh token is in memory.
#[tokio::test]
async fn a_refresh_goes_on_when_the_run_that_asked_for_it_is_dropped() {
    let scene = Scene::on(Server::alone().await).await;
    let mut session = scene.server.app_password_session(&scene.account).await;
    let gate = Gate::before(&session.pds_url).await;
    session.pds_url = gate.url();
    scene.sessions.log_in(session);
    scene.server.advance(3 * 3_600).await;
    gate.keep_answer("refreshSession", 1);
    let (atproto, uri) = (scene.atproto.clone(), scene.uri("self"));
    let run = tokio::spawn(async move { atproto.put_record(&uri, &record(1), Swap::Any).await });
    gate.kept(1).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    gate.release();
    eventually("the new tokens are kept", async || (scene.session().await?.version.0 == 2).then_some(())).await;
    scene.put("self").await.unwrap();
    assert_eq!(gate.asked("refreshSession"), 1);
}

#[tokio::test]
async fn a_refresh_token_used_by_somebody_else_ends_the_session_and_the_next_login_works() {
    let server = Server::alone().await;
    server.token_seconds(60).await;
    let scene = Scene::on(server).await;
    let session = scene.server.oauth_session(&scene.account).await;
    scene.sessions.log_in(session.clone());
    // A thief, or a backup that was brought back: the same tokens in another store.
    let elsewhere = Arc::new(MemorySessions::default());
    elsewhere.log_in(session);
    scene.server.advance(150).await;
    atproto(elsewhere.clone()).put_record(&scene.uri("a"), &record(1), Swap::Any).await.unwrap();
    assert!(matches!(scene.put("b").await.unwrap_err(), PdsError::LoggedOut(_)));
    assert_eq!(scene.session().await, None);
    scene.sessions.log_in(scene.server.app_password_session(&scene.account).await);
    scene.put("b").await.unwrap();
}

#[tokio::test]
async fn a_deleted_account_is_an_end_and_not_a_loop() {
    let scene = Scene::by_oauth().await;
    scene.put("self").await.unwrap();
    scene.server.delete_account(&scene.account).await;
    let error = scene.put("self").await.unwrap_err();
    assert!(matches!(error, PdsError::LoggedOut(_)), "{error:?}");
}

#[tokio::test]
async fn a_token_bound_to_another_key_is_of_no_use() {
    let scene = Scene::on(Server::shared().await).await;
    let mut session = scene.server.oauth_session(&scene.account).await;
    if let Credentials::OAuth(tokens) = &mut session.credentials {
        tokens.key_pem = docket_tasks::SigningKey::generate().unwrap().to_pem().unwrap();
    }
    scene.sessions.log_in(session);
    let error = scene.put("self").await.unwrap_err();
    assert!(matches!(error, PdsError::LoggedOut(_)), "{error:?}");
    assert_eq!(scene.kept("self").await, None);
}

#[tokio::test]
async fn no_secret_shows_when_it_is_printed() {
    let scene = Scene::by_oauth().await;
    let shown = format!("{:?} {:?}", scene.atproto, scene.session().await.unwrap());
    for secret in ["eyJ", "ref-", "PRIVATE KEY"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
