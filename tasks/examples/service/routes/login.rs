//! The end of a login.

use axum::Json;
use axum::extract::State;
use docket_tasks::SyncAtproto;
use serde_json::{Value, json};

use crate::service::app::{App, Did};
use crate::service::data::{Change, Login};
use crate::service::refusal::Refusal;

/// Keeps the session; then the user's PDS is updated, and the tasks that waited for the login run.
pub(super) async fn callback(
    State(app): State<App>,
    Did(did): Did,
    Json(login): Json<Login>,
) -> Result<Json<Value>, Refusal> {
    let change = Change::LogIn { did: did.clone(), login };
    app.change(change, |client, _| vec![SyncAtproto::add(client, &did)]).await?;
    Ok(Json(json!({ "did": did })))
}
