//! Albums: adding or removing a track changes the list on the artist's PDS.

use axum::Json;
use axum::extract::{Path, State};
use docket_tasks::SyncAlbumList;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::service::app::{App, Did};
use crate::service::data::Change;
use crate::service::refusal::Refusal;

/// A new album.
#[derive(Deserialize)]
pub(super) struct New {
    title: String,
}

/// A track for an album.
#[derive(Deserialize)]
pub(super) struct Join {
    track_id: i64,
}

pub(super) async fn make(
    State(app): State<App>,
    Did(did): Did,
    Json(New { title }): Json<New>,
) -> Result<Json<Value>, Refusal> {
    let id = uuid::Uuid::now_v7().to_string();
    app.change(Change::MakeAlbum { did, id: id.clone(), title }, |_, _| Vec::new()).await?;
    Ok(Json(json!({ "id": id })))
}

pub(super) async fn join(
    State(app): State<App>,
    Did(did): Did,
    Path(album_id): Path<String>,
    Json(Join { track_id }): Json<Join>,
) -> Result<Json<Value>, Refusal> {
    own(&app, &album_id, track_id, &did).await?;
    let change = Change::JoinAlbum { track_id, album_id: album_id.clone() };
    app.change(change, |client, _| vec![SyncAlbumList::add(client, &album_id)]).await?;
    Ok(Json(json!({ "joined": true })))
}

pub(super) async fn leave(
    State(app): State<App>,
    Did(did): Did,
    Path((album_id, track_id)): Path<(String, i64)>,
) -> Result<Json<Value>, Refusal> {
    own(&app, &album_id, track_id, &did).await?;
    let change = Change::LeaveAlbum { track_id, album_id: album_id.clone() };
    app.change(change, |client, _| vec![SyncAlbumList::add(client, &album_id)]).await?;
    Ok(Json(json!({ "joined": false })))
}

/// The album and the track belong to the caller.
async fn own(app: &App, album_id: &str, track_id: i64, did: &str) -> Result<(), Refusal> {
    app.own_track(track_id, did).await?;
    let album = app.data.catalogue().album(album_id).await?;
    match album {
        None => Err(Refusal::not_found("album")),
        Some(album) if album.did != did => Err(Refusal::forbidden("it is somebody else's album")),
        Some(_) => Ok(()),
    }
}
