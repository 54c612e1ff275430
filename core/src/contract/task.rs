//! Tasks in a store: what is added, what is leased, what a record shows.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::contract::{
    AddId, Error, Fence, LeaseToken, Queue, Result, RunAt, TaskKey, TaskName, Timestamp, WorkerId, json, limits, words,
};

/// Opaque bytes (JSON by the time they reach a handler): the args or the result of a task.
///
/// `Debug` shows only the length, so that no payload reaches a log by accident.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Payload(Bytes);

impl Payload {
    /// Wraps bytes as they are.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Decodes the bytes as JSON.
    ///
    /// # Errors
    ///
    /// `Invalid`: names the place where they do not fit and the expected type, and shows nothing of
    /// the value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        json::decode(&self.0).map_err(|why| Error::invalid("decode a payload", why))
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// The state of a task as it is shown.
///
/// A record stores only queued, leased, moving and the three finished states; scheduled, ready and
/// running are derived from those and the store's time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TaskState {
    /// Waiting for its time.
    Scheduled,
    /// May be leased now. A task whose lease expired is ready too.
    Ready,
    /// Leased, and the deadline has not passed.
    Running,
    /// Exported, to be moved to another store: not leased here.
    Moving,
    /// Finished successfully.
    Completed,
    /// Will not run again by itself: it failed for good, or kept crashing. It is kept and shown,
    /// and can be requeued.
    Dead,
    /// Finished by a cancel.
    Cancelled,
}

impl TaskState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 7] =
        [Self::Scheduled, Self::Ready, Self::Running, Self::Moving, Self::Completed, Self::Dead, Self::Cancelled];

    /// Completed, dead or cancelled.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Cancelled)
    }

    /// The lower-case word used in commands, JSON and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Moving => "moving",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One task to add or schedule.
#[derive(Clone, PartialEq, Debug)]
pub struct NewTask {
    /// Its identity in the docket.
    pub key: TaskKey,
    /// The identity of this call, so that the store recognises a repetition.
    pub add_id: AddId,
    /// The task type.
    pub name: TaskName,
    /// Its queue.
    pub queue: Queue,
    /// The arguments.
    pub args: Payload,
    /// When it may first be leased.
    pub run_at: RunAt,
    /// Set for a periodic task: the store itself places the next occurrence when a run cannot.
    pub every: Option<Duration>,
    /// Overrides of the task type's policy by the adder.
    pub overrides: Overrides,
    /// Set by a worker that adds a periodic task: how long it declares this definition. Of the
    /// definitions declared now, the one first seen last is in force. Only `add` uses it.
    pub declared_for: Option<Duration>,
}

impl NewTask {
    /// A one-shot task for now, in the default queue, under a key of its own.
    pub fn new(name: TaskName, args: Payload) -> Self {
        Self::keyed(TaskKey::unique(), name, args)
    }

    /// A one-shot task for now, in the default queue, under this key.
    pub fn keyed(key: TaskKey, name: TaskName, args: Payload) -> Self {
        Self {
            key,
            add_id: AddId::unique(),
            name,
            queue: Queue::default(),
            args,
            run_at: RunAt::Now,
            every: None,
            overrides: Overrides::default(),
            declared_for: None,
        }
    }

    /// Refuses, with the reason, a task that no store accepts: an interval or a limit of zero, a
    /// delay or an interval beyond [`limits::DELAY_MAX`]. Every backend calls this for each item:
    /// `bound::zero_never_means_infinite`, `exact::the_furthest_future_is_ten_years`.
    pub fn check(&self) -> Result<()> {
        if self.run_at.is_too_long() || self.every.is_some_and(|every| every > limits::DELAY_MAX) {
            return Err(words::too_far(format!("add {}", self.name)));
        }
        let wrong = if self.every == Some(Duration::ZERO) {
            "its interval is zero, so it would repeat without rest"
        } else if self.overrides.max_attempts == Some(0) {
            "its attempt limit is 0, so it could never run; use 1 for a single attempt"
        } else if self.overrides.max_crashes == Some(0) {
            "its crash limit is 0, so it could never run; use 1 to give up after the first crash"
        } else if self.declared_for == Some(Duration::ZERO) {
            "its declaration lasts no time at all"
        } else if self.declared_for.is_some() && self.every.is_none() {
            "it is declared without an interval; only a periodic task is declared"
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("add {}", self.name), wrong))
    }
}

/// The adder's overrides for one task; the rest of the policy comes from the worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// The most runs that may end with an error.
    pub max_attempts: Option<u32>,
    /// The most leases that may expire unsettled.
    pub max_crashes: Option<u32>,
}

/// A leased task: everything its run needs.
#[derive(Clone, PartialEq, Debug)]
pub struct Lease {
    /// Identifies the lease, for heartbeats and the ack.
    pub token: LeaseToken,
    /// The task type.
    pub name: TaskName,
    /// Its queue.
    pub queue: Queue,
    /// The arguments.
    pub args: Payload,
    /// Runs of this life (or occurrence) that ended with an error.
    pub attempts: u32,
    /// Leases of this life (or occurrence) that expired unsettled.
    pub crashes: u32,
    /// When this lease ends unless renewed.
    pub deadline: Timestamp,
    /// The time of the lease by the store's clock.
    pub leased_at: Timestamp,
    /// When the task became visible; `leased_at - due_at` is how late it started.
    pub due_at: Timestamp,
    /// The interval of a periodic task.
    pub every: Option<Duration>,
    /// Overrides by the adder.
    pub overrides: Overrides,
    /// Since when no build has been able to decode its args: the time of the first
    /// [`crate::Outcome::Undecodable`] in a row.
    pub undecodable_since: Option<Timestamp>,
}

impl Lease {
    /// The same in the server's clock, which is behind the docket's time by `offset`.
    #[must_use]
    pub fn behind_by(self, offset: Duration) -> Self {
        Self {
            deadline: self.deadline.behind_by(offset),
            leased_at: self.leased_at.behind_by(offset),
            due_at: self.due_at.behind_by(offset),
            undecodable_since: self.undecodable_since.map(|since| since.behind_by(offset)),
            ..self
        }
    }
}

/// A task as [`crate::Inspect`] shows it.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskView {
    /// Its identity.
    pub key: TaskKey,
    /// The task type.
    pub name: TaskName,
    /// Its queue.
    pub queue: Queue,
    /// Its state, by the store's clock.
    pub state: TaskState,
    /// The arguments.
    pub args: Payload,
    /// Runs of this life (or occurrence) that ended with an error.
    pub attempts: u32,
    /// Leases of this life (or occurrence) that expired unsettled. Counted by the next lease call,
    /// not when lost: nobody is there to count it then.
    pub crashes: u32,
    /// Its latest fence, drawn by a lease or a requeue, if any: no two of its deaths share one.
    pub fence: Option<Fence>,
    /// While unfinished, when it may next be leased (for a running task, its lease's deadline); once finished, when
    /// it finished.
    pub visible_at: Timestamp,
    /// When this life was added.
    pub added_at: Timestamp,
    /// The holder of its lease, or the last one.
    pub worker: Option<WorkerId>,
    /// The latest error, of this life or an earlier one.
    pub error: Option<String>,
    /// The result of its run.
    pub result: Option<Payload>,
    /// The interval of a periodic task.
    pub every: Option<Duration>,
    /// Occurrences of a periodic task that failed in a row.
    pub failures: u32,
    /// A cancel waits for the current run to notice it.
    pub cancelling: bool,
    /// The task that takes the key when the current run ends.
    pub successor: Option<SuccessorView>,
}

impl TaskView {
    /// The same in the server's clock, which is behind the docket's time by `offset`.
    #[must_use]
    pub fn behind_by(self, offset: Duration) -> Self {
        let successor = self
            .successor
            .map(|successor| SuccessorView { visible_at: successor.visible_at.behind_by(offset), ..successor });
        let (visible_at, added_at) = (self.visible_at.behind_by(offset), self.added_at.behind_by(offset));
        Self { visible_at, added_at, successor, ..self }
    }
}

/// The task that waits behind a running one of the same key.
#[derive(Clone, PartialEq, Debug)]
pub struct SuccessorView {
    /// Its arguments.
    pub args: Payload,
    /// Its time.
    pub visible_at: Timestamp,
}

/// How a task is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// An unfinished task of the same key is left as it is.
    Add,
    /// An unfinished task of the same key is moved, or followed.
    Schedule,
}
