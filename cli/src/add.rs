//! `docket add`.

use std::time::Duration;

use docket::{AddAnswer, AddId, Docket, Existing, NewTask, Overrides, TaskKey, WorkerRecord};
use tokio::time::timeout;

use crate::args::{AddArgs, Place};
use crate::end::{End, Outcome};
use crate::output;
use crate::place::Accept;

/// The whole call's deadline: the caller gets an answer whatever the store does.
const WHOLE: Duration = Duration::from_secs(9);

/// Adds the task, and prints its key.
pub(crate) async fn add(place: &Place, args: AddArgs) -> Outcome {
    // Created here, so that a caller without an answer can repeat it under the same key.
    let key = args.key.clone().unwrap_or_else(TaskKey::unique);
    match timeout(WHOLE, send(place, args, key.clone())).await {
        Ok(end) => end,
        Err(_) => Err(End::unreachable(format!(
            "no answer within {}s; whether the task was added is unknown. The same command with --key {key} is safe",
            WHOLE.as_secs()
        ))),
    }
}

async fn send(place: &Place, args: AddArgs, key: TaskKey) -> Outcome {
    let docket = place.open_shared("add", Accept::Safe).await?;
    let run_at = args.run_at();
    let queue = match args.queue {
        Some(queue) => queue,
        None => docket.client().queue_of(&args.name).await?.unwrap_or_default(),
    };
    let task = NewTask {
        key,
        add_id: AddId::unique(),
        name: args.name,
        queue,
        args: args.args,
        run_at,
        every: None,
        overrides: Overrides::default(),
        declared_for: None,
    };
    let answers = docket.client().add_all(std::slice::from_ref(&task)).await?;
    let answer = answers.into_iter().next().ok_or_else(|| End::failed("the store gave no answer for the only task"))?;
    let answer = answer?;
    output::line(task.key.as_str())?;
    match answer {
        AddAnswer::Added => remark_if_unserved(&docket, &task).await,
        AddAnswer::Exists(Existing::In(state)) => {
            output::remark(&format!("the key exists already and is {state}; nothing was added"));
        }
        AddAnswer::Exists(Existing::Cancelling) => {
            output::remark("the key exists already and is being cancelled; nothing was added");
        }
        _ => {}
    }
    Ok(())
}

/// Remarks if the task will wait, because no live worker serves its name in its queue.
async fn remark_if_unserved(docket: &Docket, task: &NewTask) {
    let NewTask { name, queue, .. } = task;
    // Safe to lose: the task is added, and nothing depends on the remark.
    let Ok(workers) = docket.store().workers().await else { return };
    let serves = |record: &WorkerRecord| {
        // A worker that publishes no names takes any.
        record.queues.contains(queue)
            && (record.names.is_empty() || record.names.iter().any(|(known, _)| known == name))
    };
    if !workers.iter().any(|worker| serves(&worker.record)) {
        output::remark(&format!("no live worker handles {name} in queue {queue}; the task waits until one does"));
    }
}
