//! Code that cannot be stopped: a handler that blocks its thread, and code that
//! [`crate::Context::spawn_blocking`] runs.
//!
//! Such code goes on after a timeout, a cancel or a lost lease. The run keeps its slot and its
//! lease until the code returns, so that the task does not start again beside it; but not forever.

use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::run::Output;
use super::{Inner, panics};
use crate::Lease;

/// How long such code may go on after it was asked to stop, before it is logged.
const SAY_AFTER: Duration = Duration::from_secs(1);

type Ended = Option<Result<Output, JoinError>>;

/// A running handler.
#[derive(Debug)]
pub(super) struct Handler {
    /// `None` once it has ended.
    run: Option<JoinHandle<Output>>,
    /// The blocking code that it has started.
    blocking: TaskTracker,
}

impl Handler {
    pub(super) fn new(run: JoinHandle<Output>, blocking: TaskTracker) -> Self {
        blocking.close();
        Self { run: Some(run), blocking }
    }

    /// Waits until the handler itself has ended.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time, and called again.
    pub(super) async fn ended(&mut self) -> Result<Output, JoinError> {
        let Some(run) = &mut self.run else { return std::future::pending().await };
        let ended = run.await;
        self.run = None;
        ended
    }

    /// Drops the handler as soon as possible, and waits for the code that it started on other
    /// threads.
    async fn gone(mut self) -> Ended {
        let ended = match self.run.take() {
            Some(run) => {
                run.abort();
                Some(run.await)
            }
            None => None,
        };
        self.blocking.wait().await;
        ended
    }

    /// Waits until nothing of the handler runs, for at most `max_blocking`; returns how it ended,
    /// if it ended.
    pub(super) async fn outlast(self, worker: &Inner, lease: &Lease) -> Ended {
        if self.run.is_none() && self.blocking.is_empty() {
            return None;
        }
        let mut gone = Box::pin(self.gone());
        tokio::select! {
            ended = &mut gone => return ended,
            () = sleep(SAY_AFTER) => {
                let max = worker.settings.max_blocking;
                tracing::warn!(max_blocking = ?max, "the run is over but its code blocks; its slot and its lease are kept until it returns");
            }
            () = worker.leaving.cancelled() => {}
        }
        tokio::select! {
            ended = &mut gone => return ended,
            () = sleep(worker.settings.max_blocking.saturating_sub(SAY_AFTER)) => {}
            // A worker that ends cannot keep a lease. A handler that only has to be dropped gets a
            // little time.
            () = worker.leaving.cancelled() => return timeout(worker.settings.cancel_grace / 2, gone).await.ok().flatten(),
        }
        tracing::error!(
            "the run's code blocks for longer than max_blocking; its slot and its lease are given up, and the task may run beside it"
        );
        let (health, name) = (worker.health.clone(), lease.name.clone());
        let id = health.blocks(name);
        tokio::spawn(async move {
            if let Some(Err(error)) = gone.await {
                panics::how_it_ended(error);
            }
            health.blocks_no_more(id);
        });
        None
    }
}
