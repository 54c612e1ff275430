//! Permit first, then lease. An answered lease call is the worker's sign of life.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::health::Loop;
use super::{Inner, run, settle};
use crate::repeat::{bounded, repeat};
use crate::{Error, ErrorKind, LeaseOrder, LeaseReply, LeaseRequest, QueueOrder, RequestId, Result, Swept, limits};

/// Every so many lease calls the earliest task of all queues goes first, so that none starves.
const FAIR_EVERY: u64 = 8;
/// The wait after a lease call that failed for good as far as the backend can tell. The loop goes on all the same:
/// which errors pass is not for it to guess.
const REFUSED_WAIT: Duration = Duration::from_secs(1);

/// Leases and starts tasks until the worker stops.
pub(super) async fn fetch(worker: Arc<Inner>, acks: mpsc::Sender<settle::Settlement>) -> Result<()> {
    begin(&worker).await?;
    for call in 0_u64.. {
        let Some(permits) = take_permits(&worker).await else { return Ok(()) };
        let request = request(&worker, permits.len(), call);
        let asked_at = Instant::now();
        let reply = tokio::select! {
            reply = lease(&worker, &request) => reply,
            () = worker.stop.stopping() => {
                give_back(&worker, &request).await;
                return Ok(());
            }
        };
        match reply {
            Ok(reply) => {
                worker.health.answered(&reply, permits.len());
                start(&worker, reply, permits, asked_at, &acks);
            }
            Err(error) => {
                tracing::warn!(worker = %worker.id, error = ?error, "leasing failed; trying again");
                tokio::time::sleep(REFUSED_WAIT).await;
            }
        }
    }
    Ok(())
}

/// Joins the docket and seeds the perpetuals, however long the store is away.
async fn begin(worker: &Inner) -> Result<()> {
    let seeds = worker.registry.seeds();
    loop {
        let joined = async {
            bounded("join the docket", Duration::ZERO, worker.fetching.join(worker.settings.environment.as_deref()))
                .await?;
            if !seeds.is_empty() {
                for answer in bounded("seed the perpetuals", Duration::ZERO, worker.fetching.add(&seeds)).await? {
                    answer?;
                }
            }
            Result::<_>::Ok(())
        };
        let error: Error = tokio::select! {
            joined = joined => match joined {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            () = worker.stop.stopping() => return Ok(()),
        };
        if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::TooLarge) {
            return Err(error);
        }
        worker.health.failed(Loop::Fetch, &error);
        tracing::warn!(worker = %worker.id, error = ?error, "joining the docket failed; trying again");
        tokio::time::sleep(REFUSED_WAIT).await;
    }
}

/// Waits for one permit and takes those that are free beside it; `None` when the worker stops.
async fn take_permits(worker: &Inner) -> Option<Vec<OwnedSemaphorePermit>> {
    if worker.permits.available_permits() == 0 {
        worker.health.full();
    }
    let first = tokio::select! {
        permit = worker.permits.clone().acquire_owned() => permit.ok()?,
        () = worker.stop.stopping() => return None,
    };
    worker.health.freed();
    let mut permits = vec![first];
    while permits.len() < limits::BATCH_ITEMS_MAX
        && let Ok(permit) = worker.permits.clone().try_acquire_owned()
    {
        permits.push(permit);
    }
    Some(permits)
}

fn request(worker: &Inner, count: usize, call: u64) -> LeaseRequest {
    let fair = worker.settings.order == QueueOrder::Fair && call % FAIR_EVERY == FAIR_EVERY - 1;
    LeaseRequest {
        request: RequestId::unique(),
        worker: worker.record(),
        queues: worker.queues.clone(),
        names: worker.names.clone(),
        count,
        suspects: worker.held.suspects(),
        lease: worker.timing.lease,
        // The first answer is awaited: it is the first sign of life, and tells a worker without work that there is none.
        wait: if call == 0 { Duration::ZERO } else { worker.settings.check_interval },
        order: if fair { LeaseOrder::Earliest } else { LeaseOrder::Precedence },
    }
}

/// Repeats an unanswered request, with the same id, for one lease length: what it may have taken is then handed out
/// again. After that its leases have passed, and a new request is as good.
async fn lease(worker: &Inner, request: &LeaseRequest) -> Result<LeaseReply> {
    let patience = request.wait + worker.timing.lease;
    let what = "lease tasks";
    let call = async || {
        let reply = bounded(what, request.wait, worker.fetching.lease(request)).await;
        reply.inspect_err(|error| worker.health.failed(Loop::Fetch, error))
    };
    repeat(what, patience, call).await
}

/// The stop came in the middle of a lease call: asks for what it may have taken, and puts it back in the line.
async fn give_back(worker: &Inner, request: &LeaseRequest) {
    let now = LeaseRequest { wait: Duration::ZERO, ..request.clone() };
    let Ok(Ok(reply)) = tokio::time::timeout(Duration::from_secs(1), worker.fetching.lease(&now)).await else {
        tracing::warn!(worker = %worker.id, "could not ask for leases taken while stopping; they pass by themselves");
        return;
    };
    log_swept(worker, &reply.swept);
    if reply.leases.is_empty() {
        return;
    }
    let acks: Vec<_> = reply.leases.iter().map(|lease| settle::release(lease.token.clone())).collect();
    if !matches!(tokio::time::timeout(Duration::from_secs(1), worker.fetching.ack(&acks, None)).await, Ok(Ok(_))) {
        tracing::warn!(worker = %worker.id, tasks = acks.len(), "could not give back leases while stopping");
    }
}

fn start(
    worker: &Arc<Inner>,
    reply: LeaseReply,
    mut permits: Vec<OwnedSemaphorePermit>,
    asked_at: Instant,
    acks: &mpsc::Sender<settle::Settlement>,
) {
    log_swept(worker, &reply.swept);
    for lease in reply.leases {
        let cancellation = worker.held.hold(&lease, asked_at);
        // A backend that brings more than was asked for: the rest waits in the runtime, its lease held all the same.
        let permit = permits.pop();
        worker.runs.spawn(run::run(worker.clone(), lease, cancellation, permit, acks.clone()));
    }
}

pub(super) fn log_swept(worker: &Inner, swept: &Swept) {
    if swept.crashed > 0 {
        tracing::warn!(worker = %worker.id, leases = swept.crashed, "leases ran out unsettled; their tasks run again");
    }
    for key in &swept.limited {
        tracing::error!(worker = %worker.id, %key, "task reached its crash limit");
    }
    if swept.dead_trimmed > 0 {
        tracing::warn!(worker = %worker.id, tasks = swept.dead_trimmed, "dead tasks trimmed");
    }
}
