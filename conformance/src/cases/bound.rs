//! I8 Bounded memory: finished records are trimmed, and items that are too large are refused by
//! name.

use std::time::Duration;

use docket_core::{AckAnswer, AddAnswer, ErrorKind, Heartbeat, NewTask, Outcome, Payload, RunAt, TaskState, limits};

use crate::stage::{
    Ask, Edit, LEASE, MICRO, SECOND, Stage, almost, ask, completed, completions, dead, keys, refusal, settle, task,
    tokens,
};

fn sized(key: &str, bytes: usize) -> NewTask {
    NewTask { args: Payload::new(vec![b'x'; bytes]), ..task(key) }
}

pub(crate) async fn oversized_args_do_not_spoil_the_batch(stage: Stage) {
    let batch = [task("a"), sized("b", limits::PAYLOAD_BYTES_MAX + 1), task("c")];
    let answers = stage.store().add(&batch).await.expect("an add is answered");
    assert_eq!(answers[0].as_ref().expect("a is taken"), &AddAnswer::Added);
    assert_eq!(refusal(&answers[1]), ErrorKind::TooLarge);
    assert_eq!(answers[2].as_ref().expect("c is taken"), &AddAnswer::Added);
    assert_eq!(keys(&stage.take(10).await), ["a", "c"]);
    assert_eq!(stage.get("b").await, None);
}

pub(crate) async fn oversized_args_cannot_be_scheduled(stage: Stage) {
    let answers = stage.store().schedule(&[sized("a", limits::PAYLOAD_BYTES_MAX + 1)]).await;
    assert_eq!(refusal(&answers.expect("a schedule is answered")[0]), ErrorKind::TooLarge);
    assert_eq!(stage.get("a").await, None);
}

/// Unbounded argument lists broke another queue's scripts at a few thousand; a megabyte is one argument.
pub(crate) async fn args_of_a_mebibyte_are_taken(stage: Stage) {
    let bytes: Vec<u8> = (0..limits::PAYLOAD_BYTES_MAX).map(|n| u8::try_from(n % 251).expect("below 251")).collect();
    let lease = stage.running(NewTask { args: Payload::new(bytes.clone()), ..task("a") }).await;
    assert!(lease.args.as_bytes() == bytes, "a mebibyte came back changed");
    stage.complete(&lease).await;
}

pub(crate) async fn an_oversized_result_is_refused_alone(stage: Stage) {
    let (large, small) = (stage.running("large").await, stage.running("small").await);
    let result = Payload::new(vec![b'x'; limits::PAYLOAD_BYTES_MAX + 1]);
    let acks = [settle(&large, Outcome::Completed(Some(result))), settle(&small, completed())];
    let reply = stage.ack_all(&acks).await;
    assert_eq!(refusal(&reply.answers[0]), ErrorKind::TooLarge);
    assert_eq!(reply.answers[1].as_ref().expect("small is judged"), &AckAnswer::Settled);
    assert_eq!(stage.state("large").await, TaskState::Running, "what was refused can be settled another way");
    stage.die(&large).await;
}

pub(crate) async fn oversized_args_cannot_be_repeated(stage: Stage) {
    let lease = stage.running(task("a").every(SECOND).args("first")).await;
    let args = Some(Payload::new(vec![b'x'; limits::PAYLOAD_BYTES_MAX + 1]));
    let outcome = Outcome::Repeat { at: RunAt::In(SECOND), args };
    assert_eq!(refusal(&stage.ack_all(&[settle(&lease, outcome)]).await.answers[0]), ErrorKind::TooLarge);
    let view = stage.view("a").await;
    assert_eq!((view.state, view.args.as_bytes()), (TaskState::Running, b"first".as_slice()));
}

pub(crate) async fn a_long_error_is_cut_at_a_character(stage: Stage) {
    let lease = stage.running("a").await;
    stage.settle(&lease, Outcome::Dead { error: format!("x{}", "ü".repeat(limits::ERROR_BYTES_MAX)) }).await;
    let error = stage.view("a").await.error.expect("it has an error");
    assert!(error.len() <= limits::ERROR_BYTES_MAX, "{} bytes were kept", error.len());
    assert!(error.starts_with("xüü") && error.ends_with("ü…"), "it is cut at a character, visibly");
}

pub(crate) async fn a_batch_of_too_many_items_is_refused_whole(stage: Stage) {
    let tasks: Vec<NewTask> = (0..=limits::BATCH_ITEMS_MAX).map(|n| task(&n.to_string())).collect();
    assert_eq!(refusal(&stage.store().add(&tasks).await), ErrorKind::TooLarge);
    assert_eq!(refusal(&stage.store().schedule(&tasks).await), ErrorKind::TooLarge);
    stage.nothing_to_lease().await;
    let lease = stage.running("a").await;
    let acks = vec![settle(&lease, completed()); limits::BATCH_ITEMS_MAX + 1];
    assert_eq!(refusal(&stage.store().ack(&acks).await), ErrorKind::TooLarge);
    let tokens = vec![lease.token.clone(); limits::BATCH_ITEMS_MAX + 1];
    let beat = Heartbeat { worker: ask(1).worker, tokens, lease_for: LEASE };
    assert_eq!(refusal(&stage.store().heartbeat(&beat).await), ErrorKind::TooLarge);
    assert_eq!(stage.state("a").await, TaskState::Running);
}

pub(crate) async fn a_batch_of_too_many_bytes_is_refused_whole(stage: Stage) {
    let tasks: Vec<NewTask> = (0..9).map(|n| sized(&n.to_string(), limits::PAYLOAD_BYTES_MAX)).collect();
    assert_eq!(refusal(&stage.store().add(&tasks).await), ErrorKind::TooLarge);
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_refusal_names_the_limit(stage: Stage) {
    let answers = stage.store().add(&[sized("a", limits::PAYLOAD_BYTES_MAX + 1)]).await.expect("an add is answered");
    let error = answers[0].as_ref().expect_err("it is too large");
    assert!(error.to_string().contains(&limits::PAYLOAD_BYTES_MAX.to_string()), "{error}");
    assert!(!error.is_retryable(), "it would be refused again");
}

pub(crate) async fn a_full_batch_goes_through_a_whole_life(stage: Stage) {
    stage.add_many(limits::BATCH_ITEMS_MAX).await;
    let leases = stage.take(limits::BATCH_ITEMS_MAX).await;
    assert_eq!(leases.len(), limits::BATCH_ITEMS_MAX);
    for answer in stage.heartbeat_all(&tokens(&leases)).await {
        assert_eq!(answer, docket_core::HeartbeatAnswer::Held);
    }
    for answer in stage.ack_all(&completions(&leases)).await.answers {
        assert_eq!(answer.expect("an ack is judged"), AckAnswer::Settled);
    }
    stage.nothing_to_lease().await;
}

pub(crate) async fn a_lease_brings_a_batch_at_most(stage: Stage) {
    stage.add_many(limits::BATCH_ITEMS_MAX + 5).await;
    assert_eq!(stage.take(limits::BATCH_ITEMS_MAX * 2).await.len(), limits::BATCH_ITEMS_MAX);
    assert_eq!(stage.take(limits::BATCH_ITEMS_MAX * 2).await.len(), 5);
}

pub(crate) async fn a_lease_brings_fewer_tasks_rather_than_more_bytes(stage: Stage) {
    for n in 0..10 {
        stage.add(sized(&n.to_string(), limits::PAYLOAD_BYTES_MAX)).await;
    }
    let reply = stage.lease(&ask(10)).await;
    let bytes: usize = reply.leases.iter().map(|lease| lease.args.len()).sum();
    assert!(bytes <= limits::BATCH_BYTES_MAX, "{bytes} bytes came at once");
    assert_eq!(keys(&reply.leases), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(reply.next_visible, Some(Duration::ZERO), "there is more, now");
    assert_eq!(keys(&stage.take(10).await), ["8", "9"]);
}

pub(crate) async fn a_small_task_is_not_brought_beyond_the_bytes_either(stage: Stage) {
    for n in 0..7 {
        stage.add(sized(&n.to_string(), limits::PAYLOAD_BYTES_MAX)).await;
    }
    stage.add(sized("nearly", limits::PAYLOAD_BYTES_MAX - 100)).await;
    stage.add(sized("small", 200)).await;
    let reply = stage.lease(&ask(10)).await;
    assert_eq!(keys(&reply.leases), ["0", "1", "2", "3", "4", "5", "6", "nearly"]);
    assert_eq!(reply.next_visible, Some(Duration::ZERO), "there is more, now");
    assert_eq!(keys(&stage.take(10).await), ["small"]);
}

pub(crate) async fn a_request_of_too_many_names_is_refused(stage: Stage) {
    let names: Vec<String> = (0..=limits::LEASE_NAMES_MAX).map(|n| format!("name-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(refusal(&stage.store().lease(&ask(1).names(&names)).await), ErrorKind::TooLarge);
    assert_eq!(refusal(&stage.store().lease(&ask(1).queues(&names)).await), ErrorKind::TooLarge);
    assert!(stage.lease(&ask(1).names(&names[1..])).await.leases.is_empty(), "as many as the limit are served");
}

pub(crate) async fn finished_tasks_are_kept_for_their_retention(stage: Stage) {
    let mut acks = Vec::new();
    for (key, end) in [("completed", completed()), ("cancelled", Outcome::Cancelled)] {
        let mut ack = settle(&stage.running(key).await, end);
        ack.retention = SECOND * 60;
        acks.push(ack);
    }
    stage.ack_all(&acks).await;
    stage.advance(almost(SECOND * 60)).await;
    stage.trim().await;
    assert_eq!(stage.state("completed").await, TaskState::Completed);
    assert_eq!(stage.state("cancelled").await, TaskState::Cancelled);
    stage.advance(MICRO).await;
    stage.trim().await;
    assert_eq!((stage.get("completed").await, stage.get("cancelled").await), (None, None));
}

pub(crate) async fn a_queued_task_that_was_cancelled_is_kept_for_the_default(stage: Stage) {
    stage.add("a").await;
    stage.cancel("a").await;
    stage.advance(almost(limits::RETENTION)).await;
    stage.trim().await;
    assert_eq!(stage.state("a").await, TaskState::Cancelled);
    stage.advance(MICRO).await;
    stage.trim().await;
    assert_eq!(stage.get("a").await, None);
}

/// The dead are what an operator comes to look at, so the retention of the type does not shorten theirs.
pub(crate) async fn the_dead_are_kept_longest(stage: Stage) {
    let lease = stage.running("a").await;
    let mut ack = settle(&lease, dead());
    ack.retention = SECOND;
    assert_eq!(stage.ack_one(&ack).await, AckAnswer::Settled);
    stage.advance(almost(limits::DEAD_RETENTION)).await;
    assert_eq!(stage.trim().await.swept.dead_trimmed, 0);
    assert_eq!(stage.state("a").await, TaskState::Dead);
    stage.advance(MICRO).await;
    assert_eq!(stage.trim().await.swept.dead_trimmed, 1, "it does not go unsaid");
    assert_eq!(stage.get("a").await, None);
}

pub(crate) async fn unfinished_tasks_are_never_trimmed(stage: Stage) {
    stage.add(task("scheduled").after(limits::DEAD_RETENTION * 2)).await;
    stage.running("running").await;
    stage.add("ready").await;
    stage.advance(limits::DEAD_RETENTION + limits::RETENTION).await;
    stage.trim().await;
    assert_eq!(stage.state("scheduled").await, TaskState::Scheduled);
    assert_eq!(stage.take(10).await.len(), 2);
}

pub(crate) async fn a_second_life_is_not_trimmed_with_the_first(stage: Stage) {
    let lease = stage.running("a").await;
    stage.complete(&lease).await;
    stage.add("a").await;
    stage.advance(limits::RETENTION * 2).await;
    stage.trim().await;
    assert_eq!(stage.state("a").await, TaskState::Ready);
}

/// One call must not pay for a million finished tasks.
pub(crate) async fn one_call_trims_a_bounded_number(stage: Stage) {
    stage.add_many(250).await;
    let leases = stage.take(250).await;
    stage.ack_all(&completions(&leases)).await;
    stage.advance(limits::RETENTION).await;
    for left in [150, 50, 0, 0] {
        stage.trim().await;
        let counts = stage.store().counts().await.expect("tasks can be counted");
        assert_eq!(counts.iter().map(|lane| lane.completed).sum::<u64>(), left);
    }
}

pub(crate) async fn acks_trim_too(stage: Stage) {
    let first = stage.running("first").await;
    stage.complete(&first).await;
    let second = stage.running("second").await;
    stage.advance(limits::RETENTION).await;
    stage.complete(&second).await;
    assert_eq!(stage.get("first").await, None);
    assert_eq!(stage.state("second").await, TaskState::Completed);
}

/// A fault that kills everything must not fill the store.
pub(crate) async fn beyond_their_bound_the_oldest_dead_go_first(stage: Stage) {
    let mut trimmed = 0;
    for _ in 0..=limits::DEAD_MAX / limits::BATCH_ITEMS_MAX {
        let batch: Vec<NewTask> = (0..limits::BATCH_ITEMS_MAX)
            .map(|_| NewTask { key: docket_core::TaskKey::unique(), ..task("x") })
            .collect();
        stage.add_all(&batch).await;
        let leases = stage.take(limits::BATCH_ITEMS_MAX).await;
        let acks: Vec<_> = leases.iter().map(|lease| settle(lease, dead())).collect();
        trimmed += stage.ack_all(&acks).await.swept.dead_trimmed;
        stage.advance(SECOND).await;
    }
    let beyond = u64::try_from(limits::BATCH_ITEMS_MAX).expect("it is small");
    while trimmed < beyond {
        let now = stage.trim().await.swept.dead_trimmed;
        assert!(now > 0, "only {trimmed} of {beyond} were trimmed");
        trimmed += now;
    }
    assert_eq!(stage.trim().await.swept.dead_trimmed, 0, "and no more than that");
}

/// Some large tasks must not fill a store that a hundred thousand small ones would not.
pub(crate) async fn beyond_their_bytes_the_oldest_finished_go_first(stage: Stage) {
    let kept = limits::FINISHED_BYTES_MAX / limits::PAYLOAD_BYTES_MAX;
    finish_large(&stage, kept + 3, &completed()).await;
    let counts = stage.store().counts().await.expect("tasks can be counted");
    let left: u64 = counts.iter().map(|lane| lane.completed).sum();
    assert_eq!(usize::try_from(left).expect("they are few"), kept);
    for (key, is_kept) in [(0, false), (2, false), (3, true), (kept + 2, true)] {
        assert_eq!(stage.get(&key.to_string()).await.is_some(), is_kept, "{key}");
    }
    // Records that keep nothing do not push out those that do.
    for n in 0..10 {
        let lease = stage.running(&*format!("small {n}")).await;
        stage.complete(&lease).await;
    }
    assert!(stage.get("3").await.is_some());
    // A second life weighs nothing until it ends: there is room for one more.
    stage.add(sized("3", limits::PAYLOAD_BYTES_MAX)).await;
    finish_large(&stage, 1, &completed()).await;
    assert!(stage.get("4").await.is_some());
}

pub(crate) async fn beyond_their_bytes_the_oldest_dead_go_first(stage: Stage) {
    let kept = limits::DEAD_BYTES_MAX / (limits::PAYLOAD_BYTES_MAX + limits::ERROR_BYTES_MAX);
    let error = "x".repeat(limits::ERROR_BYTES_MAX);
    let trimmed = finish_large(&stage, kept + 2, &Outcome::Dead { error }).await;
    assert_eq!(trimmed, 2, "it does not go unsaid");
    assert_eq!((stage.get("0").await, stage.get("1").await), (None, None));
    assert_eq!(stage.state("2").await, TaskState::Dead);
}

/// Finishes that many tasks of a mebibyte, the oldest first; returns how many dead ones were
/// trimmed for it.
async fn finish_large(stage: &Stage, count: usize, outcome: &Outcome) -> u64 {
    let mut trimmed = 0;
    let keys: Vec<usize> = (0..count).collect();
    for batch in keys.chunks(limits::BATCH_BYTES_MAX / limits::PAYLOAD_BYTES_MAX) {
        let tasks: Vec<NewTask> = batch.iter().map(|key| sized(&key.to_string(), limits::PAYLOAD_BYTES_MAX)).collect();
        stage.add_all(&tasks).await;
        for lease in stage.take(batch.len()).await {
            trimmed += stage.ack_all(&[settle(&lease, outcome.clone())]).await.swept.dead_trimmed;
            // Each ends at a different time.
            stage.advance(MICRO).await;
        }
    }
    trimmed
}

/// Trimming a hundred per call, tasks finished in full batches would grow without end.
pub(crate) async fn a_batch_of_acks_trims_as_many_as_it_finishes(stage: Stage) {
    stage.add_many(1_000).await;
    for _ in 0..2 {
        let leases = stage.take(500).await;
        // By the second round the records of the first have expired.
        stage.advance(limits::RETENTION).await;
        stage.ack_all(&completions(&leases)).await;
    }
    let counts = stage.store().counts().await.expect("tasks can be counted");
    assert_eq!(counts.iter().map(|lane| lane.completed).sum::<u64>(), 500, "those of the second round alone");
}

pub(crate) async fn zero_never_means_infinite(stage: Stage) {
    let zeros = [task("a").every(Duration::ZERO), task("a").max_attempts(0), task("a").max_crashes(0)];
    let added = stage.store().add(&zeros).await.expect("an add is answered");
    let scheduled = stage.store().schedule(&zeros).await.expect("a schedule is answered");
    assert!(added.iter().all(|answer| refusal(answer) == ErrorKind::Invalid), "{added:?}");
    assert!(scheduled.iter().all(|answer| refusal(answer) == ErrorKind::Invalid), "{scheduled:?}");
    stage.nothing_to_lease().await;
    assert_eq!(stage.get("a").await, None);
}
