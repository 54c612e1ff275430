//! Compares what must happen with what did; says so, and restarts what stands still.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::health::Loop;
use super::{Alarm, Inner};
use crate::repeat::bounded;
use crate::{Name, Queue, Result, WorkerRecord};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// How often it asks the store what waits there. Twice a minute keeps an idle worker silent.
const STORE_LOOK: Duration = Duration::from_secs(30);

/// Watches until the worker stops.
pub(super) async fn watch(worker: Arc<Inner>) -> Result<()> {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let store_look = STORE_LOOK.min(worker.settings.oldest_ready_alarm);
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
            tracing::error!(worker = %worker.id, name = worker.health.name(which), ?silent, "loop stands still; restarting it");
            worker.restarts.request(which);
        }
    }
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

/// What an alarm is about, without its figures.
fn subject(alarm: &Alarm) -> String {
    match alarm {
        Alarm::Stalled { name, .. } => format!("the {name} loop"),
        Alarm::Wedged(_) => "the handlers' runtime".to_owned(),
        Alarm::OldestReady(_) => "the oldest ready task".to_owned(),
        Alarm::Unserved(queue, name, _) => format!("{name} in queue {queue} without a worker"),
        Alarm::Waiting(name, _) => format!("the oldest task in the {name}"),
    }
}

/// What no lease call of this worker would show: work that nobody serves, work that waits while every permit is taken,
/// a perpetual that the store has lost.
async fn look_at_store(worker: &Inner) -> Result<()> {
    let counts = bounded("count the tasks", Duration::ZERO, worker.settling.counts()).await?;
    let workers = bounded("read the workers", Duration::ZERO, worker.settling.workers()).await?;
    let records: Vec<WorkerRecord> = workers.into_iter().map(|worker| worker.record).collect();
    if worker.permits.available_permits() == 0 {
        let own = worker.record();
        let waiting = counts.iter().filter(|lane| serves(&own, &lane.queue, &lane.name));
        worker.health.left_waiting(waiting.filter_map(|lane| lane.oldest_ready).max());
    }
    let old = counts.into_iter().filter_map(|lane| Some((lane.oldest_ready?, lane)));
    let unserved = old
        .filter(|(age, _)| *age >= worker.settings.oldest_ready_alarm)
        .filter(|(_, lane)| !records.iter().any(|record| serves(record, &lane.queue, &lane.name)))
        .map(|(age, lane)| (lane.queue, lane.name, age));
    worker.health.unserved(unserved.collect());
    restore_perpetuals(worker).await
}

fn serves(record: &WorkerRecord, queue: &Queue, name: &Name) -> bool {
    // A worker that publishes no names takes any.
    record.queues.contains(queue) && (record.names.is_empty() || record.names.iter().any(|(known, _)| known == name))
}

/// A store that was emptied while its workers run has lost their chains; nobody else would begin them again.
async fn restore_perpetuals(worker: &Inner) -> Result<()> {
    let mut lost = Vec::new();
    for seed in worker.registry.seeds() {
        let found = bounded("look for a perpetual", Duration::ZERO, worker.settling.get(&seed.key)).await?;
        if found.is_none() {
            tracing::error!(worker = %worker.id, key = %seed.key, "the store has lost a perpetual; beginning it again");
            lost.push(seed);
        }
    }
    if !lost.is_empty() {
        for answer in bounded("seed the perpetuals", Duration::ZERO, worker.settling.add(&lost)).await? {
            answer?;
        }
    }
    Ok(())
}
