//! I3 Bounded: a limited number of failed attempts and of crashes, then dead, kept and shown.

use std::time::Duration;

use docket_core::{KnownName, LeaseRequest, Limited, Outcome, TaskName, TaskState, limits};

use crate::stage::{
    ATTEMPTS_MAX, Ask, Edit, LEASE, SECOND, Stage, ask, key, keys, repeat_in, retry, settle, snooze, task,
};

const FOR_EVER: u32 = 50;

/// Fails the task of this stage until it is dead; how many runs that took.
async fn runs_until_dead(stage: &Stage, name: &str, max_attempts: u32) -> u32 {
    for runs in 1..FOR_EVER {
        let lease = stage.take_one().await;
        let ack = docket_core::Ack { max_attempts, ..settle(&lease, retry(SECOND)) };
        stage.ack_one(&ack).await;
        stage.advance(SECOND).await;
        if stage.state(name).await == TaskState::Dead {
            return runs;
        }
    }
    panic!("{name} runs forever")
}

/// Lets workers die under the task until it is dead; how many leases that took.
async fn leases_until_dead(stage: &Stage, name: &str, max_crashes: u32) -> u32 {
    for leases in 0..FOR_EVER {
        stage.lease(&ask(1).max_crashes(max_crashes)).await;
        if stage.state(name).await == TaskState::Dead {
            return leases;
        }
        stage.advance(LEASE).await;
    }
    panic!("{name} crashes forever")
}

/// Counted with `>` a maximum of two gives three runs.
pub(crate) async fn attempts_end_a_task(stage: Stage) {
    for (name, max) in [("one", 1), ("two", 2), ("seven", 7)] {
        stage.add(name).await;
        assert_eq!(runs_until_dead(&stage, name, max).await, max);
        stage.nothing_to_lease().await;
    }
}

/// A poison task kills 25 workers where nothing counts deliveries.
pub(crate) async fn crashes_end_a_task(stage: Stage) {
    for (name, max) in [("one", 1), ("two", 2), ("five", limits::CRASHES_MAX)] {
        stage.add(name).await;
        assert_eq!(leases_until_dead(&stage, name, max).await, max);
        stage.nothing_to_lease().await;
    }
}

pub(crate) async fn the_adder_overrides_the_attempts(stage: Stage) {
    for (name, own) in [("fewer", 1), ("more", ATTEMPTS_MAX + 2)] {
        stage.add(task(name).max_attempts(own)).await;
        assert_eq!(runs_until_dead(&stage, name, ATTEMPTS_MAX).await, own);
    }
}

pub(crate) async fn the_adder_overrides_the_crashes(stage: Stage) {
    for (name, own) in [("fewer", 1), ("more", limits::CRASHES_MAX + 2)] {
        stage.add(task(name).max_crashes(own)).await;
        assert_eq!(leases_until_dead(&stage, name, limits::CRASHES_MAX).await, own);
    }
}

pub(crate) async fn the_worker_that_meets_the_crash_decides(stage: Stage) {
    stage.add("a").await;
    stage.crash().await;
    stage.crash().await;
    assert!(stage.lease(&ask(1).max_crashes(2)).await.leases.is_empty());
    assert_eq!(stage.state("a").await, TaskState::Dead);
}

pub(crate) async fn each_name_has_its_own_crash_limit(stage: Stage) {
    let names = [("strict", 1), ("patient", 3)];
    for (name, _) in names {
        stage.add(task(name).name(name)).await;
    }
    let known =
        names.map(|(name, max_crashes)| KnownName { name: TaskName::new(name).expect("a good name"), max_crashes });
    let request = || LeaseRequest { names: known.to_vec(), ..ask(10) };
    assert_eq!(keys(&stage.lease(&request()).await.leases), ["strict", "patient"]);
    stage.advance(LEASE).await;
    assert_eq!(keys(&stage.lease(&request()).await.leases), ["patient"]);
    assert_eq!(stage.state("strict").await, TaskState::Dead);
}

pub(crate) async fn the_failed_are_kept_with_their_error(stage: Stage) {
    let lease = stage.running(task("a").max_attempts(1)).await;
    stage.retry(&lease, SECOND).await;
    let view = stage.view("a").await;
    assert_eq!((view.state, view.error.as_deref()), (TaskState::Dead, Some("it failed")));
    assert_eq!((view.attempts, view.crashes), (1, 0), "the last attempt is one, too");
}

/// Nobody is there to report a worker that died: the lease call that meets its last crash does.
pub(crate) async fn the_crashed_are_named_by_the_call_that_ended_them(stage: Stage) {
    stage.add(task("a").max_crashes(1)).await;
    stage.crash().await;
    let reply = stage.lease(&ask(10)).await;
    assert_eq!((reply.leases.len(), reply.swept.crashed), (0, 1));
    let limited = Limited { key: key("a"), name: task("a").name, attempts: 0, repeats: false };
    assert_eq!(reply.swept.limited, [limited]);
    assert_eq!(stage.view("a").await.visible_at, stage.now(), "it died when it was found");
}

/// The report names the run that ended, not the task that takes its place.
pub(crate) async fn the_crashed_are_named_as_they_were(stage: Stage) {
    stage.add(task("a").max_crashes(1).max_attempts(9)).await;
    let lease = stage.take_one().await;
    stage.retry(&lease, Duration::ZERO).await;
    stage.add(task("b").max_crashes(1).every(SECOND)).await;
    stage.take(2).await;
    stage.schedule(task("a").name("other")).await;
    stage.advance(LEASE).await;
    let mut limited = stage.lease(&ask(10)).await.swept.limited;
    limited.sort_by(|a, b| a.key.cmp(&b.key));
    let of = |name: &str, attempts, repeats| Limited { key: key(name), name: task(name).name, attempts, repeats };
    assert_eq!(limited, [of("a", 1, false), of("b", 0, true)]);
}

pub(crate) async fn crashes_are_not_attempts(stage: Stage) {
    stage.add(task("a").max_attempts(1)).await;
    stage.crash().await;
    stage.crash().await;
    let lease = stage.take_one().await;
    assert_eq!((lease.attempts, lease.crashes), (0, 2));
}

pub(crate) async fn attempts_survive_a_crash(stage: Stage) {
    stage.add(task("a").max_attempts(2)).await;
    let lease = stage.take_one().await;
    stage.retry(&lease, SECOND).await;
    stage.advance(SECOND).await;
    stage.crash().await;
    let last = stage.take_one().await;
    assert_eq!((last.attempts, last.crashes), (1, 1));
    stage.retry(&last, SECOND).await;
    assert_eq!(stage.state("a").await, TaskState::Dead);
}

pub(crate) async fn crashes_survive_a_failed_attempt(stage: Stage) {
    stage.add(task("a").max_crashes(2)).await;
    stage.crash().await;
    let lease = stage.take_one().await;
    stage.retry(&lease, SECOND).await;
    stage.advance(SECOND).await;
    stage.crash().await;
    stage.nothing_to_lease().await;
    assert_eq!(stage.state("a").await, TaskState::Dead);
}

pub(crate) async fn a_snooze_is_never_counted(stage: Stage) {
    stage.add(task("a").max_attempts(1).max_crashes(1)).await;
    for _ in 0..FOR_EVER {
        let lease = stage.take_one().await;
        stage.settle(&lease, snooze(SECOND)).await;
        stage.advance(SECOND).await;
    }
    let lease = stage.take_one().await;
    assert_eq!((lease.attempts, lease.crashes), (0, 0));
}

pub(crate) async fn a_release_is_never_counted(stage: Stage) {
    stage.add(task("a").max_attempts(1).max_crashes(1)).await;
    for _ in 0..FOR_EVER {
        let lease = stage.take_one().await;
        stage.settle(&lease, Outcome::Release).await;
    }
    let lease = stage.take_one().await;
    assert_eq!((lease.attempts, lease.crashes), (0, 0));
}

pub(crate) async fn a_second_life_has_all_its_attempts(stage: Stage) {
    for _ in 0..3 {
        stage.add("a").await;
        assert_eq!(runs_until_dead(&stage, "a", 2).await, 2);
    }
}

/// With kept counts, Retry, a move and Retry would be dead after a single attempt of the new task.
pub(crate) async fn a_move_starts_counting_again(stage: Stage) {
    let lease = stage.running(task("a").max_attempts(2)).await;
    stage.retry(&lease, SECOND).await;
    stage.schedule(task("a").max_attempts(2)).await;
    assert_eq!(runs_until_dead(&stage, "a", 2).await, 2);
}

/// A Repeat that kept the counts: a crash, Repeat, one crash more: the limit, with one crash in this occurrence.
pub(crate) async fn a_repeat_starts_counting_again(stage: Stage) {
    stage.add(task("a").every(SECOND * 60).max_crashes(2).max_attempts(2)).await;
    stage.crash().await;
    let lease = stage.take_one().await;
    stage.settle(&lease, repeat_in(SECOND)).await;
    stage.advance(SECOND).await;
    stage.crash().await;
    let lease = stage.take_one().await;
    assert_eq!((lease.attempts, lease.crashes), (0, 1));
}
