//! When a worker that should run until all is done may end.

use std::time::Duration;

use super::Inner;
use crate::repeat::bounded;
use crate::{ListFilter, Names, Result, State, TaskView, Timestamp, limits};

/// How often an idle worker asks.
const LOOK: Duration = Duration::from_millis(200);
/// A task due later than this does not keep the worker.
const SOON: Duration = Duration::from_mins(1);

/// Ends when nothing of the worker's queues and names is ready, running or due soon; perpetuals do not count.
pub(super) async fn finished(worker: &Inner) {
    loop {
        tokio::time::sleep(LOOK).await;
        let begun = worker.health.has_fetched() && worker.health.has_seeded() && worker.health.companion_is_idle();
        if worker.held.len() > 0 || !begun {
            continue;
        }
        match any_left(worker).await {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => {
                tracing::warn!(worker = %worker.id, error = ?error, "could not ask what is left; trying again");
            }
        }
    }
}

async fn any_left(worker: &Inner) -> Result<bool> {
    for state in [State::Running, State::Ready, State::Scheduled] {
        let filter = ListFilter { state: Some(state), ..ListFilter::default() };
        let mut cursor = None;
        loop {
            let list = worker.settling.list(&filter, cursor.as_ref(), limits::BATCH_ITEMS_MAX);
            let page = bounded("list what is left", Duration::ZERO, list).await?;
            if page.tasks.iter().any(|task| counts(worker, task, page.now)) {
                return Ok(true);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(false)
}

fn counts(worker: &Inner, task: &TaskView, now: Timestamp) -> bool {
    let known = match &worker.names {
        Names::Known(names) => names.iter().any(|known| known.name == task.name),
        Names::Any { .. } => true,
    };
    let soon = task.state != State::Scheduled || task.visible_at <= now.plus(SOON);
    known && soon && task.every.is_none() && worker.queues.contains(&task.queue)
}
