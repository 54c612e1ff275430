//! The service's rows: in its Postgres, or in this process where there is none.

mod jobs;
mod memory;
mod postgres;

use std::sync::Arc;

use docket::{Add, Client, Docket, Error, InTransaction, Result};
use docket_tasks::{
    AudioFile, Catalogue, PostgresCatalogue, PostgresSessions, Secret, SessionCipher, Sessions, Social, StrongRef,
};
use sqlx::PgPool;
use tokio::sync::broadcast;

use super::refusal::Refusal;
use memory::Memory;
pub(crate) use memory::now;
use postgres::Postgres;

/// The service's rows. Cheap to clone; clones are the same rows.
#[derive(Clone)]
pub(crate) enum Data {
    Memory(Memory),
    Postgres(Postgres),
}

/// The effect of a request on the rows.
pub(crate) enum Change {
    Upload(Upload),
    MakeAlbum { did: String, id: String, title: String },
    JoinAlbum { track_id: i64, album_id: String },
    LeaveAlbum { track_id: i64, album_id: String },
    Gate { track_id: i64, is_gated: bool },
    Like { did: String, track_id: i64 },
    Unlike { did: String, track_id: i64 },
    Comment { did: String, track_id: i64, text: String, timestamp_ms: i32 },
    EditComment { id: i64, text: String },
    DeleteComment { id: i64 },
    Export { did: String, id: String },
    LogIn { did: String, login: Login },
}

/// The end of an upload: audio that is in the bucket, and the track's record if it has one.
pub(crate) struct Upload {
    pub(crate) did: String,
    pub(crate) title: String,
    pub(crate) audio: AudioFile,
    pub(crate) audio_url: String,
    pub(crate) record: Option<StrongRef>,
}

/// The end of a login by app password. By OAuth it would bring other tokens.
#[derive(serde::Deserialize)]
pub(crate) struct Login {
    pub(crate) handle: String,
    pub(crate) pds_url: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Data {
    /// `DATABASE_URL`, with the tables of `migrations/`, and `OAUTH_ENCRYPTION_KEY` for its sessions; without it, memory.
    pub(crate) async fn from_env() -> Result<Self> {
        let Ok(url) = std::env::var("DATABASE_URL") else {
            tracing::warn!("DATABASE_URL is not set: all rows end with this process");
            return Ok(Self::Memory(Memory::default()));
        };
        let key = std::env::var("OAUTH_ENCRYPTION_KEY");
        let key =
            key.map_err(|_| Error::config("read OAUTH_ENCRYPTION_KEY", "it is not set; sessions are encrypted"))?;
        let cipher = || SessionCipher::new(&Secret::new(key.as_str()));
        // Without its source: that may show the URL, which carries a password.
        let away = |_| Error::config("open DATABASE_URL", "it cannot be reached");
        let pool = PgPool::connect(&url).await.map_err(away)?;
        let sessions = Arc::new(PostgresSessions::new(pool.clone(), cipher()?));
        let catalogue = Arc::new(PostgresCatalogue::new(pool.clone()));
        let changes = jobs::listen(&pool).await?;
        Ok(Self::Postgres(Postgres { pool, catalogue, sessions, cipher: Arc::new(cipher()?), changes }))
    }

    pub(crate) fn catalogue(&self) -> Arc<dyn Catalogue> {
        match self {
            Self::Memory(memory) => memory.catalogue.clone(),
            Self::Postgres(postgres) => postgres.catalogue.clone(),
        }
    }

    pub(crate) fn social(&self) -> Arc<dyn Social> {
        match self {
            Self::Memory(memory) => memory.social.clone(),
            Self::Postgres(postgres) => postgres.catalogue.clone(),
        }
    }

    pub(crate) fn sessions(&self) -> Arc<dyn Sessions> {
        match self {
            Self::Memory(memory) => memory.sessions.clone(),
            Self::Postgres(postgres) => postgres.sessions.clone(),
        }
    }

    /// Tells of changed jobs from now on; `None` in memory, where looking costs nothing.
    pub(crate) fn job_changes(&self) -> Option<broadcast::Receiver<String>> {
        match self {
            Self::Memory(_) => None,
            Self::Postgres(postgres) => Some(postgres.changes.subscribe()),
        }
    }

    /// Makes a change, then, or together with it, adds its tasks; gives the id of the row.
    pub(crate) async fn change(
        &self,
        docket: &Docket,
        change: Change,
        tasks: impl FnOnce(&Client, i64) -> Vec<Add> + Send,
    ) -> Result<i64, Refusal> {
        let id = match self {
            Self::Memory(memory) => memory.apply(change).await?,
            Self::Postgres(postgres) => {
                let mut tx = postgres.pool.begin().await?;
                let id = postgres.apply(&mut tx, change).await?;
                if docket.store().capabilities().transactional_add {
                    for add in tasks(docket.client(), id) {
                        add.in_transaction(&mut tx).await?;
                    }
                    tx.commit().await?;
                    return Ok(id);
                }
                tx.commit().await?;
                id
            }
        };
        // A crash here loses tasks of committed rows. Those with a sweeper are found again: exports
        // by `reap_exports`, likes and comments at the next login. An outbox closes the gap for
        // all.
        for add in tasks(docket.client(), id) {
            add.await?;
        }
        Ok(id)
    }
}
