//! The log lines about the end of a run. Each contains key, task and attempt itself: at
//! `RUST_LOG=warn` there is no span with them.

use std::fmt::Display;

use super::held::Reason;
use crate::telemetry::{ATTEMPT, KEY, TASK, WORKER};
use crate::{Ack, Lease, Limited, Outcome, Policy, Swept, TaskKey, TaskName, WorkerId, display_duration, words};

/// The run that an ack settles.
#[derive(Debug)]
pub(super) struct Run {
    task: TaskName,
    attempt: u32,
    failed: Option<Failed>,
}

/// The consequence of a failed run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Failed {
    /// Another attempt.
    Again,
    /// None: the store makes the task dead.
    Dead,
    /// The next occurrence of a periodic task.
    NextOccurrence,
}

impl Run {
    /// The run of `lease`, which ended with `outcome`.
    pub(super) fn new(lease: &Lease, policy: &Policy, outcome: &Outcome) -> Self {
        let attempt = lease.attempts + 1;
        let max_attempts = lease.overrides.max_attempts.unwrap_or(policy.max_attempts);
        let failed = match outcome {
            Outcome::Retry { .. } if attempt < max_attempts => Some(Failed::Again),
            Outcome::Retry { .. } | Outcome::Dead { .. } if lease.every.is_some() => Some(Failed::NextOccurrence),
            Outcome::Retry { .. } | Outcome::Dead { .. } => Some(Failed::Dead),
            _ => None,
        };
        Self { task: lease.name.clone(), attempt, failed }
    }

    /// Logs how the run ended. A death is logged after the store's answer: see [`Run::settled`].
    pub(super) fn ended(&self, lease: &Lease, ack: &Ack, reason: Option<Reason>) {
        macro_rules! line {
            ($level:ident, $($rest:tt)*) => {
                tracing::$level!(
                    { KEY } = %ack.token.key, { TASK } = %self.task, { ATTEMPT } = self.attempt, $($rest)*
                )
            };
        }
        match &ack.outcome {
            Outcome::Completed(_) | Outcome::Repeat { .. } => line!(debug, "task completed"),
            Outcome::Unkept { error } => line!(warn, error, "task completed, but its result is not kept"),
            Outcome::Retry { error, .. } | Outcome::Dead { error } if self.failed == Some(Failed::NextOccurrence) => {
                line!(warn, error, "task failed; its next occurrence is placed");
            }
            Outcome::Retry { after, error } if self.failed == Some(Failed::Again) => {
                line!(warn, after = %display_duration(*after), error, "task failed; an attempt is counted");
            }
            Outcome::Retry { .. } | Outcome::Dead { .. } => {}
            Outcome::Undecodable { after, error } if lease.undecodable_since.is_none() => {
                line!(warn, after = %display_duration(*after), error, "this build cannot decode the task's args; another may, so the task is queued again");
            }
            Outcome::Undecodable { after, .. } => {
                line!(debug, after = %display_duration(*after), "the task's args still cannot be decoded");
            }
            Outcome::Snooze { after } => line!(debug, after = %display_duration(*after), "task snoozed"),
            Outcome::Release if reason == Some(Reason::Lost) => {
                line!(warn, "run stopped without a lease; the task runs again once its deadline has passed");
            }
            Outcome::Release => line!(info, "task given back, uncounted"),
            Outcome::Cancelled => line!(info, "task cancelled"),
            #[cfg(feature = "testing")]
            Outcome::OfALaterVersion => unreachable!("no run ends like this"),
        }
    }

    /// Logs the result in the store, if a person must know.
    pub(super) fn settled(&self, worker: &WorkerId, ack: &Ack) {
        if let Outcome::Retry { error, .. } | Outcome::Dead { error } = &ack.outcome
            && self.failed == Some(Failed::Dead)
        {
            died(worker, &ack.token.key, &self.task, self.attempt, error);
        }
    }

    /// Logs that the store refuses the run's result.
    pub(super) fn refused(&self, ack: &Ack, error: &str) {
        tracing::warn!(
            { KEY } = %ack.token.key, { TASK } = %self.task, { ATTEMPT } = self.attempt, error,
            "task completed, but its return value is not kept"
        );
    }
}

impl Swept {
    /// Logs the tasks that ended, and what was lost. `by` made the call: a worker, or a mover.
    pub fn log(&self, by: &impl Display) {
        let Self { crashed, limited, dead_trimmed } = self;
        if *crashed > 0 {
            tracing::warn!({ WORKER } = %by, leases = crashed, "leases ran out unsettled; their tasks run again");
        }
        for limited in limited {
            log_limited(by, limited);
        }
        if *dead_trimmed > 0 {
            tracing::warn!({ WORKER } = %by, tasks = dead_trimmed, "dead tasks trimmed");
        }
    }
}

/// Logs that a worker died under a task for the last time.
fn log_limited(by: &impl Display, limited: &Limited) {
    let Limited { key, name, attempts, repeats } = limited;
    if *repeats {
        tracing::error!(
            { KEY } = %key, { TASK } = %name, { WORKER } = %by,
            "task reached its crash limit; its next occurrence is placed"
        );
    } else {
        died(by, key, name, attempts + 1, words::CRASH_LIMIT);
    }
}

/// The one line about a death, whatever the cause.
fn died(by: &impl Display, key: &TaskKey, task: &TaskName, attempt: u32, error: &str) {
    tracing::error!(
        { KEY } = %key, { TASK } = %task, { ATTEMPT } = attempt, { WORKER } = %by, error, "task failed for good"
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Fence, LeaseToken, Overrides, Payload, Queue, RequestId, Timestamp};

    fn failed(attempts: u32, max_attempts: Option<u32>, every: Option<Duration>, outcome: &Outcome) -> Option<Failed> {
        let lease = Lease {
            token: LeaseToken { key: TaskKey::unique(), fence: Fence(1), request: RequestId::unique() },
            name: TaskName::new("work").unwrap(),
            queue: Queue::default(),
            args: Payload::default(),
            attempts,
            crashes: 0,
            deadline: Timestamp::default(),
            leased_at: Timestamp::default(),
            due_at: Timestamp::default(),
            every,
            undecodable_since: None,
            overrides: Overrides { max_attempts, max_crashes: None },
        };
        Run::new(&lease, &Policy { max_attempts: 3, ..Policy::default() }, outcome).failed
    }

    #[test]
    fn the_limit_in_force_decides_which_failure_is_the_last() {
        let retry = Outcome::Retry { after: Duration::ZERO, error: String::new() };
        let dead = Outcome::Dead { error: String::new() };
        let every = Some(Duration::from_secs(1));
        assert_eq!(failed(1, None, None, &retry), Some(Failed::Again));
        assert_eq!(failed(2, None, None, &retry), Some(Failed::Dead));
        assert_eq!(failed(2, Some(4), None, &retry), Some(Failed::Again));
        assert_eq!(failed(0, Some(1), None, &retry), Some(Failed::Dead));
        assert_eq!(failed(0, None, None, &dead), Some(Failed::Dead));
        assert_eq!(failed(1, None, every, &retry), Some(Failed::Again));
        assert_eq!(failed(2, None, every, &retry), Some(Failed::NextOccurrence));
        assert_eq!(failed(0, None, every, &dead), Some(Failed::NextOccurrence));
        assert_eq!(failed(2, None, None, &Outcome::Release), None);
    }
}
