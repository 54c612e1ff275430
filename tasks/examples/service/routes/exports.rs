//! Exports: begun and downloaded by their owner alone.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use docket_tasks::{ExportDownload, ProcessExport, export_download};
use serde_json::{Value, json};

use crate::service::app::{App, Did};
use crate::service::data::Change;
use crate::service::refusal::Refusal;

/// How long a download's address is good for.
const VALID_FOR: Duration = Duration::from_hours(1);

pub(super) async fn start(State(app): State<App>, Did(did): Did) -> Result<Json<Value>, Refusal> {
    let tracks = app.data.catalogue().tracks_of(&did).await?;
    if tracks.is_empty() {
        return Err(Refusal::not_found("track of yours"));
    }
    let id = uuid::Uuid::now_v7().to_string();
    let change = Change::Export { did: did.clone(), id: id.clone() };
    app.change(change, |client, _| vec![ProcessExport::add(client, &id, &did)]).await?;
    Ok(Json(json!({ "export_id": id, "status": "pending", "track_count": tracks.len() })))
}

pub(super) async fn download(
    State(app): State<App>,
    Did(did): Did,
    Path(id): Path<String>,
) -> Result<Redirect, Refusal> {
    match export_download(&app.services, &id, &did, VALID_FOR).await? {
        ExportDownload::Ready(url) => Ok(Redirect::temporary(&url)),
        ExportDownload::NotReady(state) => Err(Refusal(StatusCode::BAD_REQUEST, format!("it is not ready: {state:?}"))),
        ExportDownload::Foreign => Err(Refusal::forbidden("it is somebody else's export")),
        ExportDownload::Unknown => Err(Refusal::not_found("export")),
    }
}
