//! A service's surroundings: buckets, rows, a docket, and what is outside.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use conformance_tests::servers;
use docket::Docket;
use docket_tasks::PostgresCatalogue;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tempfile::TempDir;
use uuid::Uuid;

use crate::outside::{Outside, TOKEN};
use crate::process::{Process, eventually};

pub(crate) const ADA: &str = "did:plc:ada";
pub(crate) const BOB: &str = "did:plc:bob";

/// Cheap to clone; clones are the same.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) outside: Outside,
    outside_url: String,
    folder: Arc<TempDir>,
    /// The database of the rows and of the docket.
    database: Option<(String, PgPool)>,
    vars: Vec<(String, String)>,
}

impl Scene {
    pub(crate) async fn on_memory() -> Self {
        let (outside, folder) = (Outside::default(), tempfile::tempdir().unwrap());
        for place in ["public/audio", "private", "exports"] {
            fs::create_dir_all(folder.path().join(place)).unwrap();
        }
        let url = outside.serve().await;
        let bucket = |place: &str| format!("file://{}", folder.path().join(place).display());
        let vars = [
            ("R2_BUCKET", bucket("public")),
            ("R2_PRIVATE_BUCKET", bucket("private")),
            ("R2_EXPORT_BUCKET", bucket("exports")),
            ("MODERATION_SERVICE_URL", format!("{url}/moderation")),
            ("MODERATION_LABELER_URL", format!("{url}/labeler")),
            ("MODERATION_AUTH_TOKEN", TOKEN.to_owned()),
            ("REPLICATE_ENABLED", "true".to_owned()),
            ("REPLICATE_API_URL", format!("{url}/replicate")),
            ("REPLICATE_API_TOKEN", TOKEN.to_owned()),
            ("BLUESKY_API_URL", format!("{url}/bluesky")),
            ("ATPROTO_REACH", "loopback".to_owned()),
        ];
        let vars = vars.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { outside, outside_url: url, folder: Arc::new(folder), database: None, vars }
    }

    /// Rows and docket in a database of their own.
    pub(crate) async fn on_postgres() -> Self {
        let (mut scene, server) = (Self::on_memory().await, servers::postgres_url().await);
        let name = format!("service_{}", Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        let pool = PgPool::connect(url.as_str()).await.unwrap();
        PostgresCatalogue::new(pool.clone()).create_tables().await.unwrap();
        let wish = "INSERT INTO user_preferences (did, enable_teal_scrobbling) VALUES ($1, true)";
        sqlx::query(wish).bind(BOB).execute(&pool).await.unwrap();
        for name in ["DATABASE_URL", "DOCKET_URL"] {
            scene.vars.push((name.to_owned(), url.to_string()));
        }
        let key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
        scene.vars.push(("OAUTH_ENCRYPTION_KEY".to_owned(), key.to_owned()));
        scene.database = Some((url.to_string(), pool));
        scene
    }

    /// The docket is elsewhere, behind an outbox in the database.
    pub(crate) async fn with_docket_on_redis(mut self) -> Self {
        let (database, _) = self.database.clone().unwrap();
        self.vars.retain(|(name, _)| name != "DOCKET_URL");
        let name = format!("service.{}", Uuid::now_v7().simple());
        let vars = [("DOCKET_URL", servers::redis_url().await), ("DOCKET_NAME", name), ("DOCKET_OUTBOX_URL", database)];
        self.vars.extend(vars.map(|(name, value)| (name.to_owned(), value)));
        self
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.database.as_ref().unwrap().1).await.unwrap();
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.as_ref().unwrap().1).await.unwrap()
    }

    /// Public audio is in a bucket that hands it out only when it is told to.
    pub(crate) fn with_slow_audio(mut self) -> Self {
        self.vars.retain(|(name, _)| name != "R2_BUCKET");
        let vars = [
            ("R2_BUCKET", "s3://bucket"),
            ("R2_PUBLIC_BUCKET_URL", "https://audio.plyr.fm"),
            ("R2_ENDPOINT_URL", &self.outside_url),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        self.vars.extend(vars.map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }

    pub(crate) fn spawn(&self, worker: &str) -> Process {
        Process::spawn(worker, &self.vars)
    }

    pub(crate) async fn process(&self, worker: &str) -> Process {
        self.spawn(worker).ready().await
    }

    /// The docket, as another process sees it.
    pub(crate) async fn docket(&self) -> Docket {
        let (url, _) = self.database.as_ref().expect("only a database is seen by others");
        Docket::connect(url).name("plyr").await.unwrap()
    }

    /// What a login by app password brings.
    pub(crate) fn login(&self) -> Value {
        json!({ "handle": "h.example", "pds_url": self.outside_url, "access": TOKEN, "refresh": TOKEN })
    }

    /// An upload whose audio is in the bucket.
    pub(crate) fn upload(&self, number: u32) -> Value {
        let file_id = format!("file{number}");
        fs::write(self.audio("public", &file_id), "audio").unwrap();
        let uri = format!("at://{ADA}/fm.plyr.track/3jzfcijpj2z2{}", ["a", "b", "c"][number as usize]);
        let record = json!({ "uri": uri, "cid": format!("cid-of-{number}") });
        json!({ "title": format!("Track {number}"), "file_id": file_id, "file_type": "mp3", "record": record })
    }

    /// Where the audio would be in a bucket.
    pub(crate) fn audio(&self, bucket: &str, file_id: &str) -> PathBuf {
        self.folder.path().join(bucket).join(format!("audio/{file_id}.mp3"))
    }

    /// A track that was flagged before anything here began.
    pub(crate) async fn flag_an_old_track(&self) {
        let rows = "INSERT INTO artists (did, handle, display_name) VALUES ('did:plc:old', 'old', 'Old'); \
            INSERT INTO tracks (id, title, artist_did, file_id, file_type, atproto_record_uri) \
              VALUES (1000, 'Old', 'did:plc:old', 'old', 'mp3', 'at://did:plc:old/fm.plyr.track/3jzfcijpj2z2z'); \
            INSERT INTO copyright_scans (track_id, file_id, state, is_flagged, scanned_at) \
              VALUES (1000, 'old', 'flagged', true, '2026-01-02');";
        self.execute(rows).await;
    }

    pub(crate) async fn until_resolved(&self) {
        let flags = "SELECT count(*) FROM copyright_scans WHERE is_flagged";
        eventually("the flag is taken back", async || (self.count(flags).await == 0).then_some(())).await;
    }
}
