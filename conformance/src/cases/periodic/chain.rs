//! The chain: each ack puts the same record back at its next time.

use docket_core::{AddAnswer, Existing, Outcome, RunAt, ScheduleAnswer, TaskState};

use crate::stage::{Edit, SECOND, Stage, payload, repeat_in, snooze, task};

use super::{EVERY, chain, wait_of};

pub(crate) async fn a_completed_run_comes_back_at_its_interval(stage: Stage) {
    let lease = stage.running(chain()).await;
    stage.advance(SECOND * 4).await;
    stage.complete(&lease).await;
    assert_eq!(wait_of(&stage).await, EVERY);
    stage.advance(EVERY).await;
    let next = stage.take_one().await;
    assert_eq!((&next.args, next.every), (&lease.args, Some(EVERY)));
}

/// A chain where each run creates the next dies with the first run that does not. Here the record is the chain.
pub(crate) async fn a_chain_runs_on(stage: Stage) {
    stage.add(chain()).await;
    for _ in 0..100 {
        let lease = stage.take_one().await;
        stage.settle(&lease, repeat_in(EVERY)).await;
        stage.nothing_to_lease().await;
        stage.advance(EVERY).await;
    }
}

pub(crate) async fn many_seeds_make_one_chain(stage: Stage) {
    assert_eq!(stage.add(chain()).await, AddAnswer::Added);
    for _ in 0..20 {
        assert_eq!(stage.add(chain()).await, AddAnswer::Exists(Existing::In(TaskState::Ready)));
    }
    let lease = stage.take_one().await;
    assert_eq!(stage.add(chain()).await, AddAnswer::Exists(Existing::In(TaskState::Running)));
    stage.complete(&lease).await;
    assert_eq!(stage.add(chain()).await, AddAnswer::Exists(Existing::In(TaskState::Scheduled)));
    assert_eq!(wait_of(&stage).await, EVERY, "a seed changes nothing");
}

pub(crate) async fn a_repeat_counts_from_the_start_of_its_run(stage: Stage) {
    let lease = stage.running(chain()).await;
    stage.advance(SECOND * 4).await;
    stage.settle(&lease, repeat_in(EVERY)).await;
    assert_eq!(stage.view("chain").await.visible_at, lease.leased_at.plus(EVERY));
}

pub(crate) async fn a_repeat_is_never_earlier_than_now(stage: Stage) {
    let lease = stage.running(chain()).await;
    for _ in 0..10 {
        stage.advance(SECOND * 9).await;
        stage.heartbeat(&lease).await;
    }
    stage.settle(&lease, repeat_in(EVERY)).await;
    assert_eq!(stage.view("chain").await.visible_at, stage.now());
    assert_eq!(stage.take_one().await.due_at, stage.now());
}

pub(crate) async fn a_repeat_can_name_its_moment(stage: Stage) {
    let lease = stage.running(chain()).await;
    let moment = stage.now().plus(SECOND * 777);
    stage.settle(&lease, Outcome::Repeat { at: RunAt::At(moment), args: None }).await;
    assert_eq!(stage.view("chain").await.visible_at, moment);
}

pub(crate) async fn a_repeat_can_carry_new_args(stage: Stage) {
    let lease = stage.running(chain()).await;
    let outcome = Outcome::Repeat { at: RunAt::In(EVERY), args: Some(payload("page 2")) };
    stage.settle(&lease, outcome).await;
    stage.advance(EVERY).await;
    let next = stage.take_one().await;
    assert_eq!(next.args, payload("page 2"));
    stage.settle(&next, repeat_in(EVERY)).await;
    assert_eq!(stage.view("chain").await.args, payload("page 2"), "no new args, the same args");
}

pub(crate) async fn a_task_without_an_interval_may_repeat_too(stage: Stage) {
    let lease = stage.running("once").await;
    stage.settle(&lease, repeat_in(SECOND)).await;
    stage.advance(SECOND).await;
    let again = stage.take_one().await;
    stage.complete(&again).await;
    assert_eq!(stage.state("once").await, TaskState::Completed);
}

pub(crate) async fn snoozing_or_releasing_does_not_end_an_occurrence(stage: Stage) {
    let lease = stage.running(chain()).await;
    stage.settle(&lease, snooze(SECOND)).await;
    assert_eq!(wait_of(&stage).await, SECOND);
    stage.advance(SECOND).await;
    let lease = stage.take_one().await;
    stage.settle(&lease, Outcome::Release).await;
    assert_eq!(stage.state("chain").await, TaskState::Ready);
}

pub(crate) async fn a_move_changes_the_interval(stage: Stage) {
    stage.add(chain()).await;
    assert_eq!(stage.schedule(task("chain").every(EVERY * 5)).await, ScheduleAnswer::Moved);
    let lease = stage.take_one().await;
    stage.complete(&lease).await;
    assert_eq!(wait_of(&stage).await, EVERY * 5);
}
