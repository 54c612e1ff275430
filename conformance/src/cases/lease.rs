//! Leasing: what one call takes, and what else it reports.

use std::time::Duration;

use docket_core::{AddAnswer, LeaseRequest, TaskState, limits};

use crate::stage::{Ask, Edit, LEASE, SECOND, Stage, ask, keys, task};

pub(crate) async fn a_live_lease_is_exclusive(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(LEASE.saturating_sub(Duration::from_micros(1))).await;
    assert!(stage.lease(&ask(10).by("worker-2")).await.leases.is_empty());
    assert_eq!(stage.state("a").await, TaskState::Running);
    assert_eq!(stage.view("a").await.fence, Some(lease.token.fence));
}

pub(crate) async fn an_expired_lease_is_delivered_again(stage: Stage) {
    let lost = stage.running("a").await;
    stage.advance(LEASE).await;
    let again = stage.take_one().await;
    assert_eq!(again.token.key, lost.token.key);
    assert!(again.token.fence > lost.token.fence, "a new lease has a new fence");
    assert_eq!(again.args, lost.args);
}

pub(crate) async fn a_task_is_leased_the_moment_it_is_due(stage: Stage) {
    stage.add(task("a").after(SECOND)).await;
    stage.advance(SECOND.saturating_sub(Duration::from_micros(1))).await;
    stage.nothing_to_lease().await;
    stage.advance(Duration::from_micros(1)).await;
    assert_eq!(keys(&[stage.take_one().await]), ["a"]);
}

pub(crate) async fn brings_what_was_added(stage: Stage) {
    let added =
        task("a").name("scan").queue("media").args("{\"n\":1}").every(SECOND * 60).max_attempts(7).max_crashes(8);
    let due = stage.now();
    stage.add(&added).await;
    stage.advance(SECOND * 3).await;
    let reply = stage.lease(&ask(1).names(&["scan"]).queues(&["media"])).await;
    let lease = &reply.leases[0];
    assert_eq!((&lease.token.key, &lease.name, &lease.queue), (&added.key, &added.name, &added.queue));
    assert_eq!((&lease.args, lease.every, lease.overrides), (&added.args, added.every, added.overrides));
    assert_eq!((lease.attempts, lease.crashes), (0, 0));
    assert_eq!((lease.due_at, lease.leased_at, lease.deadline), (due, stage.now(), stage.now().plus(LEASE)));
}

pub(crate) async fn the_token_names_its_request(stage: Stage) {
    stage.add("a").await;
    let request = ask(1);
    let reply = stage.lease(&request).await;
    assert_eq!(reply.leases[0].token.request, request.request);
}

pub(crate) async fn lasts_as_long_as_the_request_says(stage: Stage) {
    for (name, length) in [("a", limits::LEASE_MIN), ("b", limits::LEASE_MAX)] {
        stage.add(name).await;
        let reply = stage.lease(&LeaseRequest { lease_for: length, ..ask(1) }).await;
        assert_eq!(reply.leases[0].deadline, stage.now().plus(length));
        assert_eq!(stage.view(name).await.visible_at, stage.now().plus(length));
    }
}

pub(crate) async fn takes_no_more_than_it_was_asked_for(stage: Stage) {
    stage.add_many(5).await;
    let first = stage.lease(&ask(3)).await;
    assert_eq!(first.leases.len(), 3);
    assert_eq!(first.next_visible, Some(Duration::ZERO), "two can be leased at once");
    assert_eq!(stage.take(10).await.len(), 2);
}

pub(crate) async fn a_count_of_zero_takes_nothing(stage: Stage) {
    stage.add("a").await;
    assert!(stage.lease(&ask(0)).await.leases.is_empty());
    assert_eq!(stage.state("a").await, TaskState::Ready);
}

pub(crate) async fn one_reply_has_a_bounded_count(stage: Stage) {
    stage.add_many(limits::BATCH_ITEMS_MAX + 5).await;
    let reply = stage.lease(&ask(limits::BATCH_ITEMS_MAX * 3)).await;
    assert_eq!(reply.leases.len(), limits::BATCH_ITEMS_MAX);
    assert_eq!(stage.take(10).await.len(), 5);
}

pub(crate) async fn one_reply_has_bounded_bytes(stage: Stage) {
    let args = "x".repeat(limits::PAYLOAD_BYTES_MAX);
    for n in 0..10 {
        assert_eq!(stage.add(task(&format!("{n}")).args(&args)).await, AddAnswer::Added);
    }
    let mut taken = Vec::new();
    for calls in 1.. {
        let leases = stage.take(10).await;
        if leases.is_empty() {
            break;
        }
        let bytes: usize = leases.iter().map(|lease| lease.args.len()).sum();
        assert!(bytes <= limits::BATCH_BYTES_MAX, "{bytes} bytes in one reply");
        assert!(calls <= 2, "ten fit into two replies");
        taken.extend(leases.into_iter().map(|lease| lease.token.key));
    }
    let order: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(taken.iter().map(docket_core::TaskKey::as_str).collect::<Vec<_>>(), order);
}

pub(crate) async fn each_lease_has_a_fence_of_its_own(stage: Stage) {
    stage.add_many(20).await;
    let mut last = None;
    for _ in 0..2 {
        for lease in stage.take(10).await {
            assert!(Some(lease.token.fence) > last, "{:?} after {last:?}", lease.token.fence);
            last = Some(lease.token.fence);
        }
    }
}

pub(crate) async fn an_empty_docket_gives_nothing(stage: Stage) {
    let reply = stage.lease(&ask(10)).await;
    assert_eq!((reply.leases.len(), reply.next_visible, reply.oldest_ready), (0, None, None));
}

pub(crate) async fn says_when_the_next_is_due(stage: Stage) {
    stage.add(task("late").after(SECOND * 50)).await;
    stage.add(task("soon").after(SECOND * 30)).await;
    assert_eq!(stage.lease(&ask(10)).await.next_visible, Some(SECOND * 30));
    stage.advance(SECOND * 20).await;
    assert_eq!(stage.lease(&ask(10)).await.next_visible, Some(SECOND * 10));
}

/// The tasks of a dead worker become visible at their deadline; another worker must know when to
/// poll.
pub(crate) async fn says_when_the_next_lease_runs_out(stage: Stage) {
    stage.running("a").await;
    stage.advance(SECOND * 4).await;
    let reply = stage.lease(&ask(10).by("worker-2")).await;
    assert_eq!(reply.next_visible, Some(LEASE.saturating_sub(SECOND * 4)));
}

pub(crate) async fn says_how_long_the_oldest_has_been_ready(stage: Stage) {
    for name in ["a", "b"] {
        stage.add(name).await;
        stage.advance(SECOND * 5).await;
    }
    assert_eq!(stage.lease(&ask(1)).await.oldest_ready, Some(SECOND * 5), "of what this call left");
    assert_eq!(stage.lease(&ask(1)).await.oldest_ready, None);
}

pub(crate) async fn one_request_serves_many_lanes(stage: Stage) {
    for (key, queue, name) in [("a", "q1", "n1"), ("b", "q1", "n2"), ("c", "q2", "n1"), ("d", "q2", "n2")] {
        stage.add(task(key).queue(queue).name(name)).await;
    }
    let reply = stage.lease(&ask(10).queues(&["q1", "q2"]).names(&["n1", "n2"])).await;
    assert_eq!(keys(&reply.leases), ["a", "b", "c", "d"]);
}

/// A list is a list: a queue or a name that a careless worker gives twice must not lease its tasks twice.
pub(crate) async fn a_lane_listed_twice_is_served_once(stage: Stage) {
    stage.add_many(4).await;
    let reply = stage.lease(&ask(10).queues(&["default", "default"]).names(&["work", "work"])).await;
    assert_eq!(keys(&reply.leases), ["work-00000", "work-00001", "work-00002", "work-00003"]);
}

pub(crate) async fn any_handle_sees_the_same_docket(stage: Stage) {
    let (client, worker, settler) = (stage.fork(), stage.fork(), stage.fork());
    let added = client.add(&[task("a")]).await.expect("an add is answered");
    assert_eq!(added[0].as_ref().ok(), Some(&AddAnswer::Added));
    let leases = worker.lease(&ask(1)).await.expect("a lease is answered").leases;
    assert_eq!(keys(&leases), ["a"]);
    settler.ack(&crate::stage::completions(&leases)).await.expect("an ack is answered");
    assert_eq!(stage.state("a").await, TaskState::Completed);
}
