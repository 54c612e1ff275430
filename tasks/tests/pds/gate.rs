//! A gate in front of the PDS, which can hold back its answers, and give answers of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

/// Between a worker and its PDS. Forwards everything, unless instructed otherwise.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Told>);

struct Told {
    pds: String,
    pub(crate) url: String,
    /// Keep the answer to the n-th call of this method from now on.
    keep: Mutex<Option<(String, usize)>>,
    kept: watch::Sender<usize>,
    released: watch::Sender<usize>,
    answers: Mutex<VecDeque<Response>>,
    asked: Mutex<Vec<String>>,
}

impl Gate {
    pub(crate) async fn before(pds: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let told = Told {
            pds: pds.to_owned(),
            url: format!("http://{}", listener.local_addr().unwrap()),
            keep: Mutex::default(),
            kept: watch::Sender::new(0),
            released: watch::Sender::new(0),
            answers: Mutex::default(),
            asked: Mutex::default(),
        };
        let gate = Self(Arc::new(told));
        let router = Router::new().fallback(pass).with_state(gate.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        gate
    }

    pub(crate) fn url(&self) -> String {
        self.0.url.clone()
    }

    /// The n-th call of `method` from now on takes effect, and is not answered.
    pub(crate) fn keep_answer(&self, method: &str, nth: usize) {
        *self.0.keep.lock().unwrap() = Some((method.to_owned(), nth));
    }

    /// Waits until an answer is kept.
    pub(crate) async fn kept(&self, answers: usize) {
        let mut kept = self.0.kept.subscribe();
        let wait = kept.wait_for(|kept| *kept >= answers);
        tokio::time::timeout(crate::world::SOON, wait).await.expect("an answer is kept soon").unwrap();
    }

    /// Gives the answers it kept.
    pub(crate) fn release(&self) {
        self.0.released.send_replace(*self.0.kept.borrow());
    }

    /// The next call does not reach the PDS: it is answered with this.
    pub(crate) fn answer(&self, answer: impl IntoResponse) {
        self.0.answers.lock().unwrap().push_back(answer.into_response());
    }

    /// How often a method was called.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.0.asked.lock().unwrap().iter().filter(|asked| asked.ends_with(method)).count()
    }
}

async fn pass(State(gate): State<Gate>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let told = &gate.0;
    let nsid = uri.path().trim_start_matches("/xrpc/").to_owned();
    told.asked.lock().unwrap().push(nsid.clone());
    if let Some(answer) = told.answers.lock().unwrap().pop_front() {
        return answer;
    }
    let mut request = reqwest::Client::new().request(method, format!("{}{uri}", told.pds)).body(body);
    for name in ["authorization", "content-type"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let text = answer.text().await.unwrap();
    let is_kept = match &mut *told.keep.lock().unwrap() {
        Some((kept, nth)) if nsid.ends_with(&**kept) => {
            *nth -= 1;
            *nth == 0
        }
        _ => false,
    };
    if is_kept {
        *told.keep.lock().unwrap() = None;
        told.kept.send_modify(|kept| *kept += 1);
        let number = *told.kept.borrow();
        told.released.subscribe().wait_for(|released| *released >= number).await.unwrap();
    }
    (status, [("content-type", "application/json")], text).into_response()
}
