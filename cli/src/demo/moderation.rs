//! A stand-in of the moderation service, on loopback: it listens to the audio and knows one recording.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{TOKEN, audio};
use crate::end::End;

/// The one recording it knows, by its pitch in hertz.
const KNOWN_PITCH: usize = 440;

struct Service {
    audio: PathBuf,
    overloaded: AtomicBool,
}

/// Serves it; gives its address.
pub(super) async fn serve(audio: PathBuf) -> Result<String, End> {
    let service = Arc::new(Service { audio, overloaded: AtomicBool::new(true) });
    super::serve::serve(Router::new().route("/scan", post(scan)).with_state(service)).await
}

async fn scan(State(service): State<Arc<Service>>, headers: HeaderMap, Json(question): Json<Value>) -> Response {
    if headers.get("x-moderation-key").is_none_or(|key| key != TOKEN) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if service.overloaded.swap(false, Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "overloaded").into_response();
    }
    let url = question["audio_url"].as_str().unwrap_or_default();
    let Ok(wav) = tokio::fs::read(service.audio.join(url.rsplit('/').next().unwrap_or_default())).await else {
        return (StatusCode::UNPROCESSABLE_ENTITY, "this address has no audio").into_response();
    };
    let Some(pitch) = audio::pitch(&wav) else {
        return (StatusCode::UNPROCESSABLE_ENTITY, "not audio").into_response();
    };
    let is_flagged = pitch.abs_diff(KNOWN_PITCH) <= 1;
    let known = json!({ "artist": "The Tuning Forks", "title": "A above Middle C", "score": 100 });
    let matches = if is_flagged { vec![known] } else { Vec::new() };
    let heard = json!({ "pitch_hz": pitch });
    Json(json!({ "is_flagged": is_flagged, "highest_score": 0, "matches": matches, "raw_response": heard }))
        .into_response()
}
