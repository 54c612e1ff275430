//! Acks in groups: outcomes that arrive while one call is under way go out with the next.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::Inner;
use super::gate::Way;
use super::health::{Loop, News};
use super::report::Run;
use crate::handler::unkept;
use crate::repeat::{bounded, repeat};
use crate::{
    Ack, AckAnswer, AckReply, Error, ErrorKind, LeaseToken, Outcome, Result, Retryable, display_duration, limits,
};

/// Outcomes waiting to be settled. A full channel delays runs that have ended, not the heartbeat.
pub(super) const WAITING_MAX: usize = 1_000;
/// The pause before an outcome that the store could not accept is sent again; outcomes that arrive
/// in the meantime go along.
const PUT_OFF: Duration = Duration::from_millis(50);

/// One outcome on its way to the store.
#[derive(Debug)]
pub(super) struct Settlement {
    pub(super) ack: Ack,
    /// The run that it ends; none if it never started.
    pub(super) run: Option<Run>,
}

/// The ack that gives a task back to its position in the lane.
pub(super) fn release(token: LeaseToken) -> Settlement {
    let ack = Ack { token, outcome: Outcome::Release, max_attempts: 1, retention: limits::RETENTION };
    Settlement { ack, run: None }
}

/// Passes one outcome to the settling loop.
pub(super) async fn hand_in(worker: &Inner, acks: &mpsc::Sender<Settlement>, settlement: Settlement) {
    worker.held.settling(&settlement.ack.token);
    // The channel is open while a run exists: the settling loop ends after the last one.
    if let Err(refused) = acks.send(settlement).await {
        let token = refused.0.ack.token;
        worker.held.settled(&token);
        tracing::error!(key = %token.key, "outcome not settled: the worker left; the task runs again");
    }
}

/// The settling loop's end of the channel, and the outcomes taken out of it: both outlive a restart
/// of the loop, so that no outcome is lost.
#[derive(Debug)]
pub(super) struct Inbox {
    waiting: mpsc::Receiver<Settlement>,
    batch: Vec<Ack>,
    /// The runs that these acks end, in the same order.
    runs: Vec<Option<Run>>,
    /// Acks of the batch that the store could not accept, and since when.
    put_off: HashMap<LeaseToken, Instant>,
}

impl Inbox {
    pub(super) fn new(waiting: mpsc::Receiver<Settlement>) -> Self {
        Self { waiting, batch: Vec::new(), runs: Vec::new(), put_off: HashMap::new() }
    }

    fn push(&mut self, Settlement { ack, run }: Settlement) {
        self.batch.push(ack);
        self.runs.push(run);
    }

    /// Waits for one outcome, or a short pause if some were postponed, and takes the others that
    /// are there, within the limits of a batch.
    async fn fill(&mut self) -> bool {
        if self.batch.is_empty() {
            let Some(first) = self.waiting.recv().await else { return false };
            self.push(first);
        } else if self.batch.len() < limits::BATCH_ITEMS_MAX {
            match timeout(PUT_OFF, self.waiting.recv()).await {
                Ok(Some(next)) => self.push(next),
                Ok(None) => sleep(PUT_OFF).await,
                Err(_) => {}
            }
        }
        let mut bytes: usize = self.batch.iter().map(weight).sum();
        while self.batch.len() < limits::BATCH_ITEMS_MAX
            && bytes + limits::PAYLOAD_BYTES_MAX <= limits::BATCH_BYTES_MAX
            && let Ok(next) = self.waiting.try_recv()
        {
            bytes += weight(&next.ack);
            self.push(next);
        }
        true
    }

    /// Applies one answer per ack; acks that must be sent again stay.
    fn answered(&mut self, worker: &Inner, answers: Vec<Result<AckAnswer>>) {
        let runs = std::mem::take(&mut self.runs);
        for ((ack, run), answer) in std::mem::take(&mut self.batch).into_iter().zip(runs).zip(answers) {
            let settlement = Settlement { ack, run };
            if let Some(again) = answered(worker, &mut self.put_off, settlement, answer) {
                self.push(again);
            }
        }
    }

    fn give_up(&mut self, worker: &Inner) {
        self.batch.drain(..).for_each(|ack| worker.held.settled(&ack.token));
        self.runs.clear();
        self.put_off.clear();
    }
}

/// Settles until every run has ended and the channel is closed.
pub(super) async fn settle(worker: Arc<Inner>, inbox: Arc<tokio::sync::Mutex<Inbox>>) -> Result<()> {
    let mut inbox = inbox.lock().await;
    loop {
        if !inbox.fill().await {
            return Ok(());
        }
        worker.health.unsettled();
        match watched(&worker, repeat("settle tasks", limits::REPEAT_MAX, || ack(&worker, &inbox.batch))).await {
            Ok(reply) => {
                worker.health.progressed(Loop::Settle);
                worker.health.gate.works(Way::Settling);
                reply.swept.log(&worker.id);
                inbox.answered(&worker, reply.answers);
            }
            Err(error) => {
                tracing::error!(
                    worker = %worker.id, error = ?error, tasks = inbox.batch.len(),
                    "outcomes not settled; whether they arrived is unknown, and the tasks may run again"
                );
                inbox.give_up(&worker);
                worker.health.gate.failed(Way::Settling, &error);
                worker.health.owes_nothing();
            }
        }
    }
}

/// Waits for the answer to a batch; if it takes too long, leasing stops.
async fn watched<T>(worker: &Inner, call: impl Future<Output = Result<T>>) -> Result<T> {
    let (mut call, patience) = (pin!(call), worker.health.gate.patience());
    if let Ok(answer) = timeout(patience, &mut call).await {
        return answer;
    }
    let message = format!("no answer for {}; leasing pauses until it comes", display_duration(patience));
    worker.health.gate.failed(Way::Settling, &Error::new(ErrorKind::Unavailable, "settle tasks", message));
    call.await
}

/// Checks with an empty ack whether outcomes could be settled.
pub(super) async fn prove(worker: &Inner) {
    match bounded("settle tasks", Duration::ZERO, worker.settling.ack(&[])).await {
        Ok(_) => worker.health.gate.works(Way::Settling),
        Err(error) => {
            if worker.health.gate.failed(Way::Settling, &error) == News::Yes {
                tracing::warn!(worker = %worker.id, error = ?error, "outcomes could not be settled; nothing is leased");
            }
        }
    }
}

/// One try. The worker does not guess which errors are temporary: an outcome is worth a minute of
/// retries.
async fn ack(worker: &Inner, batch: &[Ack]) -> Result<AckReply> {
    let reply = bounded("settle tasks", Duration::ZERO, worker.settling.ack(batch)).await;
    reply
        .inspect_err(|error| {
            worker.health.failed(Loop::Settle, error);
            if worker.health.gate.is_shut(Way::Settling) {
                worker.health.gate.failed(Way::Settling, error);
            }
        })
        .map_err(|error| error.retryable(Retryable::Yes))
}

fn weight(ack: &Ack) -> usize {
    match &ack.outcome {
        Outcome::Completed(Some(result)) => result.len(),
        _ => 0,
    }
}

/// Applies one answer. An ack that the store cannot accept now stays, and one that it refuses as it
/// is becomes one that it can accept.
fn answered(
    worker: &Inner,
    put_off: &mut HashMap<LeaseToken, Instant>,
    settlement: Settlement,
    answer: Result<AckAnswer>,
) -> Option<Settlement> {
    let Settlement { ack, run } = settlement;
    let fence = ack.token.fence;
    let since = put_off.remove(&ack.token);
    match answer {
        Ok(AckAnswer::Settled) => {
            worker.settled.fetch_add(1, Ordering::Relaxed);
            if let Some(run) = run {
                run.settled(&worker.id, &ack);
            }
        }
        Ok(AckAnswer::Stale) => {
            tracing::warn!(key = %ack.token.key, %fence, "outcome arrived too late: already settled, or the lease was lost");
        }
        Err(error) if error.kind() == ErrorKind::TooLarge && carries_payload(&ack.outcome) => {
            if let Some(run) = &run {
                run.refused(&ack, &error.chain());
            }
            return Some(Settlement { ack: without_payload(ack, &error), run });
        }
        Err(error) if error.is_retryable() && since.is_none_or(|since| since.elapsed() < limits::REPEAT_MAX) => {
            if since.is_none() {
                tracing::warn!(key = %ack.token.key, %fence, error = ?error, "outcome postponed by the store; trying again");
            }
            put_off.insert(ack.token.clone(), since.unwrap_or_else(Instant::now));
            return Some(Settlement { ack, run });
        }
        Err(error) => {
            tracing::error!(key = %ack.token.key, %fence, error = ?error, "outcome refused by the store");
        }
    }
    worker.held.settled(&ack.token);
    None
}

fn carries_payload(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Completed(Some(_)) | Outcome::Repeat { args: Some(_), .. })
}

/// The same outcome without the payload that the store cannot keep: the work is done all the same.
fn without_payload(ack: Ack, error: &Error) -> Ack {
    let outcome = match ack.outcome {
        Outcome::Completed(_) => Outcome::Unkept { error: unkept(&error.chain()) },
        Outcome::Repeat { at, .. } => Outcome::Repeat { at, args: None },
        other => other,
    };
    Ack { outcome, ..ack }
}
