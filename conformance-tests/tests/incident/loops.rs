//! T12, T13: each loop of a worker made to panic, to fail and to hang, and no other.

use std::time::Duration;

use docket_core::worker::Alarm;
use docket_core::{ErrorKind, Settings, TaskState};
use futures_util::future::join_all;
use tokio::time::sleep;
use tracing::Level;

use crate::running::Running;
use crate::sabotage::{Fault, Sabotage, Verb};
use crate::scene::{NOTICED, SOON, Scene, Setup, all_tasks, eventually};
use crate::stores::ALL;
use crate::tasks::Hold;

const SHORT: Setup = Setup::new(50, 1);
const CHECK: Duration = Duration::from_secs(1);
/// Long enough for six tries.
const REPEATED: Duration = Duration::from_secs(3);
/// A call that never answers is given up after ten seconds (and a lease's wait): recovery may take
/// this long.
const BACK: Duration = Duration::from_secs(17);

fn settings() -> Settings {
    Settings { check_interval: CHECK, ..SHORT.settings() }
}

fn sabotaged(scene: &Scene) -> (Sabotage, Running) {
    let sabotage = Sabotage::of(scene.store.clone());
    let worker = scene.start_on(sabotage.store(), all_tasks(), settings());
    (sabotage, worker)
}

async fn on_each_fault(case: &str, play: impl AsyncFn(Scene, Fault)) {
    let mut plays = Vec::new();
    for fault in [Fault::Panics, Fault::Fails, Fault::NeverAnswers] {
        for kind in ALL {
            plays.push(play(Scene::new(kind, case).await, fault));
        }
    }
    join_all(plays).await;
}

/// An ERROR that names the worker and the loop.
async fn said(worker: &Running, name: &str) {
    eventually(&format!("an error names the {name} loop"), SOON, async || {
        (worker.logged(Level::ERROR, &[name]) > 0).then_some(())
    })
    .await;
}

fn stalled(wanted: &str) -> impl Fn(&Alarm) -> bool {
    move |alarm| matches!(alarm, Alarm::Stalled { name, .. } if *name == wanted)
}

/// A deploy raises the docket's layout while a worker of the older build runs: it went on asking
/// twice a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_ends_when_its_docket_is_another_builds() {
    join_all(ALL.map(async |kind| {
        let scene = Scene::new(kind, "layout").await;
        let (sabotage, worker) = sabotaged(&scene);
        scene.burst("before", 5).await;
        scene.all_ran(SOON).await;
        for verb in [Verb::Lease, Verb::Heartbeat, Verb::Ack, Verb::Add, Verb::Counts] {
            sabotage.set(verb, Fault::OfAnotherBuild);
        }
        let error = worker.ended(NOTICED).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.to_string().contains("its layout is 9"), "{error}");
    }))
    .await;
}

/// A failure that repeats is logged once, and shown as an alarm while it lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failure_again_and_again_is_one_line() {
    join_all(ALL.map(async |kind| {
        let scene = Scene::new(kind, "lines").await;
        let (sabotage, worker) = sabotaged(&scene);
        scene.burst("before", 5).await;
        scene.all_ran(SOON).await;
        let lines = ["leasing failed", "renewing leases failed", "outcomes could not be settled"];
        for round in 1..=2 {
            // Only the fetch loop, so that it tries again; then the others, while nothing is leased.
            sabotage.set(Verb::Lease, Fault::Fails);
            eventually("leasing fails", NOTICED, async || {
                (worker.logged(Level::WARN, &[lines[0]]) == round).then_some(())
            })
            .await;
            sleep(REPEATED).await;
            sabotage.lift();
            worker.until_ready(SOON).await;
            scene.burst(&format!("between {round}"), 1).await;
            scene.all_ran(SOON).await;
        }
        sabotage.set(Verb::Heartbeat, Fault::Fails);
        sabotage.set(Verb::Ack, Fault::Fails);
        let hold = Hold { millis: 100, stubborn: false };
        scene.add(&scene.client, hold, "hold", Duration::ZERO).await.unwrap();
        worker.until_unready(NOTICED).await;
        sleep(REPEATED).await;
        let told = lines.map(|line| worker.logged(Level::WARN, &[line]));
        assert!(told[0] == 2 && told[1] <= 2 && told[2] <= 2, "{kind:?}: {told:?}");
        sabotage.lift();
        worker.until_ready(BACK).await;
        worker.stopped().await.unwrap();
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_a_fetch_loop_that_dies_is_named_restarted_and_shown() {
    on_each_fault("t12a", async |scene, fault| {
        let (sabotage, worker) = sabotaged(&scene);
        scene.burst("before", 5).await;
        scene.all_ran(SOON).await;
        sabotage.set(Verb::Lease, fault);
        worker.until_alarm("the fetch loop makes no progress", NOTICED, stalled("fetch")).await;
        assert!(!worker.health.is_ready());
        said(&worker, "fetch").await;
        sabotage.lift();
        scene.burst("after", 5).await;
        scene.all_ran(BACK).await;
        worker.until_ready(SOON).await;
        worker.stopped().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_a_heartbeat_that_dies_is_named_restarted_and_shown() {
    on_each_fault("t12b", async |scene, fault| {
        let (sabotage, worker) = sabotaged(&scene);
        let hold = Hold { millis: 6_000, stubborn: true };
        scene.add(&scene.client, hold, "hold", Duration::ZERO).await.unwrap();
        scene.until("hold", TaskState::Running, SOON).await;
        sabotage.set(Verb::Heartbeat, fault);
        worker.until_alarm("the heartbeat makes no progress", SHORT.lease() + SOON, stalled("heartbeat")).await;
        assert!(!worker.health.is_ready());
        // Its alarm is over once the run is given up, and the watchdog, which looks once a second,
        // may miss it. What it holds back is an alarm until renewing works again.
        let name = if fault == Fault::Panics { "heartbeat" } else { "renewing leases" };
        said(&worker, name).await;
        sabotage.lift();
        worker.until_ready(SOON).await;
        scene.until("hold", TaskState::Completed, Duration::from_secs(12) + SOON).await;
        worker.stopped().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_a_settling_loop_that_dies_is_named_restarted_and_shown() {
    on_each_fault("t12c", async |scene, fault| {
        let (sabotage, worker) = sabotaged(&scene);
        scene.burst("before", 1).await;
        scene.all_ran(SOON).await;
        sabotage.set(Verb::Ack, fault);
        scene.burst("during", 5).await;
        worker.until_alarm("the settling loop makes no progress", NOTICED, stalled("settle")).await;
        assert!(!worker.health.is_ready());
        said(&worker, "settle").await;
        sabotage.lift();
        for n in 0..5 {
            scene.until(&format!("during.now.{n}"), TaskState::Completed, BACK).await;
        }
        worker.until_ready(SOON).await;
        scene.none_ran_twice();
        worker.stopped().await.unwrap();
    })
    .await;
}

/// Once a worker that could not seed never leased: a full store stayed full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_a_worker_that_cannot_seed_works_all_the_same() {
    on_each_fault("t12e", async |scene, fault| {
        let sabotage = Sabotage::of(scene.store.clone());
        sabotage.set(Verb::Add, fault);
        let worker = scene.start_on(sabotage.store(), all_tasks(), settings());
        scene.burst("during", 5).await;
        scene.all_ran(SOON).await;
        assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
        if fault == Fault::Fails {
            let of_tick = |alarm: &Alarm| matches!(alarm, Alarm::NotSeeded { key, .. } if key.as_str() == "tick");
            worker.until_alarm("an alarm names the periodic task", SOON, of_tick).await;
            assert!(worker.health.is_ready());
        }
        sabotage.lift();
        scene.runs_again("tick", BACK).await;
        eventually("no alarm is left", SOON, async || worker.health.alarms().is_empty().then_some(())).await;
        worker.stopped().await.unwrap();
    })
    .await;
}

/// A worker leases no task that it cannot renew; another worker does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_work_goes_on_while_only_the_heartbeat_of_one_worker_fails() {
    on_each_fault("t13a", async |scene, fault| {
        let (sabotage, worker) = sabotaged(&scene);
        let other = scene.start(settings());
        scene.runs_again("tick", SOON).await;
        sabotage.set(Verb::Heartbeat, fault);
        for round in 0..4 {
            scene.burst(&round.to_string(), 10).await;
            scene.all_ran(SOON).await;
        }
        scene.none_ran_twice();
        scene.runs_again("tick", SOON).await;
        assert!(other.health.is_ready(), "{:?}", other.health.alarms());
        sabotage.lift();
        worker.until_ready(SOON).await;
        for worker in [worker, other] {
            worker.stopped().await.unwrap();
        }
    })
    .await;
}

/// The system this replaces went on advertising itself as alive by its heartbeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_a_heartbeat_does_not_make_a_worker_alive_whose_fetch_is_dead() {
    on_each_fault("t13b", async |scene, fault| {
        let (sabotage, worker) = sabotaged(&scene);
        scene.client.add(Hold { millis: 60_000, stubborn: false }).key("hold").await.unwrap();
        scene.until("hold", TaskState::Running, SOON).await;
        sabotage.set(Verb::Lease, fault);
        worker.until_unready(NOTICED).await;
        // The lease is renewed all the while, so the heartbeat is well; but others see when the worker last leased.
        assert_eq!(scene.view("hold").await.state, TaskState::Running);
        let workers = scene.aside.workers().await.unwrap();
        let seen = workers.iter().find(|seen| seen.record.id == worker.id).expect("its heartbeats keep its record");
        let leased_ago = seen.leased_ago.expect("it has leased before");
        assert!(leased_ago >= Duration::from_secs(8), "{leased_ago:?}");
        sabotage.lift();
        worker.until_ready(BACK).await;
        worker.stopped().await.unwrap();
    })
    .await;
}
