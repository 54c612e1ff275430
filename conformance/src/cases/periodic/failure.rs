//! What cannot cut a chain: failed attempts, a fatal failure, crashes.

use std::time::Duration;

use docket_core::{TaskState, limits};

use crate::stage::{Edit, SECOND, Stage, dead, repeat_in, retry, task, undecodable};

use super::{EVERY, chain, wait_of};

/// One occurrence that ends at its crash limit, found at once; how long the next one waits.
async fn crashed_occurrence(stage: &Stage) -> Duration {
    stage.crash().await;
    stage.nothing_to_lease().await;
    let wait = wait_of(stage).await;
    stage.advance(wait).await;
    wait
}

/// A limit that kills a periodic task cuts the chain without a cancel.
pub(crate) async fn failed_attempts_do_not_cut_the_chain(stage: Stage) {
    stage.add(chain().max_attempts(2)).await;
    for attempts in 0..2 {
        let lease = stage.take_one().await;
        assert_eq!(lease.attempts, attempts);
        stage.retry(&lease, SECOND).await;
        stage.advance(SECOND).await;
    }
    let view = stage.view("chain").await;
    assert_eq!((view.failures, view.attempts, view.error.as_deref()), (1, 0, Some("it failed")));
    assert_eq!(wait_of(&stage).await, EVERY.saturating_sub(SECOND));
}

/// Another build can read them, so the occurrence itself comes back, and not the next one.
pub(crate) async fn undecodable_args_do_not_cut_the_chain(stage: Stage) {
    let lease = stage.running(chain()).await;
    stage.settle(&lease, undecodable(SECOND)).await;
    let view = stage.view("chain").await;
    assert_eq!((view.attempts, view.failures, view.error.is_some()), (0, 0, true));
    assert_eq!(wait_of(&stage).await, SECOND);
    stage.advance(SECOND).await;
    let lease = stage.take_one().await;
    stage.settle(&lease, repeat_in(EVERY)).await;
    stage.advance(EVERY).await;
    assert_eq!(stage.take_one().await.undecodable_since, None);
}

pub(crate) async fn an_attempt_that_is_left_is_taken_first(stage: Stage) {
    let lease = stage.running(chain()).await;
    stage.settle(&lease, retry(SECOND)).await;
    let view = stage.view("chain").await;
    assert_eq!((view.attempts, view.failures), (1, 0), "the occurrence has not failed yet");
    assert_eq!(wait_of(&stage).await, SECOND);
}

pub(crate) async fn a_hopeless_run_does_not_cut_the_chain(stage: Stage) {
    let lease = stage.running(chain()).await;
    stage.settle(&lease, dead()).await;
    let view = stage.view("chain").await;
    assert_eq!((view.failures, view.error.as_deref()), (1, Some("it is hopeless")));
    assert_eq!(wait_of(&stage).await, EVERY);
}

pub(crate) async fn crashes_do_not_cut_the_chain(stage: Stage) {
    stage.add(chain().max_crashes(2)).await;
    stage.crash().await;
    stage.crash().await;
    stage.nothing_to_lease().await;
    let view = stage.view("chain").await;
    assert_eq!((view.state, view.failures, view.crashes), (TaskState::Scheduled, 1, 0));
}

pub(crate) async fn each_crashed_occurrence_in_a_row_doubles_the_wait(stage: Stage) {
    stage.add(chain().max_crashes(1)).await;
    let mut last = crashed_occurrence(&stage).await;
    assert_eq!(last, EVERY * 2);
    for _ in 0..4 {
        let wait = crashed_occurrence(&stage).await;
        assert_eq!(wait, last * 2);
        last = wait;
    }
}

pub(crate) async fn the_wait_after_crashes_ends_at_a_day(stage: Stage) {
    stage.add(chain().max_crashes(1)).await;
    let mut last = Duration::ZERO;
    for _ in 0..70 {
        last = crashed_occurrence(&stage).await;
        assert!(last <= limits::CRASH_WAIT_MAX);
    }
    assert_eq!(last, limits::CRASH_WAIT_MAX);
}

pub(crate) async fn an_interval_longer_than_a_day_stays(stage: Stage) {
    let week = limits::CRASH_WAIT_MAX * 7;
    stage.add(task("chain").every(week).max_crashes(1)).await;
    assert_eq!(crashed_occurrence(&stage).await, week);
    assert_eq!(crashed_occurrence(&stage).await, week);
}

pub(crate) async fn an_ack_ends_the_row_of_crashes(stage: Stage) {
    stage.add(chain().max_crashes(1)).await;
    let first = crashed_occurrence(&stage).await;
    crashed_occurrence(&stage).await;
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    stage.advance(EVERY).await;
    assert_eq!(crashed_occurrence(&stage).await, first);
}

pub(crate) async fn failures_are_counted_until_one_goes_well(stage: Stage) {
    stage.add(chain()).await;
    for failures in 1..4 {
        let lease = stage.take_one().await;
        stage.die(&lease).await;
        assert_eq!(stage.view("chain").await.failures, failures);
        stage.advance(EVERY).await;
    }
    let lease = stage.take_one().await;
    stage.settle(&lease, repeat_in(EVERY)).await;
    assert_eq!(stage.view("chain").await.failures, 0);
}

pub(crate) async fn each_occurrence_counts_for_itself(stage: Stage) {
    stage.add(chain().max_attempts(2)).await;
    for _ in 0..4 {
        let lease = stage.take_one().await;
        assert_eq!(lease.attempts, 0);
        stage.retry(&lease, SECOND).await;
        stage.advance(SECOND).await;
        let lease = stage.take_one().await;
        stage.complete(&lease).await;
        assert_eq!(stage.view("chain").await.failures, 0);
        stage.advance(EVERY).await;
    }
}
