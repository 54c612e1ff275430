//! Compares what must happen with what did; reports, and restarts loops that make no progress.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::health::Loop;
use super::{Alarm, Inner};
use crate::repeat::bounded;
use crate::{LaneCounts, Queue, Result, TaskName, WorkerRecord};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// How often it asks the store for waiting tasks. Twice a minute keeps an idle worker silent.
const STORE_LOOK: Duration = Duration::from_secs(30);

/// Watches until the worker stops.
pub(super) async fn watch(worker: Arc<Inner>) -> Result<()> {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let store_look = store_look(&worker);
    let mut store_look_at = Instant::now() + store_look;
    let mut raised: HashSet<String> = HashSet::new();
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = worker.stop.stopping() => return Ok(()),
        }
        worker.health.progressed(Loop::Watchdog);
        if Instant::now() >= store_look_at {
            store_look_at = Instant::now() + store_look;
            if let Err(error) = look_at_store(&worker).await {
                tracing::warn!(worker = %worker.id, error = ?error, "could not look at the store; trying again");
            }
        }
        report(&worker, &mut raised);
        for (which, silent) in worker.health.take_stalled() {
            tracing::error!(worker = %worker.id, name = worker.health.name(which), ?silent, "loop makes no progress; restarting it");
            worker.restarts.request(which);
        }
    }
}

/// How often this worker asks the store about work that it would not see otherwise.
pub(super) fn store_look(worker: &Inner) -> Duration {
    STORE_LOOK.min(worker.settings.oldest_ready_alarm).max(LOOK)
}

/// Logs each alarm once when it is raised and once when it is over.
fn report(worker: &Inner, raised: &mut HashSet<String>) {
    let alarms = worker.health.alarms();
    let current: HashSet<String> = alarms.iter().map(subject).collect();
    for alarm in &alarms {
        if !raised.contains(&subject(alarm)) {
            tracing::error!(worker = %worker.id, %alarm, ready = !alarm.is_unready(), "alarm");
        }
    }
    for over in raised.difference(&current) {
        tracing::info!(worker = %worker.id, alarm = %over, "alarm is over");
    }
    *raised = current;
}

/// The subject of an alarm, without its figures.
fn subject(alarm: &Alarm) -> String {
    match alarm {
        Alarm::Stalled { name, .. } => format!("the {name} loop"),
        Alarm::Wedged(_) => "the handlers' runtime".to_owned(),
        Alarm::HeldBack { what, .. } => format!("nothing is leased without {what}"),
        Alarm::Blocked(name, ..) => format!("runs of {name} that block"),
        Alarm::OldestReady(_) => "the oldest ready task".to_owned(),
        Alarm::Unserved(queue, name, _) => format!("{name} in queue {queue} without a worker"),
        Alarm::NotSeeded { key, .. } => format!("the periodic task {key}, which is not seeded"),
        Alarm::Failing { key, .. } => format!("the failures of the periodic task {key}"),
        Alarm::KeyTaken { key, name, .. } => format!("the key of the periodic task {key}, which {name} has"),
        Alarm::ClockOff(_) => "the store's clock".to_owned(),
        Alarm::Waiting(name, _) => format!("the oldest task in the {name}"),
    }
}

/// Finds work that no lease call of this worker would show: work that no worker serves, and work
/// that waits while every slot is taken. One question, and more only if its answer gives a reason.
async fn look_at_store(worker: &Inner) -> Result<()> {
    let counts = bounded("count the tasks", Duration::ZERO, worker.settling.counts()).await?;
    let own = worker.record();
    if worker.slots.is_full() {
        let waiting = counts.iter().filter(|lane| serves(&own, &lane.queue, &lane.name));
        worker.health.left_waiting(waiting.filter_map(|lane| lane.oldest_ready).max());
    }
    let is_old = |lane: &&LaneCounts| lane.oldest_ready.is_some_and(|age| age >= worker.settings.oldest_ready_alarm);
    let foreign: Vec<&LaneCounts> =
        counts.iter().filter(is_old).filter(|lane| !serves(&own, &lane.queue, &lane.name)).collect();
    worker.health.unserved(unserved(worker, &foreign).await?);
    Ok(())
}

/// The lanes with old work that no other worker serves either.
async fn unserved(worker: &Inner, lanes: &[&LaneCounts]) -> Result<Vec<(Queue, TaskName, Duration)>> {
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let workers = bounded("read the workers", Duration::ZERO, worker.settling.workers()).await?;
    let served = |lane: &LaneCounts| workers.iter().any(|other| serves(&other.record, &lane.queue, &lane.name));
    let unserved = lanes.iter().filter(|lane| !served(lane));
    Ok(unserved.filter_map(|lane| Some((lane.queue.clone(), lane.name.clone(), lane.oldest_ready?))).collect())
}

fn serves(record: &WorkerRecord, queue: &Queue, name: &TaskName) -> bool {
    // A worker that publishes no names takes any.
    record.queues.contains(queue) && (record.names.is_empty() || record.names.iter().any(|(known, _)| known == name))
}
