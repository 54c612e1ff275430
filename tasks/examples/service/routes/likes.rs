//! Likes. The answer never waits for the PDS, and doing either twice is harmless.

use axum::Json;
use axum::extract::{Path, State};
use docket_tasks::PdsLike;
use serde_json::{Value, json};

use crate::service::app::{App, Did};
use crate::service::data::Change;
use crate::service::refusal::Refusal;

pub(super) async fn like(State(app): State<App>, Did(did): Did, Path(id): Path<i64>) -> Result<Json<Value>, Refusal> {
    app.published_track(id).await?;
    let change = Change::Like { did: did.clone(), track_id: id };
    app.change(change, |client, _| vec![PdsLike::add(client, &did, id)]).await?;
    Ok(Json(json!({ "liked": true })))
}

pub(super) async fn unlike(State(app): State<App>, Did(did): Did, Path(id): Path<i64>) -> Result<Json<Value>, Refusal> {
    app.track(id).await?;
    let change = Change::Unlike { did: did.clone(), track_id: id };
    app.change(change, |client, _| vec![PdsLike::add(client, &did, id)]).await?;
    Ok(Json(json!({ "liked": false })))
}
