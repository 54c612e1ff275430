//! The watchdog: it sees the work that no lease call would show.

use std::time::Duration;

use docket_core::worker::Alarm;
use docket_core::{NewTask, Payload, Settings, TaskKey, TaskName};
use tokio::time::sleep;

use crate::scene::{SECOND, Scene, eventually, usual};
use crate::tasks::Run;

#[tokio::test(start_paused = true)]
async fn work_that_no_worker_serves_is_an_alarm() {
    let scene = Scene::new();
    let stranger = TaskName::new("stranger").unwrap();
    let task = NewTask::keyed(TaskKey::new("k").unwrap(), stranger.clone(), Payload::new("{}"));
    scene.client.add_all(&[task]).await.unwrap().remove(0).unwrap();
    let worker = scene.start(usual());
    let unserved = |alarm: &Alarm| matches!(alarm, Alarm::Unserved(_, name, _) if *name == stranger);
    let took = worker.until_alarm(Duration::from_secs(91), unserved).await;
    assert!(took >= Duration::from_secs(60), "{took:?}");
    assert!(worker.health.is_ready(), "the worker itself is well");
    scene.client.cancel("k").await.unwrap();
    eventually("the alarm is over", 31 * SECOND, async || worker.health.alarms().is_empty().then_some(())).await;
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_waits_behind_a_full_worker_is_an_alarm() {
    let scene = Scene::new();
    let worker = scene.start(Settings { concurrency: 1, ..usual() });
    scene.add(Run::of(Duration::from_secs(5 * 60)), "long").await;
    sleep(SECOND).await;
    scene.add(Run::of(SECOND), "waits").await;
    let took = worker.until_alarm(Duration::from_secs(91), |alarm| matches!(alarm, Alarm::OldestReady(_))).await;
    assert!(took >= Duration::from_secs(60), "{took:?}");
    assert!(worker.health.is_ready(), "the worker itself is well");
    let over = async || worker.health.alarms().is_empty().then_some(());
    eventually("the alarm is over when it runs", Duration::from_secs(5 * 60), over).await;
    assert_eq!(scene.log.starts(), ["long", "waits"]);
    worker.stopped().await;
}
