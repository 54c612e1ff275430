//! A loop that a worker runs beside its own, e.g. to bring in tasks from elsewhere.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Stop;
use super::health::{Health, Loop};
use crate::{Error, Result};

/// A check of the store, to be made while nothing is brought in.
pub type Check<'a> = Pin<Box<dyn Future<Output = Result<bool>> + Send + 'a>>;

/// A loop that a worker supervises like its own: logged and restarted when it ends, panics or makes
/// no progress; part of the worker's readiness; and the end of the worker when restarts do not
/// help. [`super::Builder::companion`] takes it.
#[async_trait]
pub trait Companion: fmt::Debug + Send + Sync + 'static {
    /// Its name in logs and alarms, e.g. `outbox`.
    fn name(&self) -> &'static str;

    /// Runs until [`Pulse::stopping`].
    ///
    /// It polls whenever [`Pulse::asked`] ends: a worker that runs until everything is done asks
    /// for that when it found something waiting.
    ///
    /// It reports answers, errors, and waiting work through `pulse`, and goes on after every
    /// temporary error: a returned error costs a restart, and ten in a row end the worker. Without
    /// progress for the check interval and ten seconds the worker is not ready; without any sign of
    /// life for as long, the loop is restarted.
    ///
    /// # Cancel safety
    ///
    /// It is dropped when the worker ends, and when it is restarted.
    async fn run(&self, pulse: &Pulse) -> Result<()>;

    /// Runs `check` while no worker of this store brings anything in. Returns whether nothing
    /// waited, from before the check until after it, and the check was true.
    ///
    /// A worker that runs until everything is done ends by this. A task may add the next one
    /// through the companion, and another worker may bring that one in and run it: checks of both
    /// sides, one after the other, could miss such a chain.
    ///
    /// Returns false at once, without a check, if something waits, or is being brought in.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    async fn is_empty_during(&self, check: Check<'_>) -> Result<bool>;
}

/// The connection between a [`Companion`] and its worker.
#[derive(Debug)]
pub struct Pulse {
    health: Arc<Health>,
    stop: Stop,
    check_interval: Duration,
}

impl Pulse {
    pub(super) fn new(health: Arc<Health>, stop: Stop, check_interval: Duration) -> Self {
        Self { health, stop, check_interval }
    }

    /// The longest wait without a wake-up.
    pub fn check_interval(&self) -> Duration {
        self.check_interval
    }

    /// Reports progress: it did its work, or found none.
    pub fn progressed(&self) {
        self.health.progressed(Loop::Companion);
    }

    /// Reports a failure that it will retry.
    pub fn failed(&self, error: &Error) {
        self.health.failed(Loop::Companion, error);
    }

    /// Reports the age of the oldest work that waits to be brought in; none if nothing waits.
    pub fn waiting(&self, oldest: Option<Duration>) {
        self.health.companion_waits(oldest);
    }

    /// Ends when the worker wants to know at once what waits.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub async fn asked(&self) {
        self.health.companion_asked().await;
    }

    /// Ends when the worker stops.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub async fn stopping(&self) {
        self.stop.stopping().await;
    }
}
