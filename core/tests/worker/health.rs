//! The sign of life depends on answered calls, not on a timer.

use std::time::Duration;

use docket_core::Settings;
use docket_core::worker::Alarm;
use tokio::time::sleep;

use crate::sabotage::{Fault, Verb};
use crate::scene::{SECOND, Scene, usual};
use crate::tasks::Run;

fn stalled(wanted: &str) -> impl Fn(&Alarm) -> bool {
    move |alarm| matches!(alarm, Alarm::Stalled { name, .. } if *name == wanted)
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_ready_while_its_lease_calls_are_answered() {
    let scene = Scene::new();
    let worker = scene.start(usual());
    // Nothing to do for an hour.
    sleep(Duration::from_secs(3_600)).await;
    assert!(worker.health.is_ready() && worker.health.alarms().is_empty(), "{:?}", worker.health.alarms());
    scene.sabotage.set(Verb::Lease, Fault::NeverAnswers);
    // A call that is under way already is still answered, up to 15 s later; the next one may take 25 s.
    let took = worker.until_alarm(41 * SECOND, stalled("fetch")).await;
    assert!(took > 25 * SECOND && !worker.health.is_ready(), "{took:?}");
    scene.sabotage.lift();
    worker.until_ready(26 * SECOND).await;
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_worker_is_ready_while_its_renewals_are_answered() {
    let scene = Scene::new();
    scene.add(Run::of(Duration::from_secs(3_600)).stubborn(), "long").await;
    let worker = scene.start(Settings { concurrency: 1, ..usual() });
    sleep(Duration::from_secs(10 * 60)).await;
    assert!(worker.health.is_ready(), "{:?}", worker.health.alarms());
    scene.sabotage.set(Verb::Heartbeat, Fault::Fails);
    let took = worker.until_alarm(13 * SECOND, stalled("heartbeat")).await;
    assert!(took >= 8 * SECOND && !worker.health.is_ready(), "a lease after the latest renewal, not {took:?}");
    scene.sabotage.lift();
    worker.until_ready(3 * SECOND).await;
}
