//! Tracks, with the data of their artists that tasks need.

use docket_core::{Result, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::PostgresCatalogue;
use crate::{AudioFile, AudioStorage, Track};

/// Whole microseconds, as everywhere in Docket.
const TRACKS: &str = "SELECT t.id, t.title, t.artist_did, a.handle, a.display_name, t.file_id, t.file_type, \
    t.original_file_id, t.original_file_type, t.r2_url, t.audio_storage, t.atproto_record_uri, \
    (extract(epoch FROM t.created_at) * 1000000)::bigint AS created_at \
    FROM tracks t JOIN artists a ON a.did = t.artist_did";

impl PostgresCatalogue {
    pub(super) async fn read_track(&self, id: i64) -> Result<Option<Track>> {
        let query = sqlx::query(AssertSqlSafe(format!("{TRACKS} WHERE t.id = $1"))).bind(id).try_map(track);
        self.ask("read a track", query.fetch_optional(&self.pool)).await
    }

    pub(super) async fn read_tracks_of(&self, artist_did: &str) -> Result<Vec<Track>> {
        let sql = format!("{TRACKS} WHERE t.artist_did = $1 ORDER BY t.created_at, t.id");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(artist_did).try_map(track);
        self.ask("read the tracks of an artist", query.fetch_all(&self.pool)).await
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the columns match the query")]
fn track(row: PgRow) -> sqlx::Result<Track> {
    let audio_url: Option<String> = row.try_get("r2_url")?;
    let on_pds = row.try_get::<String, _>("audio_storage")? == "pds";
    Ok(Track {
        id: row.try_get::<i32, _>("id")?.into(),
        title: row.try_get("title")?,
        artist_did: row.try_get("artist_did")?,
        artist_handle: row.try_get("handle")?,
        artist_name: row.try_get("display_name")?,
        audio: file(row.try_get("file_id")?, row.try_get("file_type")?),
        original: file(row.try_get("original_file_id")?, row.try_get("original_file_type")?),
        storage: match &audio_url {
            Some(_) => AudioStorage::Public,
            None if on_pds => AudioStorage::Pds,
            None => AudioStorage::Private,
        },
        audio_url,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        record_uri: row.try_get("atproto_record_uri")?,
    })
}

pub(super) fn file(id: Option<String>, file_type: Option<String>) -> Option<AudioFile> {
    Some(AudioFile::new(id?, file_type?))
}
