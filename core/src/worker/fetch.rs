//! A free slot first, then a lease. An answered lease call is the worker's sign of life.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::gate::Way;
use super::health::{Loop, News};
use super::settle::{self, Settlement};
use super::slots::{PATIENCE, Room};
use super::{Inner, run};
use crate::repeat::{bounded, repeat};
use crate::{
    Clock, Error, ErrorKind, Lease, LeaseOrder, LeaseReply, LeaseRequest, LeaseSuspects, QueueOrder, RequestId, Result,
    Swept, limits,
};

/// Every eighth lease call takes the earliest task of all queues, so that no queue starves.
const FAIR_EVERY: u64 = 8;
/// At least this often a call does not prefetch. Only such calls may lease suspects, which would
/// otherwise starve.
const PLAIN_EVERY: Duration = Duration::from_millis(500);
/// The pause after a lease call that the backend considers refused for good. The loop goes on
/// anyway: it does not guess which errors are temporary.
const REFUSED_WAIT: Duration = Duration::from_millis(500);
/// How long giving back leases may take.
const PUT_BACK_MAX: Duration = Duration::from_secs(1);
/// The pause before it checks again whether leases can be renewed and outcomes settled.
const PROVE_AGAIN: Duration = Duration::from_millis(500);
/// A smaller step of the store's clock is not logged.
const STEP_MIN: Duration = Duration::from_secs(1);
/// The longest wait of a lease call while the worker holds a suspect.
const SUSPECT_WAIT: Duration = Duration::from_secs(1);

/// Leases and starts tasks until the worker stops.
pub(super) async fn fetch(worker: Arc<Inner>, acks: mpsc::Sender<Settlement>) -> Result<()> {
    begin(&worker).await?;
    let (mut left, mut plain_at, mut failure) = (Left::Nothing, Instant::now(), None);
    for call in 0_u64.. {
        start(&worker, &acks);
        let ahead = if plain_at.elapsed() < PLAIN_EVERY { ahead(&worker, left) } else { 0 };
        let Some(count) = room(&worker, ahead, &acks).await else { break };
        let was_open = worker.health.gate.is_open();
        if !until_open(&worker).await {
            break;
        }
        let request =
            LeaseRequest { wait: wait(&worker, ahead, call > 0 && was_open), ..request(&worker, count, ahead, call) };
        let asked_at = Instant::now();
        if ahead == 0 {
            plain_at = asked_at;
        }
        let reply = tokio::select! {
            reply = lease(&worker, &request) => reply,
            () = worker.stop.stopping() => {
                give_back(&worker, &request).await;
                break;
            }
        };
        match reply {
            Ok(reply) => {
                failure = None;
                worker.health.answered(&reply, count);
                left = Left::by(&reply);
                if left == Left::Some {
                    // It did not wait for work.
                    worker.slots.answered_in(asked_at.elapsed());
                }
                if worker.health.gate.is_open() {
                    take(&worker, reply, asked_at);
                } else {
                    // Shut during the call: its leases could not be kept.
                    reply.swept.log(&worker.id);
                    if !put_back(&worker, &reply.leases).await {
                        take(&worker, LeaseReply { swept: Swept::default(), ..reply }, asked_at);
                        clear_line(&worker, &acks).await;
                    }
                }
            }
            // The docket has the layout of another build by now, and keeps it.
            Err(error) if error.kind() == ErrorKind::Conflict => return Err(error),
            Err(error) => {
                if News::of(&mut failure, &error) == News::Yes {
                    tracing::warn!(worker = %worker.id, error = ?error, "leasing failed; trying again");
                }
                tokio::time::sleep(REFUSED_WAIT).await;
            }
        }
    }
    clear_line(&worker, &acks).await;
    Ok(())
}

/// The tasks that the latest answer left in the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    Nothing,
    Some,
}

impl Left {
    fn by(reply: &LeaseReply) -> Self {
        if reply.oldest_ready.is_some() && !reply.leases.is_empty() { Self::Some } else { Self::Nothing }
    }
}

/// How many tasks this call may prefetch. Only if the latest answer left some behind: a call that
/// waits does not know yet how long its tasks will take. And never beside a suspect, so that a
/// crash takes no unstarted task along.
fn ahead(worker: &Inner, left: Left) -> usize {
    let may = left == Left::Some && worker.held.suspects() == LeaseSuspects::Allow;
    if may { worker.slots.ahead() } else { 0 }
}

/// Whether the earliest of all queues comes first.
fn is_eighth(call: u64) -> bool {
    call % FAIR_EVERY == FAIR_EVERY - 1
}

/// Joins the docket, however long the store is away.
async fn begin(worker: &Inner) -> Result<()> {
    loop {
        let join = worker.fetching.join(worker.settings.environment.as_deref());
        let error: Error = tokio::select! {
            joined = bounded("join the docket", Duration::ZERO, join) => match joined {
                Ok(()) => {
                    // The loop may have been restarted.
                    let _ = worker.joined.set(());
                    return Ok(());
                }
                Err(error) => error,
            },
            () = worker.stop.stopping() => return Ok(()),
        };
        if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::TooLarge) {
            return Err(error);
        }
        if worker.health.failed(Loop::Fetch, &error) == News::Yes {
            tracing::warn!(worker = %worker.id, error = ?error, "joining the docket failed; trying again");
        }
        tokio::time::sleep(REFUSED_WAIT).await;
    }
}

/// Waits until the worker can take something, and says how much; `None` when it stops.
async fn room(worker: &Arc<Inner>, mut ahead: usize, acks: &mpsc::Sender<Settlement>) -> Option<usize> {
    loop {
        if worker.stop.is_stopping() {
            return None;
        }
        let first = match worker.slots.room(ahead) {
            Room::For(count) => {
                worker.health.freed();
                return Some(count.min(limits::BATCH_ITEMS_MAX));
            }
            Room::Full(first) => first,
        };
        worker.health.full();
        let patience = first.map_or(Duration::MAX, |since| PATIENCE.saturating_sub(since.elapsed()));
        tokio::select! {
            () = worker.slots.changed() => start(worker, acks),
            () = tokio::time::sleep(patience), if first.is_some() => {
                clear_line(worker, acks).await;
                // Its tasks are no longer that short.
                ahead = 0;
            }
            () = worker.stop.stopping() => {}
        }
    }
}

/// Waits until leases could be renewed and settled; false when the worker stops.
async fn until_open(worker: &Inner) -> bool {
    let gate = &worker.health.gate;
    while !gate.is_open() {
        if worker.stop.is_stopping() {
            return false;
        }
        if gate.is_shut(Way::Renewing) {
            gate.ask_for_a_renewal();
        }
        // An outcome that waits for its answer proves more than an empty ack.
        if gate.is_shut(Way::Settling) && !worker.health.owes_an_outcome() {
            tokio::select! {
                () = settle::prove(worker) => {}
                () = worker.stop.stopping() => {}
            }
        }
        tokio::select! {
            () = gate.opened() => break,
            () = tokio::time::sleep(PROVE_AGAIN) => {}
            () = worker.stop.stopping() => {}
        }
        let error = Error::new(ErrorKind::Unavailable, "lease tasks", "leases could not be renewed or settled");
        worker.health.failed(Loop::Fetch, &error);
    }
    true
}

/// Gives prefetched tasks that have not started back, uncounted, to their position in the lane.
async fn clear_line(worker: &Inner, acks: &mpsc::Sender<Settlement>) {
    for waiting in worker.slots.clear() {
        settle::hand_in(worker, acks, settle::release(waiting.lease.token)).await;
    }
}

/// How long a lease call may wait for work. The first one must not wait, nor the first one after
/// the gate was shut: its answer is the sign of life, and tells a worker without work that there is
/// none.
fn wait(worker: &Inner, ahead: usize, has_leased: bool) -> Duration {
    if !has_leased || ahead > 0 {
        return Duration::ZERO;
    }
    // A call that may not lease a suspect does not notice that another suspect is ready once ours
    // has ended.
    match worker.held.suspects() {
        LeaseSuspects::Avoid => worker.settings.check_interval.min(SUSPECT_WAIT),
        LeaseSuspects::Allow => worker.settings.check_interval,
    }
}

fn request(worker: &Inner, count: usize, ahead: usize, call: u64) -> LeaseRequest {
    let fair = worker.settings.order == QueueOrder::Fair && is_eighth(call);
    LeaseRequest {
        request: RequestId::unique(),
        worker: worker.record(),
        queues: worker.queues.clone(),
        names: worker.names.clone(),
        count,
        suspects: if ahead > 0 { LeaseSuspects::Avoid } else { worker.held.suspects() },
        lease_for: worker.timing.lease,
        wait: Duration::ZERO,
        order: if fair { LeaseOrder::Earliest } else { LeaseOrder::Precedence },
    }
}

/// Repeats a request without an answer, with the same id, for one lease length: the store then
/// returns the leases it may already have taken. After that those leases have expired, and a new
/// request is as good.
async fn lease(worker: &Inner, request: &LeaseRequest) -> Result<LeaseReply> {
    let patience = request.wait + worker.timing.lease;
    let what = "lease tasks";
    let call = async || {
        let reply = bounded(what, request.wait, worker.fetching.lease(request)).await;
        reply.inspect_err(|error| {
            worker.health.failed(Loop::Fetch, error);
        })
    };
    repeat(what, patience, call).await
}

/// The stop came during a lease call: asks for the leases it may have taken, and gives them back.
async fn give_back(worker: &Inner, request: &LeaseRequest) {
    let now = LeaseRequest { wait: Duration::ZERO, ..request.clone() };
    let Ok(Ok(reply)) = tokio::time::timeout(Duration::from_secs(1), worker.fetching.lease(&now)).await else {
        tracing::warn!(worker = %worker.id, "could not ask for leases taken while stopping; they expire by themselves");
        return;
    };
    reply.swept.log(&worker.id);
    if !put_back(worker, &reply.leases).await {
        let tasks = reply.leases.len();
        tracing::warn!(worker = %worker.id, tasks, "could not give back leases while stopping; they expire by themselves");
    }
}

/// Gives back leases that are not to start, over the connection that took them; returns whether the
/// store answered.
async fn put_back(worker: &Inner, leases: &[Lease]) -> bool {
    if leases.is_empty() {
        return true;
    }
    let acks: Vec<_> = leases.iter().map(|lease| settle::release(lease.token.clone()).ack).collect();
    let answered = tokio::time::timeout(PUT_BACK_MAX, worker.fetching.ack(&acks)).await;
    matches!(answered, Ok(Ok(_)))
}

/// Queues the leases of a lease call for a slot.
fn take(worker: &Inner, reply: LeaseReply, asked_at: Instant) {
    reply.swept.log(&worker.id);
    log_clock(worker, reply.clock);
    // A call may wait for longer than a lease before it takes one.
    let proved_at = reply.looked_at.map_or(asked_at, |looked_at| Instant::from_std(looked_at).max(asked_at));
    worker.slots.line_up(worker.held.hold(reply.leases, proved_at));
}

/// Starts queued tasks while slots are free.
fn start(worker: &Arc<Inner>, acks: &mpsc::Sender<Settlement>) {
    while let Some((slot, first)) = worker.slots.start() {
        worker.runs.spawn(run::run(worker.clone(), slot, first, acks.clone()));
    }
}

/// Logs that the store's clock was set back, once per step.
fn log_clock(worker: &Inner, clock: Clock) {
    let before = worker.health.clock(clock).unwrap_or_default();
    // A step that an operator has settled is not worth a line.
    let step = clock.offset.saturating_sub(before.offset);
    if step >= STEP_MIN {
        tracing::warn!(
            worker = %worker.id, ?step, offset = ?clock.offset, steps = clock.steps,
            "the store's clock was set back; leases and delays run on, and the docket's time is ahead of it"
        );
    } else if clock.offset < before.offset {
        tracing::info!(worker = %worker.id, offset = ?clock.offset, "the docket's time was settled");
    }
}
