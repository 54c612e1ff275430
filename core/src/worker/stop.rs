//! Stopping in two steps.

use tokio_util::sync::CancellationToken;

/// Stops a worker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop {
    drain: CancellationToken,
    leave: CancellationToken,
}

impl Stop {
    pub(crate) fn new() -> Self {
        Self { drain: CancellationToken::new(), leave: CancellationToken::new() }
    }

    /// First step: takes no more tasks, lets the running ones end within the grace period, then
    /// cancels them and gives their leases back, uncounted.
    pub fn stop(&self) {
        self.drain.cancel();
    }

    /// Second step: leaves at once. Running tasks are dropped, and become visible again when their
    /// leases expire.
    pub fn leave(&self) {
        self.drain.cancel();
        self.leave.cancel();
    }

    /// Turns the first SIGINT or SIGTERM into [`Stop::stop`] and the second into [`Stop::leave`]: a
    /// worker does this by itself, unless it was built [without
    /// signals](super::Builder::without_signals).
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time; later signals are then not handled here.
    pub async fn on_signals(&self) {
        signal().await;
        tracing::info!("stopping: waiting for running tasks; signal again to leave at once");
        self.stop();
        signal().await;
        tracing::warn!("leaving at once: leases of running tasks are left to their deadlines");
        self.leave();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.drain.is_cancelled()
    }

    pub(crate) async fn stopping(&self) {
        self.drain.cancelled().await;
    }

    pub(crate) async fn leaving(&self) {
        self.leave.cancelled().await;
    }
}

/// Waits for the first SIGTERM or SIGINT: for [`Builder::run_until`](super::Builder::run_until), and
/// for everything else that ends with the process. Further signals have no effect, so the process
/// must end by itself.
///
/// # Cancel safety
///
/// Can be dropped at any time.
pub async fn shutdown_signal() {
    signal().await;
}

/// Waits for SIGINT or SIGTERM. A platform that refuses a handler for one still has the other.
async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Safe to lose: without a handler the default action of the signal ends the process.
    let _ = tokio::signal::ctrl_c().await;
}
