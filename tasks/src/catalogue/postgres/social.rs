//! Likes, comments and plays. The slots are kept by triggers, in the transaction that changes a row.

use std::time::Duration;

use async_trait::async_trait;
use docket_core::{Result, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::PostgresCatalogue;
use crate::{AtUri, Comment, Confirmed, Like, Played, Record, Row, Social, StrongRef, Wanted};

const LIKE: &str = "SELECT r.did, r.rkey, r.revision, l.id IS NOT NULL AS is_there, \
      t.atproto_record_uri AS uri, t.atproto_record_cid AS cid, \
      (extract(epoch FROM l.created_at) * 1000000)::bigint AS created_at \
    FROM pds_records r \
    LEFT JOIN track_likes l ON l.track_id = r.subject AND l.user_did = r.did \
    LEFT JOIN tracks t ON t.id = l.track_id \
    WHERE r.kind = 'like' AND r.subject = $1 AND r.did = $2";

const COMMENT: &str = "SELECT r.did, r.rkey, r.revision, c.id IS NOT NULL AS is_there, \
      t.atproto_record_uri AS uri, t.atproto_record_cid AS cid, c.text, c.timestamp_ms, \
      (extract(epoch FROM c.created_at) * 1000000)::bigint AS created_at, \
      (extract(epoch FROM c.updated_at) * 1000000)::bigint AS updated_at \
    FROM pds_records r \
    LEFT JOIN track_comments c ON c.id = r.subject \
    LEFT JOIN tracks t ON t.id = c.track_id \
    WHERE r.kind = 'comment' AND r.subject = $1";

/// Rows are locked before slots, as the triggers do it: the other way round an edit and the end of a run would each wait
/// for the other.
const LOCK_LIKE: &str = "SELECT FROM track_likes WHERE track_id = $1 AND user_did = $2 FOR UPDATE";

const LOCK_COMMENT: &str = "SELECT FROM track_comments WHERE id = $1 FOR UPDATE";

/// Locks the slot: a concurrent change of the row waits, and then sees the result of this one.
const WRITTEN: &str = "UPDATE pds_records SET written = greatest(written, $4) \
    WHERE kind = $1 AND subject = $2 AND ($3::text IS NULL OR did = $3) RETURNING revision";

const KEEP_LIKE: &str = "UPDATE track_likes SET atproto_like_uri = $3 WHERE track_id = $1 AND user_did = $2";

const KEEP_COMMENT: &str = "UPDATE track_comments SET atproto_comment_uri = $2 WHERE id = $1";

const FORGET: &str = "DELETE FROM pds_records WHERE kind = $1 AND subject = $2 AND ($3::text IS NULL OR did = $3)";

const BEHIND: &str = "SELECT kind, subject, did FROM pds_records WHERE did = $1 AND written < revision \
    ORDER BY created_at LIMIT $2";

const PLAYED: &str = "SELECT coalesce(p.enable_teal_scrobbling, false) AS is_wanted, t.title, \
      coalesce(nullif(a.display_name, ''), a.handle) AS artist_name, al.title AS album_title, \
      CASE WHEN jsonb_typeof(t.extra -> 'duration') = 'number' THEN (t.extra ->> 'duration')::float8 END AS length \
    FROM tracks t JOIN artists a ON a.did = t.artist_did LEFT JOIN albums al ON al.id = t.album_id \
    LEFT JOIN user_preferences p ON p.did = $2 WHERE t.id = $1";

#[async_trait]
impl Social for PostgresCatalogue {
    async fn wanted(&self, record: &Record) -> Result<Option<Wanted>> {
        match record {
            Record::Like { did, track_id } => {
                let query = sqlx::query(LIKE).bind(track_id).bind(did).try_map(|row| wanted(&row, like));
                self.ask("read a like", query.fetch_optional(&self.pool)).await
            }
            Record::Comment { id } => {
                let query = sqlx::query(COMMENT).bind(id).try_map(|row| wanted(&row, comment));
                self.ask("read a comment", query.fetch_optional(&self.pool)).await
            }
        }
    }

    async fn confirm(&self, record: &Record, revision: i64, uri: &AtUri) -> Result<Confirmed> {
        self.ask("confirm a record", self.confirm_in_transaction(record, revision, uri)).await
    }

    async fn unconfirmed(&self, did: &str, limit: usize) -> Result<Vec<Record>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = sqlx::query(BEHIND).bind(did).bind(limit).try_map(|row: PgRow| {
            let subject = row.try_get("subject")?;
            Ok(match row.try_get("kind")? {
                "like" => Record::Like { did: row.try_get("did")?, track_id: subject },
                _ => Record::Comment { id: subject },
            })
        });
        self.ask("read what a PDS lacks", query.fetch_all(&self.pool)).await
    }

    async fn played(&self, did: &str, track_id: i64) -> Result<Option<Played>> {
        let query = sqlx::query(PLAYED).bind(track_id).bind(did).try_map(|row: PgRow| {
            let length: Option<f64> = row.try_get("length")?;
            Ok(Played {
                is_wanted: row.try_get("is_wanted")?,
                title: row.try_get("title")?,
                artist_name: row.try_get("artist_name")?,
                album_title: row.try_get("album_title")?,
                length: length.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            })
        });
        self.ask("read a played track", query.fetch_optional(&self.pool)).await
    }
}

impl PostgresCatalogue {
    async fn confirm_in_transaction(&self, record: &Record, revision: i64, uri: &AtUri) -> sqlx::Result<Confirmed> {
        let (kind, subject, did) = match record {
            Record::Like { did, track_id } => ("like", track_id, Some(did)),
            Record::Comment { id } => ("comment", id, None),
        };
        let mut tx = self.pool.begin().await?;
        let lock = match did {
            Some(did) => sqlx::query(LOCK_LIKE).bind(subject).bind(did),
            None => sqlx::query(LOCK_COMMENT).bind(subject),
        };
        lock.execute(&mut *tx).await?;
        let slot = sqlx::query_scalar::<_, i64>(WRITTEN).bind(kind).bind(subject).bind(did).bind(revision);
        match slot.fetch_optional(&mut *tx).await? {
            None => return Ok(Confirmed::Settled),
            Some(latest) if latest != revision => {
                tx.commit().await?;
                return Ok(Confirmed::Changed);
            }
            Some(_) => {}
        }
        let keep = match did {
            Some(did) => sqlx::query(KEEP_LIKE).bind(subject).bind(did),
            None => sqlx::query(KEEP_COMMENT).bind(subject),
        };
        if keep.bind(uri.to_string()).execute(&mut *tx).await?.rows_affected() == 0 {
            sqlx::query(FORGET).bind(kind).bind(subject).bind(did).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(Confirmed::Settled)
    }
}

fn wanted(row: &PgRow, read: fn(&PgRow) -> sqlx::Result<Row>) -> sqlx::Result<Wanted> {
    Ok(Wanted {
        did: row.try_get("did")?,
        rkey: row.try_get::<&str, _>("rkey")?.parse().map_err(unread)?,
        revision: row.try_get("revision")?,
        row: if row.try_get("is_there")? { Some(read(row)?) } else { None },
    })
}

fn like(row: &PgRow) -> sqlx::Result<Row> {
    Ok(Row::Like(Like { subject: subject(row)?, created_at: Timestamp::from_micros(row.try_get("created_at")?) }))
}

fn comment(row: &PgRow) -> sqlx::Result<Row> {
    Ok(Row::Comment(Comment {
        subject: subject(row)?,
        text: row.try_get("text")?,
        timestamp_ms: row.try_get::<i32, _>("timestamp_ms")?.into(),
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        updated_at: row.try_get::<Option<i64>, _>("updated_at")?.map(Timestamp::from_micros),
    }))
}

/// The record of the track; a row that holds another text there has none that can be named.
fn subject(row: &PgRow) -> sqlx::Result<Option<StrongRef>> {
    let (uri, cid): (Option<&str>, Option<String>) = (row.try_get("uri")?, row.try_get("cid")?);
    Ok(uri.and_then(|uri| uri.parse().ok()).zip(cid).map(|(uri, cid)| StrongRef { uri, cid }))
}

fn unread(error: docket_core::Error) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
