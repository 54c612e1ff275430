//! Tasks, lanes and workers in JSON and in tables. Field names are a promise.

use std::time::Duration;

use docket::{LaneCounts, Payload, TaskState, TaskView, WorkerView, display_duration};
use docket_core::words;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::stored;

/// Characters of an error in a table.
const ERROR_CHARS_MAX: usize = 100;

/// The fields of a task, in order.
pub(crate) struct Fields(Vec<(&'static str, Field)>);

/// The value of a field.
pub(crate) enum Field {
    Ours(Value),
    /// JSON as it is stored, so that no number loses a digit.
    Stored(Box<RawValue>),
    Inner(Fields),
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Ours(value) => value.serialize(serializer),
            Self::Stored(json) => json.serialize(serializer),
            Self::Inner(fields) => fields.serialize(serializer),
        }
    }
}

impl Fields {
    /// The fields with a value, as text: a string without its quotes, everything else as JSON.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&'static str, String)> {
        let told = |value: &Field| match value {
            Field::Ours(Value::Null) => None,
            Field::Ours(Value::String(text)) => Some(text.clone()),
            Field::Stored(json) if json.get() == "null" => None,
            Field::Stored(json) => Some(serde_json::from_str(json.get()).unwrap_or_else(|_| json.get().to_owned())),
            other => serde_json::to_string(other).ok(),
        };
        self.0.iter().filter_map(move |(name, value)| Some((*name, told(value)?)))
    }
}

pub(crate) fn task(view: &TaskView) -> Fields {
    let ours = |value: Value| Field::Ours(value);
    Fields(vec![
        ("key", ours(json!(view.key))),
        ("name", ours(json!(view.name))),
        ("queue", ours(json!(view.queue))),
        ("state", ours(json!(view.state))),
        ("args", payload(&view.args)),
        ("attempt", ours(json!(view.attempts))),
        ("last_attempt", ours(json!(last_attempt(view)))),
        ("crashes", ours(json!(view.crashes))),
        ("worker", ours(json!(view.worker))),
        ("error", ours(json!(view.error))),
        ("visible_at", ours(json!(view.visible_at.to_string()))),
        ("added_at", ours(json!(view.added_at.to_string()))),
        ("finished_at", ours(json!(view.state.is_finished().then(|| view.visible_at.to_string())))),
        ("fence", ours(json!(view.fence))),
        ("result", view.result.as_ref().map_or(Field::Ours(Value::Null), payload)),
        ("every", ours(json!(view.every.map(display_duration)))),
        ("failures", ours(json!(view.failures))),
        ("cancelling", ours(json!(view.cancelling))),
        ("successor", view.successor.as_ref().map_or(Field::Ours(Value::Null), successor)),
    ])
}

/// The number of its latest run in this life, from 1, if the record tells. `attempt` counts runs
/// that ended with an error: a run that has not ended, or ended otherwise, is one more.
fn last_attempt(view: &TaskView) -> Option<u32> {
    let crashed = view.error.as_deref() == Some(words::CRASH_LIMIT);
    let one_more = match view.state {
        TaskState::Running | TaskState::Completed => true,
        TaskState::Dead => crashed,
        // Its run was cancelled, or it waited.
        TaskState::Cancelled => view.worker.is_some() && view.attempts == 0,
        _ => false,
    };
    Some(view.attempts + u32::from(one_more)).filter(|attempt| *attempt > 0)
}

fn successor(view: &docket::SuccessorView) -> Field {
    let visible_at = Field::Ours(json!(view.visible_at.to_string()));
    Field::Inner(Fields(vec![("args", payload(&view.args)), ("visible_at", visible_at)]))
}

pub(crate) fn task_row(view: &TaskView) -> [String; 7] {
    let state = if view.cancelling { "cancelling" } else { view.state.as_str() };
    [
        view.key.to_string(),
        view.name.to_string(),
        view.queue.to_string(),
        state.to_owned(),
        view.attempts.to_string(),
        view.visible_at.to_string(),
        view.error.as_deref().map(cut).unwrap_or_default(),
    ]
}

/// An error, cut for a table.
fn cut(error: &str) -> String {
    match error.char_indices().nth(ERROR_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &error[..end]),
        None => error.to_owned(),
    }
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

/// JSON as it is stored; anything else as text.
fn payload(payload: &Payload) -> Field {
    stored::json(payload.as_bytes()).map_or_else(
        || Field::Ours(Value::String(String::from_utf8_lossy(payload.as_bytes()).into_owned())),
        Field::Stored,
    )
}

/// An age for people, without microseconds.
pub(crate) fn age(age: Duration) -> String {
    let unit = if age < Duration::from_secs(10) { 1 } else { 1_000 };
    display_duration(Duration::from_millis(millis(age) / unit * unit))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
