//! Declares the periodic tasks of this build, beside leasing: one that the store refuses does not
//! delay anything else.
//!
//! A declaration starts a task that does not exist, and tells the store this build's definition. It
//! holds for as long as the worker's record, and is repeated before it ends, so that the store
//! knows which builds are alive: see `docs/decisions/0019-periodic-definitions.md`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Alarm, Inner, watchdog};
use crate::repeat::bounded;
use crate::{AddAnswer, AddId, Backoff, Declared, Error, NewTask, Result, TaskView, display_duration, limits};

/// Pauses between two attempts of a declaration that the store did not accept.
const WAITS: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(30) };
/// How long a failure that may be temporary is only logged and not yet an alarm.
const PATIENCE: Duration = Duration::from_secs(5);
/// Failed occurrences in a row that raise an alarm.
const FAILURES_ALARM: u32 = 3;

/// A periodic task of this worker, and the state of its declaration.
struct Seed {
    task: NewTask,
    /// The time from one declaration to the next, while all is well.
    pace: Duration,
    again_at: Instant,
    tries: u32,
    /// Since when the store has not accepted it.
    failing_since: Option<Instant>,
    /// Whether it existed before: if it is started again, the store had lost it.
    stood: bool,
    /// The latest look at the task: unless it changes, no further look is needed.
    seen: Option<TaskView>,
    in_force: bool,
}

/// Declares until the worker stops.
pub(super) async fn keep(worker: Arc<Inner>) -> Result<()> {
    // A docket of another environment gets no tasks.
    tokio::select! {
        () = worker.joined.wait() => {}
        () = worker.stop.stopping() => return Ok(()),
    }
    let ttl = worker.record().ttl;
    // At least as often as the watchdog looks, so that a task that the store lost is soon there
    // again.
    let pace = (ttl / 2).min(watchdog::store_look(&worker));
    let seeds = worker.registry.seeds().into_iter();
    let mut seeds: Vec<Seed> = seeds.map(|task| Seed::new(NewTask { declared_for: Some(ttl), ..task }, pace)).collect();
    while let Some(next) = seeds.iter().map(|seed| seed.again_at).min() {
        tokio::select! {
            () = sleep_until(next) => {}
            () = worker.stop.stopping() => return Ok(()),
        }
        // Declarations that are due soon go along with the first, so that all of them are one call.
        let soon = Instant::now() + WAITS.base / 2;
        let mut due: Vec<&mut Seed> = seeds.iter_mut().filter(|seed| seed.again_at <= soon).collect();
        for batch in due.chunks_mut(limits::BATCH_ITEMS_MAX) {
            tokio::select! {
                () = declare(&worker, batch) => {}
                () = worker.stop.stopping() => return Ok(()),
            }
        }
        worker.health.seeded();
    }
    Ok(())
}

impl Seed {
    fn new(task: NewTask, pace: Duration) -> Self {
        let again_at = Instant::now();
        Self { task, pace, again_at, tries: 0, failing_since: None, stood: false, seen: None, in_force: true }
    }

    fn try_again(&mut self) {
        self.tries += 1;
        self.again_at = Instant::now() + WAITS.bound(self.tries);
    }

    /// It exists; the declaration is repeated before it ends.
    fn stands(&mut self) {
        (self.stood, self.tries, self.failing_since) = (true, 0, None);
        self.task.add_id = AddId::unique();
        self.again_at = Instant::now() + self.pace;
    }
}

/// Declares them all, and applies the answer to each.
async fn declare(worker: &Inner, seeds: &mut [&mut Seed]) {
    for seed in seeds.iter_mut().filter(|seed| !seed.stood && seed.seen.is_none()) {
        // Only for the log: the changes of a deploy are known only before it makes them.
        match look(worker, seed).await {
            Ok(seen) => seed.seen = seen,
            Err(_) => break,
        }
    }
    let tasks: Vec<NewTask> = seeds.iter().map(|seed| seed.task.clone()).collect();
    match bounded("declare the periodic tasks", Duration::ZERO, worker.adding.add(&tasks)).await {
        Ok(answers) => {
            for (seed, answer) in seeds.iter_mut().zip(answers) {
                let taken_in = match answer {
                    Ok(answer) => answered(worker, seed, answer).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = taken_in {
                    failed(worker, seed, &error);
                }
            }
        }
        Err(error) => seeds.iter_mut().for_each(|seed| failed(worker, seed, &error)),
    }
}

async fn look(worker: &Inner, seed: &Seed) -> Result<Option<TaskView>> {
    bounded("look for a periodic task", Duration::ZERO, worker.adding.get(&seed.task.key)).await
}

async fn answered(worker: &Inner, seed: &mut Seed, answer: AddAnswer) -> Result<()> {
    let key = seed.task.key.clone();
    let mut failures = 0;
    match answer {
        AddAnswer::Added if seed.stood => {
            tracing::error!(worker = %worker.id, %key, "the store lost a periodic task; adding it again");
        }
        AddAnswer::Added => tracing::info!(worker = %worker.id, %key, "periodic task added"),
        AddAnswer::Declared(Declared::InForce { failures: found } | Declared::Superseded { failures: found }) => {
            failures = found;
        }
        AddAnswer::Declared(Declared::Redefined) => {
            let changed = seed.seen.as_ref().map(|seen| changes(seen, &seed.task)).unwrap_or_default();
            tracing::warn!(worker = %worker.id, %key, changed, "periodic task redefined by this build");
        }
        AddAnswer::Declared(Declared::Taken) => return taken(worker, seed).await,
        // Cancelled, or being cancelled, or on its way to another store: that decision stands.
        AddAnswer::Exists(existing) => {
            tracing::debug!(worker = %worker.id, %key, ?existing, "periodic task left alone");
        }
    }
    let in_force = !matches!(answer, AddAnswer::Declared(Declared::Superseded { .. }));
    if seed.in_force && !in_force {
        seed.seen = look(worker, seed).await?;
        let differs = seed.seen.as_ref().map(|seen| changes(seen, &seed.task)).unwrap_or_default();
        tracing::info!(worker = %worker.id, %key, differs, "another build's definition of a periodic task is in force");
    }
    seed.in_force = in_force;
    let alarm = (failures >= FAILURES_ALARM).then(|| Alarm::Failing { key: key.clone(), failures });
    worker.health.periodic(&key, alarm);
    seed.stands();
    Ok(())
}

/// Another task has the key. It may end, and then the key is free.
async fn taken(worker: &Inner, seed: &mut Seed) -> Result<()> {
    if let Some(found) = look(worker, seed).await? {
        let alarm = Alarm::KeyTaken { key: seed.task.key.clone(), name: found.name, every: found.every };
        worker.health.periodic(&seed.task.key, Some(alarm));
    }
    (seed.seen, seed.task.add_id) = (None, AddId::unique());
    seed.try_again();
    Ok(())
}

fn failed(worker: &Inner, seed: &mut Seed, error: &Error) {
    let key = &seed.task.key;
    let since = *seed.failing_since.get_or_insert_with(|| {
        tracing::warn!(worker = %worker.id, %key, error = ?error, "periodic task not seeded; trying again");
        Instant::now()
    });
    if !error.is_retryable() || since.elapsed() >= PATIENCE {
        worker.health.periodic(key, Some(Alarm::NotSeeded { key: key.clone(), error: error.to_string() }));
    }
    seed.try_again();
}

/// The differences between this build's definition and the store's, without the args themselves.
fn changes(seen: &TaskView, task: &NewTask) -> String {
    let mut text = String::new();
    let every = |every: Option<Duration>| every.map_or_else(|| "none".to_owned(), display_duration);
    // Writing to a text cannot fail.
    if seen.queue != task.queue {
        let _ = write!(text, "queue {} to {}, ", seen.queue, task.queue);
    }
    if seen.every != task.every {
        let _ = write!(text, "interval {} to {}, ", every(seen.every), every(task.every));
    }
    if seen.args != task.args {
        text.push_str("args, ");
    }
    text.trim_end_matches(", ").to_owned()
}
