//! Lists and profiles.

use async_trait::async_trait;
use docket_core::{Result, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::PostgresCatalogue;
use crate::{AtUri, ListId, Lists, Profile, StrongRef, TrackList};

const ALBUM: &str = "SELECT a.id, a.artist_did, a.title, a.atproto_record_uri AS record, \
    (extract(epoch FROM a.created_at) * 1000000)::bigint AS created_at, \
    array_agg(t.atproto_record_uri ORDER BY t.created_at, t.id) FILTER (WHERE t.id IS NOT NULL) AS uris, \
    array_agg(t.atproto_record_cid ORDER BY t.created_at, t.id) FILTER (WHERE t.id IS NOT NULL) AS cids \
    FROM albums a LEFT JOIN tracks t ON t.album_id = a.id \
      AND t.atproto_record_uri IS NOT NULL AND t.atproto_record_cid IS NOT NULL \
    WHERE a.id = $1 GROUP BY a.id";

const LIKED: &str = "SELECT (SELECT p.liked_list_uri FROM user_preferences p WHERE p.did = $1) AS record, \
    array_agg(t.atproto_record_uri ORDER BY l.created_at DESC, l.id DESC) AS uris, \
    array_agg(t.atproto_record_cid ORDER BY l.created_at DESC, l.id DESC) AS cids \
    FROM track_likes l JOIN tracks t ON t.id = l.track_id \
    WHERE l.user_did = $1 AND t.atproto_record_uri IS NOT NULL AND t.atproto_record_cid IS NOT NULL";

const RECORD_ALBUM: &str = "UPDATE albums SET atproto_record_uri = $2, atproto_record_cid = $3 WHERE id = $1";

const RECORD_LIKED: &str = "INSERT INTO user_preferences (did, liked_list_uri, liked_list_cid) VALUES ($1, $2, $3) \
    ON CONFLICT (did) DO UPDATE SET liked_list_uri = excluded.liked_list_uri, liked_list_cid = excluded.liked_list_cid";

#[async_trait]
impl Lists for PostgresCatalogue {
    async fn album(&self, id: &str) -> Result<Option<TrackList>> {
        let query = sqlx::query(ALBUM).bind(id).try_map(|row: PgRow| {
            Ok(TrackList {
                id: ListId::Album(row.try_get("id")?),
                did: row.try_get("artist_did")?,
                name: row.try_get("title")?,
                created_at: Some(Timestamp::from_micros(row.try_get("created_at")?)),
                record: record(&row)?,
                tracks: tracks(&row)?,
            })
        });
        self.ask("read an album", query.fetch_optional(&self.pool)).await
    }

    async fn albums_of(&self, did: &str) -> Result<Vec<String>> {
        let query = sqlx::query_scalar("SELECT id FROM albums WHERE artist_did = $1 ORDER BY created_at, id").bind(did);
        self.ask("read the albums of an artist", query.fetch_all(&self.pool)).await
    }

    async fn liked_by(&self, did: &str) -> Result<TrackList> {
        let query =
            sqlx::query(LIKED).bind(did).try_map(|row: PgRow| Ok(TrackList::liked(did, record(&row)?, tracks(&row)?)));
        self.ask("read what a user likes", query.fetch_one(&self.pool)).await
    }

    async fn record_list(&self, list: &ListId, record: &StrongRef) -> Result<()> {
        let (sql, id) = match list {
            ListId::Album(id) => (RECORD_ALBUM, id),
            ListId::Liked(did) => (RECORD_LIKED, did),
        };
        let query = sqlx::query(sql).bind(id).bind(record.uri.to_string()).bind(&record.cid);
        self.ask("record a list", query.execute(&self.pool)).await.map(|_| ())
    }

    async fn profile(&self, did: &str) -> Result<Option<Profile>> {
        let query = sqlx::query("SELECT bio, avatar_url FROM artists WHERE did = $1")
            .bind(did)
            .try_map(|row: PgRow| Ok(Profile { bio: row.try_get("bio")?, avatar_url: row.try_get("avatar_url")? }));
        self.ask("read a profile", query.fetch_optional(&self.pool)).await
    }

    async fn record_avatar(&self, did: &str, avatar_url: Option<&str>) -> Result<()> {
        let query = sqlx::query("UPDATE artists SET avatar_url = $2 WHERE did = $1").bind(did).bind(avatar_url);
        self.ask("record a picture", query.execute(&self.pool)).await.map(|_| ())
    }
}

fn record(row: &PgRow) -> sqlx::Result<Option<AtUri>> {
    row.try_get::<Option<String>, _>("record")?.map(|uri| address(&uri)).transpose()
}

fn tracks(row: &PgRow) -> sqlx::Result<Vec<StrongRef>> {
    let uris: Vec<String> = row.try_get::<Option<_>, _>("uris")?.unwrap_or_default();
    let cids: Vec<String> = row.try_get::<Option<_>, _>("cids")?.unwrap_or_default();
    uris.into_iter().zip(cids).map(|(uri, cid)| Ok(StrongRef { uri: address(&uri)?, cid })).collect()
}

fn address(uri: &str) -> sqlx::Result<AtUri> {
    uri.parse().map_err(|error: docket_core::Error| sqlx::Error::Decode(error.into()))
}
