//! Periodic tasks that were cancelled at the source: they do not move, but no worker may seed them
//! again at the destination.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use docket::{AddId, CancelId, ListFilter, NewTask, Result, RunAt, Store, TaskState, TaskView, limits};
use docket_core::words;
use uuid::Uuid;

use super::mover::patiently;
use crate::output;

/// A task that is added only to be cancelled must not run in between.
const NOT_YET: Duration = Duration::from_hours(24);

/// Cancels each of them at the destination as well.
pub(super) async fn carry(from: &Arc<dyn Store>, to: &Arc<dyn Store>) -> Result<()> {
    let filter = ListFilter { state: Some(TaskState::Cancelled), ..ListFilter::default() };
    let mut cursor = None;
    loop {
        let page = patiently(|| from.list(&filter, cursor.as_ref(), limits::BATCH_ITEMS_MAX)).await?;
        for task in page.tasks.iter().filter(|task| task.every.is_some() && !was_moved(task)) {
            carry_one(to, task).await?;
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// One that was moved is cancelled at the source only for that.
fn was_moved(task: &TaskView) -> bool {
    task.error.as_ref().is_some_and(|error| error.starts_with(words::MOVED_TO))
}

/// Both calls use ids derived from this cancel: a later move repeats them, and does not undo a
/// requeue at the destination.
async fn carry_one(to: &Arc<dyn Store>, task: &TaskView) -> Result<()> {
    match patiently(|| to.get(&task.key)).await? {
        Some(there) if there.state.is_finished() => return Ok(()),
        Some(there) if there.every.is_none() => {
            let key = &task.key;
            output::remark(&format!(
                "{key} is a cancelled periodic task here and another task at the destination; that one stays"
            ));
            return Ok(());
        }
        Some(_) => {}
        None => {
            let seed = NewTask {
                add_id: AddId::from_uuid(id_of(task, "add")),
                queue: task.queue.clone(),
                every: task.every,
                run_at: RunAt::In(NOT_YET),
                ..NewTask::keyed(task.key.clone(), task.name.clone(), task.args.clone())
            };
            for answer in patiently(|| to.add(std::slice::from_ref(&seed))).await? {
                answer?;
            }
        }
    }
    let id = CancelId::from_uuid(id_of(task, "cancel"));
    patiently(|| to.cancel(&task.key, id)).await?;
    output::remark(&format!("{} was cancelled at the source, and is at the destination too", task.key));
    Ok(())
}

fn id_of(task: &TaskView, call: &str) -> Uuid {
    // Without a random start, so that each run of the command makes the same.
    let mut hasher = DefaultHasher::new();
    (task.key.as_str(), call).hash(&mut hasher);
    Uuid::from_u64_pair(task.visible_at.as_micros().unsigned_abs(), hasher.finish())
}
