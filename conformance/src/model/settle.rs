//! Settling a lease: the rows of the table that begin with `ack`.

use docket_core::{Ack, AckAnswer, Outcome, Result, RunAt, Timestamp, limits};

use super::docket::Docket;
use super::record::{Life, Record, Step};
use crate::teeth::Fault;

impl Docket {
    pub(super) fn ack(&mut self, ack: &Ack, now: Timestamp) -> Result<AckAnswer> {
        if !self.has(Fault::CutsFarTimes) {
            ack.check()?;
        }
        let current = self.records.get(&ack.token.key).is_some_and(|record| record.is_current(&ack.token, self.fault));
        if let Outcome::Repeat { at, .. } = ack.outcome
            && current
        {
            self.check_time(at, now)?;
        }
        Ok(self.ack_one(ack, now))
    }

    fn ack_one(&mut self, ack: &Ack, now: Timestamp) -> AckAnswer {
        let mut step = Step { now, seq: &mut self.seq, fault: self.fault };
        let Some(record) = self.records.get_mut(&ack.token.key) else {
            return if step.has(Fault::AbsentIsFine) { AckAnswer::Settled } else { AckAnswer::Stale };
        };
        let token = (ack.token.fence, ack.token.request);
        let late = record.work.visible_at <= now && step.has(Fault::LateAckIsStale);
        if record.is_current(&ack.token, step.fault) && !late {
            if !step.has(Fault::ForgetsAcks) {
                record.settled = Some(token);
            }
            settle(record, ack, &mut step);
            AckAnswer::Settled
        } else if record.settled == Some(token) {
            AckAnswer::Settled
        } else {
            AckAnswer::Stale
        }
    }
}

fn settle(record: &mut Record, ack: &Ack, step: &mut Step<'_>) {
    let cancelled = record.cancelling && !step.has(Fault::CancelIsOnlyAFlag);
    if !matches!(ack.outcome, Outcome::Undecodable { .. } | Outcome::Release) {
        record.undecodable_since = None;
    }
    match &ack.outcome {
        Outcome::Completed(result) => completed(record, ack, result.clone(), step),
        Outcome::Unkept { error } => {
            if !step.has(Fault::UnkeptSaysNothing) {
                record.error = Some(limits::cut_error(error).into_owned());
            }
            completed(record, ack, None, step);
        }
        _ if cancelled => end(record, Life::Cancelled, ack, step),
        // The second: a store that guesses.
        Outcome::Cancelled | Outcome::OfALaterVersion => end(record, Life::Cancelled, ack, step),
        Outcome::Retry { after, error } => {
            record.error = Some(limits::cut_error(error).into_owned());
            record.attempts += 1;
            if record.attempts < max_attempts(record, ack, step) {
                record.back(step.now.plus(*after), step);
            } else {
                failed(record, ack, error, step);
            }
        }
        Outcome::Dead { error } => {
            record.attempts += 1;
            record.error = Some(limits::cut_error(error).into_owned());
            failed(record, ack, error, step);
        }
        Outcome::Snooze { after } => record.back(step.now.plus(*after), step),
        Outcome::Undecodable { error, .. } if step.has(Fault::UndecodableIsDeath) => {
            record.attempts += 1;
            record.error = Some(limits::cut_error(error).into_owned());
            failed(record, ack, error, step);
        }
        Outcome::Undecodable { after, error } => {
            record.error = Some(limits::cut_error(error).into_owned());
            if record.undecodable_since.is_none() || step.has(Fault::UndecodableStartsOver) {
                record.undecodable_since = Some(step.now);
            }
            record.back(step.now.plus(*after), step);
        }
        Outcome::Release => release(record, step),
        Outcome::Repeat { at, args } => {
            if let Some(args) = args {
                record.work.args = args.clone();
            }
            record.crashed_in_a_row = 0;
            let counts = (record.attempts, record.crashes);
            record.next(repeat_at(record, *at, step), None, step);
            if step.has(Fault::RepeatKeepsTheCounts) {
                (record.attempts, record.crashes) = counts;
            }
        }
        other => unreachable!("the model knows every outcome, also {other:?}"),
    }
}

fn completed(record: &mut Record, ack: &Ack, result: Option<docket_core::Payload>, step: &mut Step<'_>) {
    record.result = result;
    match record.work.every {
        Some(every) if !record.cancelling => {
            record.crashed_in_a_row = 0;
            record.next(step.now.plus(every), None, step);
        }
        _ => end(record, Life::Completed, ack, step),
    }
}

/// The last attempt failed, or the failure was fatal.
fn failed(record: &mut Record, ack: &Ack, error: &str, step: &mut Step<'_>) {
    match record.work.every {
        Some(every) if !step.has(Fault::LimitKillsAPeriodicTask) => {
            record.crashed_in_a_row = 0;
            record.next(step.now.plus(every), Some(limits::cut_error(error).into_owned()), step);
        }
        _ => end(record, Life::Dead, ack, step),
    }
}

fn end(record: &mut Record, state: Life, ack: &Ack, step: &mut Step<'_>) {
    record.crashed_in_a_row = 0;
    let retention = if step.has(Fault::IgnoresRetention) { limits::RETENTION } else { ack.retention };
    record.finish(state, retention, step);
}

/// Back at its position in the lane, uncounted.
fn release(record: &mut Record, step: &mut Step<'_>) {
    record.state = Life::Queued;
    record.cancelling = false;
    record.work.visible_at = record.due_at;
    if step.has(Fault::ReleaseLosesItsPlace) {
        record.work.visible_at = step.now;
        record.seq = step.next_seq();
    }
    record.promote(step);
}

fn max_attempts(record: &Record, ack: &Ack, step: &Step<'_>) -> u32 {
    let max = record.work.overrides.max_attempts.unwrap_or(ack.max_attempts);
    if step.has(Fault::LimitsTestedWithGreater) { max + 1 } else { max }
}

/// `In` counts from the start of the lease, never earlier than now.
fn repeat_at(record: &Record, at: RunAt, step: &Step<'_>) -> Timestamp {
    match (at, &record.taken) {
        (RunAt::In(delay), Some(taken)) if !step.has(Fault::RepeatCountsFromNow) => taken.at.plus(delay).max(step.now),
        _ => at.resolve(step.now),
    }
}
