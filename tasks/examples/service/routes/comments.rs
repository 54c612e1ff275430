//! Comments: their author writes, changes and deletes them.

use axum::Json;
use axum::extract::{Path, State};
use docket_tasks::{PdsComment, Record};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::service::app::{App, Did};
use crate::service::data::Change;
use crate::service::refusal::Refusal;

/// Bytes of a comment, as the lexicon counts.
const BYTES_MAX: usize = 1_000;

/// A new comment.
#[derive(Deserialize)]
pub(super) struct New {
    text: String,
    timestamp_ms: u32,
}

/// Another text.
#[derive(Deserialize)]
pub(super) struct Edit {
    text: String,
}

pub(super) async fn create(
    State(app): State<App>,
    Did(did): Did,
    Path(track_id): Path<i64>,
    Json(New { text, timestamp_ms }): Json<New>,
) -> Result<Json<Value>, Refusal> {
    app.published_track(track_id).await?;
    check(&text)?;
    let timestamp_ms = i32::try_from(timestamp_ms).map_err(|_| Refusal::unprocessable("no track is that long"))?;
    let change = Change::Comment { did, track_id, text, timestamp_ms };
    let id = app.change(change, |client, id| vec![PdsComment::add(client, id)]).await?;
    Ok(Json(json!({ "id": id })))
}

pub(super) async fn edit(
    State(app): State<App>,
    Did(did): Did,
    Path(id): Path<i64>,
    Json(Edit { text }): Json<Edit>,
) -> Result<Json<Value>, Refusal> {
    only_author(&app, id, &did).await?;
    check(&text)?;
    app.change(Change::EditComment { id, text }, |client, _| vec![PdsComment::add(client, id)]).await?;
    Ok(Json(json!({ "id": id })))
}

pub(super) async fn delete(State(app): State<App>, Did(did): Did, Path(id): Path<i64>) -> Result<Json<Value>, Refusal> {
    only_author(&app, id, &did).await?;
    app.change(Change::DeleteComment { id }, |client, _| vec![PdsComment::add(client, id)]).await?;
    Ok(Json(json!({ "deleted": true })))
}

fn check(text: &str) -> Result<(), Refusal> {
    if text.is_empty() || text.len() > BYTES_MAX {
        return Err(Refusal::unprocessable(&format!("a comment has 1 to {BYTES_MAX} bytes")));
    }
    Ok(())
}

async fn only_author(app: &App, id: i64, did: &str) -> Result<(), Refusal> {
    let wanted = app.data.social().wanted(&Record::Comment { id }).await?;
    match wanted.filter(|wanted| wanted.row.is_some()) {
        None => Err(Refusal::not_found("comment")),
        Some(wanted) if wanted.did != did => Err(Refusal::forbidden("it is somebody else's comment")),
        Some(_) => Ok(()),
    }
}
