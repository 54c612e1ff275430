//! What tasks, lanes and workers look like in JSON and in tables. Field names are a promise.

use std::time::Duration;

use docket::{LaneCounts, Payload, TaskView, WorkerView, display_duration};
use serde_json::{Value, json};

pub(crate) fn task(view: &TaskView) -> Value {
    json!({
        "key": view.key,
        "name": view.name,
        "queue": view.queue,
        "state": view.state,
        "args": payload(&view.args),
        "attempt": view.attempts,
        "crashes": view.crashes,
        "worker": view.worker,
        "error": view.error,
        "visible_at": view.visible_at.to_string(),
        "added_at": view.added_at.to_string(),
        "fence": view.fence,
        "result": view.result.as_ref().map(payload),
        "every": view.every.map(display_duration),
        "failures": view.failures,
        "cancelling": view.cancelling,
        "follower": view.follower.as_ref().map(|follower| {
            json!({ "args": payload(&follower.args), "visible_at": follower.visible_at.to_string() })
        }),
    })
}

pub(crate) fn task_row(view: &TaskView) -> [String; 6] {
    let state = if view.cancelling { "cancelling" } else { view.state.as_str() };
    [
        view.key.to_string(),
        view.name.to_string(),
        view.queue.to_string(),
        state.to_owned(),
        view.attempts.to_string(),
        view.visible_at.to_string(),
    ]
}

pub(crate) fn lane(lane: &LaneCounts) -> Value {
    json!({
        "queue": lane.queue,
        "name": lane.name,
        "scheduled": lane.scheduled,
        "ready": lane.ready,
        "running": lane.running,
        "moving": lane.moving,
        "completed": lane.completed,
        "dead": lane.dead,
        "cancelled": lane.cancelled,
        "oldest_ready_ms": lane.oldest_ready.map(millis),
    })
}

pub(crate) fn worker(view: &WorkerView) -> Value {
    let record = &view.record;
    let names: Vec<Value> = record.names.iter().map(|(name, queue)| json!({ "name": name, "queue": queue })).collect();
    json!({
        "id": record.id,
        "queues": record.queues,
        "names": names,
        "concurrency": record.concurrency,
        "running": record.running,
        "settled": record.settled,
        "leased_ago_ms": view.leased_ago.map(millis),
    })
}

pub(crate) fn worker_row(view: &WorkerView) -> [String; 7] {
    let record = &view.record;
    let queues: Vec<&str> = record.queues.iter().map(docket::Queue::as_str).collect();
    let names: Vec<&str> = record.names.iter().map(|(name, _)| name.as_str()).collect();
    let leased_ago = view.leased_ago.map(age);
    [
        record.id.to_string(),
        queues.join(","),
        record.running.to_string(),
        record.concurrency.to_string(),
        record.settled.to_string(),
        leased_ago.unwrap_or_default(),
        names.join(","),
    ]
}

/// JSON as it is; what is none, as text.
fn payload(payload: &Payload) -> Value {
    serde_json::from_slice(payload.as_bytes())
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload.as_bytes()).into_owned()))
}

/// An age as a person reads it: nobody looks at microseconds.
pub(crate) fn age(age: Duration) -> String {
    let unit = if age < Duration::from_secs(10) { 1 } else { 1_000 };
    display_duration(Duration::from_millis(millis(age) / unit * unit))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
