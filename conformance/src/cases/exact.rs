//! I4 Exact: no task is leased before its time, and a waiting worker has it at once after.

use std::time::Duration;

use docket_core::{Ack, ErrorKind, HeartbeatAnswer, NewTask, Outcome, RunAt, TaskState, Timestamp, limits};

use crate::stage::{
    Ask, Edit, MICRO, SECOND, SOON, Stage, almost, ask, completed, keys, refusal, retry, settle, snooze, task,
};

/// Not a whole number of milliseconds, and more digits than a float keeps when it is written as text.
const ODD: Duration = Duration::from_micros(1_234_567);
/// How late a start may be that nothing held up.
const ON_TIME: Duration = Duration::from_millis(20);

async fn becomes_visible_after(stage: &Stage, delay: Duration) {
    stage.advance(almost(delay)).await;
    assert_eq!(stage.state("a").await, TaskState::Scheduled);
    stage.nothing_to_lease().await;
    stage.advance(MICRO).await;
    assert_eq!(stage.state("a").await, TaskState::Ready);
    let lease = stage.take_one().await;
    assert_eq!((lease.due_at, lease.leased_at), (stage.now(), stage.now()));
}

pub(crate) async fn not_leased_before_its_delay_has_passed(stage: Stage) {
    stage.add(task("a").after(ODD)).await;
    assert_eq!(stage.view("a").await.visible_at, stage.now().plus(ODD));
    becomes_visible_after(&stage, ODD).await;
}

pub(crate) async fn not_leased_before_its_moment(stage: Stage) {
    stage.add(task("a").at(stage.now().plus(ODD))).await;
    becomes_visible_after(&stage, ODD).await;
}

pub(crate) async fn a_moment_that_has_passed_is_now(stage: Stage) {
    stage.add(task("a").at(Timestamp::from_micros(1))).await;
    assert_eq!(stage.view("a").await.visible_at, stage.now(), "it goes behind what has been ready for longer");
    stage.take_one().await;
}

pub(crate) async fn not_retried_before_its_backoff_has_passed(stage: Stage) {
    let lease = stage.running("a").await;
    stage.retry(&lease, ODD).await;
    becomes_visible_after(&stage, ODD).await;
}

pub(crate) async fn not_woken_before_its_snooze_has_passed(stage: Stage) {
    let lease = stage.running("a").await;
    stage.settle(&lease, snooze(ODD)).await;
    becomes_visible_after(&stage, ODD).await;
}

pub(crate) async fn a_microsecond_apart_is_apart_for_years(stage: Stage) {
    let years = SECOND * 86_400 * 365 * 9;
    stage.add(task("later").after(years + ODD)).await;
    stage.add(task("sooner").after(almost(years + ODD))).await;
    let views = [stage.view("sooner").await, stage.view("later").await];
    assert_eq!(views[1].visible_at.since(views[0].visible_at), MICRO);
    stage.advance(almost(years + ODD)).await;
    assert_eq!(keys(&stage.take(10).await), ["sooner"]);
    stage.advance(MICRO).await;
    assert_eq!(keys(&stage.take(1).await), ["later"]);
}

pub(crate) async fn a_nanosecond_is_rounded_up(stage: Stage) {
    stage.add(task("a").after(Duration::from_nanos(1))).await;
    becomes_visible_after(&stage, MICRO).await;
}

/// `--at 2099-01-01` silently became 2036.
pub(crate) async fn the_furthest_future_is_ten_years(stage: Stage) {
    let (furthest, beyond) = (stage.now().plus(limits::DELAY_MAX), limits::DELAY_MAX + MICRO);
    let after = Timestamp::from_micros(furthest.as_micros() + 1);
    let never = Timestamp::from_micros(i64::MAX);
    for too_far in [task("a").after(beyond), task("a").after(Duration::MAX), task("a").at(after), task("a").at(never)] {
        let answers = stage.store().add(&[task("b"), too_far.clone(), task("c")]).await.expect("an add is answered");
        assert_eq!(refusal(&answers[1]), ErrorKind::TooLarge, "{too_far:?}");
        assert!(answers[0].is_ok() && answers[2].is_ok(), "it is refused alone");
        let answers = stage.store().schedule(std::slice::from_ref(&too_far)).await.expect("a schedule is answered");
        assert_eq!(refusal(&answers[0]), ErrorKind::TooLarge, "{too_far:?}");
        assert!(stage.get("a").await.is_none(), "what is refused is not there");
    }
    stage.add(task("delay").after(limits::DELAY_MAX)).await;
    stage.add(task("moment").at(furthest)).await;
    assert_eq!(stage.view("delay").await.visible_at, furthest);
    assert_eq!(stage.view("moment").await.visible_at, furthest);
    let interval = NewTask { every: Some(beyond), ..task("a") };
    assert_eq!(refusal(&stage.store().add(&[interval]).await.expect("answered")[0]), ErrorKind::TooLarge);
}

pub(crate) async fn an_outcome_beyond_ten_years_is_refused_and_the_lease_stays(stage: Stage) {
    let beyond = limits::DELAY_MAX + MICRO;
    let after = Timestamp::from_micros(stage.now().plus(limits::DELAY_MAX).as_micros() + 1);
    let lease = stage.running("a").await;
    let at = |at| Outcome::Repeat { at, args: None };
    for outcome in [retry(beyond), snooze(Duration::MAX), at(RunAt::In(beyond)), at(RunAt::At(after))] {
        let reply = stage.ack_all(&[settle(&lease, outcome.clone())]).await;
        assert_eq!(refusal(&reply.answers[0]), ErrorKind::TooLarge, "{outcome:?}");
    }
    let kept = Ack { retention: beyond, ..settle(&lease, completed()) };
    assert_eq!(refusal(&stage.ack_all(&[kept]).await.answers[0]), ErrorKind::TooLarge);
    assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held, "the run is not lost");
    stage.settle(&lease, retry(limits::DELAY_MAX)).await;
    assert_eq!(stage.view("a").await.visible_at, stage.now().plus(limits::DELAY_MAX));
}

pub(crate) async fn a_parcel_beyond_ten_years_is_refused(stage: Stage) {
    let there = stage.neighbour().await;
    there.add(task("a").after(limits::DELAY_MAX)).await;
    let mut parcels = there.take_out().await;
    parcels[0].visible_at = Timestamp::from_micros(parcels[0].visible_at.as_micros() + 1);
    let answers = stage.store().take_in(&parcels).await.expect("a parcel is answered");
    assert_eq!(refusal(&answers[0]), ErrorKind::TooLarge);
    assert!(stage.get("a").await.is_none());
}

pub(crate) async fn the_next_due_time_is_told_to_the_microsecond(stage: Stage) {
    stage.add(task("a").after(ODD)).await;
    assert_eq!(stage.lease(&ask(1)).await.next_visible, Some(ODD));
    stage.advance(almost(ODD)).await;
    assert_eq!(stage.lease(&ask(1)).await.next_visible, Some(MICRO));
}

/// Seven thousand due jobs worked elsewhere, eight and a half thousand wedged the queue.
pub(crate) async fn ten_thousand_may_be_due_in_one_microsecond(stage: Stage) {
    let due = stage.now().plus(SECOND);
    let tasks: Vec<NewTask> = (0..10_000).map(|n| task(&format!("work-{n:05}")).at(due)).collect();
    for batch in tasks.chunks(limits::BATCH_ITEMS_MAX) {
        stage.add_all(batch).await;
    }
    stage.nothing_to_lease().await;
    stage.advance(SECOND).await;
    let mut taken = Vec::new();
    while taken.len() < tasks.len() {
        let leases = stage.take(limits::BATCH_ITEMS_MAX).await;
        assert_eq!(leases.len(), limits::BATCH_ITEMS_MAX, "after {}", taken.len());
        taken.extend(leases.into_iter().map(|lease| lease.token.key));
    }
    assert!(taken.iter().eq(tasks.iter().map(|task| &task.key)), "all of them once, in order of adding");
    stage.nothing_to_lease().await;
}

/// Polling intervals delayed scheduled work by up to five minutes elsewhere. One try of many has to
/// be on time, since the case must show on any busy machine that nothing polls. A store that polls
/// is late by the same in each try.
pub(crate) async fn a_waiting_worker_has_it_within_milliseconds(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let mut best = SOON;
    for n in 0..40 {
        stage.add(task(&n.to_string()).after(Duration::from_millis(111))).await;
        let reply = stage.lease(&ask(1).waiting(SOON)).await;
        let lease = reply.leases.first().expect("it came within the wait");
        assert!(lease.leased_at >= lease.due_at, "it came early");
        best = best.min(lease.leased_at.since(lease.due_at));
        if best < ON_TIME {
            return;
        }
    }
    panic!("{best:?} late at best");
}

pub(crate) async fn a_repeat_at_a_moment_is_placed_there(stage: Stage) {
    let lease = stage.running(task("a").every(SECOND * 60)).await;
    let at = RunAt::At(stage.now().plus(ODD));
    stage.settle(&lease, docket_core::Outcome::Repeat { at, args: None }).await;
    becomes_visible_after(&stage, ODD).await;
}
