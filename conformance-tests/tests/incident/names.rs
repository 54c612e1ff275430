//! T15, T18: names nobody serves, and work that waits behind healthy work.

use std::time::Duration;

use docket_core::worker::Alarm;
use docket_core::{ErrorKind, Registry, Settings, TaskState};
use futures_util::future::join_all;
use tracing::Level;

use crate::scene::{SOON, Scene, Setup, all_tasks, eventually};
use crate::stores::ALL;
use crate::tasks::{Flaky, Hold, Note, Tick};

/// Short, so that the alarm comes within a test's time.
const TOO_OLD: Duration = Duration::from_secs(2);

fn settings() -> Settings {
    Settings { oldest_ready_alarm: TOO_OLD, ..Setup::new(50, 1).settings() }
}

async fn each(case: &str) -> Vec<Scene> {
    join_all(ALL.map(|kind| Scene::new(kind, case))).await
}

/// A worker of which the docket knows nothing else: only the periodic task is registered.
fn only_ticks() -> Registry {
    let mut registry = Registry::new();
    registry.periodic::<Tick>().unwrap();
    registry
}

/// A second consumer that knew only the periodic task once took and dropped everything else: 0 of 40 ran.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t15_a_worker_that_knows_only_some_names_leaves_the_others_untouched_and_says_so() {
    join_all(each("t15a").await.into_iter().map(async |scene| {
        let foreign = scene.start_on(scene.store.fork(), only_ticks(), settings());
        for n in 0..40 {
            scene.client.add(Note {}).key(format!("n{n}")).await.unwrap();
        }
        let is_note = |alarm: &Alarm| matches!(alarm, Alarm::Unserved(_, name, _) if name.as_str() == "note");
        foreign.until_alarm("nobody handles note", TOO_OLD * 2 + SOON, is_note).await;
        assert!(foreign.health.is_ready(), "the worker itself is well");
        eventually("it is logged", SOON, async || {
            (foreign.logged(Level::ERROR, &["no live worker handles note"]) > 0).then_some(())
        })
        .await;
        for n in 0..40 {
            let view = scene.view(&format!("n{n}")).await;
            assert_eq!((view.state, view.attempts, view.crashes, view.fence), (TaskState::Ready, 0, 0, None));
        }
        // Old and new code together: everything runs as soon as some worker knows it.
        let knows = scene.start_on(scene.store.fork(), all_tasks(), settings());
        for n in 0..40 {
            scene.until(&format!("n{n}"), TaskState::Completed, SOON).await;
        }
        eventually("the alarm is over", TOO_OLD * 2 + SOON, async || foreign.health.alarms().is_empty().then_some(()))
            .await;
        for worker in [foreign, knows] {
            worker.stopped().await.unwrap();
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t15_old_and_new_code_share_a_docket() {
    join_all(each("t15b").await.into_iter().map(async |scene| {
        let mut old = Registry::new();
        old.register::<Note>().unwrap().register::<Hold>().unwrap();
        let mut new = Registry::new();
        new.register::<Note>().unwrap().register::<Flaky>().unwrap();
        let workers = [old, new].map(|registry| scene.start_on(scene.store.fork(), registry, settings()));
        scene.burst("mixed", 20).await;
        scene.all_ran(SOON).await;
        scene.none_ran_twice();
        for worker in workers {
            worker.stopped().await.unwrap();
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t15_a_worker_of_another_environment_is_refused_and_takes_nothing() {
    join_all(each("t15c").await.into_iter().map(async |scene| {
        let of = |environment: &str| Settings { environment: Some(environment.to_owned()), ..settings() };
        let ours = scene.start(of("production"));
        scene.burst("ours", 5).await;
        scene.all_ran(SOON).await;
        ours.stopped().await.unwrap();
        scene.client.add(Note {}).key("left").await.unwrap();
        let error = scene.start(of("staging")).ended(SOON).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("production"), "{error}");
        assert_eq!(scene.view("left").await.fence, None);
    }))
    .await;
}

/// The periodic task ran on time all day, so everything looked well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t18_work_that_waits_behind_healthy_periodic_tasks_is_an_alarm() {
    join_all(each("t18").await.into_iter().map(async |scene| {
        let mut registry = Registry::new();
        registry.register::<Note>().unwrap().register::<Hold>().unwrap();
        let blocked = scene.start_on(scene.store.fork(), registry, Settings { concurrency: 1, ..settings() });
        let healthy = scene.start_on(scene.store.fork(), only_ticks(), settings());
        scene.client.add(Hold { millis: 60_000, stubborn: false }).key("hog").await.unwrap();
        scene.until("hog", TaskState::Running, SOON).await;
        scene.client.add(Note {}).key("waits").await.unwrap();

        let too_old = |alarm: &Alarm| matches!(alarm, Alarm::OldestReady(age) if *age >= TOO_OLD);
        blocked.until_alarm("ready work is too old", TOO_OLD * 2 + SOON, too_old).await;
        eventually("it is logged", SOON, async || {
            (blocked.logged(Level::ERROR, &["the oldest ready task has waited"]) > 0).then_some(())
        })
        .await;
        scene.runs_again("tick", SOON).await;
        assert!(healthy.health.alarms().is_empty(), "{:?}", healthy.health.alarms());

        let hog = docket_core::TaskKey::new("hog").unwrap();
        scene.client.cancel(&hog).await.unwrap();
        scene.until("waits", TaskState::Completed, SOON).await;
        eventually("the alarm is over", SOON, async || blocked.health.alarms().is_empty().then_some(())).await;
        for worker in [blocked, healthy] {
            worker.stopped().await.unwrap();
        }
    }))
    .await;
}
