//! A service on loopback with prepared answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Cheap to clone; clones are the same service.
#[derive(Clone, Default)]
pub(crate) struct ToldService(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    answers: VecDeque<Response>,
    asked: Vec<Asked>,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl ToldService {
    /// Prepares one more answer, after the earlier ones.
    pub(crate) fn answer(&self, answer: impl IntoResponse) -> &Self {
        self.0.lock().unwrap().answers.push_back(answer.into_response());
        self
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().asked.clone()
    }

    /// Its address. A request without a prepared answer never gets one.
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }
}

async fn answer(State(service): State<ToldService>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let next = {
        let mut told = service.0.lock().unwrap();
        told.asked.push(Asked { target: uri.to_string(), headers, body });
        told.answers.pop_front()
    };
    match next {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}
