//! A record: everything a docket knows of one key.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{
    AddId, Arrival, CancelAnswer, CancelId, DefinitionId, Existing, Fence, LeaseToken, Overrides, ParcelId, Payload,
    Queue, RequestId, ScheduleAnswer, TaskKey, TaskName, TaskState, Timestamp, Verb, WorkerId, limits,
};

use super::definitions::Definitions;
use super::lanes::LaneNo;

/// The phase of a record's life. Scheduled, ready and running are derived from it and the time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Phase {
    Queued,
    Leased,
    /// Exported, to be moved to another store.
    Moving,
    Completed,
    Dead,
    Cancelled,
}

impl Phase {
    pub(crate) fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Cancelled)
    }
}

/// A queue and a name: the order of tasks is kept within one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct LaneId {
    pub(crate) queue: Queue,
    pub(crate) name: TaskName,
}

/// The part of a record that `schedule` replaces.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) lane: Arc<LaneId>,
    pub(crate) args: Payload,
    pub(crate) every: Option<Duration>,
    pub(crate) overrides: Overrides,
    /// When the work is due. A record's `visible_at` starts with this value.
    pub(crate) at: Timestamp,
}

/// The work that begins when the run ends.
#[derive(Clone, Debug)]
pub(crate) struct Successor {
    pub(crate) work: Work,
    /// Set if the successor is a redefinition of the same periodic task; not set if it was
    /// scheduled.
    pub(crate) definition: Option<DefinitionId>,
}

/// The latest lease of a key. Kept after the lease, to show who ran it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) fence: Fence,
    pub(crate) request: RequestId,
    pub(crate) worker: WorkerId,
    pub(crate) leased_at: Timestamp,
}

/// The position of a record in an index: its time there, then the order of adding. Unique in a
/// docket.
pub(crate) type Place = (Timestamp, Seq);

/// The order of adding; it does not change during a life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Seq(pub(crate) u64);

/// Everything a docket knows of one key.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) key: TaskKey,
    pub(crate) phase: Phase,
    /// The lane whose index has the record; only the index sets it.
    pub(crate) lane: LaneNo,
    pub(crate) work: Work,
    /// The time at which the task can be leased (again). For a finished task: when it finished.
    pub(crate) visible_at: Timestamp,
    /// Its position in the lane; a release restores it.
    pub(crate) due_at: Timestamp,
    pub(crate) seq: Seq,
    pub(crate) added_at: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) crashes: u32,
    /// Occurrences of a periodic task that failed, and occurrences that ended at the crash limit, in a
    /// row.
    pub(crate) failures: u32,
    pub(crate) crashed_in_a_row: u32,
    /// The time since which no build could read its args.
    pub(crate) undecodable_since: Option<Timestamp>,
    pub(crate) cancelling: bool,
    pub(crate) successor: Option<Box<Successor>>,
    /// For a finished task: the time at which it is trimmed.
    pub(crate) expires_at: Timestamp,
    pub(crate) result: Option<Payload>,
    /// The call that took the task out, while it moves and after it was let go.
    pub(crate) parcel: Option<ParcelId>,
    /// The definitions that workers declare, of a periodic task.
    pub(crate) definitions: Option<Box<Definitions>>,
    // The fields about calls, leases and errors outlive a life.
    pub(crate) error: Option<String>,
    pub(crate) held: Option<Held>,
    pub(crate) settled: Option<(Fence, RequestId)>,
    /// The fence of the death that was requeued last (`None`: it had no fence), and the fence drawn
    /// for the life after it.
    pub(crate) requeued: Option<(Option<Fence>, Fence)>,
    pub(crate) calls: Calls,
}

impl Record {
    /// A crash is a suspicion once it has happened twice.
    pub(crate) fn is_suspect(&self) -> bool {
        self.crashes >= limits::SUSPECT_CRASHES
    }

    /// The bytes that count against the bound of finished records.
    pub(crate) fn kept_bytes(&self) -> usize {
        let (result, error) = (self.result.as_ref().map(Payload::len), self.error.as_ref().map(String::len));
        limits::kept_bytes(self.work.args.len(), result, error)
    }

    pub(crate) fn is_current(&self, token: &LeaseToken) -> bool {
        self.holder() == Some((token.request, token.fence)) && self.key == token.key
    }

    /// The request that holds its lease, and the fence, if it is leased.
    pub(crate) fn holder(&self) -> Option<(RequestId, Fence)> {
        self.held.as_ref().filter(|_| self.phase == Phase::Leased).map(|held| (held.request, held.fence))
    }

    /// The fence drawn last for this key, by a lease or a requeue: no two of its deaths have the same.
    pub(crate) fn fence(&self) -> Option<Fence> {
        self.held.as_ref().map(|held| held.fence).max(self.requeued.map(|(_, drawn)| drawn))
    }

    /// Whether its task has moved to another store.
    pub(crate) fn is_away(&self) -> bool {
        self.phase == Phase::Cancelled && self.parcel.is_some()
    }

    /// The state as Inspect shows it: an expired lease counts as ready.
    pub(crate) fn state(&self, now: Timestamp) -> TaskState {
        match self.phase {
            Phase::Queued | Phase::Leased if self.visible_at <= now => TaskState::Ready,
            Phase::Queued => TaskState::Scheduled,
            Phase::Leased => TaskState::Running,
            Phase::Moving => TaskState::Moving,
            Phase::Completed => TaskState::Completed,
            Phase::Dead => TaskState::Dead,
            Phase::Cancelled => TaskState::Cancelled,
        }
    }

    pub(crate) fn existing(&self, now: Timestamp) -> Existing {
        if self.phase == Phase::Leased && self.cancelling {
            return Existing::Cancelling;
        }
        Existing::In(self.state(now))
    }
}

/// How a record got its task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// By a call here.
    Here(Verb),
    /// By a move from another store.
    Arrived(Verb),
}

/// The identity of a call that a record remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallId {
    /// Of an `add` or a `schedule`.
    Add(AddId),
    Cancel(CancelId),
    Parcel(ParcelId),
}

/// The answer that a remembered call got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answered {
    Added,
    Exists(Existing),
    Redefined,
    Scheduled(ScheduleAnswer),
    Cancelled(CancelAnswer),
    Arrived(Arrival),
}

/// The last [`limits::CALL_IDS_MAX`] calls, each with the answer it got.
#[derive(Default, Debug)]
pub(crate) struct Calls {
    // Separate from the others: most records get one call only, and it needs no allocation.
    latest: Option<(CallId, Answered)>,
    /// The oldest first.
    earlier: Vec<(CallId, Answered)>,
}

impl Calls {
    fn latest_first(&self) -> impl Iterator<Item = &(CallId, Answered)> {
        self.latest.iter().chain(self.earlier.iter().rev())
    }

    pub(crate) fn answered(&self, id: CallId) -> Option<Answered> {
        self.latest_first().find(|(known, _)| *known == id).map(|(_, answer)| *answer)
    }

    /// Which call placed, moved or followed the task last.
    pub(crate) fn origin(&self) -> Origin {
        let placed = self.latest_first().find_map(|(_, answer)| match answer {
            Answered::Added => Some(Origin::Here(Verb::Add)),
            Answered::Scheduled(_) => Some(Origin::Here(Verb::Schedule)),
            Answered::Arrived(Arrival::Placed) => Some(Origin::Arrived(Verb::Add)),
            Answered::Arrived(Arrival::Moved | Arrival::Follows) => Some(Origin::Arrived(Verb::Schedule)),
            _ => None,
        });
        placed.unwrap_or(Origin::Here(Verb::Add))
    }

    pub(crate) fn remember(&mut self, id: CallId, answer: Answered) {
        self.earlier.extend(self.latest.replace((id, answer)));
        if self.earlier.len() == limits::CALL_IDS_MAX {
            self.earlier.remove(0);
        }
    }
}
