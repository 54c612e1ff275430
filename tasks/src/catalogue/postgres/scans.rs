//! Copyright scans.

use docket_core::{Result, Timestamp};
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::PostgresCatalogue;
use crate::{Scan, ScanAnswer, ScanState};

/// Compares the track's audio in the same step, locked so that a replacement waits for it.
const WRITE: &str = "\
    WITH track AS (SELECT id FROM tracks WHERE id = $1 AND file_id = $2 FOR SHARE), written AS ( \
      INSERT INTO copyright_scans AS known (track_id, file_id, state, is_flagged, highest_score, matches, raw_response, \
        self_match, error, scanned_at) \
      SELECT id, $2, $3, $3 = 'flagged', $4, $5::jsonb, $6::jsonb, $7, $8, to_timestamp($9 / 1000000.0) FROM track \
      ON CONFLICT (track_id, file_id) WHERE file_id IS NOT NULL DO UPDATE SET state = excluded.state, \
        is_flagged = excluded.is_flagged, highest_score = excluded.highest_score, matches = excluded.matches, \
        raw_response = excluded.raw_response, self_match = excluded.self_match, error = excluded.error, \
        scanned_at = excluded.scanned_at \
      WHERE known.state = 'failed' OR excluded.state <> 'failed' RETURNING 1) \
    SELECT EXISTS (SELECT FROM track), EXISTS (SELECT FROM written)";

const READ: &str = "SELECT state, highest_score, matches::text, self_match, raw_response::text, error, \
    (extract(epoch FROM scanned_at) * 1000000)::bigint AS scanned_at \
    FROM copyright_scans WHERE track_id = $1 AND file_id = $2";

impl PostgresCatalogue {
    pub(super) async fn read_scan(&self, track_id: i64, file_id: &str) -> Result<Option<Scan>> {
        let query = sqlx::query(READ).bind(track_id).bind(file_id);
        let row = self.ask("read a scan", query.fetch_optional(&self.pool)).await?;
        row.map(|row| scan(&row, track_id, file_id)).transpose().map_err(|e| super::described("read a scan", e))
    }

    pub(super) async fn write_scan(&self, scan: &Scan) -> Result<ScanAnswer> {
        let query = sqlx::query(WRITE)
            .bind(scan.track_id)
            .bind(&scan.file_id)
            .bind(word(scan.state))
            .bind(scan.highest_score)
            .bind(serde_json::json!(scan.matches).to_string())
            .bind(scan.raw_response.to_string())
            .bind(&scan.self_match)
            .bind(&scan.error)
            .bind(scan.scanned_at.as_micros())
            .try_map(|row: PgRow| Ok((row.try_get::<bool, _>(0)?, row.try_get::<bool, _>(1)?)));
        Ok(match self.ask("record a scan", query.fetch_one(&self.pool)).await? {
            (false, _) => ScanAnswer::AudioReplaced,
            (true, false) => ScanAnswer::VerdictKept,
            (true, true) => ScanAnswer::Recorded,
        })
    }
}

fn scan(row: &PgRow, track_id: i64, file_id: &str) -> sqlx::Result<Scan> {
    let json = |column| -> sqlx::Result<Value> {
        serde_json::from_str(row.try_get(column)?).map_err(|e| sqlx::Error::Decode(e.into()))
    };
    let state: &str = row.try_get("state")?;
    Ok(Scan {
        track_id,
        file_id: file_id.to_owned(),
        state: serde_json::from_value(state.into()).map_err(|e| sqlx::Error::Decode(e.into()))?,
        highest_score: row.try_get("highest_score")?,
        matches: serde_json::from_value(json("matches")?).map_err(|e| sqlx::Error::Decode(e.into()))?,
        self_match: row.try_get("self_match")?,
        raw_response: json("raw_response")?,
        error: row.try_get("error")?,
        scanned_at: Timestamp::from_micros(row.try_get("scanned_at")?),
    })
}

fn word(state: ScanState) -> &'static str {
    match state {
        ScanState::Clear => "clear",
        ScanState::Flagged => "flagged",
        ScanState::Resolved => "resolved",
        ScanState::Failed => "failed",
    }
}
