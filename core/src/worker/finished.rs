//! When a worker that runs until everything is done may end.
//!
//! A task that changes its state can escape any number of lists. It cannot escape
//! [`Inspect::counts`](crate::Inspect::counts), one atomic look at everything. Counts do not tell
//! which tasks are irrelevant (periodic ones, and those due later), so these are listed before and
//! after. A task in both lists that was not leased in between existed at the time of the count; if
//! there are as many as were counted, there was no other task.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;

use super::Inner;
use super::health::News;
use crate::repeat::bounded;
use crate::{Fence, ListFilter, Queue, Result, TaskKey, TaskName, TaskState, TaskView, Timestamp, limits};

/// How often an idle worker asks.
const LOOK: Duration = Duration::from_millis(200);
/// How long the check may take for which nothing is brought in.
const CHECK_MAX: Duration = Duration::from_secs(5);
/// The worker does not wait for a task due later than this.
const SOON: Duration = Duration::from_secs(60);

/// Ends when no task of the worker's queues and names is ready, running or due soon; periodic tasks
/// do not count.
pub(super) async fn finished(worker: &Inner) {
    let (mut uncounted, mut failure) = (Uncounted::new(), None);
    loop {
        tokio::time::sleep(LOOK).await;
        if worker.held.len() > 0 || !worker.health.has_fetched() || !worker.health.has_seeded() {
            continue;
        }
        match nothing_is_left(worker, &mut uncounted).await {
            Ok(true) => return,
            Ok(false) => failure = None,
            Err(error) if News::of(&mut failure, &error) == News::Yes => {
                tracing::warn!(worker = %worker.id, error = ?error, "could not ask what is left; trying again");
            }
            Err(_) => {}
        }
    }
}

/// Nothing in the store, and at the same moment nothing that has yet to be brought in.
async fn nothing_is_left(worker: &Inner, uncounted: &mut Uncounted) -> Result<bool> {
    if !store_is_done(worker, uncounted).await? {
        return Ok(false);
    }
    let Some(companion) = &worker.companion else { return Ok(true) };
    let check = Box::pin(store_is_done(worker, uncounted));
    // Nobody brings anything in during the check.
    let is_left = match timeout(CHECK_MAX, companion.is_empty_during(check)).await {
        Ok(is_empty) => !is_empty?,
        Err(_) => true,
    };
    if is_left {
        worker.health.ask_companion();
    }
    Ok(!is_left)
}

/// The tasks that do not count, by their keys.
type Uncounted = HashMap<TaskKey, Unchanged>;

/// Stays the same while such a task is neither leased nor placed anew; a periodic task may be
/// leased.
#[derive(PartialEq, Eq, Debug)]
struct Unchanged {
    queue: Queue,
    name: TaskName,
    /// None for a periodic task.
    place: Option<(Timestamp, Option<Fence>)>,
}

/// Whether every unfinished task is one that does not count. `before` holds the tasks of the
/// earlier list; the call replaces them with those of this one.
async fn store_is_done(worker: &Inner, before: &mut Uncounted) -> Result<bool> {
    let unfinished = count(worker).await?;
    if unfinished == 0 {
        return Ok(true);
    }
    let after = list(worker).await?;
    let both = after.iter().filter(|(key, task)| before.get(key) == Some(task)).count();
    *before = after;
    Ok(unfinished <= both)
}

/// How many unfinished tasks of this worker's queues and names there are.
async fn count(worker: &Inner) -> Result<usize> {
    let lanes = bounded("count what is left", Duration::ZERO, worker.settling.counts()).await?;
    let lanes = lanes.iter().filter(|lane| serves(worker, &lane.queue, &lane.name));
    let unfinished: u64 = lanes.map(|lane| lane.scheduled + lane.ready + lane.running).sum();
    Ok(usize::try_from(unfinished).unwrap_or(usize::MAX))
}

/// The tasks that do not count; some that are changing their state may be missing.
async fn list(worker: &Inner) -> Result<Uncounted> {
    let mut uncounted = Uncounted::new();
    for state in [TaskState::Running, TaskState::Ready, TaskState::Scheduled] {
        let filter = ListFilter { state: Some(state), ..ListFilter::default() };
        let mut cursor = None;
        loop {
            let list = worker.settling.list(&filter, cursor.as_ref(), limits::BATCH_ITEMS_MAX);
            let page = bounded("list what is left", Duration::ZERO, list).await?;
            let later = page.now.plus(SOON);
            uncounted.extend(page.tasks.into_iter().filter_map(|task| does_not_count(worker, task, later)));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(uncounted)
}

fn does_not_count(worker: &Inner, task: TaskView, later: Timestamp) -> Option<(TaskKey, Unchanged)> {
    let place = match task.every {
        // A successor takes its place, and may count.
        Some(_) if task.successor.is_none() => None,
        None if task.state == TaskState::Scheduled && task.visible_at > later => Some((task.visible_at, task.fence)),
        _ => return None,
    };
    serves(worker, &task.queue, &task.name)
        .then_some((task.key, Unchanged { queue: task.queue, name: task.name, place }))
}

fn serves(worker: &Inner, queue: &Queue, name: &TaskName) -> bool {
    let known = worker.names.iter().any(|known| known.name == *name);
    known && worker.queues.contains(queue)
}
