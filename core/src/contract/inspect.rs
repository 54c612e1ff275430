//! The reading side of a store.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use crate::contract::{
    Clock, Error, ErrorKind, Queue, Result, TaskKey, TaskName, TaskState, TaskView, Timestamp, WorkerRecord,
};

/// Reading a store. Changes nothing.
///
/// # Cancel safety
///
/// Every call can be dropped at any time.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// The task of this key, unfinished or still kept: `inspect::get_shows_every_state`.
    async fn get(&self, key: &TaskKey) -> Result<Option<TaskView>>;

    /// A page of tasks, by an index: `inspect::list_pages_through_everything_once`.
    ///
    /// A filter without an index examines [`crate::limits::LIST_LOOK_MAX`] records per call; the
    /// page's `next` continues from there, so an empty page with a `next` is not the end.
    async fn list(&self, filter: &ListFilter, cursor: Option<&Cursor>, limit: usize) -> Result<Page>;

    /// How many tasks are in which state, by queue and name: `inspect::counts_agree_with_the_records`.
    async fn counts(&self) -> Result<Vec<LaneCounts>>;

    /// The workers whose record has not expired: `inspect::a_worker_is_shown_until_it_expires`.
    async fn workers(&self) -> Result<Vec<WorkerView>>;

    /// Compares records with indexes, both ways; each line is a defect. Empty on a sound docket.
    ///
    /// An optional ability, which the suite requires: the provided method is `Unsupported`.
    async fn audit(&self) -> Result<Vec<String>> {
        let message = "this store does not compare its records with its indexes";
        Err(Error::new(ErrorKind::Unsupported, "audit the docket", message))
    }

    /// Checks the store itself: which version, role, settings, persistence or clock can lose or
    /// delay tasks.
    ///
    /// The provided method is for a store about which there is nothing to say.
    async fn examine(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

/// Which tasks to list; empty means all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListFilter {
    /// Only those in this state.
    pub state: Option<TaskState>,
    /// Only those of this type.
    pub name: Option<TaskName>,
    /// Only those in this queue.
    pub queue: Option<Queue>,
}

/// Where the next page starts. Opaque; only valid with the same filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor(pub String);

/// Some tasks, and where to continue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Page {
    /// The tasks found.
    pub tasks: Vec<TaskView>,
    /// Set while there are more.
    pub next: Option<Cursor>,
    /// The time of the call, by the server's clock.
    pub now: Timestamp,
    /// The docket's time, from which the states were derived, relative to that clock.
    pub clock: Clock,
}

/// How many tasks of one queue and name are in which state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LaneCounts {
    /// Its queue.
    pub queue: Queue,
    /// The task type.
    pub name: TaskName,
    /// Waiting for their time.
    pub scheduled: u64,
    /// Due: could be leased now.
    pub ready: u64,
    /// Leased, deadline not passed.
    pub running: u64,
    /// Exported, to be moved to another store.
    pub moving: u64,
    /// Completed and still kept.
    pub completed: u64,
    /// Dead and still kept.
    pub dead: u64,
    /// Cancelled and still kept.
    pub cancelled: u64,
    /// How long the oldest ready task has been ready.
    pub oldest_ready: Option<Duration>,
}

impl LaneCounts {
    /// A lane without tasks.
    pub fn empty(queue: Queue, name: TaskName) -> Self {
        Self {
            queue,
            name,
            scheduled: 0,
            ready: 0,
            running: 0,
            moving: 0,
            completed: 0,
            dead: 0,
            cancelled: 0,
            oldest_ready: None,
        }
    }

    /// The number in `state`.
    pub fn of(&mut self, state: TaskState) -> &mut u64 {
        match state {
            TaskState::Scheduled => &mut self.scheduled,
            TaskState::Ready => &mut self.ready,
            TaskState::Running => &mut self.running,
            TaskState::Moving => &mut self.moving,
            TaskState::Completed => &mut self.completed,
            TaskState::Dead => &mut self.dead,
            TaskState::Cancelled => &mut self.cancelled,
        }
    }
}

/// A worker that leased or renewed recently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkerView {
    /// Its own description.
    pub record: WorkerRecord,
    /// How long ago it last leased: its sign of life.
    pub leased_ago: Option<Duration>,
}

/// One fact about the store, with advice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The setting or fact that was checked, e.g. `maxmemory-policy`.
    pub subject: String,
    /// The value found.
    pub found: String,
    /// What to do; empty if nothing.
    pub advice: String,
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Can lose or delay tasks in a fault that the operator may have accepted.
    Warning,
    /// Can lose tasks in normal operation; refused at the start unless accepted explicitly.
    Danger,
}
