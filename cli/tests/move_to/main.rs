//! `docket move` between a real Redis and a real Postgres, while workers and adders are at work, and while it is killed.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

#[path = "../common/said.rs"]
mod said;
mod scene;

use std::time::Duration;

use docket::{AddAnswer, Existing, TaskState};
use scene::{Place, Scene, Work};

/// One-shot tasks of every shape. What makes the shape is in `Scene::fill`.
const TASKS: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_from_redis_to_postgres_while_both_sides_work() {
    everything_moves(Place::redis().await, Place::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_from_postgres_to_redis_while_both_sides_work() {
    everything_moves(Place::postgres().await, Place::redis().await).await;
}

async fn everything_moves(from: Place, to: Place) {
    let scene = Scene::open(from, to).await;
    scene.fill(TASKS).await;
    let workers = [scene.worker(&scene.from, 2), scene.worker(&scene.to, 10)];
    scene.follow_a_running_task().await;
    let adders = scene.keep_adding(Duration::from_secs(2));
    let moved = scene.mover(&[]).run().await;
    assert_eq!(moved.code, 0, "{moved:?}");
    assert!(moved.stdout.contains("moved and compared"), "{moved:?}");
    adders.await.unwrap();
    scene.nothing_is_left_behind().await;
    scene.every_task_ran_once().await;
    scene.rest(workers).await;
}

/// Killed again and again, at moments that nobody chose.
#[tokio::test(flavor = "multi_thread")]
async fn a_mover_that_is_killed_anywhere_is_followed_by_another() {
    for (from, to) in [(Place::redis().await, Place::postgres().await), (Place::postgres().await, Place::redis().await)]
    {
        let scene = Scene::open(from, to).await;
        scene.fill(TASKS).await;
        let workers = [scene.worker(&scene.from, 1), scene.worker(&scene.to, 4)];
        scene.follow_a_running_task().await;
        let mut cut_short = 0;
        for _ in 0..8 {
            let mover = scene.mover(&[]).start();
            tokio::time::sleep(Duration::from_millis(fastrand::u64(30..250))).await;
            cut_short += usize::from(mover.kill());
        }
        assert!(cut_short > 3, "the mover was too fast to be killed: {cut_short}");
        let moved = scene.mover(&[]).run().await;
        assert_eq!(moved.code, 0, "{moved:?}");
        scene.nothing_is_left_behind().await;
        scene.every_task_ran_once().await;
        scene.rest(workers).await;
    }
}

/// Killed while its calls are under way to a destination that has stopped to answer: they arrive when it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_move_leaves_each_task_in_one_place() {
    let (server, there) = Place::own_redis().await;
    let scene = Scene::open(Place::postgres().await, there).await;
    // More than a mover that nothing holds up gets through before it is killed.
    scene.fill(2_000).await;
    for (pause, length) in [(true, 100), (false, 20), (true, 100)] {
        let mover = scene.mover(&[]).start();
        scene.until_something_moves().await;
        if pause {
            server.pause();
        }
        tokio::time::sleep(Duration::from_millis(length)).await;
        mover.kill();
        if pause {
            server.resume();
        }
    }
    let said = scene.mover(&["--abandon"]).run().await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(scene.from.count(TaskState::Moving).await, 0);
    let workers = [scene.worker(&scene.from, 4), scene.worker(&scene.to, 4)];
    scene.every_task_ran_once().await;
    scene.rest(workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_both_sides_have_is_the_destinations() {
    let scene = Scene::open(Place::redis().await, Place::postgres().await).await;
    assert_eq!(scene.from.add("k", Work::of("k")).await, AddAnswer::Added);
    assert_eq!(scene.to.add("k", Work::of("k")).await, AddAnswer::Added);
    let moved = scene.mover(&[]).run().await;
    assert_eq!(moved.code, 0, "{moved:?}");
    assert!(moved.stdout.contains("0 tasks moved and compared, 1 superseded"), "{moved:?}");
    assert!(moved.stderr.contains("k is unfinished at the destination already"), "{moved:?}");
    assert_eq!((scene.from.count(TaskState::Ready).await, scene.to.count(TaskState::Ready).await), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_moved_is_refused_with_the_reason() {
    let scene = Scene::open(Place::redis().await, Place::postgres().await).await;
    let here = scene.from.url.as_str();
    for (from, to, said) in [
        ("memory://", here, "a memory docket lives inside one process"),
        (here, "memory://", "a memory docket lives inside one process"),
        (here, here, "there is nothing to move"),
    ] {
        let refused = scene.mover_between(from, to, &[]).run().await;
        assert!(refused.code == 2 && refused.stderr.contains(said), "{refused:?}");
    }
    // The same server by another name.
    scene.from.add("k", Work::of("k")).await;
    let refused = scene.mover_between(here, &here.replace("127.0.0.1", "localhost"), &[]).run().await;
    assert!(refused.code == 2 && refused.stderr.contains("both URLs name the same docket"), "{refused:?}");
    assert_eq!(scene.from.count(TaskState::Ready).await, 1);
}

/// With nothing queued at the start there is nothing to tell one docket from two by; it is told by the first that is.
#[tokio::test(flavor = "multi_thread")]
async fn one_docket_by_two_names_is_noticed_whenever_something_is_queued() {
    for place in [Place::redis().await, Place::postgres().await] {
        let scene = Scene::open(place, Place::redis().await).await;
        let worker = scene.worker(&scene.from, 1);
        scene.from.add("k", Work::of("k").that_fails_once(1_500, 3_000)).await;
        scene.from.until("k", TaskState::Running).await;
        let here = scene.from.url.as_str();
        let refused = scene.mover_between(here, &here.replace("127.0.0.1", "localhost"), &[]).run().await;
        assert!(refused.code == 2 && refused.stderr.contains("both URLs name the same docket"), "{refused:?}");
        assert_eq!(scene.from.count(TaskState::Moving).await, 0);
        scene.from.until("k", TaskState::Completed).await;
        worker.stop().await;
    }
}

/// Workers over there begin the chain by themselves, before the move or after it: what was cancelled stays cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_periodic_task_does_not_live_again_at_the_destination() {
    for (from, to) in [(Place::redis().await, Place::postgres().await), (Place::postgres().await, Place::redis().await)]
    {
        let scene = Scene::open(from, to).await;
        for key in ["absent", "seeded", "lives"] {
            assert_eq!(scene.from.seed(key).await, AddAnswer::Added);
        }
        for key in ["absent", "seeded"] {
            scene.from.cancel(key).await;
        }
        assert_eq!(scene.to.seed("seeded").await, AddAnswer::Added);
        let moved = scene.mover(&[]).run().await;
        assert!(moved.code == 0 && moved.stderr.contains("absent was cancelled at the source"), "{moved:?}");
        for key in ["absent", "seeded"] {
            let seeded = scene.to.seed(key).await;
            assert_eq!(seeded, AddAnswer::Exists(Existing::In(TaskState::Cancelled)), "{key}");
        }
        // Another move, as after the last adder has switched, changes nothing about what was done over there since.
        scene.to.requeue("absent").await;
        let again = scene.mover(&[]).run().await;
        assert_eq!(again.code, 0, "{again:?}");
        for (key, state) in
            [("absent", TaskState::Ready), ("seeded", TaskState::Cancelled), ("lives", TaskState::Ready)]
        {
            assert_eq!(scene.to.state(key).await, state, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docket_may_have_another_name_over_there() {
    let scene = Scene::open(Place::redis().await, Place::postgres().await).await;
    scene.from.add("k", Work::of("k")).await;
    let other = format!("{}-new", scene.from.name());
    let moved = scene.mover(&["--to-docket", &other]).run().await;
    assert_eq!(moved.code, 0, "{moved:?}");
    assert_eq!((scene.from.count(TaskState::Ready).await, scene.to.count(TaskState::Ready).await), (0, 0));
    assert_eq!(scene.to.named(&other).await.count(TaskState::Ready).await, 1);
}

/// No worker is left that could log the deaths that a move finds.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_the_move_finds_dead_is_one_error_line() {
    for (from, to) in [(Place::redis().await, Place::postgres().await), (Place::postgres().await, Place::redis().await)]
    {
        let scene = Scene::open(from, to).await;
        scene.from.add_frail("frail", None).await;
        scene.from.add_frail("frail periodic", Some(Duration::from_hours(1))).await;
        scene.from.lose(2).await;
        let moved = scene.mover(&[]).run().await;
        assert_eq!(moved.code, 0, "{moved:?}");
        let lines = |said: &str| moved.stderr.lines().filter(|line| line.contains(said)).collect::<Vec<_>>();
        for (said, key) in [("task failed for good", "frail"), ("task reached its crash limit", "frail periodic")] {
            let told = lines(said);
            assert!(told.len() == 1 && told[0].contains("ERROR") && told[0].contains(key), "{said}: {}", moved.stderr);
        }
        assert!(lines("task failed for good")[0].contains("work"), "it names the task type: {}", moved.stderr);
        assert_eq!(scene.from.state("frail").await, TaskState::Dead);
    }
}
