//! No loop ends or stalls unseen: each is a child that is logged, restarted with a growing pause,
//! and, when that does not help, ends the worker with an error.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, timeout};

use super::companion::{Companion, Pulse};
use super::health::Loop;
use super::held::Reason;
use super::settle::{self, Inbox};
use super::{Inner, Signals, Stop, Until, fetch, finished, heartbeat, panics, periodic, watchdog};
use crate::{Backoff, Error, ErrorKind, Result};

/// Restarts of one loop in a row before the worker gives up. A loop that ran for [`HEALTHY`] starts a new row.
const RESTARTS_MAX: u32 = 10;
/// How long a loop must run to count as well again.
const HEALTHY: Duration = Duration::from_secs(60);
/// Waits between restarts.
const WAITS: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(5) };
/// How long a stopping worker waits for its last acks. Together with the grace period it is below
/// the usual kill after 5 s.
const SETTLE_GRACE: Duration = Duration::from_secs(1);

type Body = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Requests to restart a loop, from the watchdog.
#[derive(Debug, Default)]
pub(super) struct Restarts([Notify; Loop::COUNT]);

impl Restarts {
    pub(super) fn request(&self, which: Loop) {
        self.0[which as usize].notify_one();
    }
}

/// Aborts a spawned task when dropped, so that a dropped worker leaves nothing behind.
struct Child(JoinHandle<Result<()>>);

impl Drop for Child {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Child {
    fn spawn(body: impl Future<Output = Result<()>> + Send + 'static) -> Self {
        Self(tokio::spawn(body))
    }

    async fn end(&mut self) -> Result<()> {
        let ended = (&mut self.0).await;
        ended.unwrap_or_else(|error| Err(internal("supervise a loop", &panics::how_it_ended(error))))
    }
}

/// Stops all that still runs when the worker's future is dropped.
struct LeaveOnDrop(Arc<Inner>);

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        self.0.stop.leave();
        self.0.held.cancel_all(Reason::Lost);
        self.0.leaving.cancel();
    }
}

/// Runs the loops of `worker` until it is stopped, finished or beyond help.
pub(super) async fn run(worker: Arc<Inner>, until: Until) -> Result<()> {
    let _leave = LeaveOnDrop(worker.clone());
    let (acks, waiting) = mpsc::channel(settle::WAITING_MAX);
    let inbox = Arc::new(Mutex::new(Inbox::new(waiting)));

    let mut settling = Child::spawn(supervise(worker.clone(), Loop::Settle, {
        let worker = worker.clone();
        move || Box::pin(settle::settle(worker.clone(), inbox.clone()))
    }));
    let mut beating = Child::spawn(supervise(worker.clone(), Loop::Heartbeat, {
        let worker = worker.clone();
        move || Box::pin(heartbeat::heartbeat(worker.clone()))
    }));
    let mut watching = Child::spawn(supervise(worker.clone(), Loop::Watchdog, {
        let worker = worker.clone();
        move || Box::pin(watchdog::watch(worker.clone()))
    }));
    // The fetch loop and the runs hold the senders; when all have ended, the settling loop ends too.
    let mut fetching = Child::spawn(supervise(worker.clone(), Loop::Fetch, {
        let worker = worker.clone();
        move || Box::pin(fetch::fetch(worker.clone(), acks.clone()))
    }));

    let _signals = (worker.signals == Signals::Worker).then(|| Child::spawn(heed_signals(worker.stop.clone())));
    let mut accompanying = worker.companion.clone().map(|companion| {
        let worker = worker.clone();
        Child::spawn(supervise(worker.clone(), Loop::Companion, move || {
            Box::pin(accompany(worker.clone(), companion.clone()))
        }))
    });

    let mut seeding = if worker.registry.seeds().is_empty() {
        worker.health.seeded();
        None
    } else {
        let seeds = worker.clone();
        let body = move || -> Body { Box::pin(periodic::keep(seeds.clone())) };
        Some(Child::spawn(supervise(worker.clone(), Loop::Periodic, body)))
    };

    let end = tokio::select! {
        end = fetching.end() => end,
        end = settling.end() => end,
        end = beating.end() => end,
        end = watching.end() => end,
        end = end_of(&mut accompanying) => end,
        end = end_of(&mut seeding) => end,
        () = finished::finished(&worker), if until == Until::Finished => Ok(()),
    };
    worker.stop.stop();
    tokio::select! {
        () = wind_down(&worker, &mut fetching, &mut settling) => {}
        () = worker.stop.leaving() => {}
    }
    end
}

async fn heed_signals(stop: Stop) -> Result<()> {
    stop.on_signals().await;
    Ok(())
}

async fn accompany(worker: Arc<Inner>, companion: Arc<dyn Companion>) -> Result<()> {
    let pulse = Pulse::new(worker.health.clone(), worker.stop.clone(), worker.settings.check_interval);
    companion.run(&pulse).await
}

async fn end_of(child: &mut Option<Child>) -> Result<()> {
    match child {
        Some(child) => child.end().await,
        None => std::future::pending().await,
    }
}

/// Waits for the runs, then for their acks, each within its bound.
async fn wind_down(worker: &Inner, fetching: &mut Child, settling: &mut Child) {
    let drained = async {
        if !fetching.0.is_finished() {
            // It may still start or give back its latest leases; with the store down that takes a
            // while, and the grace period is for both.
            let _ = fetching.end().await;
        }
        worker.runs.wait().await;
    };
    worker.runs.close();
    if timeout(worker.settings.grace, drained).await.is_err() {
        tracing::warn!(worker = %worker.id, tasks = worker.held.len(), "grace is over: cancelling what still runs");
        worker.held.cancel_all(Reason::Shutdown);
        worker.leaving.cancel();
        // Each run drops its handler after the cancel grace; after that only a handler that blocks
        // its thread is left.
        let _ = timeout(worker.settings.cancel_grace * 2, worker.runs.wait()).await;
    }
    if !settling.0.is_finished() && timeout(SETTLE_GRACE, settling.end()).await.is_err() {
        for token in worker.held.tokens() {
            tracing::error!(worker = %worker.id, key = %token.key, "left unsettled; it runs again when its lease expires");
        }
    }
    worker.sign_off().await;
}

/// Keeps one loop going: an error, a panic or an early return is logged and followed by a restart.
async fn supervise(worker: Arc<Inner>, which: Loop, mut body: impl FnMut() -> Body) -> Result<()> {
    let mut restarts = 0;
    loop {
        let started = Instant::now();
        let mut child = tokio::spawn(body());
        let abort = AbortOnDrop(child.abort_handle());
        let ended = tokio::select! {
            ended = &mut child => ended,
            () = worker.restarts.0[which as usize].notified() => {
                child.abort();
                Ok(Err(internal("keep a loop going", "the watchdog found that it makes no progress")))
            }
        };
        drop(abort);
        let error = match ended {
            Ok(Ok(())) if worker.stop.is_stopping() => return Ok(()),
            Ok(Ok(())) => internal("keep a loop going", "it returned early"),
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::TooLarge) => return Err(error),
            Ok(Err(error)) => error,
            Err(error) => internal("keep a loop going", &panics::how_it_ended(error)),
        };
        worker.health.failed(which, &error);
        worker.health.gate.loop_ended(which, &error);
        restarts = if started.elapsed() >= HEALTHY { 1 } else { restarts + 1 };
        if restarts > RESTARTS_MAX {
            tracing::error!(worker = %worker.id, name = worker.health.name(which), error = ?error, "loop failed again and again; the worker ends");
            return Err(error);
        }
        tracing::error!(worker = %worker.id, name = worker.health.name(which), error = ?error, restarts, "loop failed; restarting it");
        tokio::time::sleep(WAITS.bound(restarts)).await;
    }
}

/// A loop must not outlive its supervisor.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn internal(what: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Internal, what, message)
}
