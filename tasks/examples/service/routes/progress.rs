//! The progress of an export, pushed to its owner: one event for each change of its job, and an end.
//!
//! A database tells of changes; memory is looked at, which costs nothing. The stream ends with the export, when the service
//! goes down, and after as long as an export may take.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{AppendHeaders, IntoResponse};
use docket_tasks::{Job, JobState};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::service::app::{App, Did};
use crate::service::refusal::Refusal;

/// The time between two looks at a job in memory.
const LOOK: Duration = Duration::from_millis(100);
/// The longest without a look at one in a database: a change may have gone unheard.
const UNHEARD_MAX: Duration = Duration::from_secs(15);
/// All attempts of an export and the waits between them; a client may ask again.
const WATCH_MAX: Duration = Duration::from_hours(7);
/// Proxies hold events back unless they are told not to.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) async fn watch(
    State(app): State<App>,
    Did(did): Did,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    // Before the first look, so that nothing falls between.
    let changes = app.data.job_changes();
    let job = app.data.catalogue().job(&id).await?.ok_or_else(|| Refusal::not_found("export"))?;
    if job.owner_did != did {
        return Err(Refusal::forbidden("it is somebody else's export"));
    }
    let watch = Watch { app, id, changes, said: None, until: Instant::now() + WATCH_MAX, is_over: false };
    let events = Sse::new(pushed(watch)).keep_alive(KeepAlive::default());
    Ok((AppendHeaders([(CACHE_CONTROL, "no-cache"), (UNBUFFERED, "no")]), events))
}

/// One watcher.
struct Watch {
    app: App,
    id: String,
    changes: Option<broadcast::Receiver<String>>,
    said: Option<Value>,
    until: Instant,
    is_over: bool,
}

fn pushed(watch: Watch) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(watch, |mut watch| async move {
        let change = watch.next().await?;
        Some((Ok(Event::default().data(change.to_string())), watch))
    })
}

impl Watch {
    /// The next change; `None`: there will be none.
    async fn next(&mut self) -> Option<Value> {
        while !self.is_over && Instant::now() < self.until {
            // A database that is down is asked again: until then the watcher sees nothing new.
            if let Ok(job) = self.app.data.catalogue().job(&self.id).await {
                let job = job?;
                self.is_over = matches!(job.state, JobState::Completed | JobState::Failed);
                let now = shown(&job);
                if self.said.as_ref() != Some(&now) {
                    self.said = Some(now.clone());
                    return Some(now);
                }
            }
            let down = self.app.down.clone();
            down.run_until_cancelled(self.changed()).await?;
        }
        None
    }

    /// Waits until there may be something new.
    async fn changed(&mut self) {
        let Some(changes) = &mut self.changes else { return tokio::time::sleep(LOOK).await };
        let id = &self.id;
        let heard = async {
            // A watcher that has missed some polls by itself.
            while changes.recv().await.is_ok_and(|changed| changed != *id && !changed.is_empty()) {}
        };
        // Late is early enough: then it is looked at anyway.
        let _ = tokio::time::timeout(UNHEARD_MAX, heard).await;
    }
}

fn shown(job: &Job) -> Value {
    let mut shown = json!({
        "export_id": job.id,
        "status": job.state,
        "message": job.message,
        "progress_pct": job.progress_pct,
        "error": job.error,
        "processed_count": job.result.get("processed_count"),
        "total_count": job.result.get("total_count"),
    });
    if job.state == JobState::Completed {
        shown["download_url"] = format!("/exports/{}/download", job.id).into();
    }
    shown
}
