//! T1, T17, T19: settings change only how soon a lost worker is noticed, and settings that cannot
//! work are refused.

use std::time::{Duration, Instant};

use docket_core::{ErrorKind, Settings, Worker, limits};
use futures_util::future::join_all;

use crate::scene::{SOON, Scene, Setup, all_tasks, eventually};
use crate::stores::ALL;
use crate::tasks::Hold;

const PER_PATH: usize = 100;

/// The change that was blamed: a heartbeat of 30 s instead of 2 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_the_heartbeat_interval_changes_neither_what_runs_nor_when() {
    // One store after the other: the setting is measured, not how they share the machine.
    for kind in ALL {
        let mut plays = Vec::new();
        for heartbeat_ms in [50, 2_000, 30_000, 120_000] {
            for workers in [1, 2] {
                plays.push((Setup::new(heartbeat_ms, workers), Scene::new(kind, "t1").await));
            }
        }
        let medians = join_all(plays.iter().map(|(setup, scene)| five_paths(*setup, scene))).await;
        for path in 0..medians[0].len() {
            let of_path = medians.iter().map(|medians| medians[path]);
            let (least, most) = (of_path.clone().min().unwrap(), of_path.max().unwrap());
            // Eight scenes share the machine: noise is tens of milliseconds, the differences of
            // interest are seconds.
            assert!(most < least + Duration::from_millis(1_500), "{kind:?}, path {path}: {least:?} to {most:?}");
        }
    }
}

/// Plays all five; answers the median latency of each.
async fn five_paths(setup: Setup, scene: &Scene) -> Vec<Duration> {
    scene.abandon("t1", PER_PATH, limits::LEASE_MIN).await;
    let workers = scene.start_all(setup);
    scene.burst("t1", PER_PATH).await;
    scene.all_ran(SOON).await;
    scene.none_ran_twice();
    scene.runs_again("tick", SOON).await;
    for worker in &workers {
        assert!(worker.health.is_ready(), "{setup:?}: {:?}", worker.health.alarms());
    }
    for worker in workers {
        worker.stopped().await.unwrap();
    }
    ["now", "later", "again", "lost"]
        .map(|path| {
            let late = scene.latencies(&format!(".{path}."));
            assert_eq!(late.len(), PER_PATH, "{setup:?}: {path}");
            late[PER_PATH / 2]
        })
        .to_vec()
}

/// The system this replaces slept its polling interval whenever every slot was taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_a_freed_slot_is_refilled_at_once_however_long_the_check_interval() {
    for kind in ALL {
        let scene = Scene::new(kind, "t17").await;
        for n in 0..100 {
            let hold = Hold { millis: 20, stubborn: false };
            scene.add(&scene.client, hold, &format!("k{n}"), Duration::ZERO).await.unwrap();
        }
        let settings = Settings { check_interval: Duration::from_mins(5), concurrency: 10, ..Settings::default() };
        let start = Instant::now();
        let worker = scene.start(settings);
        scene.all_ran(SOON).await;
        // Ten rounds of 20 ms; one poll would be five minutes.
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        eventually("all have ended", SOON, async || {
            (0..100).all(|n| scene.log.runs(&format!("k{n} done")).len() == 1).then_some(())
        })
        .await;
        scene.none_ran_twice();
        worker.stopped().await.unwrap();
    }
}

#[tokio::test]
async fn t19_settings_that_cannot_work_are_refused_at_the_start_with_the_reason() {
    let default = Settings::default;
    for (settings, said) in [
        (Settings { heartbeat_interval: Duration::ZERO, ..default() }, "heartbeat_interval is zero"),
        (Settings { missed_heartbeats: 0, ..default() }, "every lease would be lost at once"),
        (Settings { check_interval: Duration::ZERO, ..default() }, "check_interval is 0s; it must be 10ms to 5m"),
        (Settings { check_interval: Duration::from_hours(1), ..default() }, "it must be 10ms to 5m"),
        (Settings { concurrency: 0, ..default() }, "concurrency is 0"),
        (Settings { wedged_after: Duration::from_millis(1), ..default() }, "would pass for a wedged one"),
        (Settings { oldest_ready_alarm: Duration::ZERO, ..default() }, "it would always sound"),
    ] {
        let error =
            Worker::builder(Scene::memory().store).registry(all_tasks()).settings(settings).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(said), "{error}");
    }
    let error = Worker::builder(Scene::memory().store).build().unwrap_err();
    assert!(error.to_string().contains("no task is registered"), "{error}");
}

/// The incident's settings would have to be refused, if they were not made harmless.
#[tokio::test]
async fn t19_any_heartbeat_interval_leaves_four_renewals_to_a_lease() {
    for heartbeat_ms in [1, 50, 2_000, 30_000, 120_000, 86_400_000] {
        let timing = Setup::new(heartbeat_ms, 1).settings().timing().unwrap();
        assert!(
            timing.renewal * 4 <= timing.lease && timing.lease <= limits::LEASE_MAX,
            "{heartbeat_ms} ms: {timing:?}"
        );
    }
}
