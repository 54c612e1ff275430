//! Code that blocks cannot be stopped: its slot and its lease are kept until it returns, for a
//! limited time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use docket_core::worker::Alarm;
use docket_core::{CancelAnswer, Settings, Store, TaskState};

use crate::cases::{Scene, eventually, fast};
use crate::jobs::Stuck;

/// Longer than its timeout and a lease.
const LONG: u64 = 4_000;

/// Four runs of one key once went on at the same time.
pub(crate) async fn code_that_blocks_keeps_its_slot_and_its_lease_after_the_timeout(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    // One on the thread that it runs on, so that the other one of the runtime is left for the test.
    for (key, apart) in [("here", false), ("apart", true)] {
        scene.client.add(Stuck { millis: LONG, apart }).key(key).await.unwrap();
    }
    let workers = [scene.start(fast()), scene.start(fast())];
    scene.until("here", TaskState::Running).await;
    scene.until("apart", TaskState::Running).await;
    tokio::time::sleep(Duration::from_millis(LONG - 500)).await;
    for key in ["here", "apart"] {
        let view = scene.view(key).await;
        assert_eq!((view.state, view.attempts, view.crashes), (TaskState::Running, 0, 0), "{key}");
    }
    for key in ["here", "apart"] {
        let view = scene.until(key, TaskState::Completed).await;
        let starts = scene.log.starts().iter().filter(|start| *start == key).count();
        // The timeout was an attempt.
        assert_eq!((starts, view.attempts, view.crashes), (2, 1, 0), "{key}");
    }
    assert_eq!(scene.log.running_max.load(Ordering::SeqCst), 2, "one run of each");
    for worker in workers {
        worker.stopped().await;
    }
}

pub(crate) async fn a_cancelled_task_is_over_when_its_blocking_code_returns(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Stuck { millis: LONG, apart: true }).key("k").await.unwrap();
    let worker = scene.start(fast());
    eventually("it blocks", async || (scene.log.starts().len() == 1).then_some(())).await;
    assert_eq!(scene.client.cancel("k").await.unwrap(), CancelAnswer::Cancelling);
    tokio::time::sleep(Duration::from_millis(LONG - 1_500)).await;
    assert_eq!(scene.view("k").await.state, TaskState::Running);
    scene.until("k", TaskState::Cancelled).await;
    assert_eq!((scene.log.starts().len(), scene.log.running.load(Ordering::SeqCst)), (1, 0));
    worker.stopped().await;
}

pub(crate) async fn code_that_blocks_for_too_long_is_given_up_with_an_alarm(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Stuck { millis: LONG, apart: true }).key("k").await.unwrap();
    let worker = scene.start(Settings { max_blocking: Duration::from_secs(1), ..fast() });
    let alarms = || worker.health.alarms();
    let blocked = |alarm: &Alarm| matches!(alarm, Alarm::Blocked(name, 1, _) if name.as_str() == "stuck");
    eventually("it is an alarm", async || alarms().iter().any(blocked).then_some(())).await;
    assert!(worker.health.is_ready(), "the worker itself is well: {:?}", alarms());
    scene.until("k", TaskState::Completed).await;
    assert_eq!((scene.log.starts().len(), scene.log.running_max.load(Ordering::SeqCst)), (2, 2));
    eventually("the alarm is over", async || (!alarms().iter().any(blocked)).then_some(())).await;
    worker.stopped().await;
}

pub(crate) async fn a_stop_does_not_wait_for_code_that_blocks(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Stuck { millis: LONG, apart: true }).key("k").await.unwrap();
    let worker = scene.start(Settings { grace: Duration::from_millis(200), ..fast() });
    eventually("it blocks", async || (scene.log.starts().len() == 1).then_some(())).await;
    let begun = Instant::now();
    worker.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let view = scene.view("k").await;
    assert!(view.state != TaskState::Running && view.crashes == 0, "given back: {view:?}");
}
