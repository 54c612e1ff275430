//! All of it in the service's own Postgres: rows, slots, sessions and the docket in one database.

use std::sync::Arc;

use conformance_tests::servers;
use docket_core::worker::Stop;
use docket_core::{Client, DocketName, Registry, Worker};
use docket_postgres::{InTransaction as _, Options, PostgresBackend};
use docket_tasks::{
    Buckets, Pds, PdsLike, PdsNames, PostgresCatalogue, PostgresSessions, Secret, Services, SessionCipher,
    SessionPayload, Storage,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};
use uuid::Uuid;

use crate::server::{Account, SCOPE, Server};
use crate::world::{atproto, eventually};

const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const LIKE: &str = "fm.plyr.like";

struct Scene {
    server: Arc<Server>,
    ada: Account,
    pool: PgPool,
    sessions: Arc<PostgresSessions>,
    client: Client,
}

impl Scene {
    async fn new(server: Arc<Server>) -> Self {
        let given = servers::postgres_url().await;
        let name = format!("pds_{}", Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(&given).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        let mut url = reqwest::Url::parse(&given).unwrap();
        url.set_path(&name);
        let pool = PgPool::connect(url.as_str()).await.unwrap();
        PostgresCatalogue::new(pool.clone()).create_tables().await.unwrap();
        let rows = "INSERT INTO artists (did, handle, display_name) VALUES ('did:plc:artist', 'artist.test', 'Artist'); \
                    INSERT INTO tracks (id, title, artist_did, atproto_record_uri, atproto_record_cid) VALUES \
                    (7, 'Notes', 'did:plc:artist', 'at://did:plc:artist/fm.plyr.track/self', 'bafyreicid')";
        pool.execute(rows).await.unwrap();
        let docket = DocketName::new("plyr").unwrap();
        let store = PostgresBackend::connect(url.as_str(), docket, Options::default()).await.unwrap();
        let cipher = SessionCipher::new(&Secret::new(KEY)).unwrap();
        let sessions = Arc::new(PostgresSessions::new(pool.clone(), cipher));
        let ada = server.account("ada").await;
        Self { server, ada, pool, sessions, client: Client::new(Arc::new(store)) }
    }

    /// As the service does it, at the end of a login.
    async fn log_in(&self) {
        let tokens = self.server.oauth_tokens(&self.ada, SCOPE).await;
        let fields = json!({
            "did": self.ada.did, "handle": self.ada.handle, "pds_url": self.server.pds,
            "authserver_iss": tokens["issuer"], "scope": tokens["scope"], "access_token": tokens["access_token"],
            "refresh_token": tokens["refresh_token"], "dpop_private_key_pem": tokens["key_pem"],
            "client_auth_method": "none",
        });
        let cipher = SessionCipher::new(&Secret::new(KEY)).unwrap();
        let sealed = cipher.seal(&SessionPayload::new(fields.as_object().unwrap().clone())).unwrap();
        let insert =
            "INSERT INTO user_sessions (session_id, did, handle, oauth_session_data) VALUES ('s1', $1, $2, $3)";
        let insert = sqlx::query(insert).bind(&self.ada.did).bind(&self.ada.handle).bind(sealed);
        insert.execute(&self.pool).await.unwrap();
    }

    /// The row and the task, in one transaction that is not yet committed.
    async fn change(&self, sql: &'static str) -> sqlx::Transaction<'_, sqlx::Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::query(sql).bind(&self.ada.did).execute(&mut *tx).await.unwrap();
        PdsLike::add(&self.client, &self.ada.did, 7).in_transaction(&mut tx).await.unwrap();
        tx
    }

    /// The addresses of the likes on the PDS.
    async fn likes(&self) -> Vec<String> {
        let anybody = atproto(self.sessions.clone());
        let page = anybody.list_records(&self.server.pds, &self.ada.did, LIKE, None).await.unwrap();
        page.records.iter().map(|record| record.uri.to_string()).collect()
    }

    fn worker(&self) -> Stop {
        let folder = Storage::open("file:///tmp", None).unwrap();
        let buckets = Buckets { public: folder.clone(), private: None, exports: folder };
        let rows = Arc::new(PostgresCatalogue::new(self.pool.clone()));
        let pds = Pds::new(atproto(self.sessions.clone()), rows.clone(), PdsNames::default());
        let mut registry = Registry::new();
        docket_tasks::register_pds(&mut registry).unwrap();
        let worker = Worker::builder(self.client.store().clone()).registry(registry);
        let worker = worker.state(Arc::new(Services::new(rows, buckets, None).with_pds(pds))).build().unwrap();
        let stop = worker.stop_handle();
        tokio::spawn(worker.run());
        stop
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

const LIKED: &str = "INSERT INTO track_likes (track_id, user_did) VALUES (7, $1)";
const UNLIKED: &str = "DELETE FROM track_likes WHERE user_did = $1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_like_commits_with_its_task_and_the_tokens_are_refreshed_on_the_way_back() {
    let server = Server::alone().await;
    server.token_seconds(60).await;
    let scene = Scene::new(server).await;
    scene.log_in().await;
    let worker = scene.worker();
    scene.change(LIKED).await.rollback().await.unwrap();
    scene.change(LIKED).await.commit().await.unwrap();
    let read = "SELECT atproto_like_uri FROM track_likes";
    let kept = eventually("the row has its address", async || {
        sqlx::query_scalar::<_, Option<String>>(read).fetch_one(&scene.pool).await.unwrap()
    })
    .await;
    assert_eq!(scene.likes().await, [kept]);
    assert_eq!(scene.count("SELECT token_version FROM user_sessions").await, 0);
    scene.server.advance(150).await;
    scene.change(UNLIKED).await.commit().await.unwrap();
    eventually("it is gone", async || scene.likes().await.is_empty().then_some(())).await;
    let forgotten = async || (scene.count("SELECT count(*) FROM pds_records").await == 0).then_some(());
    eventually("its slot is forgotten", forgotten).await;
    assert_eq!(scene.count("SELECT token_version FROM user_sessions").await, 1);
    worker.stop();
}
