//! Leased → the state that the outcome leads to.

use std::time::Duration;

use docket_core::{Ack, AckAnswer, Outcome, Payload, Result, RunAt, Timestamp, limits, words};

use super::Table;
use super::life::Moment;
use super::record::{Phase, Record};

impl Table {
    /// Settles one lease. Repeated: the record remembers the token that settled it last and answers
    /// settled again.
    pub(crate) fn ack(&mut self, ack: &Ack, now: Timestamp) -> Result<AckAnswer> {
        let token = &ack.token;
        if let Some(slot) = self.current(token) {
            let ahead = self.offset.ahead;
            if matches!(ack.outcome, Outcome::Repeat { at, .. } if at.ahead_by(ahead).is_too_far_from(now)) {
                return Err(words::too_far("settle a task"));
            }
            self.change(slot, now, |record, moment| record.settle(ack, ahead, moment));
            return Ok(AckAnswer::Settled);
        }
        let settled = self.records.get(&token.key).and_then(|record| record.settled);
        Ok(if settled == Some((token.fence, token.request)) { AckAnswer::Settled } else { AckAnswer::Stale })
    }
}

impl Record {
    fn settle(&mut self, ack: &Ack, ahead: Duration, moment: &mut Moment<'_>) {
        let now = moment.now;
        self.settled = Some((ack.token.fence, ack.token.request));
        // The outcome of a cancelled run does not undo the cancel, unless the run completed.
        let outcome = match &ack.outcome {
            completed @ (Outcome::Completed(_) | Outcome::Unkept { .. }) => completed,
            _ if self.cancelling => &Outcome::Cancelled,
            outcome => outcome,
        };
        if !matches!(outcome, Outcome::Undecodable { .. } | Outcome::Release) {
            // A build could decode the args, or the worker gave up.
            self.undecodable_since = None;
        }
        match outcome {
            Outcome::Completed(result) => self.complete(result.clone(), ack.retention, moment),
            Outcome::Unkept { error } => {
                self.error = Some(limits::cut_error(error).into_owned());
                self.complete(None, ack.retention, moment);
            }
            Outcome::Retry { after, error } => {
                let error = limits::cut_error(error).into_owned();
                self.attempts += 1;
                if self.attempts < self.work.overrides.max_attempts.unwrap_or(ack.max_attempts) {
                    self.error = Some(error);
                    self.back(now.plus(*after), moment);
                } else {
                    self.fail(error, moment);
                }
            }
            Outcome::Snooze { after } => self.back(now.plus(*after), moment),
            Outcome::Undecodable { after, error } => {
                self.error = Some(limits::cut_error(error).into_owned());
                self.undecodable_since.get_or_insert(now);
                self.back(now.plus(*after), moment);
            }
            Outcome::Release => self.release(moment),
            Outcome::Dead { error } => {
                self.attempts += 1;
                self.fail(limits::cut_error(error).into_owned(), moment);
            }
            Outcome::Repeat { at, args } => {
                self.crashed_in_a_row = 0;
                if let Some(args) = args {
                    self.work.args = args.clone();
                }
                let at = self.repeat_at(at.ahead_by(ahead), now);
                self.next(at, None, moment);
            }
            // `Cancelled`: an outcome of a later version has been refused before.
            _ => {
                self.crashed_in_a_row = 0;
                self.finish(Phase::Cancelled, ack.retention, moment);
            }
        }
    }

    fn complete(&mut self, result: Option<Payload>, retention: Duration, moment: &mut Moment<'_>) {
        self.result = result;
        self.crashed_in_a_row = 0;
        match self.work.every {
            Some(every) if !self.cancelling => self.next(moment.now.plus(every), None, moment),
            _ => self.finish(Phase::Completed, retention, moment),
        }
    }

    /// Failed for good: dead, or the next occurrence of a periodic task.
    fn fail(&mut self, error: String, moment: &mut Moment<'_>) {
        if let Some(every) = self.work.every {
            self.crashed_in_a_row = 0;
            self.next(moment.now.plus(every), Some(error), moment);
        } else {
            self.error = Some(error);
            self.finish(Phase::Dead, limits::DEAD_RETENTION, moment);
        }
    }

    /// `In` counts from the start of the lease, so that a long run does not shift its interval; never earlier than now.
    fn repeat_at(&self, at: RunAt, now: Timestamp) -> Timestamp {
        match (at, &self.held) {
            (RunAt::In(after), Some(held)) => RunAt::At(held.leased_at.plus(after)).resolve(now),
            (at, _) => at.resolve(now),
        }
    }
}
