//! Seeds the periodic tasks beside leasing: what the store does not take of them holds up nothing else.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Alarm, Inner};
use crate::repeat::bounded;
use crate::{AddAnswer, Backoff, Error, NewTask, Result, limits};

/// Waits between two tries of a seed.
const WAITS: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(30) };
/// How long a failure that may pass by itself is a log line and not yet an alarm.
const PATIENCE: Duration = Duration::from_secs(5);

/// A periodic task of this worker, and how its seeding goes.
struct Seed {
    task: NewTask,
    /// When it is added again; it stands if there is no such time.
    again_at: Option<Instant>,
    tries: u32,
    /// Since when the store has not taken it.
    failing_since: Option<Instant>,
}

/// Seeds until the worker stops.
pub(super) async fn keep(worker: Arc<Inner>) -> Result<()> {
    // A docket of another environment is not added to.
    tokio::select! {
        () = worker.joined.wait() => {}
        () = worker.stop.stopping() => return Ok(()),
    }
    let mut seeds: Vec<Seed> = worker.registry.seeds().into_iter().map(Seed::new).collect();
    loop {
        let mut due: Vec<&mut Seed> = seeds.iter_mut().filter(|seed| seed.is_due()).collect();
        for batch in due.chunks_mut(limits::BATCH_ITEMS_MAX) {
            tokio::select! {
                () = add(&worker, batch) => {}
                () = worker.stop.stopping() => return Ok(()),
            }
        }
        worker.health.seeded();
        let next = seeds.iter().filter_map(|seed| seed.again_at).min();
        tokio::select! {
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            () = worker.stop.stopping() => return Ok(()),
        }
    }
}

impl Seed {
    fn new(task: NewTask) -> Self {
        Self { task, again_at: Some(Instant::now()), tries: 0, failing_since: None }
    }

    fn is_due(&self) -> bool {
        self.again_at.is_some_and(|at| at <= Instant::now())
    }

    fn try_again(&mut self) {
        self.tries += 1;
        self.again_at = Some(Instant::now() + WAITS.bound(self.tries));
    }

    fn stands(&mut self, worker: &Inner) {
        (self.again_at, self.tries, self.failing_since) = (None, 0, None);
        worker.health.periodic(&self.task.key, None);
    }
}

/// Adds them all, and takes in what was answered to each.
async fn add(worker: &Inner, seeds: &mut [&mut Seed]) {
    let tasks: Vec<NewTask> = seeds.iter().map(|seed| seed.task.clone()).collect();
    match bounded("seed the periodic tasks", Duration::ZERO, worker.adding.add(&tasks)).await {
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

async fn answered(worker: &Inner, seed: &mut Seed, answer: AddAnswer) -> Result<()> {
    if answer == AddAnswer::Added {
        tracing::info!(worker = %worker.id, key = %seed.task.key, "periodic task begun");
        seed.stands(worker);
        return Ok(());
    }
    let found = bounded("look for a periodic task", Duration::ZERO, worker.adding.get(&seed.task.key)).await?;
    let Some(found) = found else {
        seed.try_again();
        return Ok(());
    };
    if found.name == seed.task.name && found.every.is_some() {
        seed.stands(worker);
        return Ok(());
    }
    let alarm = Alarm::KeyTaken { key: seed.task.key.clone(), name: found.name, every: found.every };
    worker.health.periodic(&seed.task.key, Some(alarm));
    // It may end, and then the key is free.
    seed.task.add_id = crate::AddId::unique();
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
