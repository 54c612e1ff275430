//! At the destination: parcels are taken in, or turned away.

use std::time::Duration;

use docket_core::{Arrival, ErrorKind, Parcel, ScheduleAnswer, TaskState, limits};

use crate::stage::{Ask, Edit, SECOND, Stage, ask, keys, payload, refusal, task};

/// A task of `stage` that has failed once, crashed twice and is due in a second.
async fn tried(stage: &Stage) -> Parcel {
    stage.add(task("a").max_crashes(9)).await;
    stage.crash().await;
    stage.crash().await;
    let lease = stage.take_one().await;
    stage.retry(&lease, SECOND).await;
    stage.take_out().await.remove(0)
}

/// The same time in another docket.
async fn destination(stage: &Stage) -> Stage {
    let there = stage.neighbour().await;
    there.advance(stage.now().since(there.now())).await;
    there
}

pub(crate) async fn a_parcel_keeps_its_counts_and_times(stage: Stage) {
    let parcel = tried(&stage).await;
    let there = destination(&stage).await;
    assert_eq!(there.take_in(std::slice::from_ref(&parcel)).await, [Arrival::Placed]);
    let view = there.view("a").await;
    assert_eq!(
        (view.state, view.visible_at, view.added_at),
        (TaskState::Scheduled, parcel.visible_at, parcel.added_at)
    );
    assert_eq!((view.attempts, view.crashes, view.error.as_deref()), (1, 2, Some("it failed")));
    there.nothing_to_lease().await;
    there.advance(SECOND).await;
    assert!(there.lease(&ask(1).no_suspects()).await.leases.is_empty(), "it is a suspect");
    let lease = there.take_one().await;
    assert_eq!((lease.attempts, lease.crashes, lease.due_at), (1, 2, parcel.due_at));
    assert_eq!((lease.args, lease.overrides), (parcel.args, parcel.overrides));
}

pub(crate) async fn a_parcel_comes_out_again_as_it_went_in(stage: Stage) {
    let parcel = tried(&stage).await;
    let there = destination(&stage).await;
    there.take_in(std::slice::from_ref(&parcel)).await;
    let again = there.take_out().await.remove(0);
    assert_eq!(Parcel { id: parcel.id, fence: parcel.fence, ..again }, parcel);
}

pub(crate) async fn parcels_stand_in_the_order_in_which_they_came(stage: Stage) {
    for name in ["c", "b", "a"] {
        stage.add(name).await;
    }
    let parcels = stage.take_out().await;
    let there = destination(&stage).await;
    there.take_in(&parcels).await;
    assert_eq!(keys(&there.take(10).await), ["c", "b", "a"]);
}

pub(crate) async fn a_parcel_is_taken_in_once(stage: Stage) {
    let parcels = [stage.moving(task("a")).await];
    let there = destination(&stage).await;
    for _ in 0..2 {
        assert_eq!(there.take_in(&parcels).await, [Arrival::Placed]);
    }
    let lease = there.take_one().await;
    assert_eq!(there.take_in(&parcels).await, [Arrival::Placed]);
    there.complete(&lease).await;
    assert_eq!(there.take_in(&parcels).await, [Arrival::Placed]);
    there.nothing_to_lease().await;
    assert_eq!(there.state("a").await, TaskState::Completed);
}

pub(crate) async fn a_key_finished_here_lives_again(stage: Stage) {
    let there = destination(&stage).await;
    let lease = there.running(task("a")).await;
    there.die(&lease).await;
    let parcel = stage.moving(task("a").args("moved")).await;
    assert_eq!(there.take_in(&[parcel]).await, [Arrival::Placed]);
    assert_eq!(there.take_one().await.args, payload("moved"));
}

pub(crate) async fn a_periodic_task_goes_and_comes_back(stage: Stage) {
    let there = destination(&stage).await;
    let parcel = stage.moving(task("a").every(SECOND)).await;
    there.take_in(std::slice::from_ref(&parcel)).await;
    stage.let_go(&[parcel]).await;
    let back = there.take_out().await;
    assert_eq!(stage.take_in(&back).await, [Arrival::Placed]);
    there.let_go(&back).await;
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    assert_eq!(stage.state("a").await, TaskState::Scheduled);
}

pub(crate) async fn a_key_taken_here_supersedes_the_parcel(stage: Stage) {
    let there = destination(&stage).await;
    there.running(task("running")).await;
    there.add(task("queued").args("own")).await;
    stage.add("queued").await;
    stage.schedule(task("running").args("moved")).await;
    let parcels = stage.take_out().await;
    assert_eq!(there.take_in(&parcels).await, [Arrival::Superseded; 2]);
    assert_eq!(there.view("running").await.successor, None);
    assert_eq!(there.take_one().await.args, payload("own"));
    assert_eq!(there.take_in(&parcels).await, [Arrival::Superseded; 2]);
}

pub(crate) async fn a_later_schedule_overtakes_what_arrived_before(stage: Stage) {
    let there = destination(&stage).await;
    for name in ["queued", "running"] {
        let parcel = stage.moving(task(name)).await;
        there.take_in(std::slice::from_ref(&parcel)).await;
        stage.let_go(&[parcel]).await;
        if name == "running" {
            there.take(10).await;
        }
        stage.schedule(task(name).args("later").after(SECOND * 60)).await;
        let parcels = stage.take_out().await;
        let expected = if name == "running" { Arrival::Follows } else { Arrival::Moved };
        for _ in 0..2 {
            assert_eq!(there.take_in(&parcels).await, [expected]);
        }
        stage.let_go(&parcels).await;
    }
    let successor = there.view("running").await.successor.expect("one follows");
    assert_eq!((successor.args, successor.visible_at), (payload("later"), there.now().plus(SECOND * 60)));
    let view = there.view("queued").await;
    assert_eq!((view.args, view.visible_at), (payload("later"), there.now().plus(SECOND * 60)));
}

pub(crate) async fn a_schedule_here_is_later_than_one_that_arrives(stage: Stage) {
    let there = destination(&stage).await;
    let parcel = stage.moving(task("a")).await;
    there.take_in(std::slice::from_ref(&parcel)).await;
    stage.let_go(&[parcel]).await;
    assert_eq!(there.schedule(task("a").args("here")).await, ScheduleAnswer::Moved);
    stage.schedule(task("a").args("there")).await;
    assert_eq!(there.take_in(&stage.take_out().await).await, [Arrival::Superseded]);
    assert_eq!(there.view("a").await.args, payload("here"));
}

pub(crate) async fn what_moves_on_takes_nothing_in(stage: Stage) {
    let there = destination(&stage).await;
    there.moving(task("a")).await;
    let parcel = stage.moving(task("a")).await;
    let answers = there.store().take_in(&[parcel]).await.expect("parcels are answered");
    assert!(answers[0].as_ref().expect_err("it moves").is_retryable());
}

pub(crate) async fn the_fence_goes_on(stage: Stage) {
    let there = destination(&stage).await;
    for _ in 0..5 {
        let lease = stage.running(task("before")).await;
        stage.complete(&lease).await;
    }
    let lease = stage.running(task("a")).await;
    stage.retry(&lease, Duration::ZERO).await;
    there.take_in(&stage.take_out().await).await;
    assert!(there.take_one().await.token.fence > lease.token.fence);
}

pub(crate) async fn an_oversized_parcel_is_refused_alone(stage: Stage) {
    stage.add("a").await;
    stage.add("b").await;
    let mut parcels = stage.take_out().await;
    parcels[0].args = payload(&"x".repeat(limits::PAYLOAD_BYTES_MAX + 1));
    let there = destination(&stage).await;
    let answers = there.store().take_in(&parcels).await.expect("parcels are answered");
    assert_eq!(refusal(&answers[0]), ErrorKind::TooLarge);
    assert_eq!(*answers[1].as_ref().expect("the other is taken in"), Arrival::Placed);
    assert_eq!(there.turn_away(&parcels[..1]).await, [Arrival::TurnedAway]);
}

pub(crate) async fn a_parcel_turned_away_stays_away(stage: Stage) {
    let there = destination(&stage).await;
    there.add(task("taken").args("own")).await;
    stage.add(task("absent").every(SECOND)).await;
    stage.add("taken").await;
    let parcels = stage.take_out().await;
    for _ in 0..2 {
        assert_eq!(there.turn_away(&parcels).await, [Arrival::TurnedAway; 2]);
        assert_eq!(there.take_in(&parcels).await, [Arrival::TurnedAway; 2]);
    }
    assert_eq!(keys(&there.take(10).await), ["taken"]);
    stage.put_back(&parcels).await;
    let later = stage.take_out().await;
    assert_eq!(there.take_in(&later).await, [Arrival::Placed, Arrival::Superseded]);
}

pub(crate) async fn what_was_taken_in_is_not_turned_away(stage: Stage) {
    let there = destination(&stage).await;
    let parcels = [stage.moving(task("a")).await];
    there.take_in(&parcels).await;
    assert_eq!(there.turn_away(&parcels).await, [Arrival::Placed]);
    there.take_one().await;
}

pub(crate) async fn a_parcel_wakes_a_waiter(stage: Stage) {
    let there = destination(&stage).await;
    let parcel = stage.moving(task("a")).await;
    let waiter = there.waiter("waiter").await;
    there.take_in(&[parcel]).await;
    assert_eq!(keys(&[waiter.lease().await]), ["a"]);
}
