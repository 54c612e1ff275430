//! Tracks: the end of an upload, the gate, a play.

use axum::Json;
use axum::extract::{Path, State};
use docket_tasks::{AudioFile, ScanCopyright, StrongRef};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::service::app::{App, Did};
use crate::service::data::{self, Change, now};
use crate::service::refusal::Refusal;

/// The result of the upload pipeline: the audio is in the bucket and the record on the artist's
/// PDS.
#[derive(Deserialize)]
pub(super) struct Upload {
    title: String,
    file_id: String,
    file_type: String,
    record: Option<StrongRef>,
}

/// The end of an upload: the audio is scanned and classified.
pub(super) async fn upload(
    State(app): State<App>,
    Did(did): Did,
    Json(upload): Json<Upload>,
) -> Result<Json<Value>, Refusal> {
    let Upload { title, file_id, file_type, record } = upload;
    let audio = AudioFile::new(&file_id, file_type);
    let audio_url = app.services.public_url(&audio)?;
    let change = Change::Upload(data::Upload { did, title, audio, audio_url, record });
    let id = app
        .change(change, |client, id| {
            vec![ScanCopyright::add(client, id, &file_id), docket_tasks::genre_classification(client, id, &file_id)]
        })
        .await?;
    Ok(Json(json!({ "id": id })))
}

/// The fields of a track that may change.
#[derive(Deserialize)]
pub(super) struct Gate {
    support_gate: bool,
}

/// Closes a track to all but supporters, or opens it: its audio moves.
pub(super) async fn gate(
    State(app): State<App>,
    Did(did): Did,
    Path(id): Path<i64>,
    Json(gate): Json<Gate>,
) -> Result<Json<Value>, Refusal> {
    app.own_track(id, &did).await?;
    let change = Change::Gate { track_id: id, is_gated: gate.support_gate };
    app.change(change, |client, _| vec![docket_tasks::track_audio_move(client, id)]).await?;
    Ok(Json(json!({ "support_gate": gate.support_gate })))
}

/// A play, reported if the listener wants that.
pub(super) async fn play(State(app): State<App>, Did(did): Did, Path(id): Path<i64>) -> Result<Json<Value>, Refusal> {
    app.track(id).await?;
    let wanted = app.data.social().played(&did, id).await?.is_some_and(|played| played.is_wanted);
    if wanted {
        docket_tasks::schedule_teal_scrobble(app.docket.client(), &did, id, now()).await?;
    }
    Ok(Json(json!({ "scrobbled": wanted })))
}
