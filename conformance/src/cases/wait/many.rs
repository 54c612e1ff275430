//! Many waiters: which one is woken, and where a wake-up goes when its waiter leaves.

use std::time::Duration;

use docket_core::{LeaseRequest, TaskState, limits};
use tokio::time::{Instant, sleep};

use crate::stage::{Ask, Edit, LONG_WAIT, SOON, Stage, ask, key, keys, task};

use super::{A_WHILE, still_waiting};

pub(crate) async fn two_adds_wake_two_waiters(stage: Stage) {
    let (first, second) = (stage.waiter("first").await, stage.waiter("second").await);
    stage.add("a").await;
    stage.add("b").await;
    let mut both = [first.lease().await.token.key, second.lease().await.token.key];
    both.sort_unstable();
    assert_eq!(both, [key("a"), key("b")]);
}

/// One call that adds two tasks may produce one wake-up; a call that takes it and leaves a task
/// passes it on.
pub(crate) async fn what_a_lease_leaves_wakes_the_next_waiter(stage: Stage) {
    let mut waiters = Vec::new();
    for n in 0..4 {
        waiters.push(stage.waiter(&format!("waiter-{n}")).await);
    }
    stage.add_all(&["a", "b", "c", "d"].map(task)).await;
    for waiter in waiters {
        waiter.lease().await;
    }
}

pub(crate) async fn what_a_passer_by_leaves_wakes_a_waiter(stage: Stage) {
    let waiter = stage.waiter("waiter").await;
    stage.add_all(&["a", "b"].map(task)).await;
    assert_eq!(stage.take(1).await.len(), 1);
    waiter.lease().await;
}

/// Both adds wake the same waiter, which takes the more urgent task; the waiter for the other one
/// was not woken.
pub(crate) async fn what_a_choosy_waiter_leaves_wakes_the_next(stage: Stage) {
    let choosy = stage.waiting(ask(1).by("choosy").queues(&["urgent", "default"]).waiting(LONG_WAIT)).await;
    let waiter = stage.waiter("waiter").await;
    stage.add_all(&[task("a"), task("b").queue("urgent")]).await;
    assert_eq!(keys(&[choosy.lease().await]), ["b"]);
    assert_eq!(keys(&[waiter.lease().await]), ["a"]);
}

pub(crate) async fn a_wake_up_goes_to_who_can_take_the_task(stage: Stage) {
    let other = stage.waiting(ask(1).by("other").names(&["other"]).waiting(LONG_WAIT)).await;
    let elsewhere = stage.waiting(ask(1).by("elsewhere").queues(&["media"]).waiting(LONG_WAIT)).await;
    let right = stage.waiter("right").await;
    stage.add("a").await;
    right.lease().await;
    still_waiting(&[&other, &elsewhere]).await;
    stage.add(task("b").name("other")).await;
    stage.add(task("c").queue("media")).await;
    assert_eq!(keys(&[other.lease().await, elsewhere.lease().await]), ["b", "c"]);
}

/// A poll that finds nothing is not an answer: a waiter that was woken for nothing goes on waiting.
pub(crate) async fn one_task_ends_one_wait(stage: Stage) {
    let mut waiters = Vec::new();
    for n in 0..6 {
        waiters.push(stage.waiting(ask(10).by(&format!("waiter-{n}")).waiting(LONG_WAIT)).await);
    }
    stage.add("a").await;
    sleep(A_WHILE).await;
    assert_eq!(waiters.iter().filter(|waiter| waiter.is_waiting()).count(), 5);
    assert_eq!(stage.state("a").await, TaskState::Running);
}

pub(crate) async fn a_waiter_that_was_dropped_takes_nothing_with_it(stage: Stage) {
    for n in 0..5 {
        let dropped = stage.waiter(&format!("dropped-{n}")).await;
        dropped.leave().await;
        let waiter = stage.waiter(&format!("waiter-{n}")).await;
        stage.add(format!("a{n}").as_str()).await;
        waiter.lease().await;
    }
}

/// A waiter is dropped just as it is woken: another waiter gets the task, or the dropped call's
/// request still has it.
pub(crate) async fn a_waiter_that_is_dropped_when_woken_loses_no_task(stage: Stage) {
    for n in 0..10 {
        let request = ask(1).by(&format!("dropped-{n}")).waiting(LONG_WAIT);
        let dropped = stage.waiting(request.clone()).await;
        let waiter = stage.waiter(&format!("waiter-{n}")).await;
        stage.add(format!("a{n}").as_str()).await;
        dropped.leave().await;
        let end = Instant::now() + SOON;
        while waiter.is_waiting() {
            assert!(Instant::now() < end, "the task is with nobody");
            sleep(Duration::from_millis(5)).await;
            if stage.state(&format!("a{n}")).await == TaskState::Running && waiter.is_waiting() {
                // It comes to a repetition, or the answer is on its way to the waiter.
                let repeated = LeaseRequest { wait: Duration::ZERO, ..request.clone() };
                if stage.lease(&repeated).await.leases.len() == 1 {
                    break;
                }
            }
        }
    }
}

/// More lanes than a store may want to watch at once.
pub(crate) async fn a_worker_of_thousands_of_lanes_is_woken(stage: Stage) {
    let names: Vec<String> = (0..limits::LEASE_NAMES_MAX).map(|n| format!("name-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let request = ask(1).by("waiter").names(&names).queues(&["q1", "q2", "q3"]).waiting(LONG_WAIT);
    let waiter = stage.waiting(request).await;
    stage.add(task("a").name("name-999").queue("q3")).await;
    assert_eq!(keys(&waiter.reply().await.leases), ["a"]);
}
