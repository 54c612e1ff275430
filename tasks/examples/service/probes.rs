//! Whether the process lives, and whether it is well: from the worker's own health, where it has one.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use docket::worker::HealthHandle;
use docket::{Docket, TaskKey};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// How long a store may take to answer a probe.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The subjects of the probes.
#[derive(Clone)]
pub(crate) struct Probes {
    docket: Docket,
    worker: Option<HealthHandle>,
    down: CancellationToken,
}

impl Probes {
    pub(crate) fn new(docket: Docket, worker: Option<HealthHandle>, down: CancellationToken) -> Self {
        Self { docket, worker, down }
    }

    /// `/health` for the platform that restarts the process, `/ready` for the one that routes requests to it.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/health", get(health)).route("/ready", get(ready)).with_state(self)
    }

    /// The alarms, as text.
    fn alarms(&self) -> Vec<String> {
        let alarms = self.worker.iter().flat_map(HealthHandle::alarms);
        alarms.map(|alarm| alarm.to_string()).collect()
    }

    /// Without a worker, tasks are only added here: that needs the store.
    async fn is_ready(&self) -> bool {
        if self.down.is_cancelled() {
            return false;
        }
        match (&self.worker, TaskKey::new("probe")) {
            (Some(worker), _) => worker.is_ready(),
            (None, Ok(key)) => {
                let answer = tokio::time::timeout(ANSWER_MAX, self.docket.store().get(&key)).await;
                matches!(answer, Ok(Ok(_)))
            }
            (None, Err(_)) => false,
        }
    }
}

/// Answers as long as the process does. A worker that is not well recovers without a restart, which
/// would lose its runs.
async fn health(State(probes): State<Probes>) -> Json<Value> {
    let worker = if probes.worker.is_some() { "here" } else { "elsewhere" };
    Json(json!({ "worker": worker, "alarms": probes.alarms() }))
}

async fn ready(State(probes): State<Probes>) -> (StatusCode, Json<Value>) {
    let is_ready = probes.is_ready().await;
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": is_ready, "alarms": probes.alarms() })))
}
