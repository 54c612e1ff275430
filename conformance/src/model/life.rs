//! The steps of a life, as the table names them. Each changes one record, now.

use std::time::Duration;

use docket_core::{NewTask, ScheduleAnswer, TaskKey, Timestamp, limits};

use super::define::Definitions;
use super::record::{Answer, Life, Record, Step, Work};
use crate::teeth::Fault;

impl Record {
    /// The first life of a key.
    pub(super) fn first(task: &NewTask, step: &mut Step<'_>) -> Self {
        Self::with(task.key.clone(), Work::of(task, step.now), step)
    }

    pub(super) fn with(key: TaskKey, work: Work, step: &mut Step<'_>) -> Self {
        Self {
            key,
            state: Life::Queued,
            due_at: work.visible_at,
            work,
            seq: step.next_seq(),
            added_at: step.now,
            taken: None,
            attempts: 0,
            crashes: 0,
            failures: 0,
            crashed_in_a_row: 0,
            undecodable_since: None,
            definitions: Definitions::default(),
            calls: Vec::new(),
            successor: None,
            cancelling: false,
            settled: None,
            requeued: None,
            error: None,
            result: None,
            parcel: None,
            expires: None,
        }
    }

    /// A further life of a finished key: the remembered calls, leases and errors stay.
    pub(super) fn live_again(&mut self, task: &NewTask, step: &mut Step<'_>) {
        self.become_work(Work::of(task, step.now));
        self.begin_life(step);
        if step.has(Fault::ForgetsAddIds) {
            self.calls.clear();
        }
    }

    /// The new args, name, queue and time, with the counts at zero.
    pub(super) fn become_work(&mut self, work: Work) {
        self.state = Life::Queued;
        self.due_at = work.visible_at;
        self.work = work;
        self.zero_counts();
        self.successor = None;
        self.cancelling = false;
    }

    pub(super) fn zero_counts(&mut self) {
        (self.attempts, self.crashes, self.failures, self.crashed_in_a_row) = (0, 0, 0, 0);
        self.undecodable_since = None;
    }

    pub(super) fn begin_life(&mut self, step: &mut Step<'_>) {
        self.seq = step.next_seq();
        self.added_at = step.now;
        self.expires = None;
        self.result = None;
        self.parcel = None;
    }

    /// `finish(X)` of the table.
    pub(super) fn finish(&mut self, state: Life, retention: Duration, step: &mut Step<'_>) {
        self.state = state;
        self.cancelling = false;
        self.work.visible_at = step.now;
        if step.has(Fault::EndForgetsTheCounts) {
            self.zero_counts();
        }
        let kept = if state == Life::Dead { limits::DEAD_RETENTION } else { retention };
        self.expires = Some(step.now.plus(kept));
        if !step.has(Fault::PromotesOnlyOnCompleted) || state == Life::Completed {
            self.promote(step);
        }
        self.successor = None;
    }

    /// Fills the successor's slot: the last one wins.
    pub(super) fn follow(&mut self, work: Work, step: &Step<'_>) {
        let has_followed = self.calls.iter().any(|(_, answer)| *answer == Answer::Schedule(ScheduleAnswer::Follows));
        let ignored = match &self.successor {
            Some(_) => step.has(Fault::FirstScheduleWins),
            None => has_followed && step.has(Fault::FollowedOnce),
        };
        if !ignored {
            self.successor = Some(work);
        }
    }

    /// `promote` of the table, where there is a successor.
    pub(super) fn promote(&mut self, step: &mut Step<'_>) {
        let redefines = self.successor.as_ref().is_some_and(|successor| successor.definition.is_some());
        if redefines && !step.has(Fault::DefinitionUndoesACancel) {
            let definition = self.successor.take().filter(|_| self.state == Life::Queued);
            if let Some(definition) = definition {
                self.redefine(definition, step);
            }
            return;
        }
        if let Some(mut successor) = self.successor.take() {
            let seq = self.seq;
            if step.has(Fault::SuccessorWaitsFromItsPromotion) {
                successor.visible_at = successor.visible_at.max(step.now);
            }
            self.become_work(successor);
            self.begin_life(step);
            if step.has(Fault::SuccessorJumpsTheLine) {
                self.seq = seq;
            }
        }
    }

    /// `back(d)` of the table, with d as a time.
    pub(super) fn back(&mut self, moment: Timestamp, step: &mut Step<'_>) {
        self.state = Life::Queued;
        (self.work.visible_at, self.due_at) = (moment, moment);
        self.cancelling = false;
        if step.has(Fault::PromotesOnlyOnCompleted) {
            self.successor = None;
        }
        self.promote(step);
    }

    /// `next` of the table: the occurrence is over, the same key runs again at `moment`.
    pub(super) fn next(&mut self, moment: Timestamp, failure: Option<String>, step: &mut Step<'_>) {
        (self.attempts, self.crashes) = (0, 0);
        self.undecodable_since = None;
        if let Some(failure) = failure {
            self.error = Some(failure);
            self.failures += 1;
        } else {
            self.failures = 0;
        }
        self.back(moment, step);
    }
}
