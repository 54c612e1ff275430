//! The place where flags are reported: a labeler, and a PDS with a chat service behind it. It keeps
//! its messages, and can be made to refuse, or to obey and never answer.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

/// An effect for somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// An entry for moderators.
    Event,
    /// A direct message.
    Message,
}

/// Cheap to clone; clones are the same desk.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// Idempotency keys of the entries, each once.
    events: Vec<String>,
    messages: Vec<String>,
    /// How often it was asked for an entry.
    asked_for_event: usize,
    /// The next of these takes place, and is never answered.
    sticks: Option<Effect>,
    is_stuck: bool,
    /// The next of these does not take place.
    refuses: Option<(Effect, Response)>,
}

impl Desk {
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    pub(crate) fn stick(&self, effect: Effect) {
        self.0.lock().unwrap().sticks = Some(effect);
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.0.lock().unwrap().is_stuck
    }

    pub(crate) fn refuse(&self, effect: Effect, answer: impl IntoResponse) {
        self.0.lock().unwrap().refuses = Some((effect, answer.into_response()));
    }

    /// The keys of the entries that moderators see.
    pub(crate) fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().events.clone()
    }

    pub(crate) fn asked_for_event(&self) -> usize {
        self.0.lock().unwrap().asked_for_event
    }

    /// The message to the admin.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.lock().unwrap().messages.clone()
    }

    /// `None` for an answer that never comes.
    fn perform(&self, effect: Effect, act: impl FnOnce(&mut Kept)) -> Option<Response> {
        let mut kept = self.0.lock().unwrap();
        if effect == Effect::Event {
            kept.asked_for_event += 1;
        }
        if let Some((_, refusal)) = kept.refuses.take_if(|(refused, _)| *refused == effect) {
            return Some(refusal);
        }
        act(&mut kept);
        if kept.sticks.take_if(|stuck| *stuck == effect).is_some() {
            kept.is_stuck = true;
            return None;
        }
        Some(Json(json!({})).into_response())
    }

    fn conversation(&self) -> Value {
        let said = |text: &String| json!({ "id": "m", "text": text, "sender": { "did": "did:plc:bot" } });
        json!({ "messages": self.messages().iter().rev().map(said).collect::<Vec<_>>() })
    }
}

async fn answer(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let told = match uri.path().rsplit(['/', '.']).next().unwrap() {
        "negated-labels" => json!({ "negated_uris": [] }),
        "createSession" => json!({ "did": "did:plc:bot", "accessJwt": "token" }),
        "getProfile" => json!({ "did": "did:plc:admin" }),
        "getConvoForMembers" => json!({ "convo": { "id": "c1" } }),
        "getMessages" => desk.conversation(),
        "events" => {
            let key = headers["idempotency-key"].to_str().unwrap().to_owned();
            let act = |kept: &mut Kept| {
                if !kept.events.contains(&key) {
                    kept.events.push(key);
                }
            };
            return answered(desk.perform(Effect::Event, act)).await;
        }
        "sendMessage" => {
            let text = body["message"]["text"].as_str().unwrap().to_owned();
            return answered(desk.perform(Effect::Message, |kept| kept.messages.push(text))).await;
        }
        other => panic!("nobody asks for {other}"),
    };
    Json(told).into_response()
}

async fn answered(answer: Option<Response>) -> Response {
    match answer {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}
