//! Renewing leases: each token is judged for itself.

use docket_core::{AckAnswer, Heartbeat, HeartbeatAnswer, Outcome};

use crate::stage::{Ask, LEASE, MICRO, SECOND, Stage, almost, ask, completed, retry, snooze, tokens};

pub(crate) async fn puts_the_deadline_off(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(almost(LEASE)).await;
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
    assert_eq!(stage.view("a").await.visible_at, stage.now().plus(LEASE));
    stage.advance(almost(LEASE)).await;
    stage.nothing_to_lease().await;
    stage.advance(MICRO).await;
    assert_eq!(stage.take_one().await.crashes, 1);
}

/// A job ran again elsewhere while it still ran: here it may run forever, as long as its worker
/// sends heartbeats.
pub(crate) async fn holds_a_long_run_for_as_long_as_it_goes_on(stage: Stage) {
    let lease = stage.running("a").await;
    for _ in 0..50 {
        stage.advance(LEASE / 2).await;
        stage.nothing_to_lease().await;
        assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
    }
    stage.complete(&lease).await;
    assert_eq!(stage.view("a").await.crashes, 0);
}

pub(crate) async fn late_but_current_is_held(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(LEASE * 5).await;
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
    stage.nothing_to_lease().await;
    let view = stage.view("a").await;
    assert_eq!((view.visible_at, view.crashes), (stage.now().plus(LEASE), 0));
    stage.complete(&lease).await;
}

pub(crate) async fn one_lost_lease_does_not_fail_the_others(stage: Stage) {
    let gone = stage.running("lost").await;
    stage.advance(LEASE).await;
    stage.take_one().await;
    let (first, last) = (stage.running("first").await, stage.running("last").await);
    stage.advance(SECOND).await;
    let answers = stage.heartbeat_all(&tokens(&[first, gone, last])).await;
    assert_eq!(answers, [HeartbeatAnswer::Held, HeartbeatAnswer::Lost, HeartbeatAnswer::Held]);
    for key in ["first", "last"] {
        assert_eq!(stage.view(key).await.visible_at, stage.now().plus(LEASE), "{key}");
    }
    let retaken = stage.view("lost").await;
    assert_eq!(retaken.visible_at, stage.now().plus(LEASE.saturating_sub(SECOND)), "another's lease is not extended");
}

pub(crate) async fn a_settled_lease_is_lost(stage: Stage) {
    for outcome in [completed(), retry(SECOND), snooze(SECOND), Outcome::Release] {
        let lease = stage.running("a").await;
        stage.settle(&lease, outcome).await;
        let before = stage.view("a").await;
        assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Lost);
        assert_eq!(stage.view("a").await, before);
        stage.clear().await;
    }
}

pub(crate) async fn an_absent_key_is_lost(stage: Stage) {
    let lease = stage.running("a").await;
    stage.clear().await;
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Lost);
    assert_eq!(stage.get("a").await, None);
}

/// Each beat says how long a lease is from now on: the setting of the worker that holds it, and of nobody else.
pub(crate) async fn sets_the_length_it_names(stage: Stage) {
    let lease = stage.running("a").await;
    for length in [LEASE * 3, LEASE / 2] {
        let beat = Heartbeat { worker: ask(1).worker, tokens: vec![lease.token.clone()], lease_for: length };
        stage.store().heartbeat(&beat).await.expect("a heartbeat is answered");
        assert_eq!(stage.view("a").await.visible_at, stage.now().plus(length));
    }
}

pub(crate) async fn counts_nothing_and_settles_nothing(stage: Stage) {
    let lease = stage.running("a").await;
    let before = stage.view("a").await;
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
    assert_eq!(stage.view("a").await, before, "at the same time even the deadline is the same");
    assert_eq!(stage.ack(&lease, completed()).await, AckAnswer::Settled);
}

pub(crate) async fn over_any_handle_counts(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(SECOND).await;
    let beat = Heartbeat { worker: ask(1).worker, tokens: vec![lease.token.clone()], lease_for: LEASE };
    let answers = stage.fork().heartbeat(&beat).await.expect("a heartbeat is answered");
    assert_eq!(answers[0].as_ref().expect("a token is judged"), &HeartbeatAnswer::Held);
    assert_eq!(stage.view("a").await.visible_at, stage.now().plus(LEASE));
}

/// A worker that idles between tasks is seen by its lease calls, one that is full by its heartbeats.
pub(crate) async fn keeps_the_workers_record(stage: Stage) {
    let request = ask(1).by("busy");
    let ttl = request.worker.ttl;
    stage.lease(&request).await;
    stage.advance(almost(ttl)).await;
    let beat = Heartbeat { worker: request.worker, tokens: Vec::new(), lease_for: LEASE };
    stage.store().heartbeat(&beat).await.expect("a heartbeat is answered");
    stage.advance(almost(ttl)).await;
    let workers = stage.store().workers().await.expect("workers can be listed");
    assert_eq!(workers.len(), 1);
    assert_eq!(workers[0].record.id.as_str(), "busy");
}
