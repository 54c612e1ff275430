//! A worker died: nothing happens, until the deadline passes and the next lease call meets it.

use std::time::Duration;

use docket_core::TaskState;

use crate::stage::{Ask, Edit, LEASE, MICRO, SECOND, Stage, almost, ask, keys, task};

pub(crate) async fn counted_when_leased_again(stage: Stage) {
    stage.running("a").await;
    stage.advance(LEASE).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.crashes), (TaskState::Ready, 0), "nobody was there to count it");
    let reply = stage.lease(&ask(1)).await;
    assert_eq!(reply.swept.crashed, 1);
    assert_eq!((reply.leases[0].crashes, reply.leases[0].attempts), (1, 0));
    assert_eq!(stage.view("a").await.crashes, 1);
}

/// Stuck running for 91 days elsewhere: here the deadline alone frees it, whoever asks next.
pub(crate) async fn a_lost_lease_is_free_at_its_deadline(stage: Stage) {
    let lost = stage.running("a").await;
    stage.advance(almost(LEASE)).await;
    stage.nothing_to_lease().await;
    assert_eq!(stage.state("a").await, TaskState::Running);
    stage.advance(MICRO).await;
    let reply = stage.lease(&ask(1).by("worker-2")).await;
    assert_eq!(keys(&reply.leases), ["a"]);
    assert!(reply.leases[0].token.fence > lost.token.fence);
    assert_eq!(stage.view("a").await.worker.expect("somebody holds it").as_str(), "worker-2");
}

/// Same worker id in two pods: ownership is the token, not the worker's name.
pub(crate) async fn a_worker_meets_its_own_lost_lease_as_any_other(stage: Stage) {
    let lost = stage.running("a").await;
    stage.advance(LEASE).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.crashes, lease.token == lost.token), (1, false));
}

pub(crate) async fn it_is_no_attempt_and_forgets_none(stage: Stage) {
    let lease = stage.running("a").await;
    stage.retry(&lease, Duration::ZERO).await;
    stage.crash().await;
    let lease = stage.take_one().await;
    assert_eq!((lease.attempts, lease.crashes), (1, 1));
    stage.retry(&lease, Duration::ZERO).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.attempts, lease.crashes), (2, 1));
}

pub(crate) async fn it_keeps_the_error_of_the_last_attempt(stage: Stage) {
    let lease = stage.running("a").await;
    stage.retry(&lease, Duration::ZERO).await;
    stage.crash().await;
    stage.take_one().await;
    assert_eq!(stage.view("a").await.error.as_deref(), Some("it failed"));
}

/// Swept by a call that has no room for it, it is queued again and not counted a second time.
pub(crate) async fn each_loss_is_counted_once(stage: Stage) {
    for key in ["a", "b", "c"] {
        stage.add(key).await;
    }
    assert_eq!(stage.take(3).await.len(), 3);
    stage.advance(LEASE).await;
    assert_eq!(stage.lease(&ask(1)).await.swept.crashed, 3);
    let reply = stage.lease(&ask(10)).await;
    assert_eq!(reply.swept.crashed, 0);
    assert_eq!(keys(&reply.leases), ["b", "c"]);
    assert!(reply.leases.iter().all(|lease| lease.crashes == 1));
}

pub(crate) async fn a_swept_task_is_ready_and_has_its_deadline_as_its_time(stage: Stage) {
    for key in ["a", "b"] {
        stage.add(key).await;
    }
    let deadline = stage.take(2).await[1].deadline;
    stage.advance(LEASE + SECOND).await;
    stage.take(1).await;
    let view = stage.view("b").await;
    assert_eq!((view.state, view.crashes, view.visible_at), (TaskState::Ready, 1, deadline));
}

pub(crate) async fn its_place_in_the_line_outlives_it(stage: Stage) {
    let lost = stage.running("a").await;
    stage.advance(LEASE + SECOND).await;
    let lease = stage.take_one().await;
    assert_eq!(lease.due_at, lost.due_at);
    stage.settle(&lease, docket_core::Outcome::Release).await;
    assert_eq!(stage.view("a").await.visible_at, lost.due_at);
}

pub(crate) async fn lanes_nobody_asked_for_are_not_swept(stage: Stage) {
    stage.running(task("name").name("other")).await;
    stage.running(task("queue").queue("other")).await;
    stage.advance(LEASE).await;
    assert_eq!(stage.lease(&ask(10)).await.swept.crashed, 0);
    let reply = stage.lease(&ask(10).names(&["other"])).await;
    assert_eq!((reply.swept.crashed, keys(&reply.leases)), (1, vec!["name"]));
    assert_eq!(stage.state("queue").await, TaskState::Ready);
}

/// A whole fleet died: one call must not pay for all of it.
pub(crate) async fn one_call_sweeps_a_bounded_number(stage: Stage) {
    stage.add_many(150).await;
    assert_eq!(stage.take(150).await.len(), 150);
    stage.advance(LEASE).await;
    for expected in [100, 50, 0] {
        assert_eq!(stage.lease(&ask(1)).await.swept.crashed, expected);
    }
    assert_eq!(stage.take(200).await.len(), 147);
}

pub(crate) async fn all_of_a_dead_worker_come_back(stage: Stage) {
    stage.add_many(10).await;
    let lost = stage.take(10).await;
    stage.advance(LEASE).await;
    let again = stage.lease(&ask(10).by("worker-2")).await.leases;
    assert_eq!(keys(&again), keys(&lost));
    for lease in again {
        stage.complete(&lease).await;
    }
    stage.nothing_to_lease().await;
}
