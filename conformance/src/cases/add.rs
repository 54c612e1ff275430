//! What adding a task does, and what it leaves alone.

use docket_core::{AddAnswer, Existing, Outcome, Queue, TaskName, TaskState};

use crate::stage::{Ask, Edit, LEASE, SECOND, Stage, ask, completed, dead, key, keys, task};

pub(crate) async fn unfinished_key_is_not_added_twice(stage: Stage) {
    stage.add(task("running").args("first")).await;
    let lease = stage.take_one().await;
    stage.add(task("ready").args("first")).await;
    stage.add(task("scheduled").args("first").after(SECOND)).await;
    for (key, state) in
        [("running", TaskState::Running), ("ready", TaskState::Ready), ("scheduled", TaskState::Scheduled)]
    {
        let before = stage.view(key).await;
        let again = stage.add(task(key).args("second").after(SECOND * 9)).await;
        assert_eq!(again, AddAnswer::Exists(Existing::In(state)), "{key}");
        assert_eq!(stage.view(key).await, before, "{key} is unchanged");
    }
    stage.complete(&lease).await;
}

/// Nobody has counted the crash yet, so the task is still there.
pub(crate) async fn a_lost_lease_holds_its_key(stage: Stage) {
    stage.running("a").await;
    stage.advance(LEASE).await;
    assert_eq!(stage.add("a").await, AddAnswer::Exists(Existing::In(TaskState::Ready)));
    assert_eq!(stage.take_one().await.crashes, 1);
}

pub(crate) async fn a_cancelled_run_says_so(stage: Stage) {
    let lease = stage.running("a").await;
    stage.cancel("a").await;
    assert_eq!(stage.add("a").await, AddAnswer::Exists(Existing::Cancelling));
    stage.settle(&lease, Outcome::Cancelled).await;
    assert_eq!(stage.add("a").await, AddAnswer::Added);
}

pub(crate) async fn finished_key_lives_again(stage: Stage) {
    for end in [completed(), dead(), Outcome::Cancelled] {
        stage.add(task("a").args("first")).await;
        stage.crash().await;
        let lease = stage.take_one().await;
        stage.settle(&lease, end).await;
        stage.advance(SECOND).await;
        assert_eq!(stage.add(task("a").args("second")).await, AddAnswer::Added);
        let view = stage.view("a").await;
        assert_eq!((view.state, view.attempts, view.crashes), (TaskState::Ready, 0, 0));
        assert_eq!((view.args.as_bytes(), view.added_at), (b"second".as_slice(), stage.now()));
        let lease = stage.take_one().await;
        assert_eq!(lease.args.as_bytes(), b"second");
        stage.complete(&lease).await;
    }
}

pub(crate) async fn a_cancelled_queued_key_lives_again(stage: Stage) {
    stage.add("a").await;
    stage.cancel("a").await;
    assert_eq!(stage.add("a").await, AddAnswer::Added);
    stage.take_one().await;
}

/// Stores differ in what they do to bytes on the way: escapes, encodings, ends at a zero.
pub(crate) async fn args_come_back_unchanged(stage: Stage) {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let samples: [&[u8]; 7] = [
        b"{\"b\": 1, \"a\": [1.0, 1e400, 12345678901234567890]}",
        "{\"título\":\"ünïcödé 🎧 \\u0000\"}".as_bytes(),
        b"",
        b"'; DROP TABLE tasks; --",
        b"line\r\nline\n$3\r\n+OK\r\n",
        &all_bytes,
        b"null",
    ];
    for (n, sample) in samples.iter().enumerate() {
        let mut task = task(&format!("sample-{n}"));
        task.args = docket_core::Payload::new(sample.to_vec());
        let lease = stage.running(&task).await;
        assert_eq!(lease.args.as_bytes(), *sample, "leased");
        assert_eq!(stage.view(task.key.as_str()).await.args.as_bytes(), *sample, "shown");
        stage.settle(&lease, Outcome::Completed(Some(task.args.clone()))).await;
        let result = stage.view(task.key.as_str()).await.result;
        assert_eq!(result.expect("it returned something").as_bytes(), *sample, "returned");
    }
}

pub(crate) async fn any_text_is_a_key(stage: Stage) {
    let long = "k".repeat(docket_core::limits::KEY_BYTES_MAX);
    for text in ["like:did:plc:ü/1", "{braces}|and:colons", "  spaces  ", "*?[a-z]", "%s%d\\", "🎧", "0", &long] {
        assert_eq!(stage.add(text).await, AddAnswer::Added, "{text}");
        let lease = stage.take_one().await;
        assert_eq!(lease.token.key, key(text));
        assert_eq!(stage.view(text).await.key, key(text));
        stage.complete(&lease).await;
    }
}

pub(crate) async fn every_letter_of_a_name_is_kept(stage: Stage) {
    let (name, queue) = ("a.B:9/x_y-z", "fast:0/eu_west-1.a");
    stage.add(task("a").name(name).queue(queue)).await;
    let leases = stage.lease(&ask(10).names(&[name]).queues(&[queue])).await.leases;
    assert_eq!(keys(&leases), ["a"]);
    assert_eq!(leases[0].name, TaskName::new(name).expect("a good name"));
    assert_eq!(leases[0].queue, Queue::new(queue).expect("a good queue"));
}

pub(crate) async fn what_the_adder_overrode_reaches_the_worker(stage: Stage) {
    let added = task("a").max_attempts(7).max_crashes(2).every(SECOND * 90);
    let lease = stage.running(&added).await;
    assert_eq!((lease.overrides, lease.every), (added.overrides, added.every));
    stage.complete(&lease).await;
    let lease = stage.running("plain").await;
    assert_eq!((lease.overrides.max_attempts, lease.overrides.max_crashes, lease.every), (None, None, None));
}

pub(crate) async fn a_batch_is_answered_in_order(stage: Stage) {
    stage.add("b").await;
    let answers = stage.add_all(&[task("a"), task("b"), task("c")]).await;
    assert_eq!(answers, [AddAnswer::Added, AddAnswer::Exists(Existing::In(TaskState::Ready)), AddAnswer::Added]);
    assert_eq!(keys(&stage.take(10).await), ["b", "a", "c"]);
}

pub(crate) async fn one_key_twice_in_a_batch_is_added_once(stage: Stage) {
    let answers = stage.add_all(&[task("a").args("first"), task("a").args("second")]).await;
    assert_eq!(answers, [AddAnswer::Added, AddAnswer::Exists(Existing::In(TaskState::Ready))]);
    assert_eq!(stage.take_one().await.args.as_bytes(), b"first");
}

pub(crate) async fn one_task_twice_in_a_batch_is_one_call(stage: Stage) {
    let task = task("a");
    assert_eq!(stage.add_all(&[task.clone(), task]).await, [AddAnswer::Added; 2]);
    stage.take_one().await;
}

pub(crate) async fn an_empty_batch_is_no_error(stage: Stage) {
    assert!(stage.add_all(&[]).await.is_empty());
    assert!(stage.heartbeat_all(&[]).await.is_empty());
    assert!(stage.ack_all(&[]).await.answers.is_empty());
}

pub(crate) async fn dockets_do_not_meet(stage: Stage) {
    let other = stage.neighbour().await;
    assert_eq!(stage.add(task("a").args("here")).await, AddAnswer::Added);
    assert_eq!(other.add(task("a").args("there")).await, AddAnswer::Added);
    let (here, there) = (stage.take_one().await, other.take_one().await);
    assert_eq!((here.args.as_bytes(), there.args.as_bytes()), (b"here".as_slice(), b"there".as_slice()));
    stage.complete(&here).await;
    assert_eq!(other.state("a").await, TaskState::Running);
}

pub(crate) async fn another_handle_sees_it(stage: Stage) {
    let fork = stage.fork();
    stage.add("a").await;
    assert!(fork.get(&key("a")).await.expect("a task can be looked at").is_some());
    let leases = fork.lease(&ask(1)).await.expect("a lease is answered").leases;
    assert_eq!(keys(&leases), ["a"]);
    assert_eq!(stage.state("a").await, TaskState::Running);
}
