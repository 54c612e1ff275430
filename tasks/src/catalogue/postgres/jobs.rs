//! Jobs.

use std::time::Duration;

use docket_core::{Fence, Result};
use serde_json::{Map, Value};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::PostgresCatalogue;
use crate::{Job, JobAnswer, JobState, JobUpdate};

/// The guarded transition of [`Job::apply`], in one statement. The row beside it is from before the update.
const WRITE: &str = "\
    WITH moved AS ( \
      UPDATE jobs SET fence = $2, status = $3, message = $4, progress_pct = least(coalesce($5::float8, progress_pct), 100), \
        result = coalesce(result, '{}') || coalesce($6::jsonb, '{}'), error = $7, updated_at = now(), \
        completed_at = CASE WHEN $3 IN ('completed', 'failed') THEN now() END \
      WHERE id = $1 AND status <> 'completed' AND (fence IS NULL OR fence <= $2) RETURNING 1) \
    SELECT status, EXISTS (SELECT FROM moved) AS moved FROM jobs WHERE id = $1";

const READ: &str =
    "SELECT id, owner_did, status, message, progress_pct, result::text, error, fence FROM jobs WHERE id = $1";

const QUIET: &str = "SELECT id, owner_did, status, message, progress_pct, result::text, error, fence FROM jobs \
    WHERE type = 'export' AND status IN ('pending', 'processing') \
      AND updated_at <= now() - make_interval(secs => $1) ORDER BY updated_at LIMIT $2";

impl PostgresCatalogue {
    pub(super) async fn read_job(&self, id: &str) -> Result<Option<Job>> {
        let query = sqlx::query(READ).bind(id).try_map(job);
        self.ask("read a job", query.fetch_optional(&self.pool)).await
    }

    pub(super) async fn read_quiet_exports(&self, quiet_for: Duration, limit: usize) -> Result<Vec<Job>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = sqlx::query(QUIET).bind(quiet_for.as_secs_f64()).bind(limit).try_map(job);
        self.ask("read quiet exports", query.fetch_all(&self.pool)).await
    }

    pub(super) async fn write_job(&self, id: &str, fence: Fence, update: JobUpdate) -> Result<JobAnswer> {
        let query = sqlx::query(WRITE)
            .bind(id)
            .bind(i64::try_from(fence.0).unwrap_or(i64::MAX))
            .bind(word(update.state))
            .bind(update.message)
            .bind(update.progress_pct.map(f64::from))
            .bind(update.result.map(|result| Value::Object(result).to_string()))
            .bind(update.error)
            .try_map(|row: PgRow| Ok((row.try_get::<String, _>("status")?, row.try_get::<bool, _>("moved")?)));
        Ok(match self.ask("update a job", query.fetch_optional(&self.pool)).await? {
            None => JobAnswer::NotFound,
            Some((_, true)) => JobAnswer::Updated,
            Some((status, false)) if status == word(JobState::Completed) => JobAnswer::Completed,
            Some((_, false)) => JobAnswer::Superseded,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the columns match the query")]
fn job(row: PgRow) -> sqlx::Result<Job> {
    let unread = |e: serde_json::Error| sqlx::Error::Decode(e.into());
    let state: &str = row.try_get("status")?;
    let result: Option<&str> = row.try_get("result")?;
    let progress: f64 = row.try_get("progress_pct")?;
    Ok(Job {
        id: row.try_get("id")?,
        owner_did: row.try_get("owner_did")?,
        state: serde_json::from_value(state.into()).map_err(unread)?,
        message: row.try_get::<Option<_>, _>("message")?.unwrap_or_default(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a percentage")]
        progress_pct: progress.clamp(0.0, 100.0) as u8,
        result: result.map(serde_json::from_str).transpose().map_err(unread)?.unwrap_or_else(Map::new),
        error: row.try_get("error")?,
        fence: row.try_get::<Option<i64>, _>("fence")?.map(|fence| Fence(fence.unsigned_abs())),
    })
}

fn word(state: JobState) -> &'static str {
    match state {
        JobState::Pending => "pending",
        JobState::Processing => "processing",
        JobState::Completed => "completed",
        JobState::Failed => "failed",
    }
}
