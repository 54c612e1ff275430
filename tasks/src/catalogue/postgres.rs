//! The catalogue in the service's own Postgres.

mod genres;
mod jobs;
mod lists;
mod notices;
mod placements;
mod resolutions;
mod scans;
mod sessions;
mod social;
mod tracks;

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{Error, ErrorKind, Fence, Result, Retryable};
use sqlx::PgPool;
use sqlx::error::DatabaseError;

use super::{Catalogue, Job, JobAnswer, JobUpdate, Scan, ScanAnswer, Track};

/// How long one statement may take, the wait for a connection included.
const ANSWER_MAX: Duration = Duration::from_secs(10);

pub use sessions::PostgresSessions;

/// [`Catalogue`] over the tables of plyr.fm, as `migrations/` describes them.
///
/// Each call is one statement on a connection that it takes and gives back: no task holds a
/// connection while it calls another service.
#[derive(Clone, Debug)]
pub struct PostgresCatalogue {
    pool: PgPool,
}

impl PostgresCatalogue {
    /// The tables that `pool` sees.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Makes all tables in an empty database, for tests and trials.
    ///
    /// # Errors
    ///
    /// If one of them is there already: a service has its own migrations, and takes `0002_docket.sql` and `0003_records.sql` into them.
    pub async fn create_tables(&self) -> Result<()> {
        let scripts = concat!(
            "BEGIN;",
            include_str!("../../migrations/0001_plyr.sql"),
            include_str!("../../migrations/0002_docket.sql"),
            include_str!("../../migrations/0003_records.sql"),
            "COMMIT;"
        );
        self.ask("create the tables", sqlx::raw_sql(scripts).execute(&self.pool)).await.map(|_| ())
    }

    async fn ask<T>(&self, operation: &'static str, call: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
        match tokio::time::timeout(ANSWER_MAX, call).await {
            Ok(answer) => answer.map_err(|error| described(operation, error)),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, operation, "the database did not answer in time")),
        }
    }
}

#[async_trait]
impl Catalogue for PostgresCatalogue {
    async fn track(&self, id: i64) -> Result<Option<Track>> {
        self.read_track(id).await
    }

    async fn tracks_of(&self, artist_did: &str) -> Result<Vec<Track>> {
        self.read_tracks_of(artist_did).await
    }

    async fn scan(&self, track_id: i64, file_id: &str) -> Result<Option<Scan>> {
        self.read_scan(track_id, file_id).await
    }

    async fn record_scan(&self, scan: &Scan) -> Result<ScanAnswer> {
        self.write_scan(scan).await
    }

    async fn job(&self, id: &str) -> Result<Option<Job>> {
        self.read_job(id).await
    }

    async fn quiet_exports(&self, quiet_for: Duration, limit: usize) -> Result<Vec<Job>> {
        self.read_quiet_exports(quiet_for, limit).await
    }

    async fn update_job(&self, id: &str, fence: Fence, update: JobUpdate) -> Result<JobAnswer> {
        self.write_job(id, fence, update).await
    }
}

/// The server refuses the input for good; all other errors may be temporary.
fn described(operation: &'static str, error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(DatabaseError::code).map(Cow::into_owned);
    let (kind, retryable, message) = match (&error, code) {
        (_, Some(code)) if matches!(code.get(..2), Some("22" | "23")) => {
            (ErrorKind::Invalid, Retryable::No, format!("the database refused the value ({code})"))
        }
        (_, Some(code)) if matches!(code.get(..2), Some("42" | "3F")) => {
            (ErrorKind::Conflict, Retryable::No, format!("the tables are not those of migrations/ ({code})"))
        }
        (_, Some(code)) => (ErrorKind::Unavailable, Retryable::Yes, format!("the database answered {code}")),
        (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_), None) => {
            (ErrorKind::Corrupt, Retryable::No, "a row cannot be read".to_owned())
        }
        (_, None) => (ErrorKind::Unavailable, Retryable::Yes, "the database cannot be reached".to_owned()),
    };
    Error::new(kind, operation, message).retryable(retryable).with_source(error)
}
