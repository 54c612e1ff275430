//! Sessions in `user_sessions`, encrypted as the service keeps them.

use std::time::Duration;

use async_trait::async_trait;
use docket_core::Result;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::PostgresCatalogue;
use crate::{
    Credentials, LockAnswer, Session, SessionCipher, SessionId, SessionPayload, Sessions, StoreAnswer, TokenVersion,
};

const OF_DID: &str = "SELECT session_id, did, oauth_session_data, token_version, \
      extract(epoch FROM now())::bigint AS now, extract(epoch FROM created_at)::bigint AS created_at \
    FROM user_sessions WHERE did = $1 AND (expires_at IS NULL OR expires_at > now()) ORDER BY user_sessions.created_at DESC";

const ONE: &str = "SELECT session_id, did, oauth_session_data, token_version, \
      extract(epoch FROM greatest(refresh_until - now(), interval '0'))::float8 AS held, \
      extract(epoch FROM now())::bigint AS now \
    FROM user_sessions WHERE session_id = $1";

const LOCK: &str = "UPDATE user_sessions \
    SET refresh_holder = $3, refresh_until = now() + make_interval(secs => $4) \
    WHERE session_id = $1 AND token_version = $2 \
      AND (refresh_holder IS NULL OR refresh_holder = $3 OR refresh_until <= now())";

const STORE: &str = "UPDATE user_sessions SET oauth_session_data = $3 WHERE session_id = $1 AND token_version = $2";

const UNLOCK: &str = "UPDATE user_sessions SET refresh_holder = NULL, refresh_until = NULL \
    WHERE session_id = $1 AND refresh_holder = $2";

const END: &str = "DELETE FROM user_sessions WHERE session_id = $1 AND token_version = $2";

/// [`Sessions`] over `user_sessions`, as `migrations/` describes it. The version rises with every
/// change of the tokens, also by a service that knows nothing of versions; a service that caches
/// sessions must read past its cache once a token is refused.
#[derive(Debug)]
pub struct PostgresSessions {
    tables: PostgresCatalogue,
    cipher: SessionCipher,
}

impl PostgresSessions {
    /// The sessions that `pool` sees, encrypted with this key.
    pub fn new(pool: PgPool, cipher: SessionCipher) -> Self {
        Self { tables: PostgresCatalogue::new(pool), cipher }
    }

    async fn row(&self, id: &SessionId) -> Result<Option<PgRow>> {
        let query = sqlx::query(ONE).bind(id.reveal());
        self.tables.ask("read a session", query.fetch_optional(&self.tables.pool)).await
    }

    async fn change(
        &self,
        operation: &'static str,
        query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<bool> {
        let done = self.tables.ask(operation, query.execute(&self.tables.pool)).await?;
        Ok(done.rows_affected() > 0)
    }

    fn opened(&self, row: &PgRow) -> Result<SessionPayload> {
        let sealed: &str = row.try_get("oauth_session_data").map_err(|e| super::described("read a session", e))?;
        self.cipher.open(sealed)
    }

    /// The session, unless its refresh token has run out.
    fn live(&self, row: &PgRow) -> Result<Option<Session>> {
        let payload = self.opened(row)?;
        let times = || -> sqlx::Result<(i64, i64)> { Ok((row.try_get("now")?, row.try_get("created_at")?)) };
        let (now, created_at) = times().map_err(|e| super::described("read a session", e))?;
        if payload.refresh_ends_at(created_at) <= now {
            return Ok(None);
        }
        session(row, &payload).map(Some)
    }
}

#[async_trait]
impl Sessions for PostgresSessions {
    async fn sessions_of(&self, did: &str) -> Result<Vec<Session>> {
        let query = sqlx::query(OF_DID).bind(did);
        let rows = self.tables.ask("read sessions", query.fetch_all(&self.tables.pool)).await?;
        // A session that cannot be read cannot be used for writing; the service deletes it at the
        // user's next login.
        let live = rows.iter().filter_map(|row| match self.live(row) {
            Ok(session) => session,
            Err(error) => {
                tracing::warn!(did, %error, "session skipped");
                None
            }
        });
        Ok(live.collect())
    }

    async fn lock(&self, id: &SessionId, version: TokenVersion, holder: Uuid, length: Duration) -> Result<LockAnswer> {
        let lock = sqlx::query(LOCK).bind(id.reveal()).bind(version.0).bind(holder).bind(length.as_secs_f64());
        if self.change("lock a session", lock).await? {
            return Ok(LockAnswer::Taken);
        }
        let Some(row) = self.row(id).await? else { return Ok(LockAnswer::Gone) };
        let session = self::session(&row, &self.opened(&row)?)?;
        if session.version != version {
            return Ok(LockAnswer::Refreshed(session));
        }
        let held: Option<f64> = row.try_get("held").map_err(|e| super::described("lock a session", e))?;
        Ok(LockAnswer::Held(Duration::try_from_secs_f64(held.unwrap_or_default()).unwrap_or(length)))
    }

    async fn store_tokens(
        &self,
        id: &SessionId,
        version: TokenVersion,
        credentials: &Credentials,
    ) -> Result<StoreAnswer> {
        let Some(row) = self.row(id).await? else { return Ok(StoreAnswer::Gone) };
        let payload = self.opened(&row)?;
        let found = session(&row, &payload)?;
        if found.version != version {
            return Ok(StoreAnswer::Refreshed(found));
        }
        let now: i64 = row.try_get("now").map_err(|e| super::described("keep tokens", e))?;
        let sealed = self.cipher.seal(&payload.with(credentials, now))?;
        let store = sqlx::query(STORE).bind(id.reveal()).bind(version.0).bind(sealed);
        let was_stored = self.change("keep tokens", store).await?;
        let Some(row) = self.row(id).await? else { return Ok(StoreAnswer::Gone) };
        let session = self::session(&row, &self.opened(&row)?)?;
        Ok(if was_stored { StoreAnswer::Stored(session) } else { StoreAnswer::Refreshed(session) })
    }

    async fn unlock(&self, id: &SessionId, holder: Uuid) -> Result<()> {
        let unlock = sqlx::query(UNLOCK).bind(id.reveal()).bind(holder);
        self.change("unlock a session", unlock).await.map(drop)
    }

    async fn end(&self, id: &SessionId, version: TokenVersion) -> Result<()> {
        let end = sqlx::query(END).bind(id.reveal()).bind(version.0);
        self.change("end a session", end).await.map(drop)
    }
}

fn session(row: &PgRow, payload: &SessionPayload) -> Result<Session> {
    let read = || -> sqlx::Result<(String, String, i64)> {
        Ok((row.try_get("session_id")?, row.try_get("did")?, row.try_get("token_version")?))
    };
    let (id, did, version) = read().map_err(|e| super::described("read a session", e))?;
    Ok(Session {
        id: SessionId::new(id),
        did,
        pds_url: payload.pds_url()?.to_owned(),
        version: TokenVersion(version),
        credentials: payload.credentials()?,
    })
}
