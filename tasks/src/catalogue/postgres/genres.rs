//! The genres of tracks.

use async_trait::async_trait;
use docket_core::Result;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::{PostgresCatalogue, described};
use crate::{Genre, Genres, GenresAnswer};

const READ: &str = "SELECT (extra -> 'genre_predictions')::text FROM tracks \
    WHERE id = $1 AND extra ->> 'genre_predictions_file_id' = $2 AND extra ? 'genre_predictions'";

/// `extra` is changed in place, so that fields of other writers stay. An existing tag is updated
/// without a change, because only then its id is returned, whoever created it.
const KEEP: &str = "\
    WITH track AS (SELECT id, artist_did, extra ->> 'auto_tag' = 'true' AND $3::jsonb <> '[]' AS wants_tags \
        FROM tracks WHERE id = $1 AND file_id = $2 FOR UPDATE), \
    kept AS (UPDATE tracks t SET extra = (CASE WHEN track.wants_tags THEN t.extra - 'auto_tag' ELSE t.extra END) \
        || jsonb_build_object('genre_predictions', $3::jsonb, 'genre_predictions_file_id', $2::text) \
        FROM track WHERE t.id = track.id RETURNING 1), \
    named AS (INSERT INTO tags AS known (name, created_by_did) \
        SELECT name, artist_did FROM track, unnest($4::text[]) AS name WHERE wants_tags ORDER BY name \
        ON CONFLICT (name) DO UPDATE SET name = known.name RETURNING id), \
    tagged AS (INSERT INTO track_tags (track_id, tag_id) SELECT track.id, named.id FROM track, named \
        ON CONFLICT DO NOTHING) \
    SELECT coalesce(wants_tags, false) FROM track, kept";

#[async_trait]
impl Genres for PostgresCatalogue {
    async fn genres(&self, track_id: i64, file_id: &str) -> Result<Option<Vec<Genre>>> {
        let query = sqlx::query(READ)
            .bind(track_id)
            .bind(file_id)
            .try_map(|row: PgRow| serde_json::from_str(row.try_get(0)?).map_err(|e| sqlx::Error::Decode(e.into())));
        self.ask("read genres", query.fetch_optional(&self.pool)).await
    }

    async fn keep_genres(
        &self,
        track_id: i64,
        file_id: &str,
        genres: &[Genre],
        tags: &[String],
    ) -> Result<GenresAnswer> {
        let genres =
            serde_json::to_string(genres).map_err(|e| described("keep genres", sqlx::Error::Encode(e.into())))?;
        let query = sqlx::query(KEEP)
            .bind(track_id)
            .bind(file_id)
            .bind(genres)
            .bind(tags)
            .try_map(|row: PgRow| row.try_get::<bool, _>(0));
        let tagged = self.ask("keep genres", query.fetch_optional(&self.pool)).await?;
        Ok(tagged.map_or(GenresAnswer::AudioReplaced, |tagged| GenresAnswer::Kept { tagged }))
    }
}
