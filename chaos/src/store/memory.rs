//! The store in this process.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{Client, DocketName, NewTask, Payload, RunAt, Store, TaskKey, TaskName, limits};
use docket_memory::{MemoryBackend, Options};

use crate::Outcome;

/// The most unfinished tasks: more than a run has at once.
const TASKS_MAX: usize = 3_000;
/// Longer than any run. The tasks that only fill it are due then, and no worker knows their name.
const NEVER: Duration = Duration::from_hours(24);

/// A docket with a limit that can be reached.
#[derive(Debug)]
pub struct Memory(Arc<dyn Store>);

impl Memory {
    pub(super) fn start(docket: DocketName) -> Outcome<Self> {
        let options = Options { max_tasks: TASKS_MAX, ..Options::default() };
        Ok(Self(Arc::new(MemoryBackend::with_options(docket, options)?)))
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0)
    }

    /// Takes the room away, or gives it back.
    pub(super) async fn set_full(&self, full: bool) -> Outcome {
        let keys: Vec<TaskKey> =
            (0..TASKS_MAX).map(|n| TaskKey::new(format!("filler.{n}"))).collect::<Result<_, _>>()?;
        if full {
            let filler = |key: &TaskKey| NewTask {
                run_at: RunAt::In(NEVER),
                ..NewTask::keyed(key.clone(), name(), Payload::new("{}"))
            };
            for keys in keys.chunks(limits::BATCH_ITEMS_MAX) {
                let fillers: Vec<NewTask> = keys.iter().map(filler).collect();
                let answers = self.0.add(&fillers).await?;
                if answers.iter().any(Result::is_err) {
                    return Ok(());
                }
            }
            return Err("there was room for everything".into());
        }
        let client = Client::new(self.store());
        for key in &keys {
            client.cancel(key).await?;
        }
        Ok(())
    }
}

fn name() -> TaskName {
    TaskName::new("filler").expect("a good name")
}
