//! At the source: tasks are taken out, and let go or put back.

use docket_core::{
    AckAnswer, AddAnswer, AddId, ErrorKind, Existing, HeartbeatAnswer, NewTask, Outcome, Parcel, ParcelId, Swept,
    TaskState, Verb, limits,
};

use crate::stage::keys as leased;
use crate::stage::{Edit, LEASE, MICRO, SECOND, Stage, ask, dead, elsewhere, key, payload, place, refusal, task};

fn keys(parcels: &[Parcel]) -> Vec<&str> {
    parcels.iter().map(|parcel| parcel.key.as_str()).collect()
}

pub(crate) async fn a_task_that_moves_is_not_leased(stage: Stage) {
    stage.moving(task("a")).await;
    stage.nothing_to_lease().await;
    stage.advance(limits::DEAD_RETENTION).await;
    let reply = stage.lease(&ask(1)).await;
    assert!(reply.leases.is_empty());
    assert_eq!((reply.next_visible, reply.oldest_ready), (None, None));
    assert_eq!(stage.state("a").await, TaskState::Moving);
}

pub(crate) async fn a_parcel_carries_the_whole_task(stage: Stage) {
    let added_at = stage.now();
    stage.add(task("a").name("scan").queue("media").args("x").max_attempts(4).max_crashes(6)).await;
    let parcel = stage.take_out().await.remove(0);
    assert_eq!((parcel.key.as_str(), parcel.name.as_str(), parcel.queue.as_str()), ("a", "scan", "media"));
    assert_eq!(
        (parcel.args, parcel.overrides.max_attempts, parcel.overrides.max_crashes),
        (payload("x"), Some(4), Some(6))
    );
    assert_eq!((parcel.visible_at, parcel.due_at, parcel.added_at), (added_at, added_at, added_at));
    assert_eq!((parcel.every, parcel.fence, parcel.error, parcel.placed_by), (None, None, None, Verb::Add));
}

pub(crate) async fn a_parcel_carries_what_was_counted(stage: Stage) {
    stage.add(task("a").every(SECOND * 60)).await;
    let failed = stage.take_one().await;
    stage.settle(&failed, dead()).await;
    stage.advance(SECOND * 60).await;
    let tried = stage.take_one().await;
    stage.retry(&tried, SECOND).await;
    stage.advance(SECOND).await;
    let lost = stage.crash().await;
    let parcel = stage.take_out().await.remove(0);
    assert_eq!((parcel.attempts, parcel.crashes, parcel.failures), (1, 1, 1));
    assert_eq!((parcel.every, parcel.fence), (Some(SECOND * 60), Some(lost.token.fence)));
    assert_eq!(parcel.error.as_deref(), Some("it failed"));
}

pub(crate) async fn parcels_come_in_the_order_of_the_line(stage: Stage) {
    stage.add(task("later").after(SECOND * 2)).await;
    stage.add(task("other").name("scan").queue("media").after(MICRO)).await;
    stage.add("first").await;
    stage.add("second").await;
    assert_eq!(keys(&stage.take_some_out(2).await), ["first", "second"]);
    assert_eq!(stage.state("other").await, TaskState::Scheduled);
    assert_eq!(keys(&stage.take_out().await), ["first", "second", "other", "later"]);
    assert!(stage.take_some_out(0).await.is_empty());
}

pub(crate) async fn one_call_takes_out_a_bounded_number(stage: Stage) {
    stage.add_many(limits::BATCH_ITEMS_MAX + 1).await;
    let parcels = stage.take_some_out(usize::MAX).await;
    assert_eq!(parcels.len(), limits::BATCH_ITEMS_MAX);
    stage.let_go(&parcels).await;
    assert_eq!(keys(&stage.take_out().await), [format!("work-{:05}", limits::BATCH_ITEMS_MAX)]);
}

pub(crate) async fn one_call_takes_out_bounded_bytes(stage: Stage) {
    let large = "x".repeat(limits::PAYLOAD_BYTES_MAX);
    for n in 0..10 {
        stage.add(task(&format!("{n}")).args(&large)).await;
    }
    let parcels = stage.take_out().await;
    assert_eq!(parcels.len(), limits::BATCH_BYTES_MAX / limits::PAYLOAD_BYTES_MAX);
    stage.let_go(&parcels).await;
    assert_eq!(stage.take_out().await.len(), 10 - parcels.len());
}

pub(crate) async fn what_was_taken_out_comes_again(stage: Stage) {
    stage.add("b").await;
    stage.add("c").await;
    let before = stage.take_out().await;
    stage.add("a").await;
    let again = stage.take_out().await;
    assert_eq!(keys(&again), ["b", "c", "a"]);
    assert_eq!(again[..2], before[..]);
    assert_ne!(again[2].id, before[0].id);
    assert_eq!(stage.take_some_out(1).await, before[..1]);
}

pub(crate) async fn a_running_task_stays(stage: Stage) {
    let lease = stage.running(task("a")).await;
    assert!(stage.take_out().await.is_empty());
    stage.retry(&lease, SECOND).await;
    let parcels = stage.take_out().await;
    assert_eq!((keys(&parcels), parcels[0].attempts), (vec!["a"], 1));
    assert_eq!(parcels[0].visible_at, stage.now().plus(SECOND));
}

pub(crate) async fn a_successor_moves_once_the_run_is_over(stage: Stage) {
    let lease = stage.running(task("a")).await;
    stage.schedule(task("a").args("next").after(SECOND)).await;
    assert!(stage.take_out().await.is_empty());
    stage.complete(&lease).await;
    let parcels = stage.take_out().await;
    assert_eq!((&parcels[0].args, parcels[0].placed_by), (&payload("next"), Verb::Schedule));
}

pub(crate) async fn a_lost_lease_is_one_crash(stage: Stage) {
    stage.running(task("a")).await;
    stage.running(task("b").max_crashes(1)).await;
    stage.advance(LEASE).await;
    let parcels = stage.take_out().await;
    assert_eq!((keys(&parcels), parcels[0].crashes, parcels[0].visible_at), (vec!["a"], 1, stage.now()));
    assert_eq!(stage.state("b").await, TaskState::Dead);
    assert_eq!(stage.take_out().await[0].crashes, 1);
}

/// The workers had all left: nobody but the mover could say that the task was dead.
pub(crate) async fn what_the_sweep_ends_is_told(stage: Stage) {
    for task in [task("lost"), task("dead").max_crashes(1), task("again").max_crashes(1).every(SECOND)] {
        stage.running(task).await;
    }
    stage.advance(LEASE).await;
    let taken = stage.store().take_out(&elsewhere(), ParcelId::unique(), 10).await.expect("tasks can be taken out");
    let told: Vec<_> = taken.swept.limited.iter().map(|limited| (limited.key.as_str(), limited.repeats)).collect();
    assert_eq!((taken.swept.crashed, told), (3, vec![("dead", false), ("again", true)]));
    let again = stage.store().take_out(&elsewhere(), ParcelId::unique(), 10).await.expect("tasks can be taken out");
    assert_eq!((again.parcels.len(), again.swept), (taken.parcels.len(), Swept::default()), "once");
}

pub(crate) async fn a_token_from_before_the_move_is_stale(stage: Stage) {
    stage.add("a").await;
    let lost = stage.crash().await;
    stage.take_out().await;
    assert_eq!(stage.ack(&lost, Outcome::Completed(None)).await, AckAnswer::Stale);
    assert_eq!(stage.heartbeat(&lost).await, HeartbeatAnswer::Lost);
    assert_eq!(stage.state("a").await, TaskState::Moving);
}

pub(crate) async fn finished_tasks_stay(stage: Stage) {
    let done = stage.running(task("done")).await;
    stage.complete(&done).await;
    let died = stage.running(task("died")).await;
    stage.die(&died).await;
    stage.add("gone").await;
    stage.cancel("gone").await;
    assert!(stage.take_out().await.is_empty());
}

pub(crate) async fn a_docket_moves_to_one_place_at_a_time(stage: Stage) {
    let parcel = stage.moving(task("a")).await;
    stage.add("b").await;
    let other = stage.store().take_out(&place("another place"), ParcelId::unique(), 10).await;
    let error = other.as_ref().expect_err("its tasks move elsewhere");
    assert_eq!(refusal(&other), ErrorKind::Conflict);
    assert!(error.to_string().contains(elsewhere().as_str()), "{error}");
    assert_eq!(stage.state("b").await, TaskState::Ready);
    stage.let_go(&[parcel]).await;
    let parcels = stage.store().take_out(&place("another place"), ParcelId::unique(), 10).await;
    assert_eq!(keys(&parcels.expect("the first move is over").parcels), ["b"]);
}

pub(crate) async fn what_was_let_go_is_over(stage: Stage) {
    let parcel = stage.moving(task("a")).await;
    for _ in 0..2 {
        stage.let_go(std::slice::from_ref(&parcel)).await;
        let view = stage.view("a").await;
        assert_eq!((view.state, view.error.as_deref()), (TaskState::Cancelled, Some("moved to elsewhere")));
    }
    assert!(stage.take_out().await.is_empty());
    stage.advance(limits::RETENTION).await;
    stage.trim().await;
    assert_eq!(stage.get("a").await, None);
    stage.let_go(&[parcel]).await;
    assert_eq!(stage.get("a").await, None);
}

pub(crate) async fn a_periodic_task_let_go_is_not_seeded_again(stage: Stage) {
    let seed = task("a").every(SECOND);
    let parcel = stage.moving(seed.clone()).await;
    stage.let_go(&[parcel]).await;
    stage.advance(limits::DEAD_RETENTION).await;
    stage.trim().await;
    let seed = NewTask { add_id: AddId::unique(), ..seed };
    assert_eq!(stage.add(seed).await, AddAnswer::Exists(Existing::In(TaskState::Cancelled)));
    let refused = stage.store().requeue(&key("a"), None).await;
    assert_eq!(refusal(&refused), ErrorKind::Conflict);
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_task_put_back_has_its_place(stage: Stage) {
    stage.add("a").await;
    stage.add(task("b").after(SECOND)).await;
    let parcels = stage.take_out().await;
    stage.add("c").await;
    let before = stage.view("b").await.visible_at;
    for _ in 0..2 {
        stage.put_back(&parcels).await;
        assert_eq!((stage.state("a").await, stage.state("b").await), (TaskState::Ready, TaskState::Scheduled));
        assert_eq!(stage.view("b").await.visible_at, before);
    }
    stage.advance(SECOND).await;
    let leases = stage.take(10).await;
    assert_eq!(leased(&leases), ["a", "c", "b"]);
    stage.put_back(&parcels).await;
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_ticket_is_good_for_its_own_parcel_alone(stage: Stage) {
    let old = stage.moving(task("a")).await;
    stage.put_back(std::slice::from_ref(&old)).await;
    let new = stage.take_out().await;
    assert_ne!(old.id, new[0].id);
    stage.let_go(std::slice::from_ref(&old)).await;
    assert_eq!(stage.state("a").await, TaskState::Moving);
    stage.put_back(&[old]).await;
    assert_eq!(stage.take_out().await, new);
}
