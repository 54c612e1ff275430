//! What the docket knows of one key.

use std::time::Duration;

use docket_core::{
    AddAnswer, Arrival, CancelAnswer, DefinitionId, Existing, Fence, LeaseToken, NewTask, Overrides, Parcel, ParcelId,
    Payload, Queue, RequestId, ScheduleAnswer, TaskKey, TaskName, TaskState, Timestamp, Verb, WorkerId, limits,
};
use uuid::Uuid;

use super::define::Definitions;
use crate::teeth::Fault;

pub(crate) use docket_core::words::CRASH_LIMIT;

/// The state of a record; the shown state is derived from it and the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    Queued,
    Leased,
    Moving,
    Completed,
    Dead,
    Cancelled,
}

/// An answer that was given to a call, by which its repetition is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Add(AddAnswer),
    Schedule(ScheduleAnswer),
    Cancel(CancelAnswer),
    Arrive(Arrival),
}

/// The latest lease of a key.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Taken {
    pub(super) fence: Fence,
    pub(super) request: RequestId,
    pub(super) worker: WorkerId,
    pub(super) at: Timestamp,
}

/// A requeue that took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Requeued {
    /// The fence of the death; none for a periodic task that was cancelled before its first lease.
    pub(super) death: Option<Fence>,
    /// The one drawn for the life that follows.
    pub(super) fence: Fence,
}

/// The work of a record, or of the successor behind it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Work {
    pub(super) name: TaskName,
    pub(super) queue: Queue,
    pub(super) args: Payload,
    pub(super) every: Option<Duration>,
    pub(super) overrides: Overrides,
    pub(super) visible_at: Timestamp,
    /// Set of a successor that is the same periodic task by another definition.
    pub(super) definition: Option<DefinitionId>,
}

impl Work {
    pub(super) fn of(task: &NewTask, now: Timestamp) -> Self {
        Self {
            name: task.name.clone(),
            queue: task.queue.clone(),
            args: task.args.clone(),
            every: task.every,
            overrides: task.overrides,
            visible_at: task.run_at.resolve(now).min(now.plus(limits::DELAY_MAX)),
            definition: None,
        }
    }

    pub(super) fn of_parcel(parcel: &Parcel) -> Self {
        Self {
            name: parcel.name.clone(),
            queue: parcel.queue.clone(),
            args: parcel.args.clone(),
            every: parcel.every,
            overrides: parcel.overrides,
            visible_at: parcel.visible_at,
            definition: None,
        }
    }
}

/// One record, as the table lists it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Record {
    pub(super) key: TaskKey,
    pub(super) state: Life,
    pub(super) work: Work,
    pub(super) due_at: Timestamp,
    pub(super) seq: u64,
    pub(super) added_at: Timestamp,
    pub(super) taken: Option<Taken>,
    pub(super) attempts: u32,
    pub(super) crashes: u32,
    pub(super) failures: u32,
    pub(super) crashed_in_a_row: u32,
    pub(super) undecodable_since: Option<Timestamp>,
    pub(super) definitions: Definitions,
    pub(super) calls: Vec<(Uuid, Answer)>,
    pub(super) successor: Option<Work>,
    pub(super) cancelling: bool,
    pub(super) settled: Option<(Fence, RequestId)>,
    pub(super) requeued: Option<Requeued>,
    pub(super) error: Option<String>,
    pub(super) result: Option<Payload>,
    /// The call that took it out; it stays when the task is let go, and goes when it is put back or lives again.
    pub(super) parcel: Option<ParcelId>,
    /// When a finished record may be trimmed; a finished periodic task never is.
    pub(super) expires: Option<Timestamp>,
}

/// The surroundings of a step: the time, the docket's sequence, and the built-in fault, if any.
pub(super) struct Step<'a> {
    pub(super) now: Timestamp,
    pub(super) seq: &'a mut u64,
    pub(super) fault: Option<Fault>,
}

impl Step<'_> {
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn next_seq(&mut self) -> u64 {
        *self.seq += 1;
        *self.seq
    }
}

impl Record {
    /// The fence drawn last for this key.
    pub(super) fn fence(&self) -> Option<Fence> {
        self.taken.as_ref().map(|taken| taken.fence).max(self.requeued.map(|requeued| requeued.fence))
    }

    /// "Current": leased, and fence and request are equal.
    pub(super) fn is_current(&self, token: &LeaseToken, fault: Option<Fault>) -> bool {
        let leased = self.state == Life::Leased || fault == Some(Fault::CurrentWhateverTheState);
        let same = self.taken.as_ref().is_some_and(|taken| {
            let same_fence = taken.fence == token.fence;
            match fault {
                Some(Fault::IgnoresTheFence) => true,
                // A store that numbers each key's leases has no reason to look further than the number.
                Some(Fault::FencePerKey) => same_fence,
                _ => same_fence && taken.request == token.request,
            }
        });
        leased && same
    }

    pub(super) fn is_finished(&self) -> bool {
        matches!(self.state, Life::Completed | Life::Dead | Life::Cancelled)
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.crashes >= limits::SUSPECT_CRASHES
    }

    pub(super) fn shown(&self, now: Timestamp) -> TaskState {
        let passed = self.work.visible_at <= now;
        match (self.state, passed) {
            (Life::Queued, false) => TaskState::Scheduled,
            (Life::Leased, false) => TaskState::Running,
            (Life::Queued | Life::Leased, true) => TaskState::Ready,
            (Life::Moving, _) => TaskState::Moving,
            (Life::Completed, _) => TaskState::Completed,
            (Life::Dead, _) => TaskState::Dead,
            (Life::Cancelled, _) => TaskState::Cancelled,
        }
    }

    pub(super) fn existing(&self, now: Timestamp) -> Existing {
        if self.cancelling { Existing::Cancelling } else { Existing::In(self.shown(now)) }
    }

    /// Let go: its task lives elsewhere.
    pub(super) fn is_away(&self) -> bool {
        self.state == Life::Cancelled && self.parcel.is_some()
    }

    /// How its task got its key: by which verb, and whether by a move.
    pub(super) fn origin(&self) -> (Verb, bool) {
        let placed = self.calls.iter().rev().find_map(|(_, answer)| match answer {
            Answer::Add(AddAnswer::Added) => Some((Verb::Add, false)),
            Answer::Schedule(_) => Some((Verb::Schedule, false)),
            Answer::Arrive(Arrival::Placed) => Some((Verb::Add, true)),
            Answer::Arrive(Arrival::Moved | Arrival::Follows) => Some((Verb::Schedule, true)),
            _ => None,
        });
        placed.unwrap_or((Verb::Add, false))
    }

    /// The answer that this call got before.
    pub(super) fn answered(&self, id: &Uuid) -> Option<Answer> {
        self.calls.iter().find(|(known, _)| known == id).map(|(_, answer)| *answer)
    }

    pub(super) fn remember(&mut self, id: &Uuid, answer: Answer) {
        self.calls.push((*id, answer));
        if self.calls.len() > limits::CALL_IDS_MAX {
            self.calls.remove(0);
        }
    }
}
