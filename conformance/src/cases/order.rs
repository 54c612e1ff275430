//! I5 Ordered: lost leases first, then earliest `visible_at`, then order of adding; and queues as the worker says.

use std::time::Duration;

use docket_core::{Outcome, limits};

use crate::stage::{Ask, Edit, LEASE, SECOND, Stage, ask, keys, retry, task};

pub(crate) async fn the_earliest_comes_first(stage: Stage) {
    for (name, delay) in [("c", 3), ("a", 1), ("b", 2)] {
        stage.add(task(name).after(SECOND * delay)).await;
    }
    stage.advance(SECOND * 10).await;
    assert_eq!(keys(&stage.take(10).await), ["a", "b", "c"]);
}

pub(crate) async fn a_microsecond_is_enough_to_come_first(stage: Stage) {
    let at = stage.now().plus(SECOND);
    let later = docket_core::Timestamp::from_micros(at.as_micros() + 1);
    stage.add(task("later").at(later)).await;
    stage.add(task("earlier").at(at)).await;
    stage.advance(SECOND * 2).await;
    assert_eq!(keys(&stage.take(10).await), ["earlier", "later"]);
}

pub(crate) async fn adding_order_breaks_a_tie(stage: Stage) {
    // Keys in an order of their own: neither the text nor its hash may decide.
    for name in ["m", "z", "a", "10", "9"] {
        stage.add(name).await;
    }
    assert_eq!(keys(&stage.take(10).await), ["m", "z", "a", "10", "9"]);
}

pub(crate) async fn a_batch_is_added_in_its_order(stage: Stage) {
    stage.add_all(&["m", "z", "a"].map(task)).await;
    assert_eq!(keys(&stage.take(10).await), ["m", "z", "a"]);
}

/// Adding order is a number, not a text: the tenth comes after the ninth.
pub(crate) async fn ten_thousand_at_once_keep_their_order(stage: Stage) {
    stage.add_many(10_000).await;
    for thousand in 0..10 {
        let leases = stage.take(limits::BATCH_ITEMS_MAX).await;
        let order: Vec<String> = (thousand * 1_000..(thousand + 1) * 1_000).map(|n| format!("work-{n:05}")).collect();
        assert_eq!(keys(&leases), order);
    }
    stage.nothing_to_lease().await;
}

pub(crate) async fn lost_leases_come_first(stage: Stage) {
    stage.running("lost").await;
    stage.advance(LEASE).await;
    stage.add("new").await;
    stage.advance(SECOND).await;
    assert_eq!(keys(&stage.take(10).await), ["lost", "new"]);
}

pub(crate) async fn lost_leases_come_in_order_of_their_deadlines(stage: Stage) {
    for name in ["b", "a", "c"] {
        stage.running(name).await;
        stage.advance(SECOND).await;
    }
    stage.advance(LEASE).await;
    assert_eq!(keys(&stage.take(10).await), ["b", "a", "c"]);
}

pub(crate) async fn lost_leases_of_one_deadline_keep_their_adding_order(stage: Stage) {
    stage.add_all(&["m", "z", "a"].map(task)).await;
    stage.take(10).await;
    stage.advance(LEASE).await;
    assert_eq!(keys(&stage.take(10).await), ["m", "z", "a"]);
}

pub(crate) async fn a_retry_waits_behind_those_who_waited_longer(stage: Stage) {
    let lease = stage.running("retried").await;
    stage.advance(SECOND).await;
    stage.add("waiting").await;
    stage.advance(SECOND).await;
    stage.settle(&lease, retry(Duration::ZERO)).await;
    assert_eq!(keys(&stage.take(10).await), ["waiting", "retried"]);
}

pub(crate) async fn a_release_goes_back_before_those_who_came_later(stage: Stage) {
    stage.add_all(&["a", "b", "c"].map(task)).await;
    let leases = stage.take(2).await;
    stage.advance(SECOND).await;
    // In the wrong order: their places are their own.
    for lease in leases.iter().rev() {
        stage.settle(lease, Outcome::Release).await;
    }
    assert_eq!(keys(&stage.take(10).await), ["a", "b", "c"]);
}

pub(crate) async fn names_share_one_line(stage: Stage) {
    for (name, kind) in [("1", "b"), ("2", "a"), ("3", "b"), ("4", "c"), ("5", "a")] {
        stage.add(task(name).name(kind)).await;
    }
    let reply = stage.lease(&ask(10).names(&["a", "b", "c"])).await;
    assert_eq!(keys(&reply.leases), ["1", "2", "3", "4", "5"]);
}

pub(crate) async fn queues_are_served_in_the_workers_order(stage: Stage) {
    for (name, queue) in [("1", "slow"), ("2", "fast"), ("3", "slow"), ("4", "fast")] {
        stage.add(task(name).queue(queue)).await;
        stage.advance(SECOND).await;
    }
    let request = ask(3).queues(&["fast", "slow"]);
    assert_eq!(keys(&stage.lease(&request).await.leases), ["2", "4", "1"]);
}

/// Asked for every eighth time: a queue that is never empty must not starve the next.
pub(crate) async fn the_earliest_of_all_queues_can_be_asked_for(stage: Stage) {
    for (name, queue) in [("1", "slow"), ("2", "fast"), ("3", "slow"), ("4", "fast")] {
        stage.add(task(name).queue(queue)).await;
        stage.advance(SECOND).await;
    }
    let request = ask(3).queues(&["fast", "slow"]).earliest();
    assert_eq!(keys(&stage.lease(&request).await.leases), ["1", "2", "3"]);
}

pub(crate) async fn a_move_keeps_the_place_among_equals(stage: Stage) {
    let at = stage.now().plus(SECOND * 10);
    for name in ["a", "b", "c"] {
        stage.add(task(name).at(at)).await;
    }
    stage.schedule(task("a").after(SECOND * 60)).await;
    stage.schedule(task("a").at(at)).await;
    stage.advance(SECOND * 10).await;
    assert_eq!(keys(&stage.take(10).await), ["a", "b", "c"]);
}

pub(crate) async fn a_second_life_goes_to_the_end(stage: Stage) {
    let lease = stage.running("a").await;
    stage.complete(&lease).await;
    stage.add("b").await;
    stage.add("a").await;
    assert_eq!(keys(&stage.take(10).await), ["b", "a"]);
}

pub(crate) async fn a_successor_goes_to_the_end(stage: Stage) {
    let lease = stage.running("a").await;
    stage.schedule("a").await;
    stage.add("b").await;
    stage.complete(&lease).await;
    assert_eq!(keys(&stage.take(10).await), ["b", "a"]);
}
