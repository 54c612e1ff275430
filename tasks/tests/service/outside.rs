//! The systems outside, as one stand-in on loopback: a PDS, the moderation service, the labeler, Replicate, Bluesky, and a
//! bucket that hands out audio when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The token that all of them want.
pub(crate) const TOKEN: &str = "the-token";
const AVATAR: &str = "https://cdn.bsky.app/img/avatar/plain/picture";

/// Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Outside(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// On the PDS, by address.
    records: Mutex<BTreeMap<String, Value>>,
    asked: Mutex<Vec<String>>,
    /// Whether the bucket hands out audio.
    open: watch::Sender<bool>,
}

impl Outside {
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    /// What a user has in a collection.
    pub(crate) fn records(&self, did: &str, collection: &str) -> Vec<Value> {
        let prefix = format!("at://{did}/{collection}/");
        let records = self.0.records.lock().unwrap();
        records.iter().filter(|(uri, _)| uri.starts_with(&prefix)).map(|(_, record)| record.clone()).collect()
    }

    /// How often this path was asked.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.0.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }

    pub(crate) fn hand_out_audio(&self) {
        self.0.open.send_replace(true);
    }

    fn put(&self, body: &Value) -> Response {
        let (uri, record) = (address(|name| body[name].as_str().unwrap_or_default().to_owned()), &body["record"]);
        let mut records = self.0.records.lock().unwrap();
        let kept = records.get(&uri).map_or(Value::Null, |record| cid(record).into());
        if body.get("swapRecord").is_some_and(|seen| *seen != kept) {
            return (StatusCode::BAD_REQUEST, Json(json!({ "error": "InvalidSwap" }))).into_response();
        }
        records.insert(uri.clone(), record.clone());
        Json(json!({ "uri": uri, "cid": cid(record) })).into_response()
    }

    fn get(&self, query: &HashMap<String, String>) -> Response {
        let uri = address(|name| query.get(name).cloned().unwrap_or_default());
        match self.0.records.lock().unwrap().get(&uri) {
            Some(record) => Json(json!({ "uri": uri, "cid": cid(record), "value": record })).into_response(),
            None => (StatusCode::BAD_REQUEST, Json(json!({ "error": "RecordNotFound" }))).into_response(),
        }
    }
}

async fn answer(State(outside): State<Outside>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let is_let_in = headers.get("x-moderation-key").is_some_and(|key| key == TOKEN)
        || headers.get("authorization").is_some_and(|key| key.as_bytes() == format!("Bearer {TOKEN}").as_bytes());
    outside.0.asked.lock().unwrap().push(uri.path().to_owned());
    match uri.path() {
        path if path.starts_with("/bucket/") => {
            outside.0.open.subscribe().wait_for(|open| *open).await.unwrap();
            let headers = [("etag", "\"1\""), ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")];
            (headers, "audio, at last").into_response()
        }
        "/bluesky/xrpc/app.bsky.actor.getProfile" => profile(&query),
        "/labeler/xrpc/com.atproto.label.queryLabels" => labels(&query),
        _ if !is_let_in => StatusCode::UNAUTHORIZED.into_response(),
        "/xrpc/com.atproto.repo.putRecord" => outside.put(&body),
        "/xrpc/com.atproto.repo.getRecord" => outside.get(&query),
        "/xrpc/com.atproto.repo.deleteRecord" => {
            let uri = address(|name| body[name].as_str().unwrap_or_default().to_owned());
            outside.0.records.lock().unwrap().remove(&uri);
            Json(json!({})).into_response()
        }
        "/moderation/scan" => Json(json!({ "is_flagged": false, "matches": [] })).into_response(),
        "/labeler/internal/negated-labels" => Json(json!({ "negated_uris": body["uris"] })).into_response(),
        "/replicate/v1/predictions" => {
            Json(json!({ "status": "succeeded", "output": { "Electronic---Ambient": 0.9 } })).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn profile(query: &HashMap<String, String>) -> Response {
    Json(json!({ "did": query.get("actor"), "avatar": AVATAR })).into_response()
}

fn labels(query: &HashMap<String, String>) -> Response {
    let label = json!({
        "uri": query.get("uriPatterns"), "val": "copyright-violation", "neg": true, "cts": "2026-01-03T00:00:00.000Z",
    });
    Json(json!({ "labels": [label] })).into_response()
}

fn address(field: impl Fn(&str) -> String) -> String {
    format!("at://{}/{}/{}", field("repo"), field("collection"), field("rkey"))
}

/// A hash of the content, but no real CID.
fn cid(record: &Value) -> String {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(record.to_string().as_bytes());
    format!("cid{:x}", hasher.finish())
}
