//! A run is known by its whole token, and its lease by when it was taken.

use std::time::{Duration, Instant};

use docket_core::{ListFilter, Settings, TaskState};
use futures_util::future::join_all;
use tracing::Level;

use crate::running::Running;
use crate::sabotage::{Fault, Sabotage, Verb};
use crate::scene::{SOON, Scene, Setup, all_tasks, eventually};
use crate::stores::ALL;
use crate::tasks::{Hang, Hold};

const SHORT: Setup = Setup::new(50, 1);

async fn on_all(case: &str, play: impl AsyncFn(Scene)) {
    join_all(ALL.map(async |kind| play(Scene::new(kind, case).await).await)).await;
}

fn start(scene: &Scene, sabotage: &Sabotage, settings: Settings) -> Running {
    scene.start_on(sabotage.store(), all_tasks(), settings)
}

/// After a failover a store may draw a fence again. A task was once stopped by another one's timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_with_one_fence_go_on_side_by_side() {
    on_all("fence.a", async |scene| {
        let sabotage = Sabotage::with_one_fence(scene.store.clone());
        let worker = start(&scene, &sabotage, SHORT.settings());
        let holds: Vec<String> = (0..6).map(|n| format!("hold.{n}")).collect();
        for key in &holds {
            scene.client.add(Hold { millis: 1_500, stubborn: false }).key(key.as_str()).await.unwrap();
        }
        scene.client.add(Hang {}).key("hang").await.unwrap();
        let view = scene.until("hang", TaskState::Dead, SOON).await;
        assert!(view.error.unwrap().contains("longer than its timeout"));
        for key in &holds {
            let view = scene.until(key, TaskState::Completed, SOON).await;
            assert_eq!((view.attempts, view.crashes, scene.log.runs(key).len()), (0, 0, 1), "{key}");
        }
        worker.stopped().await.unwrap();
    })
    .await;
}

/// The store says that a lease is renewed, and gives the task out again: to the same worker, under the same fence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_replaced_is_told_and_the_later_one_goes_on() {
    on_all("fence.b", async |scene| {
        let sabotage = Sabotage::with_one_fence(scene.store.clone());
        let worker = start(&scene, &sabotage, SHORT.settings());
        scene.client.add(Hold { millis: 6_000, stubborn: false }).key("k").await.unwrap();
        scene.until("k", TaskState::Running, SOON).await;
        sabotage.set(Verb::Heartbeat, Fault::Lies);
        let runs = |key: &str| scene.log.runs(key).len();
        eventually("it runs again", SHORT.lease() + SOON, async || (runs("k") == 2).then_some(())).await;
        sabotage.lift();
        eventually("the earlier run is told", SOON, async || (runs("k told") == 1).then_some(())).await;
        let view = scene.until("k", TaskState::Completed, Duration::from_secs(6) + SOON).await;
        assert_eq!((view.crashes, runs("k"), runs("k told"), runs("k done")), (1, 2, 1, 1));
        worker.stopped().await.unwrap();
    })
    .await;
}

/// It counted from the beginning of the wait that brought it, and was given up at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_lease_is_kept_that_comes_after_a_long_wait_during_a_renewal() {
    on_all("fresh", async |scene| {
        let sabotage = Sabotage::of(scene.store.clone());
        let worker = start(&scene, &sabotage, SHORT.settings());
        // It keeps the renewals going, nearly all the time.
        let long = Hold { millis: 8_000, stubborn: false };
        scene.client.add(long).key("long").await.unwrap();
        scene.until("long", TaskState::Running, SOON).await;
        sabotage.set(Verb::Heartbeat, Fault::Slow(Duration::from_millis(300)));
        tokio::time::sleep(SHORT.lease() + Duration::from_secs(1)).await;
        let keys: Vec<String> = (0..4).map(|n| format!("fresh.{n}")).collect();
        for key in &keys {
            scene.aside_client().add(Hold { millis: 600, stubborn: false }).key(key.as_str()).await.unwrap();
        }
        for key in &keys {
            let view = scene.until(key, TaskState::Completed, SOON).await;
            assert_eq!((view.crashes, scene.log.runs(key).len()), (0, 1), "{key}");
        }
        assert_eq!(worker.logged(Level::ERROR, &["given up"]), 0);
        sabotage.lift();
        worker.stopped().await.unwrap();
    })
    .await;
}

/// How long the lease of `key` lasts, by the store's clock.
async fn lease_left(scene: &Scene, key: &str) -> Duration {
    let filter = ListFilter { state: Some(TaskState::Running), ..ListFilter::default() };
    let page = scene.aside.list(&filter, None, 10).await.unwrap();
    let task = page.tasks.iter().find(|task| task.key.as_str() == key).expect("it runs");
    task.visible_at.since(page.now)
}

/// The new run starts then; a run was once told half a second later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_told_when_its_lease_ends_also_while_a_renewal_goes_unanswered() {
    on_all("told", async |scene| {
        let sabotage = Sabotage::of(scene.store.clone());
        // A lease of 4 s: a renewal that nobody answers takes 2 s of it.
        let settings =
            Settings { heartbeat_interval: Duration::from_secs(1), missed_heartbeats: 4, ..Settings::default() };
        let worker = start(&scene, &sabotage, settings);
        scene.client.add(Hold { millis: 20_000, stubborn: false }).key("k").await.unwrap();
        scene.until("k", TaskState::Running, SOON).await;
        sabotage.set(Verb::Heartbeat, Fault::NeverAnswers);
        // Pending calls have been answered.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let ends_at = Instant::now() + lease_left(&scene, "k").await;
        let told_at =
            eventually("it is told", Duration::from_secs(4) + SOON, async || scene.log.runs("k told").first().copied())
                .await;
        let late = told_at.saturating_duration_since(ends_at);
        assert!(late < Duration::from_millis(300), "told {late:?} after the end of its lease");
        sabotage.lift();
        worker.stopped().await.unwrap();
    })
    .await;
}
