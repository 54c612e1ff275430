//! Renewing leases, on a thread with a runtime and connections of its own: a handler that blocks
//! its runtime cannot starve it, and a wedged runtime is detected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::gate::Way;
use super::health::{Loop, News};
use crate::repeat::bounded;
use crate::{Error, ErrorKind, Heartbeat, LeaseToken, Result, limits};

/// Beats until the worker's last lease is settled; the caller drops the thread's stop flag.
pub(super) async fn heartbeat(worker: Arc<Inner>) -> Result<()> {
    if worker.renews_beside_handlers {
        return beat_until(&worker, &CancellationToken::new(), &Handle::current()).await;
    }
    let (ended, end) = tokio::sync::oneshot::channel();
    let done = CancellationToken::new();
    // Stops the thread when the supervised loop is dropped, so that a restart never leaves two.
    let guard = done.clone().drop_guard();
    let handlers = Handle::current();
    let thread = std::thread::Builder::new().name("docket-heartbeat".to_owned());
    let spawned = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(beat_until(&worker, &done, &handlers)),
            Err(error) => Err(internal("start the heartbeat's runtime", &error)),
        };
        // Safe to lose: the receiver is gone only when the supervisor dropped this loop.
        let _ = ended.send(result);
    });
    spawned.map_err(|error| internal("start the heartbeat's thread", &error))?;
    // A sender dropped unsent means that the thread panicked.
    let end = end.await;
    drop(guard);
    end.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "keep the heartbeat's thread", "it panicked")))
}

fn internal(what: &'static str, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, what, error.to_string())
}

async fn beat_until(worker: &Inner, done: &CancellationToken, handlers: &Handle) -> Result<()> {
    tokio::select! {
        () = done.cancelled() => Ok(()),
        () = beats(worker, handlers) => unreachable!("it goes on forever"),
        () = give_up_in_time(worker) => unreachable!("it goes on forever"),
    }
}

async fn beats(worker: &Inner, handlers: &Handle) {
    let mut probe = Probe::new(handlers.clone());
    let mut next = Instant::now() + worker.timing.renewal;
    loop {
        let asked = tokio::select! {
            () = sleep_until(next) => false,
            () = worker.health.gate.asked_for_a_renewal() => true,
        };
        next = Instant::now() + worker.timing.renewal;
        if probe.unanswered_for() >= worker.settings.wedged_after {
            // Logged from here: the watchdog lives on the runtime that is wedged.
            tracing::error!(worker = %worker.id, "the handlers' runtime runs nothing; leases are not renewed");
            worker.health.wedged(worker.settings.wedged_after);
        } else {
            beat(worker, asked).await;
        }
    }
}

/// Stops each run at the end of its lease, also while a renewal is still unanswered.
async fn give_up_in_time(worker: &Inner) {
    loop {
        worker.held.next_end().await;
        let lost = worker.held.give_up_unproved();
        if lost > 0 {
            tracing::error!(worker = %worker.id, leases = lost, "leases not renewed for their whole length: given up");
        }
    }
}

/// One renewal of all leases. Without leases there is none, unless somebody asked whether it would
/// work: then leasing is the sign of life.
async fn beat(worker: &Inner, asked: bool) {
    let tokens = worker.held.tokens();
    if tokens.is_empty() && !asked {
        worker.health.progressed(Loop::Heartbeat);
        return;
    }
    let asked_at = Instant::now();
    let chunks: Vec<&[LeaseToken]> =
        if tokens.is_empty() { vec![&[]] } else { tokens.chunks(limits::BATCH_ITEMS_MAX).collect() };
    for tokens in chunks {
        let beat = Heartbeat { worker: worker.record(), tokens: tokens.to_vec(), lease_for: worker.timing.lease };
        match within(worker.timing.lease, bounded("renew leases", Duration::ZERO, worker.beating.heartbeat(&beat)))
            .await
        {
            Ok(answers) => {
                worker.health.progressed(Loop::Heartbeat);
                worker.health.gate.works(Way::Renewing);
                for (token, answer) in tokens.iter().zip(answers) {
                    match answer {
                        Ok(answer) => worker.held.answered(token, answer, asked_at),
                        Err(error) => tracing::warn!(key = %token.key, error = ?error, "a lease could not be renewed"),
                    }
                }
            }
            Err(error) => {
                worker.health.gate.failed(Way::Renewing, &error);
                if worker.health.failed(Loop::Heartbeat, &error) == News::Yes {
                    tracing::warn!(worker = %worker.id, error = ?error, "renewing leases failed; trying again");
                }
            }
        }
    }
}

/// A renewal that takes half a lease has failed: the next one may still come in time.
async fn within<T>(lease: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(lease / 2, call)
        .await
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, "renew leases", "no answer within half a lease")))
}

/// Asks the handlers' runtime to run something, to see whether it still does.
struct Probe {
    handlers: Handle,
    answered: Arc<AtomicBool>,
    asked_at: Instant,
}

impl Probe {
    fn new(handlers: Handle) -> Self {
        Self { handlers, answered: Arc::new(AtomicBool::new(true)), asked_at: Instant::now() }
    }

    /// How long the latest question has been open; after an answer it asks again.
    fn unanswered_for(&mut self) -> Duration {
        if self.answered.swap(false, Ordering::AcqRel) {
            self.asked_at = Instant::now();
            let answered = self.answered.clone();
            self.handlers.spawn(async move { answered.store(true, Ordering::Release) });
            return Duration::ZERO;
        }
        self.asked_at.elapsed()
    }
}
