//! A catalogue with nothing in it, and the service's side of it: how rows come to be.

use std::sync::Arc;

use conformance_tests::servers;
use docket_core::Timestamp;
use docket_tasks::{
    AudioFile, AudioStorage, Catalogue, Job, ListId, MemoryCatalogue, PostgresCatalogue, Profile, Track, TrackList,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use uuid::Uuid;

pub(crate) const ARTIST: &str = "did:plc:ada";

pub(crate) struct Place {
    pub(crate) catalogue: Arc<dyn Catalogue>,
    kind: Kind,
}

enum Kind {
    Memory(Arc<MemoryCatalogue>),
    Postgres(PgPool),
}

pub(crate) fn memory() -> Place {
    let memory = Arc::new(MemoryCatalogue::default());
    Place { catalogue: memory.clone(), kind: Kind::Memory(memory) }
}

/// In a database of its own.
pub(crate) async fn postgres() -> Place {
    let server = servers::postgres_url().await;
    let name = format!("catalogue_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    let pool = PgPool::connect(url.as_str()).await.unwrap();
    let catalogue = PostgresCatalogue::new(pool.clone());
    catalogue.create_tables().await.unwrap();
    Place { catalogue: Arc::new(catalogue), kind: Kind::Postgres(pool) }
}

/// A public track of the artist's.
pub(crate) fn track(id: i64, file_id: &str) -> Track {
    Track {
        id,
        title: format!("Track {id}"),
        artist_did: ARTIST.to_owned(),
        artist_handle: "ada.bsky.social".to_owned(),
        artist_name: "Ada".to_owned(),
        audio: Some(AudioFile::new(file_id, "mp3")),
        original: None,
        storage: AudioStorage::Public,
        audio_url: Some(format!("https://audio.plyr.fm/audio/{file_id}.mp3")),
        created_at: Timestamp::from_micros(1_767_225_600_000_007 - id * 1_000),
        record_uri: Some(format!("at://{ARTIST}/fm.plyr.track/{id}")),
    }
}

impl Place {
    /// Inserts or replaces a track by its id.
    pub(crate) async fn put_track(&self, track: Track) {
        match &self.kind {
            Kind::Memory(memory) => memory.put_track(track),
            Kind::Postgres(pool) => insert_track(pool, &track).await,
        }
    }

    pub(crate) async fn put_job(&self, job: Job) {
        match &self.kind {
            Kind::Memory(memory) => memory.put_job(job),
            Kind::Postgres(pool) => {
                let insert = "INSERT INTO jobs (id, type, owner_did) VALUES ($1, 'export', $2)";
                sqlx::query(insert).bind(job.id).bind(job.owner_did).execute(pool).await.unwrap();
            }
        }
    }

    /// Acts as an artist who requests genre tags.
    pub(crate) async fn ask_for_tags(&self, track_id: i64) {
        match &self.kind {
            Kind::Memory(memory) => memory.ask_for_tags(track_id),
            Kind::Postgres(_) => self.write_extra(track_id, r#"{"auto_tag": true}"#).await,
        }
    }

    /// Acts as an artist who closes a track to everyone but supporters, or opens it.
    pub(crate) async fn gate(&self, track_id: i64, is_gated: bool) {
        match &self.kind {
            Kind::Memory(memory) => memory.gate(track_id, is_gated),
            Kind::Postgres(pool) => {
                let write = "UPDATE tracks SET support_gate = CASE WHEN $2 THEN '{}'::jsonb END WHERE id = $1";
                sqlx::query(write).bind(track_id).bind(is_gated).execute(pool).await.unwrap();
            }
        }
    }

    /// Puts a list and its tracks in.
    pub(crate) async fn put_list(&self, list: &TrackList) {
        match &self.kind {
            Kind::Memory(memory) => memory.put_list(list.clone()),
            Kind::Postgres(pool) => insert_list(pool, list).await,
        }
    }

    pub(crate) async fn put_profile(&self, did: &str, profile: &Profile) {
        match &self.kind {
            Kind::Memory(memory) => memory.put_profile(did, profile.clone()),
            Kind::Postgres(pool) => {
                insert_artist(pool, did).await;
                let write = "UPDATE artists SET bio = $2, avatar_url = $3 WHERE did = $1";
                let write = sqlx::query(write).bind(did).bind(&profile.bio).bind(&profile.avatar_url);
                write.execute(pool).await.unwrap();
            }
        }
    }

    /// The tags of a track, in order.
    pub(crate) async fn tags_of(&self, track_id: i64) -> Vec<String> {
        let read = "SELECT name FROM tags t JOIN track_tags tt ON tt.tag_id = t.id WHERE track_id = $1 \
                    ORDER BY name COLLATE \"C\"";
        match &self.kind {
            Kind::Memory(memory) => memory.tags_of(track_id),
            Kind::Postgres(pool) => sqlx::query_scalar(read).bind(track_id).fetch_all(pool).await.unwrap(),
        }
    }

    /// Acts as another part of the service, which keeps its own data with the track. In memory
    /// there is no other part.
    pub(crate) async fn write_beside(&self, track_id: i64) {
        if let Kind::Postgres(_) = &self.kind {
            self.write_extra(track_id, r#"{"embedding": [1]}"#).await;
        }
    }

    /// Whether that data is still there.
    pub(crate) async fn is_beside(&self, track_id: i64) -> bool {
        match &self.kind {
            Kind::Memory(_) => true,
            Kind::Postgres(pool) => {
                let read = "SELECT extra -> 'embedding' = '[1]' FROM tracks WHERE id = $1";
                sqlx::query_scalar(read).bind(track_id).fetch_one(pool).await.unwrap()
            }
        }
    }

    async fn write_extra(&self, track_id: i64, extra: &str) {
        let Kind::Postgres(pool) = &self.kind else { panic!("only a database keeps something beside") };
        let write = "UPDATE tracks SET extra = extra || $2::jsonb WHERE id = $1";
        sqlx::query(write).bind(track_id).bind(extra).execute(pool).await.unwrap();
    }
}

async fn insert_artist(pool: &PgPool, did: &str) {
    let artist = "INSERT INTO artists (did, handle, display_name) VALUES ($1, 'ada', 'Ada') ON CONFLICT DO NOTHING";
    sqlx::query(artist).bind(did).execute(pool).await.unwrap();
}

/// Its tracks were made, or liked, a minute after another, in its order.
async fn insert_list(pool: &PgPool, list: &TrackList) {
    insert_artist(pool, &list.did).await;
    if let ListId::Album(id) = &list.id {
        let insert = "INSERT INTO albums (id, artist_did, title, atproto_record_uri, created_at) \
                      VALUES ($1, $2, $3, $4, to_timestamp($5 / 1000000.0))";
        let insert = sqlx::query(insert)
            .bind(id)
            .bind(&list.did)
            .bind(&list.name)
            .bind(list.record.as_ref().map(ToString::to_string))
            .bind(list.created_at.unwrap().as_micros());
        insert.execute(pool).await.unwrap();
    }
    for (minute, track) in (0_i32..).zip(&list.tracks) {
        let insert = "INSERT INTO tracks (title, artist_did, album_id, atproto_record_uri, atproto_record_cid, created_at) \
                      VALUES ('t', $1, $2, $3, $4, now() + $5 * interval '1 minute') RETURNING id";
        let album = match &list.id {
            ListId::Album(id) => Some(id),
            ListId::Liked(_) => None,
        };
        let insert =
            sqlx::query_scalar(insert).bind(&list.did).bind(album).bind(track.uri.to_string()).bind(&track.cid);
        let id: i32 = insert.bind(minute).fetch_one(pool).await.unwrap();
        if let ListId::Liked(did) = &list.id {
            let like = "INSERT INTO track_likes (track_id, user_did, created_at) \
                        VALUES ($1, $2, now() - $3 * interval '1 minute')";
            sqlx::query(like).bind(id).bind(did).bind(minute).execute(pool).await.unwrap();
        }
    }
}

async fn insert_track(pool: &PgPool, track: &Track) {
    let artist = "INSERT INTO artists (did, handle, display_name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let artist = sqlx::query(artist).bind(&track.artist_did).bind(&track.artist_handle).bind(&track.artist_name);
    artist.execute(pool).await.unwrap();
    let (audio, original) = (track.audio.as_ref(), track.original.as_ref());
    let insert = "INSERT INTO tracks (id, title, artist_did, file_id, file_type, original_file_id, original_file_type, \
                  r2_url, audio_storage, created_at, atproto_record_uri) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_timestamp($10 / 1000000.0), $11) \
                  ON CONFLICT (id) DO UPDATE SET file_id = excluded.file_id, file_type = excluded.file_type";
    let insert = sqlx::query(insert)
        .bind(i32::try_from(track.id).unwrap())
        .bind(&track.title)
        .bind(&track.artist_did)
        .bind(audio.map(|file| &file.file_id))
        .bind(audio.map(|file| &file.file_type))
        .bind(original.map(|file| &file.file_id))
        .bind(original.map(|file| &file.file_type))
        .bind(&track.audio_url)
        .bind(if track.storage == AudioStorage::Pds { "pds" } else { "r2" })
        .bind(track.created_at.as_micros())
        .bind(&track.record_uri);
    insert.execute(pool).await.unwrap();
}
