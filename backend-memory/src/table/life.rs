//! The steps of a life, as `docs/transitions.md` names them. They change one record and know nothing of indexes.

use std::time::Duration;

use docket_core::{Fence, TaskKey, Timestamp, limits};

use super::lanes::LaneNo;
use super::record::{Calls, Phase, Record, Seq, Successor, Work};

/// Two numbers of the docket that never decrease and outlive every record.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counters {
    fence: u64,
    seq: u64,
}

impl Counters {
    /// Larger than the last fence, and at least the docket's time: so it is also larger than the
    /// fences that a restored snapshot does not know.
    pub(crate) fn next_fence(&mut self, now: Timestamp) -> Fence {
        self.fence = (self.fence + 1).max(u64::try_from(now.as_micros()).unwrap_or(0));
        Fence(self.fence)
    }

    /// A fence of another docket: the next one is larger than it.
    pub(crate) fn pass_fence(&mut self, fence: Fence) {
        self.fence = self.fence.max(fence.0);
    }

    fn next_seq(&mut self) -> Seq {
        self.seq += 1;
        Seq(self.seq)
    }
}

/// The parts of a docket that a step needs.
pub(crate) struct Moment<'a> {
    pub(crate) now: Timestamp,
    pub(crate) counters: &'a mut Counters,
}

impl Record {
    /// A first life.
    pub(crate) fn new(key: TaskKey, work: Work, moment: &mut Moment<'_>) -> Self {
        Self {
            key,
            phase: Phase::Queued,
            lane: LaneNo::default(),
            visible_at: work.at,
            due_at: work.at,
            work,
            seq: moment.counters.next_seq(),
            added_at: moment.now,
            attempts: 0,
            crashes: 0,
            failures: 0,
            crashed_in_a_row: 0,
            undecodable_since: None,
            cancelling: false,
            successor: None,
            expires_at: Timestamp::default(),
            result: None,
            parcel: None,
            definitions: None,
            error: None,
            held: None,
            settled: None,
            requeued: None,
            calls: Calls::default(),
        }
    }

    /// A second life of a finished key.
    pub(crate) fn live(&mut self, work: Work, moment: &mut Moment<'_>) {
        self.take_over(work);
        self.begin_life(moment);
    }

    /// Replaces the work and sets the counts to zero; the position in the order of adding stays.
    pub(crate) fn take_over(&mut self, work: Work) {
        self.queue_at(work.at);
        self.work = work;
        self.reset_counts();
        self.cancelling = false;
        self.successor = None;
    }

    /// The same work again, due now, as a requeue asks.
    pub(crate) fn live_again(&mut self, moment: &mut Moment<'_>) {
        self.queue_at(moment.now);
        self.reset_counts();
        self.begin_life(moment);
    }

    pub(crate) fn finish(&mut self, phase: Phase, retention: Duration, moment: &mut Moment<'_>) {
        let kept = if phase == Phase::Dead { limits::DEAD_RETENTION } else { retention };
        self.phase = phase;
        self.visible_at = moment.now;
        self.expires_at = moment.now.plus(kept);
        self.cancelling = false;
        self.promote(moment);
    }

    pub(crate) fn back(&mut self, at: Timestamp, moment: &mut Moment<'_>) {
        self.queue_at(at);
        self.cancelling = false;
        self.promote(moment);
    }

    /// Back at its position in the lane, as if it had not been leased.
    pub(crate) fn release(&mut self, moment: &mut Moment<'_>) {
        self.phase = Phase::Queued;
        self.visible_at = self.due_at;
        self.promote(moment);
    }

    /// Visible again from the end of its lease. `due_at` does not change, so that a later release
    /// restores it.
    pub(crate) fn lost(&mut self, moment: &mut Moment<'_>) {
        self.phase = Phase::Queued;
        self.promote(moment);
    }

    /// The next occurrence of a periodic task; `failure` is the error of this one, if any.
    pub(crate) fn next(&mut self, at: Timestamp, failure: Option<String>, moment: &mut Moment<'_>) {
        self.attempts = 0;
        self.crashes = 0;
        self.undecodable_since = None;
        match failure {
            Some(failure) => {
                self.error = Some(failure);
                self.failures += 1;
            }
            None => self.failures = 0,
        }
        self.back(at, moment);
    }

    /// Makes a scheduled task the successor, in place of any other.
    pub(super) fn follow(&mut self, work: Work) {
        self.successor = Some(Box::new(Successor { work, definition: None }));
    }

    /// However a lease ends, its successor becomes the task.
    fn promote(&mut self, moment: &mut Moment<'_>) {
        let Some(successor) = self.successor.take() else { return };
        let Successor { work, definition } = *successor;
        match definition {
            None => self.live(work, moment),
            // A cancelled task stays cancelled.
            Some(definition) if self.phase == Phase::Queued => self.redefine(work, definition, moment.now),
            Some(_) => {}
        }
    }

    fn queue_at(&mut self, at: Timestamp) {
        self.phase = Phase::Queued;
        self.visible_at = at;
        self.due_at = at;
    }

    pub(super) fn reset_counts(&mut self) {
        self.attempts = 0;
        self.crashes = 0;
        self.failures = 0;
        self.crashed_in_a_row = 0;
        self.undecodable_since = None;
    }

    fn begin_life(&mut self, moment: &mut Moment<'_>) {
        self.seq = moment.counters.next_seq();
        self.added_at = moment.now;
        self.result = None;
        self.parcel = None;
    }
}
