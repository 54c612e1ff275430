//! T9, T11: runs that end badly, outcomes that come late.

use std::time::Duration;

use docket_core::{Ack, AckAnswer, NewTask, Outcome, Payload, Settings, TaskKey, TaskName, TaskState, limits};
use futures_util::future::join_all;
use tracing::Level;

use crate::logs;
use crate::running::Running;
use crate::sabotage::{Fault, Sabotage, Verb};
use crate::scene::{SOON, Scene, Setup, all_tasks, request};
use crate::stores::ALL;
use crate::tasks::{Hold, Note, Panics, Unwritable};

const SHORT: Setup = Setup::new(50, 1);

async fn each(case: &str) -> Vec<Scene> {
    join_all(ALL.map(|kind| Scene::new(kind, case))).await
}

/// One exception that could not be serialised once ended the worker, and the next one that got the
/// message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_a_run_that_ends_badly_says_why_and_the_worker_goes_on() {
    join_all(each("t9a").await.into_iter().map(async |scene| {
        let settings = Settings { undecodable_for: Duration::from_secs(1), ..SHORT.settings() };
        let workers = [scene.start(settings.clone()), scene.start(settings)];
        let mut garbled = NewTask::new(TaskName::new("note").unwrap(), Payload::new(&b"\xff{"[..]));
        garbled.key = TaskKey::new("garbled").unwrap();
        scene.client.add_all(&[garbled]).await.unwrap().remove(0).unwrap();
        scene.client.add(Panics {}).key("panics").await.unwrap();
        scene.client.add(Unwritable {}).key("unwritable").await.unwrap();
        for (key, state, reason) in [
            ("garbled", TaskState::Dead, "do not decode as note"),
            ("panics", TaskState::Dead, "panicked: the disk is on fire"),
            // Its work is done.
            ("unwritable", TaskState::Completed, "without its result"),
        ] {
            let view = scene.until(key, state, SOON).await;
            let error = view.error.unwrap_or_default();
            assert!(error.contains(reason), "{key}: {error}");
            assert_eq!(view.crashes, 0);
        }
        assert_eq!(scene.log.runs("panics").len(), 3, "each attempt, and no more");
        assert!(logs::count(Level::WARN, &["attempt", "the disk is on fire"]) > 0);
        scene.burst("after", 10).await;
        scene.all_ran(SOON).await;
        for worker in workers {
            assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
            worker.stopped().await.unwrap();
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_a_store_that_takes_no_outcomes_for_a_while_runs_nothing_twice() {
    join_all(each("t9b").await.into_iter().map(async |scene| {
        let sabotage = Sabotage::of(scene.store.clone());
        let worker = scene.start_on(sabotage.store(), all_tasks(), SHORT.settings());
        scene.runs_again("tick", SOON).await;
        sabotage.set(Verb::Ack, Fault::Fails);
        scene.burst("during", 10).await;
        // Longer than a lease: an outcome is kept until it has arrived.
        tokio::time::sleep(SHORT.lease() + Duration::from_secs(1)).await;
        sabotage.lift();
        scene.all_ran(SOON + SHORT.lease()).await;
        for n in 0..10 {
            scene.until(&format!("during.now.{n}"), TaskState::Completed, SOON).await;
        }
        scene.none_ran_twice();
        worker.stopped().await.unwrap();
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t11_a_run_longer_than_its_lease_runs_once() {
    join_all(each("t11a").await.into_iter().map(async |scene| {
        let workers = [scene.start(SHORT.settings()), scene.start(SHORT.settings())];
        let hold = Hold { millis: 6_000, stubborn: true };
        scene.client.add(hold).key("long").await.unwrap();
        let view = scene.until("long", TaskState::Completed, Duration::from_secs(6) + SOON).await;
        assert_eq!((view.crashes, scene.log.runs("long").len()), (0, 1));
        for worker in workers {
            worker.stopped().await.unwrap();
        }
    }))
    .await;
}

/// Waits until another worker has taken the task, which its first worker does not know.
async fn taken_over(scene: &Scene, worker: &Running) -> docket_core::TaskView {
    let long = SHORT.lease() + SOON + Duration::from_secs(4);
    crate::scene::eventually("the other worker settles it", long, async || {
        let view = scene.view("cut").await;
        (view.state == TaskState::Completed && view.worker.as_ref() == Some(&worker.id)).then_some(view)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t11_a_worker_cut_off_from_renewing_settles_nothing_late() {
    join_all(each("t11b").await.into_iter().map(async |scene| {
        let sabotage = Sabotage::of(scene.store.clone());
        // It would let a run go on for a minute after it lost the lease. The wait that is under way when it is cut off ends
        // long before the lease does: else it might take the task once more.
        let (cancel_grace, check_interval) = (Duration::from_mins(1), Duration::from_millis(500));
        let patient = Settings { cancel_grace, check_interval, ..SHORT.settings() };
        let cut = scene.start_on(sabotage.store(), all_tasks(), patient);
        scene.client.add(Hold { millis: 4_000, stubborn: true }).key("cut").await.unwrap();
        scene.until("cut", TaskState::Running, SOON).await;
        sabotage.set(Verb::Heartbeat, Fault::NeverAnswers);
        sabotage.set(Verb::Lease, Fault::Fails);
        let other = scene.start(SHORT.settings());

        let view = taken_over(&scene, &other).await;
        assert_eq!((view.crashes, scene.log.runs("cut").len()), (1, 2));
        let fence = view.fence.unwrap().0.to_string();
        assert_eq!(view.result.unwrap().as_bytes(), fence.as_bytes(), "the result is the later run's");
        crate::scene::eventually("the late outcome is said", SOON, async || {
            (scene.log.runs("cut done").len() == 2 && logs::count(Level::WARN, &["arrived too late", "key=cut "]) > 0)
                .then_some(())
        })
        .await;
        assert!(cut.logged(Level::ERROR, &["given up"]) > 0);
        assert_eq!(scene.view("cut").await.worker.as_ref(), Some(&other.id));
        other.stopped().await.unwrap();
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t11_a_late_ack_changes_nothing() {
    join_all(each("t11c").await.into_iter().map(async |scene| {
        scene.client.add(Note {}).key("late").await.unwrap();
        let reply = scene.store.lease(&request("the-slow", "note", 1, limits::LEASE_MIN)).await.unwrap();
        let worker = scene.start(SHORT.settings());
        let settled = scene.until("late", TaskState::Completed, limits::LEASE_MIN + SOON).await;
        let token = reply.leases[0].token.clone();
        let outcome = Outcome::Dead { error: "too late".to_owned() };
        let ack = Ack { token, outcome, max_attempts: 1, retention: limits::RETENTION };
        let answer = scene.store.ack(&[ack]).await.unwrap().answers.remove(0).unwrap();
        assert_eq!(answer, AckAnswer::Stale);
        assert_eq!(scene.view("late").await, settled);
        worker.stopped().await.unwrap();
    }))
    .await;
}
