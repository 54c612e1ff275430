//! The relay: brings committed rows to the queue. Every worker runs one, under supervision.
//!
//! In one transaction a relay takes rows, sends them, and deletes those that the queue has answered
//! for. If it dies anywhere in between, the transaction is undone and the rows are sent again, with
//! the same add ids.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::worker::{Check, Companion, Pulse};
use docket_core::{Backoff, Result, Store, limits};
use sqlx::PgConnection;
use tokio::time::{Instant, sleep_until};

use super::persisting::Persisting;
use super::rows::Became;
use super::send::{Known, send};
use super::table::{Looked, Table};
use crate::wait::Ear;
use crate::{Options, Pooler};

/// Waits after a failure.
const WAITS: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(2) };
/// How soon to look again for rows that another relay has taken: the time until another relay would
/// take over from it.
const ELSEWHERE_WAIT: Duration = Duration::from_secs(1);

/// Between the outbox and the queue.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) table: Arc<Table>,
    pub(super) queue: Arc<dyn Store>,
}

/// How one step of the relay ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Nothing waits.
    Nothing,
    /// Rows were brought to the queue, and more may wait.
    Moved,
    /// Another relay has taken the rows.
    Elsewhere,
    /// The queue cannot accept some rows now; others do not wait for them.
    Later,
    /// The queue has every row, and is still writing them to its disk.
    Written,
    /// It has just started to listen, so it must poll again.
    Listens,
}

/// The state of a relay between two steps.
#[derive(Debug)]
struct State {
    connection: Option<PgConnection>,
    ear: Option<Ear>,
    /// The fate of rows that are not settled: these are not sent again.
    unsettled: Known,
    /// The rows that the queue is writing to its disk.
    persisting: Persisting,
    /// How many rows to take: fewer after a failure, so that a batch that is too large for the
    /// queue's deadline is not repeated forever.
    count: usize,
    failures: u32,
}

#[async_trait]
impl Companion for Relay {
    fn name(&self) -> &'static str {
        "outbox"
    }

    async fn run(&self, pulse: &Pulse) -> Result<()> {
        let mut state = State::new();
        loop {
            let wait = match self.step(&mut state, pulse).await {
                Ok(Step::Moved | Step::Listens) => Duration::ZERO,
                Ok(Step::Nothing | Step::Written) => self.interval(pulse),
                Ok(Step::Elsewhere) => self.interval(pulse).min(ELSEWHERE_WAIT),
                Ok(Step::Later) => state.pause(),
                Err(error) => {
                    pulse.failed(&error);
                    // Once: a repeated failure is an alarm.
                    if state.failures == 0 {
                        tracing::warn!(?error, "relaying the outbox failed; trying again");
                    }
                    state.failed()
                }
            };
            tokio::select! {
                () = state.wait(Instant::now() + wait) => {}
                () = pulse.asked() => {}
                () = pulse.stopping() => return Ok(()),
            }
        }
    }

    async fn is_empty_during(&self, check: Check<'_>) -> Result<bool> {
        let mut connection = self.table.open().await?;
        let mut tx = self.table.begin(&mut connection).await?;
        if !self.table.hold_empty(&mut tx).await? {
            return Ok(false);
        }
        let is_done = self.table.hold(&mut tx, check).await?;
        Ok(is_done && self.table.hold_empty(&mut tx).await?)
    }
}

impl State {
    fn new() -> Self {
        Self {
            connection: None,
            ear: None,
            unsettled: Known::new(),
            persisting: Persisting::default(),
            count: limits::BATCH_ITEMS_MAX,
            failures: 0,
        }
    }

    /// How long to wait after another failure.
    fn pause(&mut self) -> Duration {
        self.failures += 1;
        WAITS.bound(self.failures)
    }

    fn failed(&mut self) -> Duration {
        self.count = (self.count / 2).max(1);
        // A wake-up must not cut the pause short: every commit would trigger the next attempt.
        self.ear = None;
        self.pause()
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.count = (self.count * 2).min(limits::BATCH_ITEMS_MAX);
    }

    /// Waits until then, or until the outbox announces more rows, or until the queue has written
    /// everything.
    async fn wait(&mut self, until: Instant) {
        let ear = &mut self.ear;
        let told = async {
            if let Some(ear) = ear {
                return ear.hear_anything(until).await.is_some();
            }
            sleep_until(until).await;
            true
        };
        tokio::select! {
            hears = told => if !hears {
                self.ear = None;
            },
            () = self.persisting.ended() => {}
        }
    }
}

impl Relay {
    fn options(&self) -> &Options {
        &self.table.commands.server.options
    }

    /// The interval of polls without a wake-up.
    fn interval(&self, pulse: &Pulse) -> Duration {
        match self.options().pooler {
            Pooler::None => pulse.check_interval(),
            Pooler::Transaction => pulse.check_interval().min(self.options().poll),
        }
    }

    async fn step(&self, state: &mut State, pulse: &Pulse) -> Result<Step> {
        if let Some(ear) = &mut state.ear {
            ear.forget();
        }
        let looked = self.table.look().await?;
        pulse.waiting(looked.oldest);
        let step = match looked.oldest {
            Some(_) => self.relay(state).await?,
            None => Step::Nothing,
        };
        if step != Step::Later {
            state.succeeded();
        }
        pulse.progressed();
        if step == Step::Moved || state.ear.is_some() || self.options().pooler == Pooler::Transaction {
            return Ok(step);
        }
        // Order matters: the next poll finds rows committed before it listened.
        state.ear = Some(self.listen(&looked).await);
        Ok(Step::Listens)
    }

    async fn listen(&self, looked: &Looked) -> Ear {
        let mut ear = self.table.listener.listen(&looked.channel);
        ear.open(Instant::now() + self.options().connect).await;
        ear
    }

    /// Brings one batch to the queue.
    async fn relay(&self, state: &mut State) -> Result<Step> {
        // Kept only if everything succeeds: a connection that was abandoned half-way cannot be
        // trusted.
        let mut connection = if let Some(connection) = state.connection.take() {
            connection
        } else {
            // Safe to lose: rows sent before the first question are sent once more.
            drop(self.queue.persist().await);
            self.table.open().await?
        };
        let mut tx = self.table.begin(&mut connection).await?;
        let rows = self.table.take(&mut tx, state.count).await?;
        let (none, new) = (rows.is_empty(), rows.iter().any(|row| !state.unsettled.contains_key(&row.id)));
        let sending = async {
            let sent = send(&*self.queue, rows, &mut state.unsettled).await;
            (sent, state.persisting.see_to(&self.queue, &mut state.unsettled).await)
        };
        let (sent, lost) = self.table.hold(&mut tx, sending).await;
        let settled: Vec<(i64, Became)> = state.persisting.may_settle(&state.unsettled);
        self.table.settle(tx, &settled).await?;
        for (id, _) in &settled {
            state.unsettled.remove(id);
            state.persisting.forget(*id);
        }
        state.connection = Some(connection);
        sent?;
        let later = settled.iter().any(|(_, became)| matches!(became, Became::Failed(_)));
        Ok(match (none, later || lost) {
            (true, _) => Step::Elsewhere,
            (false, true) => Step::Later,
            (false, false) if !new && settled.is_empty() => Step::Written,
            (false, false) => Step::Moved,
        })
    }
}
