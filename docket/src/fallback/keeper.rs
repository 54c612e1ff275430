//! The local worker, the hand-over, and their end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use docket_core::{Client, Error, Result, Settings, Store, Worker, worker};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::hand_over::{hand_over, is_back};
use super::local::Local;

/// How often it asks whether the store is back, while it holds something.
const LOOK: Duration = Duration::from_secs(1);
/// How often it looks while shutting down.
const SHUTDOWN_LOOK: Duration = Duration::from_millis(100);
/// How long a stopped local worker may take to end; by its own bounds it takes less.
const END_MAX: Duration = Duration::from_secs(5);

/// The service's configuration of the local worker's handlers.
pub(crate) type With = Box<dyn Fn(worker::Builder) -> worker::Builder + Send + Sync>;

/// Owns the one task that runs the local worker and hands tasks over.
pub(crate) struct Keeper {
    closing: CancellationToken,
    closed: CancellationToken,
}

impl Keeper {
    /// Checks that the local worker can be built, and starts the keeper.
    pub(super) fn start(local: Arc<Local>, client: Client, settings: &Settings, with: With) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|_| Error::config("set up the fallback", "it needs a tokio runtime; call it inside one"))?;
        let keeping = Keeping { local, client, grace: settings.grace, settings: local_settings(settings), with };
        keeping.worker()?;
        let keeper = Self { closing: CancellationToken::new(), closed: CancellationToken::new() };
        let (closing, closed) = (keeper.closing.clone(), keeper.closed.clone().drop_guard());
        runtime.spawn(async move {
            // Held to the end, even through a panic: a shutdown must not wait forever.
            let _closed = closed;
            keeping.keep(&closing).await;
        });
        Ok(keeper)
    }

    pub(crate) async fn shutdown(&self) {
        self.closing.cancel();
        self.closed.cancelled().await;
    }
}

impl Drop for Keeper {
    /// Nobody waits for the end any longer, but it still comes.
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("closing", &self.closing.is_cancelled()).finish_non_exhaustive()
    }
}

/// The local worker serves the queues of its tasks. It has no grace period of its own: the grace is
/// spent before it is stopped, so that waiting tasks get their share.
fn local_settings(settings: &Settings) -> Settings {
    Settings { queues: Vec::new(), environment: None, grace: Duration::ZERO, ..settings.clone() }
}

struct Keeping {
    local: Arc<Local>,
    client: Client,
    grace: Duration,
    settings: Settings,
    with: With,
}

impl Keeping {
    fn worker(&self) -> Result<Worker> {
        // Its own registry and settings come last: the service cannot replace them.
        (self.with)(Worker::builder(self.local.memory.clone()))
            .registry(self.local.registry.clone())
            .settings(self.settings.clone())
            .client(self.client.clone())
            // It ends with `Docket::shutdown`, after the process's own worker.
            .without_signals()
            .build()
    }

    /// Runs until closing, then for at most the grace period, and reports what is left.
    async fn keep(self, closing: &CancellationToken) {
        let mut running = None;
        let over = async {
            closing.cancelled().await;
            sleep(self.grace).await;
        };
        tokio::select! {
            () = self.run_and_hand_over(&mut running, closing) => {}
            () = over => {}
        }
        self.local.close().await;
        if let Some(running) = running {
            running.end().await;
        }
        for (key, name) in self.local.left().await {
            tracing::error!(%key, task = %name, "task left in the fallback at shutdown; it is lost with this process");
        }
    }

    /// Ends when it is closing and nothing is held any longer.
    async fn run_and_hand_over(&self, running: &mut Option<Running>, closing: &CancellationToken) {
        loop {
            let is_closing = closing.is_cancelled();
            if is_closing {
                self.local.close().await;
            }
            if self.local.left().await.is_empty() {
                if is_closing {
                    return;
                }
                either(self.local.taken.notified(), closing).await;
                continue;
            }
            self.ensure_running(running);
            if is_back(&self.local, self.store()).await {
                self.hand_over().await;
            }
            if is_closing {
                sleep(SHUTDOWN_LOOK).await;
            } else {
                either(sleep(LOOK), closing).await;
            }
        }
    }

    /// Starts the local worker with the first task, and again if it ever ends unexpectedly.
    fn ensure_running(&self, running: &mut Option<Running>) {
        if running.as_ref().is_some_and(|running| !running.run.is_finished()) {
            return;
        }
        if running.is_some() {
            tracing::error!("the fallback's worker ended by itself; starting another");
        }
        match self.worker() {
            Ok(worker) => *running = Some(Running::start(worker)),
            Err(error) => tracing::error!(?error, "the fallback's worker cannot be built"),
        }
    }

    async fn hand_over(&self) {
        if let Err(error) = hand_over(&self.local, self.store()).await {
            tracing::warn!(?error, "handing over failed; trying again");
        }
    }

    fn store(&self) -> &dyn Store {
        &**self.client.store()
    }
}

/// A local worker at work.
struct Running {
    stop: worker::Stop,
    run: JoinHandle<Result<()>>,
}

impl Running {
    fn start(worker: Worker) -> Self {
        Self { stop: worker.stop_handle(), run: tokio::spawn(worker.run()) }
    }

    async fn end(mut self) {
        self.stop.stop();
        if timeout(END_MAX, &mut self.run).await.is_err() {
            self.run.abort();
        }
    }
}

/// Waits for `what`, or for the closing.
async fn either(what: impl Future<Output = ()>, closing: &CancellationToken) {
    tokio::select! {
        () = what => {}
        () = closing.cancelled() => {}
    }
}
