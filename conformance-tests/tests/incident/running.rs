//! A worker under way, as a test sees it.

use std::time::Duration;

use docket_core::worker::{Alarm, HealthHandle, Stop};
use docket_core::{Result, Worker, WorkerId};
use tokio::task::JoinHandle;

use crate::logs;
use crate::scene::eventually;

/// A worker under way; dropped, it dies without a word.
pub(crate) struct Running {
    pub(crate) id: WorkerId,
    pub(crate) health: HealthHandle,
    stop: Stop,
    run: JoinHandle<Result<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.run.abort();
    }
}

impl Running {
    pub(crate) fn of(worker: Worker) -> Self {
        let (id, health, stop) = (worker.id().clone(), worker.health(), worker.stop_handle());
        Self { id, health, stop, run: tokio::spawn(worker.run()) }
    }

    /// Stops it, which has an end.
    pub(crate) async fn stopped(mut self) -> Result<()> {
        self.stop.stop();
        tokio::time::timeout(Duration::from_secs(10), &mut self.run).await.expect("a stop has an end").unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self, within: Duration) -> Result<()> {
        tokio::time::timeout(within, &mut self.run).await.expect("it ends by itself").unwrap()
    }

    pub(crate) async fn until_ready(&self, within: Duration) {
        eventually("the worker is alive", within, async || self.health.is_ready().then_some(())).await;
    }

    pub(crate) async fn until_unready(&self, within: Duration) {
        eventually("the worker is shown as not alive", within, async || (!self.health.is_ready()).then_some(())).await;
    }

    pub(crate) async fn until_alarm(&self, what: &str, within: Duration, is: impl Fn(&Alarm) -> bool) {
        eventually(what, within, async || self.health.alarms().iter().any(&is).then_some(())).await;
    }

    /// Lines of this level that name this worker and hold all of `texts`.
    pub(crate) fn logged(&self, level: tracing::Level, texts: &[&str]) -> usize {
        let id = self.id.to_string();
        logs::count(level, &[texts, &[id.as_str()]].concat())
    }
}
