//! Races, by counting: many callers at once, and the sums must match.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use docket_core::{
    AckAnswer, AddAnswer, CancelAnswer, CancelId, HeartbeatAnswer, RequeueAnswer, ScheduleAnswer, Store, TaskState,
    limits,
};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::stage::{
    Ask, Edit, LEASE, SECOND, Stage, ask, completed, completions, key, keys, payload, retry, settle, task,
};

/// Callers that race each other.
const CALLERS: usize = 8;
/// Repetitions of a race between two.
const ROUNDS: usize = 25;
/// Enough for a call to be made.
const HEAD_START: Duration = Duration::from_millis(1);

/// Runs one call per handle, each on a task of its own.
async fn at_once<T, F>(stage: &Stage, callers: usize, call: impl Fn(usize, Arc<dyn Store>) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let calls: Vec<_> = (0..callers).map(|n| tokio::spawn(call(n, stage.fork()))).collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.expect("a caller does not panic"));
    }
    answers
}

/// Starts the other side of a race between two. Every other round it may go first: in a fast store it never would.
async fn rival<T: Send + 'static>(round: usize, call: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let rival = tokio::spawn(call);
    if round % 2 == 1 {
        sleep(HEAD_START).await;
    }
    rival
}

/// A worker that leases and completes until nothing is left; the keys it ran.
async fn work_off(n: usize, store: Arc<dyn Store>) -> Vec<String> {
    let mut done = Vec::new();
    loop {
        let request = ask(n + 1).by(&format!("worker-{n}"));
        let leases = store.lease(&request).await.expect("a lease is answered").leases;
        if leases.is_empty() {
            return done;
        }
        done.extend(keys(&leases).into_iter().map(ToOwned::to_owned));
        for answer in store.ack(&completions(&leases)).await.expect("an ack is answered").answers {
            assert_eq!(answer.expect("an ack is judged"), AckAnswer::Settled);
        }
    }
}

/// How often each key was run.
fn tally(runs: Vec<Vec<String>>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for name in runs.into_iter().flatten() {
        *tally.entry(name).or_insert(0) += 1;
    }
    tally
}

fn count<T: PartialEq>(answers: &[T], answer: &T) -> usize {
    answers.iter().filter(|each| *each == answer).count()
}

async fn lease_one(n: usize, store: Arc<dyn Store>) -> Option<docket_core::Lease> {
    let request = ask(1).by(&format!("worker-{n}"));
    store.lease(&request).await.expect("a lease is answered").leases.pop()
}

pub(crate) async fn each_task_is_run_once(stage: Stage) {
    stage.add_many(500).await;
    let tally = tally(at_once(&stage, CALLERS, work_off).await);
    assert_eq!(tally.len(), 500, "none is lost");
    assert!(tally.values().all(|runs| *runs == 1), "none is run twice");
}

pub(crate) async fn adding_and_working_at_once(stage: Stage) {
    let runs = at_once(&stage, CALLERS, |n, store| async move {
        let mut done = Vec::new();
        for batch in 0..10 {
            let tasks: Vec<_> = (0..5).map(|t| task(&format!("{n}-{batch}-{t}"))).collect();
            store.add(&tasks).await.expect("an add is answered");
            done.extend(work_off(n, Arc::clone(&store)).await);
        }
        done
    })
    .await;
    let tally = tally(runs);
    assert_eq!(tally.len(), CALLERS * 50);
    assert!(tally.values().all(|runs| *runs == 1));
}

pub(crate) async fn one_task_has_one_winner(stage: Stage) {
    for round in 0..ROUNDS {
        stage.add(format!("a{round}").as_str()).await;
        let leases = at_once(&stage, CALLERS, lease_one).await;
        assert_eq!(leases.iter().flatten().count(), 1);
    }
}

pub(crate) async fn one_key_is_added_once(stage: Stage) {
    let answers = at_once(&stage, CALLERS, |_, store| async move {
        store.add(&[task("a")]).await.expect("an add is answered").remove(0).expect("the task is taken")
    })
    .await;
    assert_eq!(count(&answers, &AddAnswer::Added), 1);
    stage.take_one().await;
}

pub(crate) async fn one_add_repeated_at_once_is_one_task(stage: Stage) {
    let one = task("a");
    let answers = at_once(&stage, CALLERS, |_, store| {
        let one = one.clone();
        async move { store.add(&[one]).await.expect("an add is answered").remove(0).expect("the task is taken") }
    })
    .await;
    assert_eq!(count(&answers, &AddAnswer::Added), CALLERS);
    stage.take_one().await;
}

/// However many workers start at once and seed it.
pub(crate) async fn one_chain_is_seeded_once(stage: Stage) {
    let answers = at_once(&stage, CALLERS, |_, store| async move {
        let seed = task("chain").every(SECOND);
        store.add(&[seed]).await.expect("an add is answered").remove(0).expect("the task is taken")
    })
    .await;
    assert_eq!(count(&answers, &AddAnswer::Added), 1);
    for _ in 0..3 {
        let lease = stage.take_one().await;
        stage.complete(&lease).await;
        stage.advance(SECOND).await;
    }
}

pub(crate) async fn one_key_is_placed_once(stage: Stage) {
    let answers = at_once(&stage, CALLERS, |_, store| async move {
        store.schedule(&[task("a")]).await.expect("a schedule is answered").remove(0).expect("the task is taken")
    })
    .await;
    assert_eq!(count(&answers, &ScheduleAnswer::Placed), 1);
    assert_eq!(count(&answers, &ScheduleAnswer::Moved), CALLERS - 1);
    stage.take_one().await;
}

pub(crate) async fn one_request_repeated_at_once_takes_once(stage: Stage) {
    stage.add_many(10).await;
    let request = ask(3);
    let replies = at_once(&stage, CALLERS, |_, store| {
        let request = request.clone();
        async move { store.lease(&request).await.expect("a lease is answered").leases }
    })
    .await;
    for leases in &replies {
        assert_eq!(crate::stage::tokens(leases), crate::stage::tokens(&replies[0]));
    }
    assert_eq!(stage.take(10).await.len(), 7);
}

pub(crate) async fn one_lost_lease_is_one_crash(stage: Stage) {
    stage.running("a").await;
    for crashes in 1..limits::CRASHES_MAX {
        stage.advance(LEASE).await;
        let leases = at_once(&stage, CALLERS, lease_one).await;
        let counts: Vec<_> = leases.into_iter().flatten().map(|lease| lease.crashes).collect();
        assert_eq!(counts, [crashes], "one worker has it");
    }
}

pub(crate) async fn one_ack_repeated_at_once_counts_once(stage: Stage) {
    let lease = stage.running("a").await;
    let answers = at_once(&stage, CALLERS, |_, store| {
        let ack = settle(&lease, retry(SECOND));
        async move { store.ack(&[ack]).await.expect("an ack is answered").answers.remove(0).expect("it is judged") }
    })
    .await;
    assert_eq!(count(&answers, &AckAnswer::Settled), CALLERS);
    assert_eq!(stage.view("a").await.attempts, 1);
}

pub(crate) async fn one_death_is_requeued_once(stage: Stage) {
    let lease = stage.running("a").await;
    stage.die(&lease).await;
    let fence = Some(lease.token.fence);
    let answers = at_once(&stage, CALLERS, |_, store| async move {
        store.requeue(&key("a"), fence).await.expect("a requeue is answered")
    })
    .await;
    assert_eq!(count(&answers, &RequeueAnswer::Requeued), CALLERS);
    stage.take_one().await;
}

/// Whichever comes first, a cancelled task is never run again.
pub(crate) async fn a_cancel_against_a_retry(stage: Stage) {
    for round in 0..ROUNDS {
        let name = format!("a{round}");
        let lease = stage.running(name.as_str()).await;
        let (canceller, ack) = (stage.fork(), settle(&lease, retry(Duration::ZERO)));
        let id = lease.token.key.clone();
        let cancel = rival(round, async move { canceller.cancel(&id, CancelId::unique()).await }).await;
        assert_eq!(stage.ack_one(&ack).await, AckAnswer::Settled);
        let answer = cancel.await.expect("a caller does not panic").expect("a cancel is answered");
        assert!(matches!(answer, CancelAnswer::Cancelled | CancelAnswer::Cancelling), "{answer:?}");
        assert_eq!(stage.state(&name).await, TaskState::Cancelled);
    }
}

pub(crate) async fn a_cancel_against_a_completion(stage: Stage) {
    for round in 0..ROUNDS {
        let name = format!("a{round}");
        let lease = stage.running(name.as_str()).await;
        let (canceller, id) = (stage.fork(), lease.token.key.clone());
        let cancel = rival(round, async move { canceller.cancel(&id, CancelId::unique()).await }).await;
        stage.complete(&lease).await;
        let answer = cancel.await.expect("a caller does not panic").expect("a cancel is answered");
        assert!(
            matches!(answer, CancelAnswer::Cancelling | CancelAnswer::Finished(TaskState::Completed)),
            "{answer:?}"
        );
        assert_eq!(stage.state(&name).await, TaskState::Completed);
    }
}

/// Placed after the run or behind it: it runs once, either way.
pub(crate) async fn a_schedule_against_a_completion(stage: Stage) {
    for round in 0..ROUNDS {
        let name = format!("a{round}");
        let lease = stage.running(name.as_str()).await;
        let (scheduler, next) = (stage.fork(), task(&name).args("next"));
        let schedule = rival(round, async move { scheduler.schedule(&[next]).await }).await;
        stage.complete(&lease).await;
        let answers = schedule.await.expect("a caller does not panic").expect("a schedule is answered");
        let answer = answers[0].as_ref().expect("the task is taken");
        assert!(matches!(answer, ScheduleAnswer::Placed | ScheduleAnswer::Follows), "{answer:?}");
        let next = stage.take_one().await;
        assert_eq!(next.args, payload("next"));
        stage.complete(&next).await;
    }
}

/// At the deadline a late heartbeat and another worker meet: one of them has the task, never both, never none.
pub(crate) async fn a_late_heartbeat_against_a_new_lease(stage: Stage) {
    for round in 0..ROUNDS {
        let lease = stage.running(format!("a{round}").as_str()).await;
        stage.advance(LEASE).await;
        let rival = rival(round, lease_one(2, stage.fork())).await;
        let held = stage.heartbeat(&lease).await;
        let taken = rival.await.expect("a caller does not panic");
        assert_eq!(taken.is_some(), held == HeartbeatAnswer::Lost, "{held:?}, {taken:?}");
        stage.complete(taken.as_ref().unwrap_or(&lease)).await;
    }
}

pub(crate) async fn a_late_ack_against_a_new_lease(stage: Stage) {
    for round in 0..ROUNDS {
        let lease = stage.running(format!("a{round}").as_str()).await;
        stage.advance(LEASE).await;
        let rival = rival(round, lease_one(2, stage.fork())).await;
        let answer = stage.ack(&lease, completed()).await;
        let taken = rival.await.expect("a caller does not panic");
        assert_eq!(taken.is_some(), answer == AckAnswer::Stale, "{answer:?}, {taken:?}");
        if let Some(taken) = taken {
            stage.complete(&taken).await;
        }
    }
}
