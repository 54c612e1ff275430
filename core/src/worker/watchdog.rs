//! Compares what must happen with what did; says so, and restarts what stands still.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Inner;
use super::health::Alarm;
use crate::repeat::bounded;
use crate::{Name, Queue, Result};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// How often it asks the store whether anybody serves what is ready. Twice a minute keeps an idle worker silent.
const UNSERVED_LOOK: Duration = Duration::from_secs(30);

/// Watches until the worker stops.
pub(super) async fn watch(worker: Arc<Inner>) -> Result<()> {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unserved_at = Instant::now() + UNSERVED_LOOK.min(worker.settings.oldest_ready_alarm);
    let mut raised: HashSet<String> = HashSet::new();
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = worker.stop.stopping() => return Ok(()),
        }
        if Instant::now() >= unserved_at {
            unserved_at = Instant::now() + UNSERVED_LOOK;
            look_for_unserved(&worker).await;
        }
        report(&worker, &mut raised);
        for (which, silent) in worker.health.take_stalled() {
            tracing::error!(worker = %worker.id, name = which.as_str(), ?silent, "loop stands still; restarting it");
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
    }
}

/// Ready work that is old and whose name no live worker handles in its queue.
async fn look_for_unserved(worker: &Inner) {
    let look = async {
        let counts = bounded("count the tasks", Duration::ZERO, worker.settling.counts()).await?;
        let workers = bounded("read the workers", Duration::ZERO, worker.settling.workers()).await?;
        Result::<_>::Ok((counts, workers))
    };
    let (counts, workers) = match look.await {
        Ok(found) => found,
        Err(error) => return tracing::warn!(worker = %worker.id, error = ?error, "could not look for unserved work"),
    };
    let served = |queue: &Queue, name: &Name| {
        let records = workers.iter().map(|worker| &worker.record);
        let mut serving = records.filter(|record| record.queues.contains(queue));
        // A worker that publishes no names takes any.
        serving.any(|record| record.names.is_empty() || record.names.iter().any(|(known, _)| known == name))
    };
    let old = counts.into_iter().filter_map(|lane| Some((lane.oldest_ready?, lane)));
    let unserved = old
        .filter(|(age, lane)| *age >= worker.settings.oldest_ready_alarm && !served(&lane.queue, &lane.name))
        .map(|(age, lane)| (lane.queue, lane.name, age));
    worker.health.unserved(unserved.collect());
}
