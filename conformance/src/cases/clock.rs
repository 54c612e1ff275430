//! Time is the store's, and the suite moves it.

use std::time::Duration;

use docket_core::{Clock, ErrorKind, ListFilter, Outcome, Page, RunAt, ScheduleAnswer, TaskState, Timestamp};

use crate::stage::{Edit, LEASE, MICRO, SECOND, Stage, almost, ask, key, refusal, retry, task};

/// Five minutes: the step of a virtual machine that was suspended.
const STEP: Duration = Duration::from_secs(5 * 60);
const YEAR: Duration = Duration::from_secs(24 * 365 * 3_600);

async fn page(stage: &Stage) -> Page {
    stage.store().list(&ListFilter::default(), None, 1).await.expect("tasks can be listed")
}

async fn now(stage: &Stage) -> Timestamp {
    page(stage).await.now
}

pub(crate) async fn moving_it_wakes_every_waiter(stage: Stage) {
    stage.add(task("a").after(SECOND * 60)).await;
    stage.add(task("b").after(SECOND * 60)).await;
    let (one, two) = (stage.waiter("one").await, stage.waiter("two").await);
    stage.advance(SECOND * 60).await;
    let mut found = [one.lease().await.token.key, two.lease().await.token.key];
    found.sort();
    assert_eq!(found, [key("a"), key("b")]);
}

pub(crate) async fn a_step_that_makes_nothing_due_leaves_waiters_waiting(stage: Stage) {
    stage.add(task("a").after(SECOND * 60)).await;
    let waiter = stage.waiter("one").await;
    stage.advance(SECOND * 59).await;
    stage.nothing_to_lease().await;
    assert!(waiter.is_waiting());
    stage.advance(SECOND).await;
    assert_eq!(waiter.lease().await.leased_at, stage.now());
}

pub(crate) async fn it_stands_still_until_it_is_moved(stage: Stage) {
    assert_eq!(now(&stage).await, stage.now());
    stage.advance(Duration::from_micros(1)).await;
    assert_eq!(now(&stage).await, stage.now());
}

pub(crate) async fn unset_it_runs(stage: Stage) {
    let stage = stage.with_running_clock().await;
    let before = now(&stage).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert!(now(&stage).await > before);
}

pub(crate) async fn the_first_setting_needs_an_empty_docket(stage: Stage) {
    let running = stage.with_running_clock().await;
    running.add("a").await;
    let far = now(&running).await.plus(LEASE);
    assert_eq!(refusal(&running.store().set_clock(far).await), ErrorKind::Conflict);
    assert!(now(&running).await < far, "a refused setting changes nothing");
}

pub(crate) async fn it_never_goes_back(stage: Stage) {
    stage.add("a").await;
    stage.advance(SECOND).await;
    for step in [MICRO, SECOND, STEP] {
        stage.step_back(step).await;
        let counts = stage.store().counts().await.expect("tasks can be counted");
        assert_eq!((counts[0].ready, counts[0].oldest_ready), (1, Some(SECOND)), "after {step:?}");
        assert_eq!(now(&stage).await, stage.now(), "what is shown is the server's clock");
    }
    assert_eq!(stage.take_one().await.leased_at, stage.now());
}

/// A clock that was set back by five minutes stopped everything scheduled, and every takeover, for five minutes.
pub(crate) async fn leases_and_delays_run_on_after_a_step_back(stage: Stage) {
    let lost = stage.running("lost").await;
    stage.add(task("later").after(SECOND * 60)).await;
    stage.advance(SECOND).await;
    stage.step_back(STEP).await;
    stage.nothing_to_lease().await;
    assert_eq!(stage.lease(&ask(1)).await.next_visible, Some(LEASE.saturating_sub(SECOND)));
    stage.advance(almost(LEASE.saturating_sub(SECOND))).await;
    stage.nothing_to_lease().await;
    stage.advance(MICRO).await;
    let found = stage.take_one().await;
    assert_eq!((&found.token.key, found.crashes), (&lost.token.key, 1), "a lost lease is taken over in time");
    stage.settle(&found, retry(STEP)).await;
    stage.advance(almost((SECOND * 60).saturating_sub(LEASE))).await;
    stage.nothing_to_lease().await;
    stage.advance(MICRO).await;
    let later = stage.take_one().await;
    assert_eq!((later.token.key.as_str(), later.leased_at), ("later", stage.now()));
    stage.step_back(STEP).await;
    stage.complete(&later).await;
    stage.advance(STEP.saturating_sub((SECOND * 60).saturating_sub(LEASE))).await;
    assert_eq!(stage.take_one().await.token.key, key("lost"), "a retry comes back after its delay");
}

pub(crate) async fn a_step_is_told_with_its_size_and_counted(stage: Stage) {
    assert_eq!(stage.lease(&ask(1)).await.clock, Clock::default());
    stage.step_back(STEP).await;
    let told = Clock { offset: STEP, steps: 1 };
    assert_eq!(page(&stage).await.clock.offset, STEP, "also to who only looks");
    assert_eq!(stage.lease(&ask(1)).await.clock, told);
    stage.advance(SECOND * 3_600).await;
    assert_eq!(stage.lease(&ask(1)).await.clock, told, "passing time is not a step");
    stage.step_back(SECOND * 2).await;
    let told = Clock { offset: STEP + SECOND * 2, steps: 2 };
    let running = stage.running("a").await;
    stage.complete(&running).await;
    assert_eq!(stage.lease(&ask(1)).await.clock, told);
    assert_eq!(page(&stage).await.clock, told);
    let findings = stage.store().examine().await.expect("a store can be looked at");
    let clock = findings.iter().find(|finding| finding.subject == "clock").expect("the clock is looked at");
    assert!(clock.advice.contains("docket clock settle"), "{clock:?}");
}

pub(crate) async fn a_moment_is_by_the_servers_clock_after_a_step_back(stage: Stage) {
    stage.add(task("before").after(SECOND * 60)).await;
    stage.step_back(STEP).await;
    assert_eq!(stage.view("before").await.visible_at, stage.now().plus(SECOND * 60), "shown when it will run");
    let at = stage.now().plus(SECOND * 30);
    stage.add(task("moment").at(at)).await;
    let view = stage.view("moment").await;
    assert_eq!((view.visible_at, view.added_at, view.state), (at, stage.now(), TaskState::Scheduled));
    stage.advance(almost(SECOND * 30)).await;
    stage.nothing_to_lease().await;
    stage.advance(MICRO).await;
    let lease = stage.take_one().await;
    let times = (lease.due_at, lease.leased_at, lease.deadline);
    assert_eq!(times, (at, stage.now(), stage.now().plus(LEASE)));
    assert_eq!(stage.schedule(task("moment").at(stage.now().plus(STEP))).await, ScheduleAnswer::Follows);
    let successor = stage.view("moment").await.successor.expect("it follows");
    assert_eq!(successor.visible_at, stage.now().plus(STEP));
    stage.complete(&lease).await;
    assert_eq!(stage.view("moment").await.visible_at, stage.now().plus(STEP));
    let every = stage.running(task("every").every(SECOND)).await;
    let at = stage.now().plus(SECOND * 7);
    stage.settle(&every, Outcome::Repeat { at: RunAt::At(at), args: None }).await;
    assert_eq!(stage.view("every").await.visible_at, at);
}

/// A clock that was ahead by a year for one reading stopped the docket for a year.
pub(crate) async fn a_docket_goes_on_after_a_year_ahead_and_back(stage: Stage) {
    stage.add(task("later").after(YEAR + SECOND * 60)).await;
    stage.advance(YEAR).await;
    stage.nothing_to_lease().await;
    stage.step_back(YEAR).await;
    let lease = stage.running("now").await;
    assert_eq!((lease.leased_at, lease.due_at), (stage.now(), stage.now()));
    stage.complete(&lease).await;
    stage.add(task("moment").at(stage.now().plus(SECOND * 30))).await;
    stage.advance(SECOND * 30).await;
    stage.complete(&stage.take_one().await).await;
    stage.advance(SECOND * 30).await;
    assert_eq!(stage.take_one().await.token.key, key("later"));
}

pub(crate) async fn a_parcel_is_by_the_servers_clock(stage: Stage) {
    let there = stage.neighbour().await;
    stage.step_back(STEP).await;
    there.step_back(STEP).await;
    there.step_back(SECOND).await;
    let due = stage.now().plus(SECOND * 60);
    let parcel = stage.moving(task("a").at(due)).await;
    assert_eq!((parcel.visible_at, parcel.due_at, parcel.added_at), (due, due, stage.now()));
    there.take_in(std::slice::from_ref(&parcel)).await;
    let view = there.view("a").await;
    assert_eq!((view.visible_at, view.added_at), (due, parcel.added_at));
    assert_eq!(there.take_out().await[0].due_at, due, "and comes out as it went in");
}

pub(crate) async fn settling_takes_the_offset_to_zero(stage: Stage) {
    let settled = async || stage.store().settle_clock().await.expect("nothing is leased");
    assert_eq!(settled().await, Duration::ZERO);
    stage.step_back(STEP).await;
    stage.add(task("delay").after(SECOND * 10)).await;
    let moment = stage.now().plus(SECOND * 20);
    stage.add(task("moment").at(moment)).await;
    assert_eq!(settled().await, STEP);
    assert_eq!(page(&stage).await.clock, Clock { offset: Duration::ZERO, steps: 1 });
    assert_eq!(stage.lease(&ask(1)).await.next_visible, Some(SECOND * 10), "waiting tasks are not later");
    assert_eq!((stage.view("moment").await.visible_at, now(&stage).await), (moment, stage.now()));
    stage.add(task("after").at(moment.plus(SECOND))).await;
    stage.step_back(SECOND * 2).await;
    assert_eq!(stage.lease(&ask(1)).await.clock, Clock { offset: SECOND * 2, steps: 2 }, "the next step is counted");
    stage.advance(SECOND * 10).await;
    assert_eq!(stage.take_one().await.token.key, key("delay"));
    stage.advance(SECOND * 12).await;
    assert_eq!(stage.take(2).await.len(), 2);
}

pub(crate) async fn settling_waits_for_what_runs(stage: Stage) {
    let lease = stage.running("a").await;
    stage.step_back(STEP).await;
    assert_eq!(refusal(&stage.store().settle_clock().await), ErrorKind::Conflict);
    assert_eq!(stage.lease(&ask(1)).await.clock.offset, STEP, "a refusal changes nothing");
    stage.complete(&lease).await;
    assert_eq!(stage.store().settle_clock().await.expect("nothing is leased any more"), STEP);
}

pub(crate) async fn every_handle_reads_the_same(stage: Stage) {
    let fork = stage.fork();
    stage.advance(SECOND * 7).await;
    let page = fork.list(&docket_core::ListFilter::default(), None, 1).await.expect("tasks can be listed");
    assert_eq!(page.now, stage.now());
}

/// Leases on the application's clock needed half a minute of slack elsewhere.
pub(crate) async fn a_lease_is_measured_by_it_alone(stage: Stage) {
    let added = stage.now();
    stage.add("a").await;
    stage.advance(SECOND * 3).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.due_at, lease.leased_at), (added, stage.now()));
    assert_eq!(lease.deadline, stage.now().plus(LEASE));
    assert_eq!(stage.view("a").await.visible_at, lease.deadline);
}

pub(crate) async fn each_docket_has_its_own(stage: Stage) {
    let other = stage.neighbour().await;
    stage.advance(SECOND).await;
    assert_eq!(now(&other).await, other.now());
    assert!(now(&stage).await > now(&other).await);
}
