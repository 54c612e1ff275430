//! Changes of the rows in Postgres: each is what the service would do in the request's transaction.

use std::sync::Arc;

use docket_tasks::{PostgresCatalogue, PostgresSessions, SessionCipher, SessionPayload};
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool};

use super::jobs::Changes;
use super::{Change, Login, Upload};
use crate::service::refusal::Refusal;

/// The service's database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Postgres {
    pub(super) pool: PgPool,
    pub(super) catalogue: Arc<PostgresCatalogue>,
    pub(super) sessions: Arc<PostgresSessions>,
    pub(super) cipher: Arc<SessionCipher>,
    pub(super) changes: Changes,
}

const ARTIST: &str = "INSERT INTO artists (did, handle, display_name) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING";

const UPLOAD: &str = "INSERT INTO tracks (title, artist_did, file_id, file_type, r2_url, atproto_record_uri, \
    atproto_record_cid, extra) VALUES ($1, $2, $3, $4, $5, $6, $7, '{\"auto_tag\": true}') RETURNING id";

const LOG_IN: &str = "INSERT INTO user_sessions (session_id, did, handle, oauth_session_data) VALUES ($1, $2, $3, $4)";

impl Postgres {
    /// Makes a change; gives the id of its row where it has a number.
    pub(super) async fn apply(&self, tx: &mut PgConnection, change: Change) -> Result<i64, Refusal> {
        match change {
            Change::Upload(upload) => self::upload(tx, upload).await,
            Change::MakeAlbum { did, id, title } => {
                artist(tx, &did, &did).await?;
                let insert = sqlx::query("INSERT INTO albums (id, artist_did, title) VALUES ($1, $2, $3)");
                changed(insert.bind(id).bind(did).bind(title).execute(tx).await?)
            }
            Change::JoinAlbum { track_id, album_id } => {
                let update = sqlx::query("UPDATE tracks SET album_id = $2 WHERE id = $1");
                changed(update.bind(track_id).bind(album_id).execute(tx).await?)
            }
            Change::LeaveAlbum { track_id, album_id } => {
                let update = sqlx::query("UPDATE tracks SET album_id = NULL WHERE id = $1 AND album_id = $2");
                changed(update.bind(track_id).bind(album_id).execute(tx).await?)
            }
            Change::Gate { track_id, is_gated } => {
                let update = "UPDATE tracks SET support_gate = CASE WHEN $2 THEN '{}'::jsonb END WHERE id = $1";
                changed(sqlx::query(update).bind(track_id).bind(is_gated).execute(tx).await?)
            }
            Change::Like { did, track_id } => {
                let insert = "INSERT INTO track_likes (track_id, user_did) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                sqlx::query(insert).bind(track_id).bind(did).execute(tx).await?;
                Ok(track_id)
            }
            Change::Unlike { did, track_id } => {
                let delete = sqlx::query("DELETE FROM track_likes WHERE track_id = $1 AND user_did = $2");
                delete.bind(track_id).bind(did).execute(tx).await?;
                Ok(track_id)
            }
            Change::Comment { did, track_id, text, timestamp_ms } => {
                let insert = "INSERT INTO track_comments (track_id, user_did, text, timestamp_ms) \
                              VALUES ($1, $2, $3, $4) RETURNING id";
                let insert = sqlx::query_scalar::<_, i32>(insert).bind(track_id).bind(did).bind(text);
                Ok(insert.bind(timestamp_ms).fetch_one(tx).await?.into())
            }
            Change::EditComment { id, text } => {
                let update = sqlx::query("UPDATE track_comments SET text = $2, updated_at = now() WHERE id = $1");
                changed(update.bind(id).bind(text).execute(tx).await?)
            }
            Change::DeleteComment { id } => {
                changed(sqlx::query("DELETE FROM track_comments WHERE id = $1").bind(id).execute(tx).await?)
            }
            Change::Export { did, id } => {
                let insert = sqlx::query("INSERT INTO jobs (id, type, owner_did) VALUES ($1, 'export', $2)");
                changed(insert.bind(id).bind(did).execute(tx).await?)
            }
            Change::LogIn { did, login } => self.log_in(tx, &did, login).await,
        }
    }

    async fn log_in(&self, tx: &mut PgConnection, did: &str, login: Login) -> Result<i64, Refusal> {
        artist(tx, did, &login.handle).await?;
        let fields = [
            ("did", did),
            ("handle", &login.handle),
            ("pds_url", &login.pds_url),
            ("auth_type", "app_password"),
            ("access_token", &login.access),
            ("refresh_token", &login.refresh),
        ];
        let fields: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let sealed = self.cipher.seal(&SessionPayload::new(fields))?;
        let id = uuid::Uuid::now_v7().simple().to_string();
        let insert = sqlx::query(LOG_IN).bind(id).bind(did).bind(login.handle).bind(sealed);
        changed(insert.execute(tx).await?)
    }
}

async fn artist(tx: &mut PgConnection, did: &str, handle: &str) -> Result<(), Refusal> {
    sqlx::query(ARTIST).bind(did).bind(handle).execute(tx).await?;
    Ok(())
}

async fn upload(tx: &mut PgConnection, upload: Upload) -> Result<i64, Refusal> {
    let Upload { did, title, audio, audio_url, record } = upload;
    artist(tx, &did, &did).await?;
    let (uri, cid) = record.map(|record| (record.uri.to_string(), record.cid)).unzip();
    let insert = sqlx::query_scalar::<_, i32>(UPLOAD).bind(title).bind(did).bind(&audio.file_id).bind(&audio.file_type);
    Ok(insert.bind(audio_url).bind(uri).bind(cid).fetch_one(tx).await?.into())
}

/// A row that went while it was looked at is not there.
#[expect(clippy::needless_pass_by_value, reason = "what a statement gives is looked at once")]
fn changed(done: sqlx::postgres::PgQueryResult) -> Result<i64, Refusal> {
    if done.rows_affected() == 0 { Err(Refusal::not_found("row any more")) } else { Ok(0) }
}
