//! A database of the service's, with nothing in it but an artist and a track.

use conformance_tests::servers;
use docket_tasks::PostgresCatalogue;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use uuid::Uuid;

pub(crate) async fn database() -> PgPool {
    let server = servers::postgres_url().await;
    let name = format!("rows_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    let pool = PgPool::connect(url.as_str()).await.unwrap();
    PostgresCatalogue::new(pool.clone()).create_tables().await.unwrap();
    let artist = "INSERT INTO artists (did, handle, display_name) VALUES ('did:plc:artist', 'artist.test', '')";
    sqlx::query(artist).execute(&pool).await.unwrap();
    let track = "INSERT INTO tracks (id, title, artist_did, extra, atproto_record_uri, atproto_record_cid) VALUES \
                 (7, 'Notes', 'did:plc:artist', '{\"duration\": 200}', 'at://did:plc:artist/fm.plyr.track/self', 'cid')";
    sqlx::query(track).execute(&pool).await.unwrap();
    pool
}
