//! How a run ends, and what its record shows afterwards.

use std::time::Duration;

use docket_core::{AckAnswer, ErrorKind, Lease, Outcome, TaskState};

use crate::stage::{
    Edit, LEASE, SECOND, Stage, completed, dead, keys, payload, refusal, repeat_in, retry, settle, snooze, task,
    undecodable,
};

pub(crate) async fn completed_keeps_the_result(stage: Stage) {
    let lease = stage.running("a").await;
    stage.settle(&lease, Outcome::Completed(Some(payload("{\"n\":1}")))).await;
    let view = stage.view("a").await;
    assert_eq!(view.state, TaskState::Completed);
    assert_eq!(view.result.expect("it returned something").as_bytes(), b"{\"n\":1}");
    stage.nothing_to_lease().await;
}

pub(crate) async fn completed_may_have_no_result(stage: Stage) {
    let lease = stage.running("a").await;
    stage.complete(&lease).await;
    assert_eq!(stage.view("a").await.result, None);
}

/// The work is done: whatever its result, it must not be done again.
pub(crate) async fn unkept_is_completed_with_the_reason(stage: Stage) {
    let lease = stage.running("a").await;
    stage.settle(&lease, unkept()).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.attempts, view.result), (TaskState::Completed, 0, None));
    assert_eq!(view.error.as_deref(), Some("it is too large"));
    stage.nothing_to_lease().await;
}

pub(crate) async fn unkept_leaves_nothing_of_an_earlier_result(stage: Stage) {
    let lease = stage.running(task("a").every(SECOND)).await;
    stage.settle(&lease, Outcome::Completed(Some(payload("1")))).await;
    stage.advance(SECOND).await;
    let lease = stage.take_one().await;
    stage.settle(&lease, unkept()).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.result, view.failures), (TaskState::Scheduled, None, 0));
    assert_eq!(view.error.as_deref(), Some("it is too large"));
}

fn unkept() -> Outcome {
    Outcome::Unkept { error: "it is too large".to_owned() }
}

pub(crate) async fn retry_counts_an_attempt_and_keeps_the_error(stage: Stage) {
    let lease = stage.running("a").await;
    assert_eq!(lease.attempts, 0);
    stage.retry(&lease, SECOND).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.attempts), (TaskState::Scheduled, 1));
    assert_eq!(view.error.as_deref(), Some("it failed"));
    assert_eq!(view.visible_at, stage.now().plus(SECOND));
    stage.advance(SECOND).await;
    assert_eq!(stage.take_one().await.attempts, 1);
}

pub(crate) async fn retry_without_a_delay_is_ready_at_once(stage: Stage) {
    let lease = stage.running("a").await;
    stage.retry(&lease, Duration::ZERO).await;
    assert_eq!(stage.state("a").await, TaskState::Ready);
    stage.take_one().await;
}

pub(crate) async fn snooze_is_no_attempt(stage: Stage) {
    let lease = stage.running("a").await;
    stage.settle(&lease, snooze(SECOND)).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.attempts, view.crashes), (TaskState::Scheduled, 0, 0));
    assert_eq!(view.visible_at, stage.now().plus(SECOND));
    assert_eq!(view.error, None);
}

/// In a rolling deploy another build can read what this one cannot.
pub(crate) async fn undecodable_is_no_attempt(stage: Stage) {
    let lease = stage.running("a").await;
    assert_eq!(lease.undecodable_since, None);
    let first = stage.now();
    stage.settle(&lease, undecodable(SECOND)).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.attempts, view.crashes), (TaskState::Scheduled, 0, 0));
    assert_eq!(view.visible_at, stage.now().plus(SECOND));
    assert_eq!(view.error.as_deref(), Some("the args do not decode"), "it is shown from the first time");
    stage.advance(SECOND).await;
    assert_eq!(stage.take_one().await.undecodable_since, Some(first));
}

/// A worker says how long nobody could read them: an hour is an hour, however often it was tried, given back or lost.
pub(crate) async fn undecodable_is_timed_from_the_first(stage: Stage) {
    stage.add("a").await;
    let first = stage.now();
    for outcome in [undecodable(SECOND), undecodable(SECOND), Outcome::Release] {
        let lease = stage.take_one().await;
        stage.settle(&lease, outcome).await;
        stage.advance(SECOND).await;
    }
    stage.crash().await;
    assert_eq!(stage.take_one().await.undecodable_since, Some(first));
}

/// Decoded args, and args put in their place, start from nothing.
pub(crate) async fn undecodable_is_forgotten_with_what_could_be_read(stage: Stage) {
    for (n, outcome) in [retry(SECOND), snooze(SECOND), repeat_in(SECOND)].into_iter().enumerate() {
        let name = &format!("read-{n}");
        let lease = unreadable(&stage, name).await;
        stage.settle(&lease, outcome).await;
        stage.advance(SECOND).await;
        let lease = stage.take_one().await;
        assert_eq!(lease.undecodable_since, None, "{name}");
        stage.die(&lease).await;
    }
    stage.requeue("read-0").await;
    assert_eq!(stage.take_one().await.undecodable_since, None);

    let lease = unreadable(&stage, "moved").await;
    stage.settle(&lease, undecodable(SECOND)).await;
    stage.schedule("moved").await;
    assert_eq!(stage.take_one().await.undecodable_since, None);

    let lease = unreadable(&stage, "followed").await;
    stage.schedule("followed").await;
    stage.settle(&lease, undecodable(SECOND)).await;
    assert_eq!(stage.take_one().await.undecodable_since, None);

    let lease = unreadable(&stage, "dead").await;
    stage.die(&lease).await;
    stage.requeue("dead").await;
    assert_eq!(stage.take_one().await.undecodable_since, None);
}

/// The lease of a task that could not be read once.
async fn unreadable(stage: &Stage, name: &str) -> Lease {
    let lease = stage.running(name).await;
    stage.settle(&lease, undecodable(SECOND)).await;
    stage.advance(SECOND).await;
    let lease = stage.take_one().await;
    assert!(lease.undecodable_since.is_some());
    lease
}

pub(crate) async fn release_is_no_attempt_and_no_crash(stage: Stage) {
    let lease = stage.running("a").await;
    stage.settle(&lease, Outcome::Release).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.attempts, view.crashes), (TaskState::Ready, 0, 0));
    assert_eq!(stage.take_one().await.crashes, 0);
}

pub(crate) async fn release_keeps_the_place_in_line(stage: Stage) {
    for key in ["first", "second", "third"] {
        stage.add(key).await;
    }
    let lease = stage.take(1).await.remove(0);
    let due = lease.due_at;
    stage.advance(SECOND).await;
    stage.settle(&lease, Outcome::Release).await;
    assert_eq!(stage.view("first").await.visible_at, due);
    assert_eq!(keys(&stage.take(10).await), ["first", "second", "third"]);
}

/// The place in line is the time it became visible, not the time of its lease's end: a late one is late for good.
pub(crate) async fn release_of_a_retried_task_keeps_its_new_place(stage: Stage) {
    let lease = stage.running("a").await;
    stage.retry(&lease, SECOND).await;
    let due = stage.now().plus(SECOND);
    stage.advance(SECOND * 5).await;
    let lease = stage.take_one().await;
    assert_eq!(lease.due_at, due);
    stage.settle(&lease, Outcome::Release).await;
    let view = stage.view("a").await;
    assert_eq!((view.visible_at, view.attempts), (due, 1));
}

pub(crate) async fn dead_keeps_the_error(stage: Stage) {
    let lease = stage.running("a").await;
    stage.die(&lease).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.error.as_deref()), (TaskState::Dead, Some("it is hopeless")));
    assert_eq!(view.visible_at, stage.now(), "a finished record shows when it finished");
    stage.advance(LEASE * 10).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_run_may_end_as_cancelled_by_itself(stage: Stage) {
    let lease = stage.running("a").await;
    stage.settle(&lease, Outcome::Cancelled).await;
    assert_eq!(stage.state("a").await, TaskState::Cancelled);
    stage.nothing_to_lease().await;
}

/// Whoever looks at a dead task wants to know how often it was tried.
pub(crate) async fn the_counts_outlive_the_end(stage: Stage) {
    for (key, end) in [("completed", completed()), ("dead", dead()), ("cancelled", Outcome::Cancelled)] {
        stage.add(key).await;
        stage.crash().await;
        let lease = stage.take_one().await;
        stage.retry(&lease, Duration::ZERO).await;
        let lease = stage.take_one().await;
        assert_eq!((lease.attempts, lease.crashes), (1, 1), "before it is {key}");
        stage.settle(&lease, end).await;
        let view = stage.view(key).await;
        let failed = u32::from(view.state == TaskState::Dead);
        assert_eq!((view.attempts, view.crashes), (1 + failed, 1), "once it is {key}");
    }
}

pub(crate) async fn an_error_stays_until_a_newer_one_replaces_it(stage: Stage) {
    let lease = stage.running("a").await;
    stage.retry(&lease, Duration::ZERO).await;
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    assert_eq!(stage.view("a").await.error.as_deref(), Some("it failed"), "as history of a task that did well");
    let lease = stage.running("a").await;
    assert_eq!(stage.view("a").await.error.as_deref(), Some("it failed"), "in the next life");
    stage.die(&lease).await;
    assert_eq!(stage.view("a").await.error.as_deref(), Some("it is hopeless"));
}

/// A busy machine acks late. Nobody has retaken the lease, so the work counts, and nothing was lost.
pub(crate) async fn late_but_current_settles(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(LEASE * 3).await;
    stage.complete(&lease).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.crashes), (TaskState::Completed, 0));
    assert_eq!(stage.trim().await.swept.crashed, 0);
}

pub(crate) async fn a_late_retry_is_an_attempt_and_no_crash(stage: Stage) {
    let lease = stage.running("a").await;
    stage.advance(LEASE * 3).await;
    stage.retry(&lease, Duration::ZERO).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.attempts, lease.crashes), (1, 0));
}

pub(crate) async fn each_ack_has_its_own_answer(stage: Stage) {
    let gone = stage.running("lost").await;
    stage.advance(LEASE).await;
    stage.take_one().await;
    let (first, last) = (stage.running("first").await, stage.running("last").await);
    let acks = [settle(&first, completed()), settle(&gone, completed()), settle(&last, dead())];
    let reply = stage.ack_all(&acks).await;
    let answers: Vec<_> = reply.answers.into_iter().map(|answer| answer.expect("an ack is judged")).collect();
    assert_eq!(answers, [AckAnswer::Settled, AckAnswer::Stale, AckAnswer::Settled]);
    assert_eq!(stage.state("first").await, TaskState::Completed);
    assert_eq!(stage.state("lost").await, TaskState::Running);
    assert_eq!(stage.state("last").await, TaskState::Dead);
}

pub(crate) async fn the_first_outcome_of_a_token_counts(stage: Stage) {
    let lease = stage.running("a").await;
    let reply = stage.ack_all(&[settle(&lease, completed()), settle(&lease, dead())]).await;
    for answer in reply.answers {
        assert_eq!(answer.expect("an ack is judged"), AckAnswer::Settled);
    }
    assert_eq!(stage.state("a").await, TaskState::Completed);
}

pub(crate) async fn a_delayed_task_gets_its_place_by_its_new_time(stage: Stage) {
    let lease = stage.running("snoozed").await;
    stage.add(task("later").after(SECOND)).await;
    stage.settle(&lease, snooze(SECOND * 2)).await;
    stage.advance(SECOND * 2).await;
    assert_eq!(keys(&stage.take(10).await), ["later", "snoozed"]);
}

/// Every store knows each outcome: a new one in core fails here until the store knows it.
pub(crate) async fn every_outcome_is_settled(stage: Stage) {
    for (n, outcome) in Outcome::one_of_each().into_iter().enumerate() {
        let lease = stage.running(task(&format!("a{n}")).queue(&format!("q{n}"))).await;
        assert_eq!(stage.ack(&lease, outcome.clone()).await, AckAnswer::Settled, "{outcome:?}");
    }
}

/// One store ended such a task as cancelled: during a rolling deploy its work would be lost.
pub(crate) async fn an_outcome_of_a_later_version_is_refused_alone(stage: Stage) {
    let (new, known) = (stage.running("new").await, stage.running("known").await);
    let before = stage.view("new").await;
    let acks = [settle(&new, Outcome::OfALaterVersion), settle(&known, completed())];
    let reply = stage.ack_all(&acks).await;
    assert_eq!(refusal(&reply.answers[0]), ErrorKind::Unsupported);
    assert_eq!(reply.answers[1].as_ref().expect("this one is known"), &AckAnswer::Settled);
    assert_eq!(stage.view("new").await, before, "it can be settled another way");
    stage.complete(&new).await;
}
