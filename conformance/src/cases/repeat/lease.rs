//! A `lease` whose reply was lost: replayed from the records, never from a stored reply.

use std::time::Duration;

use docket_core::{HeartbeatAnswer, LeaseRequest, Outcome, TaskState, limits};

use crate::stage::{Ask, LEASE, LONG_WAIT, SECOND, Stage, ask, keys, task};

pub(crate) async fn lease_after_lost_reply(stage: Stage) {
    stage.add_many(5).await;
    let request = ask(3);
    let first = stage.lease(&request).await.leases;
    stage.advance(SECOND * 4).await;
    let again = stage.lease(&request).await.leases;
    assert_eq!(keys(&again), keys(&first), "the same, and nothing new");
    for (again, first) in again.iter().zip(&first) {
        assert_eq!(again.token, first.token);
        assert_eq!(again.deadline, stage.now().plus(LEASE), "a fresh deadline");
    }
    assert_eq!(stage.take(10).await.len(), 2);
}

/// The reply is lost, the deadline passes, the same caller asks again: a crash would be charged though nothing ran.
pub(crate) async fn lease_after_the_deadline(stage: Stage) {
    stage.add("a").await;
    let request = ask(1);
    let first = stage.lease(&request).await.leases.remove(0);
    stage.advance(LEASE * 2).await;
    let again = stage.lease(&request).await;
    assert_eq!((&again.leases[0].token, again.leases[0].crashes, again.swept.crashed), (&first.token, 0, 0));
    assert_eq!(stage.heartbeat(&first).await, HeartbeatAnswer::Held);
}

/// A stored reply that is replayed: B has leased the task since, and A runs it on an old fence.
pub(crate) async fn lease_after_another_has_taken_it(stage: Stage) {
    stage.add_all(&["a", "b"].map(task)).await;
    let request = ask(2);
    assert_eq!(stage.lease(&request).await.leases.len(), 2);
    stage.advance(LEASE).await;
    assert_eq!(keys(&stage.lease(&ask(1).by("worker-2")).await.leases), ["a"]);
    let again = stage.lease(&request).await.leases;
    assert!(!keys(&again).contains(&"a"), "it is another's now");
}

pub(crate) async fn lease_after_some_were_settled(stage: Stage) {
    stage.add_many(3).await;
    let request = ask(2);
    let leases = stage.lease(&request).await.leases;
    stage.complete(&leases[0]).await;
    let again = stage.lease(&request).await.leases;
    assert_eq!(keys(&again), ["work-00001"]);
}

/// The lease timed out, its repetition got the task and settled it; then the first packet arrives, for nobody.
pub(crate) async fn lease_that_arrives_after_its_work_is_done(stage: Stage) {
    stage.add_many(2).await;
    let request = ask(1);
    let lease = stage.lease(&request).await.leases.remove(0);
    stage.complete(&lease).await;
    for wait in [SECOND, limits::REPEAT_MAX] {
        stage.advance(wait).await;
        assert!(stage.lease(&request).await.leases.is_empty());
    }
    assert_eq!(keys(&[stage.take_one().await]), ["work-00001"]);
}

pub(crate) async fn lease_that_was_answered_with_nothing(stage: Stage) {
    let request = ask(1);
    assert!(stage.lease(&request).await.leases.is_empty());
    stage.add("a").await;
    stage.advance(limits::REPEAT_MAX).await;
    assert!(stage.lease(&request).await.leases.is_empty());
    assert_eq!(stage.state("a").await, TaskState::Ready);
}

pub(crate) async fn lease_that_waited_for_nothing(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let request = ask(1).waiting(Duration::from_millis(50));
    assert!(stage.lease(&request).await.leases.is_empty());
    stage.add("a").await;
    assert!(stage.lease(&request).await.leases.is_empty());
    stage.take_one().await;
}

pub(crate) async fn lease_after_a_release(stage: Stage) {
    stage.add("a").await;
    let request = ask(1);
    let lease = stage.lease(&request).await.leases.remove(0);
    stage.settle(&lease, Outcome::Release).await;
    assert!(stage.lease(&request).await.leases.is_empty(), "it gave that task back");
    stage.take_one().await;
}

/// The same request under another worker's clothes is still the same request: the id decides.
pub(crate) async fn lease_is_known_by_its_request(stage: Stage) {
    stage.add_many(2).await;
    let request = ask(1);
    let first = stage.lease(&request).await.leases;
    let again = stage.lease(&LeaseRequest { count: 2, ..request }).await.leases;
    assert_eq!(keys(&again), keys(&first));
}

/// The connection broke while the call waited; the store does not know, and its repetition waits beside it.
pub(crate) async fn lease_while_the_first_still_waits(stage: Stage) {
    let request = ask(1).by("waiter").waiting(LONG_WAIT);
    let (lost, repeated) = (stage.waiting(request.clone()).await, stage.waiting(request).await);
    stage.add("a").await;
    stage.add("b").await;
    let (lost, repeated) = (lost.lease().await, repeated.lease().await);
    assert_eq!(lost.token, repeated.token, "one request takes once");
    stage.take_one().await;
}
