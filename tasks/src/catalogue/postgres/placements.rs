//! Where the audio of a track is, and where it belongs.

use async_trait::async_trait;
use docket_core::Result;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::PostgresCatalogue;
use super::tracks::file;
use crate::{AudioFile, AudioStorage, Placement, Placements};

const READ: &str = "SELECT support_gate IS NOT NULL AS is_gated, audio_storage, file_id, file_type, original_file_id, \
    original_file_type FROM tracks WHERE id = $1";

const WANTED_ELSEWHERE: &str = "SELECT EXISTS (SELECT FROM tracks \
    WHERE ((file_id = $1 AND file_type = $2) OR (original_file_id = $1 AND original_file_type = $2)) \
      AND id <> $3 AND audio_storage <> 'pds' AND (support_gate IS NOT NULL) = $4)";

const RECORD: &str = "UPDATE tracks SET r2_url = $2 WHERE id = $1 AND (support_gate IS NOT NULL) = $3 \
    AND audio_storage <> 'pds' AND file_id IS NOT DISTINCT FROM $4 AND original_file_id IS NOT DISTINCT FROM $5";

#[async_trait]
impl Placements for PostgresCatalogue {
    async fn placement(&self, track_id: i64) -> Result<Option<Placement>> {
        let query = sqlx::query(READ).bind(track_id).try_map(|row: PgRow| {
            let ours = row.try_get::<&str, _>("audio_storage")? != "pds";
            let audio = file(row.try_get("file_id")?, row.try_get("file_type")?);
            let original = file(row.try_get("original_file_id")?, row.try_get("original_file_type")?);
            let files = [audio, original].into_iter().flatten().filter(|_| ours).collect();
            Ok(Placement { is_gated: row.try_get("is_gated")?, files })
        });
        self.ask("read where audio belongs", query.fetch_optional(&self.pool)).await
    }

    async fn is_wanted_elsewhere(&self, file: &AudioFile, storage: AudioStorage, track_id: i64) -> Result<bool> {
        let query = sqlx::query_scalar(WANTED_ELSEWHERE)
            .bind(&file.file_id)
            .bind(&file.file_type)
            .bind(track_id)
            .bind(storage == AudioStorage::Private);
        self.ask("read who wants audio", query.fetch_one(&self.pool)).await
    }

    async fn record_placement(&self, track_id: i64, placement: &Placement, audio_url: Option<&str>) -> Result<bool> {
        let mut ids = placement.files.iter().map(|file| file.file_id.as_str());
        let query = sqlx::query(RECORD)
            .bind(track_id)
            .bind(audio_url)
            .bind(placement.is_gated)
            .bind(ids.next())
            .bind(ids.next());
        let done = self.ask("record where audio is", query.execute(&self.pool)).await?;
        Ok(done.rows_affected() > 0)
    }
}
