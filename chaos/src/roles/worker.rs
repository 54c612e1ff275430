//! A worker: runs tasks until it is asked to stop, or killed.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{Settings, Store};

use super::{Common, Desk};
use crate::Outcome;
use crate::store::open;

/// Enough that two of three workers have slots to spare: a wait is then the fault's doing, and not the load's.
const CONCURRENCY: usize = 20;

/// A worker's arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Worker {
    #[command(flatten)]
    common: Common,
}

impl Worker {
    /// A worker with these arguments.
    pub fn new(common: Common) -> Self {
        Self { common }
    }

    /// Runs it on its own connections. Retries a store that is down at the start, as a platform
    /// does.
    pub async fn run(self) -> Outcome {
        let store = loop {
            match open(&self.common.url, self.common.docket.clone()).await {
                Ok(store) => break store,
                Err(error) => say(&error.to_string()),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let worker = self.build(store)?;
        let stop = worker.stop_handle();
        tokio::spawn(async move { stop.on_signals().await });
        Ok(worker.run().await?)
    }

    /// Puts it together on this store.
    pub fn build(self, store: Arc<dyn Store>) -> Outcome<docket_core::Worker> {
        let Self { common } = self;
        let desk = Desk::new(Arc::new(common.ledger()?), common.sabotage);
        let settings = Settings {
            concurrency: CONCURRENCY,
            // The lease is the shortest there is.
            heartbeat_interval: Duration::from_millis(500),
            queues: common.build.queues()?,
            ..Settings::default()
        };
        let builder = docket_core::Worker::builder(store).registry(common.build.registry()?);
        Ok(builder.settings(settings).state(desk).build()?)
    }
}

#[expect(clippy::print_stderr, reason = "a process's own log")]
fn say(error: &str) {
    eprintln!("no store yet: {error}");
}
