//! An outside service that gives prepared answers, in order, and keeps a caller waiting if none is
//! left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// The key it lets in, as the moderation services or as Replicate want it. Labels are open to all.
pub(crate) const KEY: &str = "the-key";

/// Cheap to clone; clones are the same service.
#[derive(Clone, Default)]
pub(crate) struct Service(Arc<Shared>);

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<Response>>,
    answered: Notify,
    asked: Mutex<usize>,
}

impl Service {
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    pub(crate) fn answer(&self, answer: impl IntoResponse) {
        self.0.answers.lock().unwrap().push_back(answer.into_response());
        self.0.answered.notify_one();
    }

    /// How often it was asked with the right key.
    pub(crate) fn asked(&self) -> usize {
        *self.0.asked.lock().unwrap()
    }
}

pub(crate) fn clear() -> Json<Value> {
    Json(json!({ "is_flagged": false, "matches": [] }))
}

pub(crate) fn flagged() -> Json<Value> {
    Json(json!({ "is_flagged": true, "matches": [{ "artist": "Somebody Else", "title": "Notes" }] }))
}

async fn answer(State(service): State<Service>, uri: Uri, headers: HeaderMap) -> Response {
    let is_let_in = headers.get("x-moderation-key").is_some_and(|key| key == KEY)
        || headers.get("authorization").is_some_and(|key| key.as_bytes() == format!("Bearer {KEY}").as_bytes());
    if !is_let_in && !uri.path().starts_with("/xrpc/") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    *service.0.asked.lock().unwrap() += 1;
    loop {
        let answered = service.0.answered.notified();
        if let Some(answer) = service.0.answers.lock().unwrap().pop_front() {
            return answer;
        }
        answered.await;
    }
}
