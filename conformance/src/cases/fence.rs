//! I2 One live lease: at most one token of a key is current, and no other changes anything.

use std::time::Duration;

use docket_core::{AckAnswer, Fence, HeartbeatAnswer, Lease, Outcome, RequestId, TaskState, Timestamp, limits};

use crate::stage::{LEASE, SECOND, Stage, completed, dead, repeat_in, retry, settle, snooze, task};

fn every_outcome() -> [Outcome; 7] {
    [completed(), retry(SECOND), snooze(SECOND), Outcome::Release, dead(), repeat_in(SECOND), Outcome::Cancelled]
}

/// Tries everything with a token that is not current; nothing may change.
async fn is_stale(stage: &Stage, lease: &Lease) {
    let key = lease.token.key.as_str();
    let before = stage.get(key).await;
    for outcome in every_outcome() {
        assert_eq!(stage.ack(lease, outcome.clone()).await, AckAnswer::Stale, "{outcome:?}");
    }
    assert_eq!(stage.heartbeat(lease).await, HeartbeatAnswer::Lost);
    assert_eq!(stage.get(key).await, before, "a stale token changes nothing");
}

/// A late worker settled the task of another, in six queues that finish by id or by worker name.
pub(crate) async fn stale_token_settles_nothing(stage: Stage) {
    let lost = stage.running("a").await;
    stage.advance(LEASE).await;
    let lease = stage.take_one().await;
    is_stale(&stage, &lost).await;
    stage.complete(&lease).await;
    is_stale(&stage, &lost).await;
}

pub(crate) async fn a_swept_token_is_stale_before_anybody_retakes_it(stage: Stage) {
    for key in ["a", "b"] {
        stage.add(key).await;
    }
    let lost = stage.take(2).await.remove(1);
    stage.advance(LEASE).await;
    let lease = stage.take(1).await.remove(0);
    assert_eq!(stage.view("b").await.crashes, 1, "b is queued again, and a alone was taken");
    is_stale(&stage, &lost).await;
    stage.complete(&lease).await;
}

pub(crate) async fn a_token_of_an_earlier_life_is_stale(stage: Stage) {
    let lost = stage.running("a").await;
    stage.advance(LEASE).await;
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    let second = stage.running("a").await;
    is_stale(&stage, &lost).await;
    stage.complete(&second).await;
}

pub(crate) async fn a_settled_token_changes_nothing_more(stage: Stage) {
    for outcome in every_outcome() {
        stage.add("a").await;
        let lease = stage.take_one().await;
        stage.settle(&lease, outcome.clone()).await;
        let before = stage.view("a").await;
        for again in every_outcome() {
            assert_eq!(stage.ack(&lease, again).await, AckAnswer::Settled, "it remembers that it settled");
        }
        assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Lost);
        assert_eq!(stage.view("a").await, before, "after {outcome:?}");
        stage.clear().await;
    }
}

pub(crate) async fn a_settled_token_is_powerless_in_the_next_life(stage: Stage) {
    let first = stage.running("a").await;
    stage.complete(&first).await;
    let second = stage.running("a").await;
    let before = stage.view("a").await;
    assert_eq!(stage.ack(&first, dead()).await, AckAnswer::Settled);
    assert_eq!(stage.heartbeat(&first).await, HeartbeatAnswer::Lost);
    assert_eq!(stage.view("a").await, before);
    assert_eq!(stage.heartbeat(&second).await, HeartbeatAnswer::Held);
}

pub(crate) async fn it_grows_with_every_lease(stage: Stage) {
    let mut latest = stage.running("a").await.token.fence;
    for key in ["b", "c", "d"] {
        let lease = stage.running(key).await;
        assert!(lease.token.fence > latest);
        latest = lease.token.fence;
        stage.retry(&lease, Duration::ZERO).await;
        let lease = stage.take_one().await;
        assert!(lease.token.fence > latest, "of the same task as well");
        latest = lease.token.fence;
        stage.complete(&lease).await;
        assert_eq!(stage.view(key).await.fence, Some(latest));
    }
}

pub(crate) async fn each_task_of_a_call_has_its_own(stage: Stage) {
    stage.add_many(50).await;
    let fences: Vec<Fence> = stage.take(50).await.iter().map(|lease| lease.token.fence).collect();
    assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "{fences:?}");
}

/// Three of twelve tasks had two live runs of one fence after a fail-over to a copy that missed writes: a number that
/// only counts is drawn again by a docket that came back from a snapshot.
pub(crate) async fn no_smaller_than_the_stores_time(stage: Stage) {
    let is_time = |fence: Fence, now: Timestamp| i64::try_from(fence.0).is_ok_and(|fence| fence >= now.as_micros());
    let mut latest = Fence(0);
    for seconds in [0, 30, 3_600] {
        stage.advance(Duration::from_secs(seconds)).await;
        for task in [task("a"), task("b")] {
            stage.add(task).await;
        }
        let leases = stage.take(2).await;
        for lease in &leases {
            let fence = lease.token.fence;
            assert!(is_time(fence, stage.now()) && fence > latest, "{fence} at {}, after {latest}", stage.now());
            // Beyond it numbers are no longer exact in every store.
            assert!(fence.0 < 1 << 53);
            latest = fence;
        }
        for lease in &leases {
            stage.die(lease).await;
        }
        stage.advance(SECOND).await;
        stage.requeue("a").await;
        let requeued = stage.view("a").await.fence.expect("a requeue draws a fence");
        assert!(is_time(requeued, stage.now()) && requeued > latest, "a requeue draws one like it: {requeued}");
        latest = requeued;
        stage.complete(&stage.take_one().await).await;
        stage.advance(SECOND).await;
    }
}

pub(crate) async fn outlives_trimming(stage: Stage) {
    let first = stage.running("a").await;
    stage.complete(&first).await;
    stage.advance(limits::RETENTION).await;
    stage.trim().await;
    assert_eq!(stage.get("a").await, None);
    is_stale(&stage, &first).await;
    let second = stage.running("a").await;
    assert!(second.token.fence > first.token.fence);
    is_stale(&stage, &first).await;
    stage.complete(&second).await;
}

pub(crate) async fn never_goes_back_after_clear(stage: Stage) {
    let first = stage.running("a").await;
    stage.clear().await;
    let second = stage.running("a").await;
    assert!(second.token.fence > first.token.fence);
    is_stale(&stage, &first).await;
}

/// A store that went back in time hands out a number twice; the request that took the lease tells them apart.
pub(crate) async fn the_request_is_part_of_the_token(stage: Stage) {
    let lease = stage.running("a").await;
    let mut forged = lease.clone();
    forged.token.request = RequestId::unique();
    is_stale(&stage, &forged).await;
    let mut forged = lease.clone();
    forged.token.fence = Fence(lease.token.fence.0 + 1);
    is_stale(&stage, &forged).await;
    stage.complete(&lease).await;
}

pub(crate) async fn a_token_is_good_for_its_own_key_alone(stage: Stage) {
    stage.add("a").await;
    stage.add("b").await;
    let leases = stage.take(2).await;
    let mut swapped = leases[0].clone();
    swapped.token.key = leases[1].token.key.clone();
    is_stale(&stage, &swapped).await;
    assert_eq!(stage.state("b").await, TaskState::Running);
}

pub(crate) async fn a_token_of_an_absent_key_is_stale(stage: Stage) {
    let mut lease = stage.running("a").await;
    lease.token.key = crate::stage::key("absent");
    is_stale(&stage, &lease).await;
    assert_eq!(stage.get("absent").await, None);
}

pub(crate) async fn a_token_of_another_docket_is_stale(stage: Stage) {
    let other = stage.neighbour().await;
    let (here, there) = (stage.running("a").await, other.running("a").await);
    let reply = stage.ack_all(&[settle(&there, completed()), settle(&here, completed())]).await;
    let answers: Vec<_> = reply.answers.into_iter().map(|answer| answer.expect("an ack is judged")).collect();
    assert_eq!(answers, [AckAnswer::Stale, AckAnswer::Settled]);
    assert_eq!(other.state("a").await, TaskState::Running);
}
