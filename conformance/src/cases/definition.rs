//! The definition of a periodic task, as workers of several builds declare it.

use std::time::Duration;

use docket_core::{
    AddAnswer, CancelAnswer, Declared, Existing, HeartbeatAnswer, NewTask, Outcome, ScheduleAnswer, TaskState, limits,
};

use crate::stage::{Ask, Edit, LEASE, SECOND, Stage, ask, dead, repeat_in, retry, snooze, task, undecodable};

const EVERY: Duration = Duration::from_secs(3_600);
/// For how long one declaration holds.
const TTL: Duration = Duration::from_secs(30);

const REDEFINED: AddAnswer = AddAnswer::Declared(Declared::Redefined);
const IN_FORCE: AddAnswer = AddAnswer::Declared(Declared::InForce { failures: 0 });
const SUPERSEDED: AddAnswer = AddAnswer::Declared(Declared::Superseded { failures: 0 });
const TAKEN: AddAnswer = AddAnswer::Declared(Declared::Taken);

/// The declaration of a build with these args.
fn build(args: &str) -> NewTask {
    NewTask { declared_for: Some(TTL), ..task("chain").every(EVERY).args(args) }
}

async fn args_of(stage: &Stage) -> String {
    String::from_utf8(stage.view("chain").await.args.as_bytes().to_vec()).expect("args of a case are text")
}

/// A chain that has run once, a minute ago, as the old build defines it.
async fn underway(stage: &Stage) {
    let lease = stage.running(build("old")).await;
    stage.settle(&lease, repeat_in(EVERY)).await;
    stage.advance(Duration::from_secs(60)).await;
}

/// Both builds are there for the whole of a deploy: the chain must not switch back and forth between them.
pub(crate) async fn the_latest_is_in_force(stage: Stage) {
    assert_eq!(stage.add(build("old")).await, AddAnswer::Added);
    assert_eq!(stage.add(build("old")).await, IN_FORCE);
    assert_eq!(stage.add(build("new")).await, REDEFINED);
    for _ in 0..5 {
        assert_eq!(stage.add(build("old")).await, SUPERSEDED);
        assert_eq!(stage.add(build("new")).await, IN_FORCE);
        assert_eq!(args_of(&stage).await, "new");
        stage.advance(TTL / 2).await;
    }
    assert_eq!(stage.take_one().await.args.as_bytes(), b"new");
}

pub(crate) async fn the_earlier_returns_when_the_later_is_gone(stage: Stage) {
    stage.add(build("old")).await;
    stage.add(build("new")).await;
    stage.advance(TTL / 2).await;
    assert_eq!(stage.add(build("old")).await, SUPERSEDED);
    stage.advance(TTL / 2).await;
    assert_eq!(stage.add(build("old")).await, REDEFINED);
    assert_eq!(args_of(&stage).await, "old");
    // A late comer of the newer build was seen first later than the older one, and is again in force.
    assert_eq!(stage.add(build("new")).await, REDEFINED);
    assert_eq!(args_of(&stage).await, "new");
}

/// Nobody could declare anything: the first worker to return must not take over.
pub(crate) async fn an_outage_changes_nothing(stage: Stage) {
    stage.add(build("old")).await;
    stage.add(build("new")).await;
    stage.advance(TTL * 10).await;
    assert_eq!(stage.add(build("old")).await, SUPERSEDED);
    stage.advance(SECOND).await;
    assert_eq!(stage.add(build("new")).await, IN_FORCE);
    assert_eq!(args_of(&stage).await, "new");
}

pub(crate) async fn an_interval_counts_from_the_last_start(stage: Stage) {
    for (minutes, wait) in [(30, 29), (120, 59), (0, 0)] {
        stage.clear().await;
        underway(&stage).await;
        // Half a second instead of no interval at all: long past, so it is due now.
        let every = Duration::from_secs(minutes * 60).max(SECOND / 2);
        assert_eq!(stage.add(build("old").every(every)).await, REDEFINED);
        let view = stage.view("chain").await;
        assert_eq!(view.every, Some(every));
        assert_eq!(view.visible_at, stage.now().plus(Duration::from_secs(wait * 60)), "every {minutes} minutes");
    }
}

pub(crate) async fn another_queue_is_taken(stage: Stage) {
    stage.add(build("old")).await;
    assert_eq!(stage.add(build("old").queue("bulk")).await, REDEFINED);
    stage.nothing_to_lease().await;
    let leases = stage.lease(&ask(1).queues(&["bulk"])).await.leases;
    assert_eq!(leases.len(), 1);
    stage.settle(&leases[0], repeat_in(EVERY)).await;
    assert_eq!(stage.view("chain").await.queue.as_str(), "bulk");
}

pub(crate) async fn its_counts_start_again(stage: Stage) {
    let lease = stage.running(build("old")).await;
    stage.settle(&lease, retry(SECOND)).await;
    stage.advance(SECOND).await;
    let lease = stage.take_one().await;
    stage.settle(&lease, undecodable(SECOND)).await;
    assert_eq!(stage.add(build("new")).await, REDEFINED);
    stage.advance(SECOND).await;
    let lease = stage.take_one().await;
    assert_eq!((lease.attempts, lease.undecodable_since), (0, None));
}

pub(crate) async fn a_running_one_is_left_alone_until_its_end(stage: Stage) {
    let ends = [repeat_in(EVERY), retry(SECOND), dead(), snooze(SECOND), undecodable(SECOND), Outcome::Release];
    for end in ends {
        stage.clear().await;
        let lease = stage.running(build("old")).await;
        assert_eq!(stage.add(build("new").every(EVERY * 2)).await, REDEFINED);
        assert_eq!(stage.add(build("new").every(EVERY * 2)).await, IN_FORCE);
        assert_eq!(args_of(&stage).await, "old");
        assert_eq!(stage.heartbeat(&lease).await, HeartbeatAnswer::Held);
        stage.settle(&lease, end.clone()).await;
        let view = stage.view("chain").await;
        assert_eq!((view.args.as_bytes(), view.every), (&b"new"[..], Some(EVERY * 2)), "{end:?}");
        assert!(view.successor.is_none());
        assert!(view.visible_at <= stage.now().plus(EVERY), "not later than it was planned: {end:?}");
    }
    stage.clear().await;
    stage.running(build("old")).await;
    stage.add(build("new")).await;
    stage.advance(LEASE).await;
    assert_eq!(stage.take_one().await.args.as_bytes(), b"new", "a lost run has ended too");
}

/// The newer build has come and gone while the older one's run went on.
pub(crate) async fn one_that_is_gone_before_the_end_does_not_follow(stage: Stage) {
    let lease = stage.running(build("old")).await;
    assert_eq!(stage.add(build("new")).await, REDEFINED);
    stage.advance(TTL / 2).await;
    assert_eq!(stage.add(build("old")).await, SUPERSEDED);
    stage.advance(TTL / 2).await;
    assert_eq!(stage.add(build("old")).await, IN_FORCE);
    stage.settle(&lease, repeat_in(EVERY)).await;
    assert_eq!(args_of(&stage).await, "old");
}

pub(crate) async fn a_cancelled_one_stays_cancelled(stage: Stage) {
    stage.add(build("old")).await;
    stage.cancel("chain").await;
    assert_eq!(stage.add(build("new")).await, AddAnswer::Exists(Existing::In(TaskState::Cancelled)));
    stage.nothing_to_lease().await;

    for told in [true, false] {
        stage.clear().await;
        let lease = stage.running(build("old")).await;
        assert_eq!(stage.add(build("new")).await, REDEFINED);
        if told {
            assert_eq!(stage.cancel("chain").await, CancelAnswer::Cancelling);
            assert_eq!(stage.add(build("new")).await, AddAnswer::Exists(Existing::Cancelling));
        }
        stage.settle(&lease, Outcome::Cancelled).await;
        assert_eq!(stage.state("chain").await, TaskState::Cancelled);
        stage.advance(EVERY * 3).await;
        stage.nothing_to_lease().await;
    }
}

pub(crate) async fn a_key_of_another_task_is_left_alone(stage: Stage) {
    let others = [task("chain").name("other").every(EVERY), task("chain").after(EVERY)];
    for other in others {
        stage.clear().await;
        stage.add(&other).await;
        assert_eq!(stage.add(build("new")).await, TAKEN);
        let view = stage.view("chain").await;
        assert_eq!((&view.name, view.every, &view.args), (&other.name, other.every, &other.args));
    }
    stage.cancel("chain").await;
    assert_eq!(stage.add(build("new")).await, AddAnswer::Added, "a one-shot task that has ended leaves its key");
}

/// It counts as scheduled: until another definition is declared, it stays as somebody asked for it.
pub(crate) async fn what_was_scheduled_stays_until_another_is_declared(stage: Stage) {
    stage.add(build("old")).await;
    let by_hand = task("chain").every(EVERY).args("by hand");
    assert_eq!(stage.schedule(&by_hand).await, ScheduleAnswer::Moved);
    assert_eq!(stage.add(build("old")).await, IN_FORCE);
    assert_eq!(args_of(&stage).await, "by hand");
    assert_eq!(stage.add(build("new")).await, REDEFINED);

    stage.clear().await;
    let lease = stage.running(build("old")).await;
    stage.schedule(NewTask { add_id: docket_core::AddId::unique(), ..by_hand }).await;
    assert_eq!(stage.add(build("new")).await, SUPERSEDED, "what was scheduled behind the run goes first");
    stage.settle(&lease, repeat_in(EVERY)).await;
    assert_eq!(args_of(&stage).await, "by hand");
}

/// A task from before builds declared anything, or from another store.
pub(crate) async fn one_that_nobody_declared_is_taken_on(stage: Stage) {
    stage.add(task("chain").every(EVERY).args("old")).await;
    assert_eq!(stage.add(build("old")).await, IN_FORCE);
    stage.clear().await;
    stage.add(task("chain").every(EVERY).args("older")).await;
    assert_eq!(stage.add(build("old")).await, REDEFINED);
    assert_eq!(args_of(&stage).await, "old");
}

pub(crate) async fn a_repeated_declaration_gets_its_first_answer(stage: Stage) {
    let first = build("old");
    assert_eq!(stage.add(&first).await, AddAnswer::Added);
    let second = build("new");
    assert_eq!(stage.add(&second).await, REDEFINED);
    assert_eq!(stage.add(&second).await, REDEFINED);
    assert_eq!(stage.add(&first).await, AddAnswer::Added);
    assert_eq!(args_of(&stage).await, "new");
}

/// Declared again and again by every worker, it must not push out the remembered ids of other
/// calls.
pub(crate) async fn a_declaration_that_changes_nothing_is_not_remembered(stage: Stage) {
    let first = build("old");
    stage.add(&first).await;
    for _ in 0..=limits::CALL_IDS_MAX {
        assert_eq!(stage.add(build("old")).await, IN_FORCE);
    }
    assert_eq!(stage.add(&first).await, AddAnswer::Added);
}

pub(crate) async fn failures_in_a_row_are_told(stage: Stage) {
    stage.add(build("old")).await;
    for _ in 0..3 {
        let lease = stage.take_one().await;
        stage.die(&lease).await;
        stage.advance(EVERY).await;
    }
    assert_eq!(stage.add(build("old")).await, AddAnswer::Declared(Declared::InForce { failures: 3 }));
    assert_eq!(stage.add(build("new")).await, REDEFINED);
    assert_eq!(stage.add(build("old")).await, SUPERSEDED, "the new one has not failed yet");
}

pub(crate) async fn one_more_than_are_remembered_waits(stage: Stage) {
    for n in 0..limits::DEFINITIONS_MAX {
        stage.add(build(&n.to_string())).await;
    }
    assert_eq!(stage.add(build("one more")).await, SUPERSEDED);
    stage.advance(TTL).await;
    assert_eq!(stage.add(build("one more")).await, REDEFINED);
}
