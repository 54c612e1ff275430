//! The docket: every record, and the events of adders and operators.

use std::collections::BTreeMap;
use std::time::Duration;

use docket_core::{
    AddAnswer, AddId, CancelAnswer, CancelId, Destination, Error, ErrorKind, Fence, Heartbeat, HeartbeatAnswer,
    LeaseToken, NewTask, RequestId, RequeueAnswer, Result, RunAt, ScheduleAnswer, TaskKey, Timestamp, WorkerId,
    WorkerRecord, limits, words,
};

use super::record::{Answer, Life, Record, Requeued, Step, Work};
use crate::teeth::Fault;

/// A docket of the model. Every event takes the store's time.
#[derive(Debug, Default)]
pub(super) struct Docket {
    pub(super) records: BTreeMap<TaskKey, Record>,
    pub(super) fence: u64,
    pub(super) seq: u64,
    pub(super) requests: Vec<Answered>,
    pub(super) workers: BTreeMap<WorkerId, Seen>,
    pub(super) environment: Option<String>,
    pub(super) moving_to: Option<Destination>,
    pub(super) fault: Option<Fault>,
}

/// An answered lease request, and its leases.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) request: RequestId,
    pub(super) at: Timestamp,
    pub(super) tokens: Vec<LeaseToken>,
}

/// A worker's record, and when it was written.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) record: WorkerRecord,
    pub(super) until: Timestamp,
    pub(super) leased_at: Option<Timestamp>,
}

/// Whether a call that wrote a worker's record was a lease call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    Leasing,
    Renewing,
}

impl Docket {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Self { fault, ..Self::default() }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn add(&mut self, task: &NewTask, now: Timestamp) -> Result<AddAnswer> {
        let known = self.records.get(&task.key).and_then(|record| record.answered(task.add_id.as_uuid()));
        if known.is_none() {
            self.check_time(task.run_at, now)?;
        }
        Ok(self.add_one(task, now))
    }

    fn add_one(&mut self, task: &NewTask, now: Timestamp) -> AddAnswer {
        let mut step = Step { now, seq: &mut self.seq, fault: self.fault };
        let Some(record) = self.records.get_mut(&task.key) else {
            let mut record = Record::first(task, &mut step);
            record.remember(task.add_id.as_uuid(), Answer::Add(AddAnswer::Added));
            record.begin_as_declared(task, now);
            self.records.insert(task.key.clone(), record);
            return AddAnswer::Added;
        };
        if let Some(Answer::Add(answer)) = record.answered(task.add_id.as_uuid()) {
            return if step.has(Fault::AnswersARepeatedAddAfresh) {
                AddAnswer::Exists(record.existing(now))
            } else {
                answer
            };
        }
        let seed = record.work.every.is_some() && task.every.is_some() && !step.has(Fault::SeedUndoesACancel);
        let held = record.state == Life::Cancelled && step.has(Fault::CancelHoldsTheKey);
        let taken = !record.is_finished() || seed || held;
        if let Some(ttl) = task.declared_for.filter(|_| taken) {
            return record.declare(task, now.plus(ttl), &step);
        }
        let answer = if taken {
            AddAnswer::Exists(record.existing(now))
        } else {
            record.live_again(task, &mut step);
            record.begin_as_declared(task, now);
            AddAnswer::Added
        };
        record.remember(task.add_id.as_uuid(), Answer::Add(answer));
        answer
    }

    pub(super) fn schedule(&mut self, task: &NewTask, now: Timestamp) -> Result<ScheduleAnswer> {
        let known = self.records.get(&task.key).and_then(|record| record.answered(task.add_id.as_uuid()));
        if known.is_none() {
            self.check_time(task.run_at, now)?;
        }
        let mut step = Step { now, seq: &mut self.seq, fault: self.fault };
        let Some(record) = self.records.get_mut(&task.key) else {
            let mut record = Record::first(task, &mut step);
            record.remember(task.add_id.as_uuid(), Answer::Schedule(ScheduleAnswer::Placed));
            self.records.insert(task.key.clone(), record);
            return Ok(ScheduleAnswer::Placed);
        };
        if let Some(answer) = scheduled_before(record, task.add_id)
            && !step.has(Fault::SchedulesAgain)
        {
            return Ok(answer);
        }
        let answer = match record.state {
            Life::Queued => {
                let counts = (record.attempts, record.crashes);
                record.become_work(Work::of(task, now));
                if step.has(Fault::MoveKeepsTheCounts) {
                    (record.attempts, record.crashes) = counts;
                }
                if step.has(Fault::MoveLosesItsPlace) {
                    record.seq = step.next_seq();
                }
                ScheduleAnswer::Moved
            }
            Life::Leased => {
                record.follow(Work::of(task, now), &step);
                ScheduleAnswer::Follows
            }
            Life::Moving => return Err(moving()),
            Life::Completed | Life::Dead | Life::Cancelled => {
                record.live_again(task, &mut step);
                ScheduleAnswer::Placed
            }
        };
        record.remember(task.add_id.as_uuid(), Answer::Schedule(answer));
        Ok(answer)
    }

    /// Refuses a time that is more than ten years away.
    pub(super) fn check_time(&self, at: RunAt, now: Timestamp) -> Result<()> {
        if at.is_too_far_from(now) && !self.has(Fault::CutsFarTimes) {
            Err(words::too_far("place a task"))
        } else {
            Ok(())
        }
    }

    pub(super) fn heartbeat(&mut self, beat: &Heartbeat, now: Timestamp) -> Vec<HeartbeatAnswer> {
        self.see(&beat.worker, Sign::Renewing, now);
        beat.tokens.iter().map(|token| self.renew(token, beat.lease_for, now)).collect()
    }

    fn renew(&mut self, token: &LeaseToken, lease: Duration, now: Timestamp) -> HeartbeatAnswer {
        let fault = self.fault;
        let Some(record) = self.records.get_mut(&token.key).filter(|record| record.is_current(token, fault)) else {
            let fine = fault == Some(Fault::AbsentIsFine) && !self.records.contains_key(&token.key);
            return if fine { HeartbeatAnswer::Held } else { HeartbeatAnswer::Lost };
        };
        if fault == Some(Fault::LateHeartbeatIsLost) && record.work.visible_at <= now {
            return HeartbeatAnswer::Lost;
        }
        record.state = Life::Leased;
        record.work.visible_at = now.plus(lease);
        if record.cancelling { HeartbeatAnswer::Cancelled } else { HeartbeatAnswer::Held }
    }

    pub(super) fn cancel(&mut self, key: &TaskKey, id: CancelId, now: Timestamp) -> Result<CancelAnswer> {
        let mut step = Step { now, seq: &mut self.seq, fault: self.fault };
        let Some(record) = self.records.get_mut(key) else {
            let fine = step.has(Fault::AbsentIsFine);
            return Ok(if fine { CancelAnswer::Cancelled } else { CancelAnswer::NotFound });
        };
        if let Some(Answer::Cancel(answer)) = record.answered(id.as_uuid())
            && !step.has(Fault::CancelsByKeyAlone)
        {
            return Ok(answer);
        }
        if record.state == Life::Moving {
            return Err(moving());
        }
        if record.is_away() {
            return Err(elsewhere());
        }
        let in_time = record.state == Life::Leased && record.work.visible_at > now;
        let answer = if record.is_finished() {
            CancelAnswer::Finished(record.shown(now))
        } else if in_time && !step.has(Fault::CancelEndsARunningTask) {
            record.cancelling = true;
            if !step.has(Fault::CancelKeepsTheSuccessor) {
                record.successor = None;
            }
            CancelAnswer::Cancelling
        } else {
            record.successor = None;
            record.finish(Life::Cancelled, limits::RETENTION, &mut step);
            CancelAnswer::Cancelled
        };
        record.remember(id.as_uuid(), Answer::Cancel(answer));
        Ok(answer)
    }

    pub(super) fn requeue(&mut self, key: &TaskKey, fence: Option<Fence>, now: Timestamp) -> Result<RequeueAnswer> {
        let mut step = Step { now, seq: &mut self.seq, fault: self.fault };
        let Some(record) = self.records.get_mut(key) else { return Ok(RequeueAnswer::NotFound) };
        let by_key_alone = step.has(Fault::RequeuesByKeyAlone);
        if record.requeued.is_some_and(|requeued| requeued.death == fence) && !by_key_alone {
            return Ok(RequeueAnswer::Requeued);
        }
        if record.is_away() {
            return Err(elsewhere());
        }
        let over = record.state == Life::Dead || (record.is_finished() && record.work.every.is_some());
        let same = record.fence() == fence || by_key_alone;
        if !over || !same {
            return Ok(RequeueAnswer::Exists(record.existing(now)));
        }
        if !step.has(Fault::RequeueDrawsNoFence) {
            self.fence = next_fence(self.fence, now, self.fault);
        }
        record.requeued = Some(Requeued { death: fence, fence: Fence(self.fence) });
        record.zero_counts();
        record.begin_life(&mut step);
        record.back(now, &mut step);
        Ok(RequeueAnswer::Requeued)
    }

    pub(super) fn has_leased(&self) -> bool {
        self.records.values().any(|record| record.state == Life::Leased)
    }

    /// Everything goes but the fence, the sequence and the environment.
    pub(super) fn clear(&mut self) -> u64 {
        let gone = self.records.len();
        if self.has(Fault::ClearForgetsTheFence) {
            self.fence = 0;
        }
        if self.has(Fault::LeavesFinishedOnClear) {
            self.records.retain(|_, record| record.is_finished());
        } else {
            self.records.clear();
        }
        self.requests.clear();
        self.workers.clear();
        u64::try_from(gone).unwrap_or(u64::MAX)
    }

    /// Notes that a worker called; a `ttl` of zero takes its record away.
    pub(super) fn see(&mut self, record: &WorkerRecord, sign: Sign, now: Timestamp) {
        self.workers.retain(|_, seen| seen.until > now);
        let before = self.workers.remove(&record.id).and_then(|seen| seen.leased_at);
        if record.ttl.is_zero() {
            return;
        }
        let leased_at = if sign == Sign::Leasing { Some(now) } else { before };
        let seen = Seen { record: record.clone(), until: now.plus(record.ttl), leased_at };
        self.workers.insert(record.id.clone(), seen);
    }
}

/// Above every fence drawn before, also where the docket came back from a snapshot that does not know the latest.
pub(super) fn next_fence(last: u64, now: Timestamp, fault: Option<Fault>) -> u64 {
    let time = if fault == Some(Fault::FencesOnlyCount) { 0 } else { now.as_micros() };
    (last + 1).max(u64::try_from(time).unwrap_or(0))
}

/// A call that has to wait for the end of a move.
pub(super) fn moving() -> Error {
    Error::new(ErrorKind::Unavailable, "change a task", words::MOVING)
}

fn elsewhere() -> Error {
    Error::new(ErrorKind::Conflict, "change a task", words::ELSEWHERE)
}

fn scheduled_before(record: &Record, id: AddId) -> Option<ScheduleAnswer> {
    match record.answered(id.as_uuid()) {
        Some(Answer::Schedule(answer)) => Some(answer),
        _ => None,
    }
}
