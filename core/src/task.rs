//! Tasks as the store knows them: what is added, what is leased, what a record shows.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{AddId, Error, Fence, Key, Name, Queue, Result, RunAt, Timestamp, Token, WorkerId, json, limits, words};

/// Opaque bytes (JSON by the time they reach a handler): the args or the result of a task.
///
/// `Debug` shows only the length, so that what a task carries never reaches a log by accident.
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

    /// The value that the bytes are the JSON of.
    ///
    /// # Errors
    ///
    /// `Invalid`, which says where they are not and what was expected there, and nothing of what is there.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        json::decode(&self.0).map_err(|why| Error::invalid("decode a payload", why))
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// Where a task is in its life, as people see it.
///
/// The record itself knows only queued, leased, moving and the three ways of being finished; scheduled, ready and running are
/// derived from them and the store's time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// Waiting for its time.
    Scheduled,
    /// May be leased now. A task whose lease ran out is ready too.
    Ready,
    /// Leased, and the deadline has not passed.
    Running,
    /// Taken out, to be moved to another store: nobody leases it here.
    Moving,
    /// Finished well.
    Completed,
    /// Will not run again by itself: failed for good, or poisonous. Kept, shown, can be requeued.
    Dead,
    /// Finished by a cancel.
    Cancelled,
}

impl State {
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

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One task to add or schedule.
#[derive(Clone, PartialEq, Debug)]
pub struct NewTask {
    /// Its identity in the docket.
    pub key: Key,
    /// The identity of this call, so that a repetition is recognised.
    pub add_id: AddId,
    /// The task type.
    pub name: Name,
    /// The lane.
    pub queue: Queue,
    /// The arguments.
    pub args: Payload,
    /// When it may first be leased.
    pub run_at: RunAt,
    /// Set for a perpetual: the store itself places the next occurrence when a run cannot name it.
    pub every: Option<Duration>,
    /// What the adder overrode of the task type's policy.
    pub overrides: Overrides,
    /// Set by a worker that adds a periodic task of its own: for so long it declares that the task is defined so. Of the
    /// definitions that are declared, the one that was first seen last is in force. Only an `add` looks at it.
    pub declared_for: Option<Duration>,
}

impl NewTask {
    /// A one-shot task for now, in the default queue, under a key of its own.
    pub fn new(name: Name, args: Payload) -> Self {
        Self::keyed(Key::unique(), name, args)
    }

    /// A one-shot task for now, in the default queue, under a key of the caller's.
    pub fn keyed(key: Key, name: Name, args: Payload) -> Self {
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

    /// Refuses, with the reason, what no store may take: an interval or a limit of zero, a delay or an interval beyond
    /// [`limits::DELAY_MAX`]. Every backend asks this of each item: `bound::zero_never_means_infinite`,
    /// `exact::the_furthest_future_is_ten_years`.
    pub fn check(&self) -> Result<()> {
        if self.run_at.is_too_long() || self.every.is_some_and(|every| every > limits::DELAY_MAX) {
            return Err(words::too_far(format!("add {}", self.name)));
        }
        let wrong = if self.every == Some(Duration::ZERO) {
            "its interval is zero, so it would repeat without rest"
        } else if self.overrides.attempts_max == Some(0) {
            "its attempt limit is 0, so it could never run; use 1 for a single attempt"
        } else if self.overrides.crashes_max == Some(0) {
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

/// Policy that the adder overrode for one task; the rest belongs to the task type in the worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// Runs that end with an error, at most.
    pub attempts_max: Option<u32>,
    /// Leases that run out unsettled, at most.
    pub crashes_max: Option<u32>,
}

/// A task taken by a lease: everything its run needs.
#[derive(Clone, PartialEq, Debug)]
pub struct Lease {
    /// The proof, for heartbeats and the ack.
    pub token: Token,
    /// The task type.
    pub name: Name,
    /// The lane.
    pub queue: Queue,
    /// The arguments.
    pub args: Payload,
    /// Runs of this life (or occurrence) that ended with an error.
    pub attempts: u32,
    /// Leases of this life (or occurrence) that ran out unsettled.
    pub crashes: u32,
    /// When this lease ends unless renewed.
    pub deadline: Timestamp,
    /// The time of the lease by the store's clock.
    pub leased_at: Timestamp,
    /// When the task became visible; `leased_at - due_at` is how late it started.
    pub due_at: Timestamp,
    /// The interval of a perpetual.
    pub every: Option<Duration>,
    /// What the adder overrode.
    pub overrides: Overrides,
    /// Since when no build could read its args: the time of the first [`crate::Outcome::Undecodable`] in a row.
    pub undecodable_since: Option<Timestamp>,
}

impl Lease {
    /// The same by the server's clock, which is behind the docket's time by `offset`.
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
    pub key: Key,
    /// The task type.
    pub name: Name,
    /// The lane.
    pub queue: Queue,
    /// Where it is in its life, by the store's clock.
    pub state: State,
    /// The arguments.
    pub args: Payload,
    /// Runs of this life (or occurrence) that ended with an error.
    pub attempts: u32,
    /// Leases of this life (or occurrence) that ran out unsettled. Counted by the next lease call, not when lost:
    /// nobody is there to count it then.
    pub crashes: u32,
    /// The fence drawn last for it, by a lease or a requeue, if any was: no two of its deaths have the same.
    pub fence: Option<Fence>,
    /// While unfinished, when it may next be leased (for a running task, its lease's deadline); once finished, when
    /// it finished.
    pub visible_at: Timestamp,
    /// When this life was added.
    pub added_at: Timestamp,
    /// Who holds, or last held, its lease.
    pub worker: Option<WorkerId>,
    /// The latest error, of this life or an earlier one.
    pub error: Option<String>,
    /// What its run returned.
    pub result: Option<Payload>,
    /// The interval of a perpetual.
    pub every: Option<Duration>,
    /// Occurrences of a perpetual that failed in a row.
    pub failures: u32,
    /// A cancel waits for the current run to notice it.
    pub cancelling: bool,
    /// What will take the key's place when the current run ends.
    pub follower: Option<FollowerView>,
}

impl TaskView {
    /// The same by the server's clock, which is behind the docket's time by `offset`.
    #[must_use]
    pub fn behind_by(self, offset: Duration) -> Self {
        let follower = self
            .follower
            .map(|follower| FollowerView { visible_at: follower.visible_at.behind_by(offset), ..follower });
        let (visible_at, added_at) = (self.visible_at.behind_by(offset), self.added_at.behind_by(offset));
        Self { visible_at, added_at, follower, ..self }
    }
}

/// The task that waits behind a running one of the same key.
#[derive(Clone, PartialEq, Debug)]
pub struct FollowerView {
    /// Its arguments.
    pub args: Payload,
    /// Its time.
    pub visible_at: Timestamp,
}
