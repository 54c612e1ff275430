//! A proxy before the server: it keeps what passes, and lets the answer to one call never come, as it is for a worker that
//! is killed just behind an effect.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;

/// More than a part has.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Cheap to clone; clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    endpoint: String,
    http: reqwest::Client,
    shared: Arc<Mutex<Shared>>,
    url: String,
}

#[derive(Default)]
struct Shared {
    passed: Vec<Passed>,
    /// How many calls that change something are answered before one is not; `None`: all.
    answered: Option<usize>,
    is_stuck: bool,
}

/// A call that changes something, as it went through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Passed {
    /// What it does, e.g. `part 3`.
    pub(crate) what: String,
    /// The object it does that to.
    pub(crate) object: String,
    /// Bytes of its body.
    pub(crate) bytes: usize,
}

impl Gate {
    pub(crate) async fn before(endpoint: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (http, shared) = (reqwest::Client::new(), Arc::default());
        let gate = Self { endpoint: endpoint.to_owned(), http, shared, url };
        let router = Router::new().fallback(carry).with_state(gate.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        gate
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers this many calls that change something, and no call after.
    pub(crate) fn stick_after(&self, answered: usize) {
        self.shared.lock().unwrap().answered = Some(answered);
    }

    /// Whether a call went through whose answer never comes.
    pub(crate) fn is_stuck(&self) -> bool {
        self.shared.lock().unwrap().is_stuck
    }

    /// Every call that changed something.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.shared.lock().unwrap().passed.clone()
    }

    /// Takes a call down; whether its answer goes back.
    fn note(&self, passed: Option<Passed>) -> bool {
        let mut shared = self.shared.lock().unwrap();
        let Some(passed) = passed else { return !shared.is_stuck };
        shared.passed.push(passed);
        if let Some(left) = &mut shared.answered {
            if *left == 0 {
                shared.is_stuck = true;
            } else {
                *left -= 1;
            }
        }
        !shared.is_stuck
    }
}

async fn carry(State(gate): State<Gate>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let passed = described(&head, &body);
    let url = format!("{}{}", gate.endpoint, head.uri);
    // The headers are carried as they are, the host's name too: they are signed.
    let answer = gate.http.request(head.method, url).headers(head.headers).body(body).send().await.unwrap();
    if !gate.note(passed) {
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = Body::from(answer.bytes().await.unwrap());
    response
}

/// What a call changes; `None` if it only reads.
fn described(head: &axum::http::request::Parts, body: &Bytes) -> Option<Passed> {
    let query = head.uri.query().unwrap_or_default();
    let part = query.split('&').find_map(|pair| pair.strip_prefix("partNumber="));
    let what = match (head.method.as_str(), part) {
        ("GET" | "HEAD", _) => return None,
        ("POST", _) if query.starts_with("uploads") => "begin".to_owned(),
        ("POST", _) if query.starts_with("delete") => "delete".to_owned(),
        ("POST", _) => "complete".to_owned(),
        ("PUT", Some(part)) => format!("part {part}"),
        ("PUT", None) => "put".to_owned(),
        ("DELETE", _) if query.contains("uploadId=") => "abort".to_owned(),
        (other, _) => other.to_lowercase(),
    };
    Some(Passed { what, object: head.uri.path().to_owned(), bytes: body.len() })
}
