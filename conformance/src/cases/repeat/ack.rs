//! An `ack` or a heartbeat whose reply was lost.

use docket_core::{AckAnswer, HeartbeatAnswer, Outcome, TaskState, limits};

use crate::stage::{ATTEMPTS_MAX, Edit, LEASE, SECOND, Stage, completed, dead, repeat_in, retry, settle, snooze, task};

/// The ack was applied and its reply lost; repeated, it must not tell the worker that it lost the lease.
pub(crate) async fn ack_after_lost_reply(stage: Stage) {
    let unkept = Outcome::Unkept { error: "it is too large".to_owned() };
    let outcomes = [
        completed(),
        unkept,
        retry(SECOND),
        snooze(SECOND),
        Outcome::Release,
        dead(),
        repeat_in(SECOND),
        Outcome::Cancelled,
    ];
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let name = &format!("a{n}");
        let lease = stage.running(task(name).queue(name)).await;
        stage.settle(&lease, outcome.clone()).await;
        let before = stage.view(name).await;
        stage.settle(&lease, outcome.clone()).await;
        assert_eq!(stage.view(name).await, before, "{outcome:?} twice");
    }
}

pub(crate) async fn ack_twice_in_a_batch(stage: Stage) {
    let lease = stage.running("a").await;
    let ack = settle(&lease, retry(SECOND));
    let reply = stage.ack_all(&[ack.clone(), ack]).await;
    assert!(reply.answers.iter().all(|answer| answer.as_ref().ok() == Some(&AckAnswer::Settled)));
    assert_eq!(stage.view("a").await.attempts, 1);
}

pub(crate) async fn ack_after_the_next_lease(stage: Stage) {
    let first = stage.running("a").await;
    stage.retry(&first, SECOND).await;
    stage.advance(SECOND).await;
    let second = stage.take_one().await;
    stage.retry(&first, SECOND).await;
    assert_eq!(stage.heartbeat(&second).await, HeartbeatAnswer::Held);
    assert_eq!(stage.view("a").await.attempts, 1);
}

pub(crate) async fn ack_with_another_outcome_changes_nothing(stage: Stage) {
    let lease = stage.running("a").await;
    stage.complete(&lease).await;
    stage.die(&lease).await;
    assert_eq!(stage.state("a").await, TaskState::Completed);
}

pub(crate) async fn ack_of_a_trimmed_record_is_stale(stage: Stage) {
    let lease = stage.running("a").await;
    stage.complete(&lease).await;
    stage.advance(limits::RETENTION * 2).await;
    stage.trim().await;
    assert_eq!(stage.ack(&lease, completed()).await, AckAnswer::Stale);
    assert!(stage.get("a").await.is_none());
}

pub(crate) async fn attempts_are_counted_once(stage: Stage) {
    stage.add("a").await;
    for attempts in 0..ATTEMPTS_MAX {
        let lease = stage.take_one().await;
        assert_eq!(lease.attempts, attempts);
        for _ in 0..5 {
            stage.retry(&lease, SECOND).await;
        }
        stage.advance(SECOND).await;
    }
    assert_eq!(stage.state("a").await, TaskState::Dead);
}

/// Current means leased *and* of this fence: a heartbeat must not revive a task that its own ack
/// has finished.
pub(crate) async fn heartbeat_after_the_ack(stage: Stage) {
    for outcome in [completed(), retry(SECOND), dead()] {
        let lease = stage.running("a").await;
        stage.settle(&lease, outcome).await;
        let before = stage.view("a").await;
        assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Lost);
        assert_eq!(stage.view("a").await, before);
        stage.cancel("a").await;
    }
}

pub(crate) async fn heartbeat_after_lost_reply(stage: Stage) {
    let lease = stage.running("a").await;
    for _ in 0..3 {
        assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
    }
    assert_eq!(stage.view("a").await.visible_at, stage.now().plus(LEASE));
}
