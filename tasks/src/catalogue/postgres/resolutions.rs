//! Flags that moderators took back.

use async_trait::async_trait;
use docket_core::{Result, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::PostgresCatalogue;
use crate::{Flagged, Resolutions, ScanId};

/// Rows from before file ids are flags as well.
const FLAGGED: &str = "SELECT s.id, t.atproto_record_uri AS uri, \
    (extract(epoch FROM s.scanned_at) * 1000000)::bigint AS scanned_at \
    FROM copyright_scans s JOIN tracks t ON t.id = s.track_id \
    WHERE s.is_flagged AND s.id > $1 AND t.atproto_record_uri IS NOT NULL ORDER BY s.id LIMIT $2";

const TAKE_BACK: &str = "UPDATE copyright_scans s SET is_flagged = false, \
    state = CASE WHEN s.state = 'flagged' THEN 'resolved' ELSE s.state END \
    FROM unnest($1::bigint[], $2::bigint[]) AS read (id, scanned_at) \
    WHERE s.id = read.id AND s.is_flagged \
      AND (extract(epoch FROM s.scanned_at) * 1000000)::bigint = read.scanned_at";

#[async_trait]
impl Resolutions for PostgresCatalogue {
    async fn flagged(&self, after: Option<ScanId>, limit: usize) -> Result<Vec<Flagged>> {
        let query = sqlx::query(FLAGGED)
            .bind(after.map_or(i64::MIN, |after| after.0))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .try_map(|row: PgRow| {
                Ok(Flagged {
                    id: ScanId(row.try_get::<i32, _>("id")?.into()),
                    uri: row.try_get("uri")?,
                    scanned_at: Timestamp::from_micros(row.try_get("scanned_at")?),
                })
            });
        self.ask("read the flagged scans", query.fetch_all(&self.pool)).await
    }

    async fn take_back(&self, flags: &[Flagged]) -> Result<usize> {
        let ids: Vec<i64> = flags.iter().map(|flag| flag.id.0).collect();
        let times: Vec<i64> = flags.iter().map(|flag| flag.scanned_at.as_micros()).collect();
        let done =
            self.ask("take flags back", sqlx::query(TAKE_BACK).bind(ids).bind(times).execute(&self.pool)).await?;
        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
    }
}
