//! One run of one task: it always ends in exactly one outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::blocking::Handler;
use super::held::Reason;
use super::report;
use super::settle::{self, Settlement};
use super::slots::{Slot, Waiting};
use super::{Inner, panics};
use crate::handler::{Returned, completed};
use crate::registry::{Entry, Unfinished};
use crate::telemetry::{ATTEMPT, FENCE, KEY, TASK};
use crate::{Ack, Context, Failure, Lease, Outcome, Policy, Verdict, display_duration, limits, words};

/// The first and the longest pause before a task whose args this build cannot decode is tried
/// again.
const UNDECODABLE_WAIT_MIN: Duration = Duration::from_secs(1);
const UNDECODABLE_WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) type Output = Result<Returned, Unfinished>;

/// Runs `first`, and then queued tasks, one after the other in the same slot, until none is left.
pub(super) async fn run(worker: Arc<Inner>, slot: Slot, first: Waiting, acks: mpsc::Sender<Settlement>) {
    let mut next = Some((slot, first));
    while let Some((slot, Waiting { lease, cancellation, .. })) = next {
        let lease = Arc::new(lease);
        // Any panic around a handler, e.g. in the application's log: counts an attempt, and the
        // slot goes on.
        let ran = AssertUnwindSafe(run_one(&worker, lease.clone(), cancellation)).catch_unwind().await;
        let settlement = ran.unwrap_or_else(|payload| failed_around(&worker, &lease, &panics::message(payload)));
        settle::hand_in(&worker, &acks, settlement).await;
        // A stopping worker gives queued tasks back.
        next = if worker.stop.is_stopping() { None } else { slot.next() };
    }
}

/// The settlement of a run that ended by a panic outside of its handler.
fn failed_around(worker: &Inner, lease: &Lease, error: &str) -> Settlement {
    let policy = worker.registry.policy(&lease.name).cloned().unwrap_or_default();
    let outcome = retry(policy.backoff.wait(lease.attempts + 1), error);
    let run = Some(report::Run::new(lease, &policy, &outcome));
    let (max_attempts, retention) = (policy.max_attempts, policy.retention);
    Settlement { ack: Ack { token: lease.token.clone(), outcome, max_attempts, retention }, run }
}

async fn run_one(worker: &Inner, lease: Arc<Lease>, cancellation: CancellationToken) -> Settlement {
    let Some(entry) = worker.registry.find(&lease.name) else {
        // A backend that returns an unknown name has broken I9; the task goes back untouched.
        return settle::release(lease.token.clone());
    };
    let span = tracing::info_span!(
        "task", { TASK } = %lease.name, { KEY } = %lease.token.key, { ATTEMPT } = lease.attempts + 1,
        { FENCE } = %lease.token.fence
    );
    let ack = run_known(worker, entry, &lease, cancellation).instrument(span).await;
    let run = report::Run::new(&lease, &entry.policy, &ack.outcome);
    run.ended(&lease, &ack, worker.held.reason(&lease.token));
    Settlement { ack, run: Some(run) }
}

async fn run_known(worker: &Inner, entry: &Entry, lease: &Arc<Lease>, cancellation: CancellationToken) -> Ack {
    // A task that was lost or cancelled while it was queued is not even started.
    let ended = if cancellation.is_cancelled() { None } else { started(worker, entry, lease, cancellation).await };
    let patience = worker.settings.undecodable_for;
    let outcome = outcome(ended, worker.held.reason(&lease.token), &entry.policy, lease, patience);
    Ack {
        token: lease.token.clone(),
        outcome,
        max_attempts: entry.policy.max_attempts,
        retention: entry.policy.retention,
    }
}

/// Runs the handler to its end, or until it is dropped.
async fn started(
    worker: &Inner,
    entry: &Entry,
    lease: &Arc<Lease>,
    cancellation: CancellationToken,
) -> Option<Result<Output, JoinError>> {
    let blocking = TaskTracker::new();
    let ctx = Context {
        lease: lease.clone(),
        policy: entry.policy.clone(),
        cancellation: cancellation.clone(),
        shared: worker.shared.clone(),
        client: worker.client.clone(),
        store: worker.settling.clone(),
        blocking: blocking.clone(),
    };
    // A tokio task of its own: a panic ends only this task, and a handler that does not listen can
    // be dropped.
    let run = (entry.run)(lease.args.clone(), ctx);
    let mut handler = Handler::new(tokio::spawn(run.in_current_span()), blocking);
    let mut ended = tokio::select! {
        ended = handler.ended() => Some(ended),
        () = cancellation.cancelled() => None,
        () = tokio::time::sleep(entry.policy.timeout) => {
            worker.held.cancel(&lease.token, Reason::Timeout);
            None
        }
    };
    if ended.is_none() {
        // Time to end by itself; then it is dropped.
        ended = tokio::time::timeout(worker.settings.cancel_grace, handler.ended()).await.ok();
    }
    let ended_late = handler.outlast(worker, lease).await;
    ended.or(ended_late)
}

/// Decides the outcome. A run that completed is completed, even if it was asked to stop.
fn outcome(
    ended: Option<Result<Output, JoinError>>,
    reason: Option<Reason>,
    policy: &Policy,
    lease: &Lease,
    undecodable_for: Duration,
) -> Outcome {
    let failure = match ended {
        Some(Ok(Ok(result))) => return completed(result, lease),
        Some(Ok(Err(Unfinished::Failed(failure)))) => Some(failure),
        // Even if it was asked to stop: nothing has run.
        Some(Ok(Err(Unfinished::Undecodable(error)))) => return undecodable(lease, undecodable_for, &error),
        Some(Err(error)) if error.is_panic() => Some(Failure::retry(panics::how_it_ended(error))),
        Some(Err(_)) | None => None,
    };
    match (reason, failure) {
        (Some(Reason::Cancelled), _) => Outcome::Cancelled,
        (Some(Reason::Lost | Reason::Shutdown), _) => Outcome::Release,
        (Some(Reason::Timeout), _) => {
            let error = format!("ran longer than its timeout of {}", display_duration(policy.timeout));
            retry(policy.backoff.wait(lease.attempts + 1), &error)
        }
        (None, Some(failure)) => failed(&failure, policy, lease),
        (None, None) => retry(policy.backoff.wait(lease.attempts + 1), STOPPED_ITSELF),
    }
}

/// The outcome of a run that failed by itself.
fn failed(failure: &Failure, policy: &Policy, lease: &Lease) -> Outcome {
    let backoff = || policy.backoff.wait(lease.attempts + 1);
    match failure.verdict() {
        Verdict::Retry => retry(backoff(), &failure.to_string()),
        Verdict::RetryAfter(after) if after > limits::DELAY_MAX => {
            let error = format!("{failure} (it asked to wait for {}: {})", display_duration(after), words::TOO_FAR);
            retry(backoff(), &error)
        }
        Verdict::RetryAfter(after) => retry(after, &failure.to_string()),
        // A store would refuse it, and the run must not be lost: so it is an attempt, and the
        // record says why.
        Verdict::Snooze(after) if after > limits::DELAY_MAX => {
            let error = format!("it asked to be postponed by {}: {}", display_duration(after), words::TOO_FAR);
            retry(backoff(), &error)
        }
        Verdict::Snooze(after) => Outcome::Snooze { after },
        Verdict::Fatal => Outcome::Dead { error: limits::cut_error(&failure.to_string()).into_owned() },
        Verdict::Cancelled => retry(backoff(), STOPPED_ITSELF),
    }
}

/// The error of a run that stopped as if it had been asked to.
const STOPPED_ITSELF: &str = "stopped itself without being asked to";

/// Queued again for another build, at first soon, then less and less often; dead once no build has
/// decoded it for `patience`.
fn undecodable(lease: &Lease, patience: Duration, error: &str) -> Outcome {
    let elapsed = lease.undecodable_since.map_or(Duration::ZERO, |since| lease.leased_at.since(since));
    if elapsed >= patience {
        let error = format!("{error}; no build could read them for {}", display_duration(elapsed));
        return Outcome::Dead { error: limits::cut_error(&error).into_owned() };
    }
    // The elapsed time doubles with each try, and so does the pause.
    let after = (elapsed + UNDECODABLE_WAIT_MIN).min(UNDECODABLE_WAIT_MAX);
    Outcome::Undecodable { after, error: limits::cut_error(error).into_owned() }
}

fn retry(after: Duration, error: &str) -> Outcome {
    Outcome::Retry { after, error: limits::cut_error(error).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fence, LeaseToken, Overrides, Payload, Queue, RequestId, TaskKey, TaskName, Timestamp};

    fn lease() -> Lease {
        Lease {
            token: LeaseToken { key: TaskKey::unique(), fence: Fence(1), request: RequestId::unique() },
            name: TaskName::new("work").unwrap(),
            queue: Queue::default(),
            args: Payload::default(),
            attempts: 0,
            crashes: 0,
            deadline: Timestamp::default(),
            leased_at: Timestamp::default(),
            due_at: Timestamp::default(),
            every: None,
            overrides: Overrides::default(),
            undecodable_since: None,
        }
    }

    /// A delay that no store accepts used to become ten years, silently.
    #[test]
    fn a_delay_beyond_the_bound_is_an_attempt_that_says_so() {
        let policy = Policy::default();
        let bound = policy.backoff.bound(1);
        for failure in [Failure::retry_after(Duration::MAX, "slow down"), Failure::snooze(Duration::MAX)] {
            let said = format!("{failure:?}");
            let ended = Some(Ok(Err(Unfinished::Failed(failure))));
            let outcome = super::outcome(ended, None, &policy, &lease(), Duration::ZERO);
            let Outcome::Retry { after, error } = outcome else { panic!("{said} became {outcome:?}") };
            assert!(after <= bound && error.contains("DELAY_MAX"), "{said}: {after:?} {error}");
        }
        let longest = Some(Ok(Err(Unfinished::Failed(Failure::snooze(limits::DELAY_MAX)))));
        let outcome = super::outcome(longest, None, &policy, &lease(), Duration::ZERO);
        assert_eq!(outcome, Outcome::Snooze { after: limits::DELAY_MAX });
    }
}
