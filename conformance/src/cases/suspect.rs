//! Suspects: tasks that two or more workers died under. A worker holds at most one, so that it takes no innocent
//! with it.

use docket_core::limits::SUSPECT_CRASHES;

use crate::stage::{Ask, Edit, LEASE, SECOND, Stage, ask, keys, task};

/// Adds these tasks and makes each a suspect: two workers died under it.
async fn suspects(stage: &Stage, names: &[&str]) {
    for name in names {
        stage.add(*name).await;
    }
    for _ in 0..SUSPECT_CRASHES {
        assert_eq!(stage.take(10).await.len(), names.len());
        stage.advance(LEASE).await;
    }
}

pub(crate) async fn one_crash_makes_no_suspect(stage: Stage) {
    stage.add("a").await;
    stage.crash().await;
    assert_eq!(keys(&stage.lease(&ask(10).no_suspects()).await.leases), ["a"]);
}

pub(crate) async fn two_crashes_make_a_suspect(stage: Stage) {
    suspects(&stage, &["a"]).await;
    assert!(stage.lease(&ask(10).no_suspects()).await.leases.is_empty());
    assert_eq!(keys(&stage.lease(&ask(10)).await.leases), ["a"]);
}

/// The call that counts the second crash judges by it.
pub(crate) async fn the_second_crash_counts_in_the_call_that_meets_it(stage: Stage) {
    stage.add("a").await;
    stage.crash().await;
    stage.lease(&ask(10).no_suspects()).await;
    stage.advance(LEASE).await;
    let reply = stage.lease(&ask(10).no_suspects()).await;
    assert_eq!((reply.leases.len(), reply.swept.crashed), (0, 1));
    assert_eq!(stage.view("a").await.crashes, 2);
}

pub(crate) async fn one_at_most_is_leased(stage: Stage) {
    suspects(&stage, &["a", "b", "c"]).await;
    for name in ["a", "b", "c"] {
        assert_eq!(keys(&stage.lease(&ask(10)).await.leases), [name], "each has its turn");
    }
    stage.nothing_to_lease().await;
}

pub(crate) async fn the_innocent_are_not_held_up(stage: Stage) {
    suspects(&stage, &["a", "b"]).await;
    stage.add_all(&["c", "d"].map(task)).await;
    assert_eq!(keys(&stage.lease(&ask(1).no_suspects()).await.leases), ["c"]);
    assert_eq!(keys(&stage.lease(&ask(10)).await.leases), ["a", "d"]);
}

/// Many suspects at the head of a lane: the tasks behind them must still be found.
pub(crate) async fn a_crowd_of_suspects_does_not_hide_the_innocent(stage: Stage) {
    let tasks: Vec<_> = (0..80).map(|n| task(&format!("suspect-{n}"))).collect();
    stage.add_all(&tasks).await;
    for _ in 0..SUSPECT_CRASHES {
        assert_eq!(stage.take(100).await.len(), 80);
        stage.advance(LEASE).await;
    }
    stage.lease(&ask(1).no_suspects()).await;
    stage.add("innocent").await;
    assert_eq!(keys(&stage.lease(&ask(1).no_suspects()).await.leases), ["innocent"]);
}

/// A worker that may not take a suspect must not spin on it.
pub(crate) async fn one_that_may_not_be_leased_is_not_next(stage: Stage) {
    suspects(&stage, &["a"]).await;
    stage.add(task("b").after(SECOND * 30)).await;
    let reply = stage.lease(&ask(10).no_suspects()).await;
    assert_eq!((reply.next_visible, reply.oldest_ready), (Some(SECOND * 30), None));
}

pub(crate) async fn one_that_ends_well_is_over(stage: Stage) {
    suspects(&stage, &["a"]).await;
    let lease = stage.take_one().await;
    assert_eq!(lease.crashes, SUSPECT_CRASHES);
    stage.complete(&lease).await;
    stage.add("a").await;
    assert_eq!(keys(&stage.lease(&ask(10).no_suspects()).await.leases), ["a"]);
}

pub(crate) async fn a_failed_attempt_does_not_clear_one(stage: Stage) {
    suspects(&stage, &["a"]).await;
    let lease = stage.take_one().await;
    stage.retry(&lease, SECOND).await;
    stage.advance(SECOND).await;
    assert!(stage.lease(&ask(10).no_suspects()).await.leases.is_empty());
    assert_eq!(stage.take_one().await.attempts, 1);
}

pub(crate) async fn a_move_clears_one(stage: Stage) {
    suspects(&stage, &["a"]).await;
    // Until a call has met the second crash, the key is leased and a schedule would follow it.
    stage.lease(&ask(10).no_suspects()).await;
    stage.schedule("a").await;
    assert_eq!(keys(&stage.lease(&ask(10).no_suspects()).await.leases), ["a"]);
}
