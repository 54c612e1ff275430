//! The model as a store, the other half: reading, the operator's side, and the clock of tests.

use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{
    CancelAnswer, CancelId, Control, Cursor, Error, ErrorKind, Fence, Finding, Inspect, LaneCounts, ListFilter, Page,
    RequeueAnswer, Result, Severity, TaskKey, TaskView, TestStore, Timestamp, WorkerView, words,
};

use super::store::{ModelStore, Offset};
use crate::teeth::Fault;

#[async_trait]
impl Inspect for ModelStore {
    async fn get(&self, key: &TaskKey) -> Result<Option<TaskView>> {
        let ahead = self.offset().ahead;
        Ok(self.with(|docket, now| docket.get(key, now)).map(|view| view.behind_by(ahead)))
    }

    async fn list(&self, filter: &ListFilter, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let Offset { ahead, told: clock } = self.offset();
        let page = self.with(|docket, now| docket.list(filter, cursor, limit, now))?;
        let tasks = page.tasks.into_iter().map(|view| view.behind_by(ahead)).collect();
        Ok(Page { tasks, now: page.now.behind_by(ahead), clock, ..page })
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>> {
        Ok(self.with(|docket, now| docket.counts(now)))
    }

    async fn workers(&self) -> Result<Vec<WorkerView>> {
        Ok(self.with(|docket, now| docket.workers(now)))
    }

    async fn audit(&self) -> Result<Vec<String>> {
        Ok(self.with(|docket, _| docket.audit()))
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let evicts = Finding {
            severity: Severity::Danger,
            subject: "eviction".to_owned(),
            found: "any task may go".to_owned(),
            advice: "turn it off".to_owned(),
        };
        let clock = self.offset().told.finding();
        Ok(if self.has(Fault::LosesTasksBySetting) { vec![clock, evicts] } else { vec![clock] })
    }
}

#[async_trait]
impl Control for ModelStore {
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer> {
        self.change(|docket, now| docket.cancel(key, id, now))
    }

    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer> {
        self.change(|docket, now| docket.requeue(key, fence, now))
    }

    async fn clear(&self) -> Result<u64> {
        Ok(self.change(|docket, _| docket.clear()))
    }

    async fn settle_clock(&self) -> Result<Duration> {
        if self.with(|docket, _| docket.has_leased()) && !self.has(Fault::SettlesBesideRuns) {
            return Err(Error::new(ErrorKind::Conflict, "settle the clock", words::LEASED));
        }
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = std::mem::take(&mut state.offset.told.offset);
        if self.has(Fault::SettlingMovesTime) {
            state.offset.ahead = Duration::ZERO;
        }
        Ok(offset)
    }

    async fn join(&self, environment: Option<&str>) -> Result<()> {
        self.with(|docket, _| match (&docket.environment, environment) {
            (Some(theirs), Some(ours)) if theirs != ours && !docket.has(Fault::EnvironmentsMix) => {
                let message = format!("it belongs to environment {theirs:?}, not {ours:?}");
                Err(Error::new(ErrorKind::Conflict, "join the docket", message))
            }
            (None, Some(ours)) => {
                docket.environment = Some(ours.to_owned());
                if docket.has(Fault::JoiningEmptiesTheDocket) {
                    docket.clear();
                }
                Ok(())
            }
            _ => Ok(()),
        })
    }
}

#[async_trait]
impl TestStore for ModelStore {
    async fn set_clock(&self, now: Timestamp) -> Result<()> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match state.clock {
            None if !state.docket.records.is_empty() => "the docket is not empty",
            before => {
                let step = before.map_or(Duration::ZERO, |before| before.since(now));
                // Its time stops until the clock has caught up.
                let now =
                    if self.has(Fault::StepsStopTime) { before.map_or(now, |before| before.max(now)) } else { now };
                state.clock = Some(now);
                if !self.has(Fault::StepsStopTime) {
                    state.offset.ahead += step;
                    state.offset.told.offset += step;
                    state.offset.told.steps += u64::from(step >= Duration::from_secs(1));
                }
                drop(state);
                if !self.has(Fault::ClockWakesNobody) {
                    self.shared.changed.notify_waiters();
                }
                return Ok(());
            }
        };
        Err(Error::new(ErrorKind::Conflict, "set the clock", refused))
    }
}
