//! A stand-in of a PDS, on loopback: repositories in memory, one token for all users. It knows put, get and delete, and
//! compares the state that a write is for; what it calls a CID is a hash of the content, but no real one.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use docket_tasks::AtUri;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::serve::serve;
use crate::end::End;

/// The token of every session.
pub(super) const TOKEN: &str = "demo-session";

/// Repository, collection, record key.
type Address = [String; 3];

/// What the PDS holds. Cheap to clone; clones are the same PDS.
#[derive(Clone, Default)]
pub(super) struct Pds(Arc<Mutex<BTreeMap<Address, Value>>>);

impl Pds {
    /// Serves it; gives its address.
    pub(super) async fn serve(&self) -> Result<String, End> {
        let router = Router::new()
            .route("/xrpc/com.atproto.repo.putRecord", post(put_record))
            .route("/xrpc/com.atproto.repo.getRecord", get(get_record))
            .route("/xrpc/com.atproto.repo.deleteRecord", post(delete_record));
        serve(router.layer(middleware::from_fn(only_sessions)).with_state(self.clone())).await
    }

    /// Puts a record in, as its user did before the demo.
    pub(super) fn keep(&self, uri: &AtUri, record: Value) {
        self.records().insert([uri.did(), uri.collection(), uri.rkey()].map(str::to_owned), record);
    }

    /// The records of a collection.
    pub(super) fn collection(&self, did: &str, collection: &str) -> Vec<Value> {
        let records = self.records();
        let found = records.iter().filter(|([repo, kind, _], _)| repo == did && kind == collection);
        found.map(|(_, record)| record.clone()).collect()
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<Address, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn only_sessions(headers: HeaderMap, request: Request, next: Next) -> Response {
    if headers.get("authorization").is_none_or(|value| value.as_bytes() != format!("Bearer {TOKEN}").as_bytes()) {
        return refuse(StatusCode::UNAUTHORIZED, "AuthMissing");
    }
    next.run(request).await
}

async fn put_record(State(pds): State<Pds>, Json(body): Json<Map<String, Value>>) -> Response {
    let (Some(address), Some(record)) = (address(&body), body.get("record")) else {
        return refuse(StatusCode::BAD_REQUEST, "InvalidRequest");
    };
    let mut records = pds.records();
    let kept = records.get(&address).map_or(Value::Null, |record| cid(record).into());
    if body.get("swapRecord").is_some_and(|seen| *seen != kept) {
        return refuse(StatusCode::BAD_REQUEST, "InvalidSwap");
    }
    records.insert(address.clone(), record.clone());
    Json(json!({ "uri": uri(&address), "cid": cid(record) })).into_response()
}

async fn get_record(State(pds): State<Pds>, request: Request) -> Response {
    let pairs = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let query: Map<String, Value> = pairs.map(|(name, value)| (name.into_owned(), value.into())).collect();
    let Some(address) = address(&query) else { return refuse(StatusCode::BAD_REQUEST, "InvalidRequest") };
    match pds.records().get(&address) {
        Some(record) => Json(json!({ "uri": uri(&address), "cid": cid(record), "value": record })).into_response(),
        None => refuse(StatusCode::BAD_REQUEST, "RecordNotFound"),
    }
}

async fn delete_record(State(pds): State<Pds>, Json(body): Json<Map<String, Value>>) -> Response {
    let Some(address) = address(&body) else { return refuse(StatusCode::BAD_REQUEST, "InvalidRequest") };
    pds.records().remove(&address);
    Json(json!({})).into_response()
}

fn address(fields: &Map<String, Value>) -> Option<Address> {
    let field = |name: &str| Some(fields.get(name)?.as_str()?.to_owned());
    Some([field("repo")?, field("collection")?, field("rkey")?])
}

fn uri([repo, collection, rkey]: &Address) -> String {
    format!("at://{repo}/{collection}/{rkey}")
}

fn cid(record: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(record.to_string().as_bytes());
    format!("demo{:016x}", hasher.finish())
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error, "message": "says the stand-in" }))).into_response()
}
