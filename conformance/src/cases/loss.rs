//! I1 No loss: an added task is there until a current token, a cancel or a limit ends it.

use std::collections::BTreeSet;
use std::time::Duration;

use docket_core::{AddAnswer, Lease, NewTask, Outcome, TaskState, Timestamp, limits};
use tokio::time::timeout;

use crate::stage::{Edit, LEASE, SECOND, Stage, ask, completions, keys, repeat_in, retry, settle, snooze, task};

fn distinct(leases: &[Lease]) -> usize {
    leases.iter().map(|lease| &lease.token.key).collect::<BTreeSet<_>>().len()
}

pub(crate) async fn every_added_task_is_leased_once(stage: Stage) {
    stage.add_many(2_500).await;
    let mut taken = Vec::new();
    while taken.len() < 2_500 {
        let leases = stage.take(limits::BATCH_ITEMS_MAX).await;
        assert!(!leases.is_empty(), "only {} of 2,500 came", taken.len());
        taken.extend(leases);
    }
    stage.nothing_to_lease().await;
    assert_eq!((taken.len(), distinct(&taken)), (2_500, 2_500));
}

pub(crate) async fn a_worker_that_dies_loses_nothing(stage: Stage) {
    stage.add_many(10).await;
    assert_eq!(stage.take(10).await.len(), 10);
    stage.advance(LEASE).await;
    assert_eq!(distinct(&stage.take(10).await), 10);
}

/// A call sweeps at most a hundred lost leases; the rest must wait for the next call, not forever.
pub(crate) async fn more_lost_leases_than_one_call_sweeps(stage: Stage) {
    stage.add_many(250).await;
    assert_eq!(stage.take(250).await.len(), 250);
    stage.advance(LEASE).await;
    let mut taken = Vec::new();
    for _ in 0..5 {
        taken.extend(stage.take(limits::BATCH_ITEMS_MAX).await);
    }
    assert_eq!((taken.len(), distinct(&taken)), (250, 250));
    assert!(taken.iter().all(|lease| lease.crashes == 1), "each was lost once");
}

pub(crate) async fn more_lost_leases_than_one_call_sweeps_are_not_forgotten_by_it(stage: Stage) {
    stage.add_many(250).await;
    assert_eq!(stage.take(250).await.len(), 250);
    stage.advance(LEASE).await;
    let reply = stage.lease(&ask(limits::BATCH_ITEMS_MAX)).await;
    assert!(reply.leases.len() < 250, "a sweep is bounded");
    assert_eq!(reply.next_visible, Some(Duration::ZERO), "a worker must know that there is more");
}

pub(crate) async fn no_outcome_but_the_final_ones_ends_a_task(stage: Stage) {
    let outcomes = [retry(SECOND), snooze(SECOND), Outcome::Release, repeat_in(SECOND)];
    for outcome in outcomes {
        let lease = stage.running("a").await;
        stage.settle(&lease, outcome.clone()).await;
        assert!(!stage.state("a").await.is_finished(), "{outcome:?} does not end it");
        stage.advance(SECOND).await;
        let again = stage.take_one().await;
        assert!(again.token.fence > lease.token.fence, "{outcome:?} brings it back");
        stage.complete(&again).await;
    }
}

pub(crate) async fn a_moment_that_has_passed_means_now(stage: Stage) {
    stage.add(task("a").at(Timestamp::from_micros(1))).await;
    assert_eq!(stage.take_one().await.due_at, stage.now());
}

pub(crate) async fn trimming_takes_nothing_unfinished(stage: Stage) {
    stage.add("ready").await;
    stage.add(task("scheduled").after(limits::DEAD_RETENTION * 3)).await;
    let lease = stage.running(task("retried").name("other")).await;
    stage.retry(&lease, limits::DEAD_RETENTION * 2).await;
    stage.running(task("running").name("third")).await;
    for _ in 0..3 {
        stage.advance(limits::DEAD_RETENTION / 2).await;
        stage.trim().await;
    }
    for name in ["ready", "scheduled", "retried", "running"] {
        assert!(!stage.state(name).await.is_finished(), "{name} is not over");
    }
}

/// Dropping a lease call is a lost reply: it may have taken tasks, which come back at their deadline.
pub(crate) async fn a_dropped_lease_call_loses_nothing(stage: Stage) {
    stage.add_many(30).await;
    for micros in 0..30 {
        let (store, request) = (stage.fork(), ask(1));
        drop(timeout(Duration::from_micros(micros * 40), store.lease(&request)).await);
    }
    // A dropped call may still be on its way; it must arrive before its leases can expire.
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.advance(LEASE).await;
    assert_eq!(distinct(&stage.take(30).await), 30);
}

/// A push that timed out had landed, and the retry made a second job: dropping an add is a lost reply too.
pub(crate) async fn a_dropped_add_can_be_repeated(stage: Stage) {
    let tasks: Vec<NewTask> = (0..30).map(|n| task(&format!("{n:02}"))).collect();
    for (micros, task) in (0..).zip(&tasks) {
        let store = stage.fork();
        drop(timeout(Duration::from_micros(micros * 40), store.add(std::slice::from_ref(task))).await);
    }
    assert!(stage.add_all(&tasks).await.iter().all(|answer| *answer == AddAnswer::Added));
    let leases = stage.take(100).await;
    assert_eq!((leases.len(), distinct(&leases)), (30, 30));
}

pub(crate) async fn a_dropped_ack_can_be_repeated(stage: Stage) {
    stage.add_many(30).await;
    let leases = stage.take(30).await;
    for (micros, lease) in (0..).zip(&leases) {
        let store = stage.fork();
        drop(timeout(Duration::from_micros(micros * 40), store.ack(&[settle(lease, retry(SECOND))])).await);
    }
    for lease in &leases {
        stage.retry(lease, SECOND).await;
    }
    stage.advance(SECOND).await;
    let again = stage.take(100).await;
    assert_eq!(distinct(&again), 30);
    assert!(again.iter().all(|lease| lease.attempts == 1), "each attempt is counted once");
}

pub(crate) async fn a_finished_batch_is_all_accounted_for(stage: Stage) {
    stage.add_many(300).await;
    let leases = stage.take(300).await;
    let reply = stage.ack_all(&completions(&leases)).await;
    assert!(reply.answers.iter().all(Result::is_ok));
    for name in keys(&leases) {
        assert_eq!(stage.state(name).await, TaskState::Completed);
    }
}
