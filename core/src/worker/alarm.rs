//! Conditions that a person must look at.

use std::fmt;
use std::time::Duration;

use crate::{Queue, TaskKey, TaskName, display_duration};

/// A condition that a person must look at.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Alarm {
    /// A loop made no progress for this long: the worker is not alive.
    Stalled {
        /// The loop.
        name: &'static str,
        /// For how long.
        silent: Duration,
        /// The latest error, if there was one.
        error: Option<String>,
    },
    /// The handlers' runtime does not run its tasks: leases are no longer renewed.
    Wedged(Duration),
    /// Nothing is leased, because this has failed for so long: a lease could not be kept, or its
    /// outcome not settled.
    HeldBack {
        /// The failing call.
        what: &'static str,
        /// For how long.
        silent: Duration,
        /// The latest error, if there was one.
        error: Option<String>,
    },
    /// This many runs of this name have ended while their code still blocks, the first for this
    /// long: their slots and leases were given up, and their tasks may run beside that code.
    Blocked(TaskName, usize, Duration),
    /// Ready work of this worker's names is this old.
    OldestReady(Duration),
    /// Ready work is this old, and no live worker handles its name.
    Unserved(Queue, TaskName, Duration),
    /// The store has not accepted a periodic task of this worker.
    NotSeeded {
        /// Its key.
        key: TaskKey,
        /// The latest error.
        error: String,
    },
    /// Another task has the key of a periodic task of this worker, so it does not start.
    KeyTaken {
        /// The key, and so the name of the periodic task.
        key: TaskKey,
        /// The type of the other task.
        name: TaskName,
        /// The interval of the other task, if it has one.
        every: Option<Duration>,
    },
    /// A periodic task of this worker has failed this often in a row.
    Failing {
        /// Its key.
        key: TaskKey,
        /// Occurrences in a row.
        failures: u32,
    },
    /// The server's clock was set back, and the docket's time is this far ahead of it.
    ClockOff(Duration),
    /// The oldest task that the store's companion of this name has yet to bring in is this old.
    Waiting(&'static str, Duration),
}

impl Alarm {
    /// Whether the worker itself is not alive; otherwise the work is late, perhaps for reasons
    /// elsewhere.
    pub fn is_unready(&self) -> bool {
        matches!(self, Self::Stalled { .. } | Self::Wedged(_) | Self::HeldBack { .. })
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled { name, silent, error } => {
                write!(f, "the {name} loop made no progress for {}", display_duration(whole(*silent)))?;
                error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
            }
            Self::Wedged(silent) => {
                write!(f, "the handlers' runtime has run nothing for {}", display_duration(whole(*silent)))
            }
            Self::HeldBack { what, silent, error } => {
                let silent = display_duration(whole(*silent));
                write!(f, "nothing is leased: {what} has not worked for {silent}")?;
                error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
            }
            Self::Blocked(name, count, age) => write!(
                f,
                "{count} runs of {name} were given up and still block their threads, the first for {}",
                display_duration(whole(*age))
            ),
            Self::OldestReady(age) => {
                write!(f, "the oldest ready task has waited {}", display_duration(whole(*age)))
            }
            Self::Unserved(queue, name, age) => write!(
                f,
                "no live worker handles {name} in queue {queue}; its oldest ready task has waited {}",
                display_duration(whole(*age))
            ),
            Self::NotSeeded { key, error } => write!(f, "the periodic task {key} is not seeded: {error}"),
            Self::Failing { key, failures } => {
                write!(f, "the periodic task {key} has failed {failures} times in a row")
            }
            Self::KeyTaken { key, name, every } => {
                let kind = if every.is_some() { "periodic" } else { "one-shot" };
                write!(
                    f,
                    "the periodic task {key} does not start: its key belongs to a {kind} task {name}; cancel that one, \
                     or give it another key"
                )
            }
            Self::ClockOff(offset) => write!(
                f,
                "the store's clock was set back; the docket's time is {} ahead of it (see `docket clock`)",
                display_duration(whole(*offset))
            ),
            Self::Waiting(name, age) => {
                write!(f, "the oldest task in the {name} has waited {}", display_duration(whole(*age)))
            }
        }
    }
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}
