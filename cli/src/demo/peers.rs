//! Stand-ins of the other outside systems, on loopback, with the answers that theirs have: Replicate, whose model is cold
//! at first; the labeler, whose moderators took every flag back; and Bluesky, where everybody has a picture.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::serve::serve;
use crate::end::End;

/// The address of everybody's picture.
pub(super) const AVATAR: &str = "https://cdn.bsky.app/img/avatar/plain/demo/picture@jpeg";
/// When moderators took flags back: the third of January 2026.
const TAKEN_BACK: &str = "2026-01-03T00:00:00.000Z";

/// Serves Replicate; gives its address.
pub(super) async fn replicate() -> Result<String, End> {
    let router = Router::new()
        .route("/v1/predictions", post(predict))
        .route("/v1/predictions/demo", get(predicted))
        .route("/labels.json", get(labels));
    serve(router).await
}

/// It looks again where it was asked.
async fn predict(headers: HeaderMap) -> Json<Value> {
    Json(json!({ "status": "starting", "urls": { "get": here(&headers, "v1/predictions/demo") } }))
}

async fn predicted(headers: HeaderMap) -> Json<Value> {
    Json(json!({ "status": "succeeded", "output": here(&headers, "labels.json") }))
}

async fn labels() -> Json<Value> {
    Json(json!({ "Electronic---Drone": 0.91, "Electronic---Minimal": 0.62, "Non-Music---Test Tone": 0.31 }))
}

fn here(headers: &HeaderMap, path: &str) -> String {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("http://{host}/{path}")
}

/// What moderators were told of. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<Value>>>);

impl Told {
    /// Each track that they were told of, as often as they were.
    pub(super) fn tracks(&self) -> Vec<Value> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().map(|event| event["subject_track_id"].clone()).collect()
    }
}

/// Serves the labeler; gives its address.
pub(super) async fn labeler(told: Told) -> Result<String, End> {
    let router = Router::new()
        .route("/internal/events", post(tell))
        .route("/internal/negated-labels", post(negated))
        .route("/xrpc/com.atproto.label.queryLabels", get(query_labels));
    serve(router.with_state(told)).await
}

async fn tell(State(told): State<Told>, Json(event): Json<Value>) -> Json<Value> {
    told.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    Json(json!({}))
}

async fn negated(Json(question): Json<Value>) -> Json<Value> {
    Json(json!({ "negated_uris": question["uris"] }))
}

async fn query_labels(request: Request) -> Json<Value> {
    let label = |uri: String| json!({ "uri": uri, "val": "copyright-violation", "neg": true, "cts": TAKEN_BACK });
    let labels: Vec<Value> = asked(&request, "uriPatterns").into_iter().map(label).collect();
    Json(json!({ "labels": labels }))
}

/// Serves Bluesky; gives its address.
pub(super) async fn bluesky() -> Result<String, End> {
    serve(Router::new().route("/xrpc/app.bsky.actor.getProfile", get(profile))).await
}

async fn profile(request: Request) -> Json<Value> {
    Json(json!({ "did": asked(&request, "actor").first(), "avatar": AVATAR }))
}

/// The values of a parameter of the query.
fn asked(request: &Request, name: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    pairs.filter(|(known, _)| known == name).map(|(_, value)| value.into_owned()).collect()
}
