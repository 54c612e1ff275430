//! The tasks that this process holds for a store that is down, and the rules for taking them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use docket_core::{
    AddAnswer, Answer, DocketName, Error, Fallback, ListFilter, NewTask, Queue, Registry, TaskKey, TaskName,
};
use docket_core::{Result, RunAt, Store, TaskState};
use docket_memory::MemoryBackend;
use tokio::sync::{Mutex, Notify};

/// A task due later than this is not taken: a task should not wait for long in a process.
pub const DUE_WITHIN: Duration = Duration::from_secs(60);
/// The most tasks held.
pub const TASKS_MAX: usize = 10_000;
/// The most bytes of args held.
pub const BYTES_MAX: usize = 64 << 20;

/// The memory docket beside the store, and the tasks put into it.
#[derive(Debug)]
pub(crate) struct Local {
    pub(super) memory: Arc<dyn Store>,
    /// The names that this process runs.
    pub(super) registry: Registry,
    pub(super) queues: Vec<Queue>,
    held: Mutex<Held>,
    /// Woken when something was taken.
    pub(super) taken: Notify,
}

/// Tasks taken and not yet known to be finished or handed over.
#[derive(Debug)]
struct Held {
    intake: Intake,
    tasks: HashMap<TaskKey, HeldTask>,
    bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Intake {
    Open,
    Closed,
}

#[derive(Debug)]
struct HeldTask {
    /// As it was added: the memory docket does not show the add id.
    task: NewTask,
    /// The store answered that it will never accept it.
    refused: bool,
}

impl Local {
    /// Takes only the names of `registry`, in the queues of their policies and the default one.
    pub(crate) fn new(docket: DocketName, registry: Registry) -> Self {
        let mut queues = vec![Queue::default()];
        for queue in registry.names().filter_map(|name| Some(&registry.policy(name)?.queue)) {
            if !queues.contains(queue) {
                queues.push(queue.clone());
            }
        }
        let held = Held { intake: Intake::Open, tasks: HashMap::new(), bytes: 0 };
        let memory = Arc::new(MemoryBackend::new(docket));
        Self { memory, registry, queues, held: Mutex::new(held), taken: Notify::new() }
    }

    /// Takes no more tasks.
    pub(super) async fn close(&self) {
        self.held.lock().await.intake = Intake::Closed;
    }

    /// The task of `key` as it was added.
    pub(super) async fn added(&self, key: &TaskKey) -> Option<NewTask> {
        self.held.lock().await.tasks.get(key).map(|held| held.task.clone())
    }

    /// Notes that the store will never accept the task of `key`; returns whether that was new.
    pub(super) async fn refused(&self, key: &TaskKey) -> bool {
        let mut held = self.held.lock().await;
        held.tasks.get_mut(key).is_some_and(|held| !std::mem::replace(&mut held.refused, true))
    }

    /// Any task that is still to be handed over.
    pub(super) async fn to_hand_over(&self) -> Option<TaskKey> {
        let held = self.held.lock().await;
        held.tasks.iter().find(|(_, held)| !held.refused).map(|(key, _)| key.clone())
    }

    /// Forgets the task of `key`: the store has it, or will never accept it.
    pub(super) async fn forget(&self, key: &TaskKey) {
        self.held.lock().await.forget(key);
    }

    /// Forgets the tasks that the memory docket has finished; returns what is left.
    pub(super) async fn left(&self) -> Vec<(TaskKey, TaskName)> {
        let mut held = self.held.lock().await;
        let mut over = Vec::new();
        for key in held.tasks.keys() {
            // A memory docket that cannot answer keeps the task in the ledger.
            if let Ok(view) = self.memory.get(key).await
                // A task that died here is still to be recorded in the store.
                && view.is_none_or(|view| view.state.is_finished() && view.state != TaskState::Dead)
            {
                over.push(key.clone());
            }
        }
        for key in over {
            held.forget(&key);
        }
        held.tasks.iter().map(|(key, held)| (key.clone(), held.task.name.clone())).collect()
    }

    fn runs(&self, task: &NewTask) -> bool {
        task.every.is_none() && self.registry.policy(&task.name).is_some() && self.queues.contains(&task.queue)
    }

    async fn due_soon(&self, task: &NewTask) -> bool {
        match task.run_at {
            RunAt::Now => true,
            RunAt::In(delay) => delay <= DUE_WITHIN,
            RunAt::At(moment) => {
                let page = self.memory.list(&ListFilter::default(), None, 1).await;
                page.is_ok_and(|page| moment <= page.now.plus(DUE_WITHIN))
            }
        }
    }
}

impl Held {
    fn has_room(&self, bytes: usize) -> bool {
        self.tasks.len() < TASKS_MAX && self.bytes + bytes <= BYTES_MAX
    }

    fn keep(&mut self, task: NewTask) {
        self.forget(&task.key);
        self.bytes += task.args.len();
        self.tasks.insert(task.key.clone(), HeldTask { task, refused: false });
    }

    fn forget(&mut self, key: &TaskKey) {
        if let Some(HeldTask { task, .. }) = self.tasks.remove(key) {
            self.bytes -= task.args.len();
        }
    }
}

#[async_trait::async_trait]
impl Fallback for Local {
    async fn take(&self, task: &NewTask, cause: &Error) -> Option<Answer> {
        if !self.runs(task) || !self.due_soon(task).await {
            return None;
        }
        // Locked over the add, so that the ledger and the memory docket never disagree.
        let mut held = self.held.lock().await;
        if held.intake == Intake::Closed {
            return None;
        }
        if !held.has_room(task.args.len()) {
            tracing::warn!(key = %task.key, task = %task.name, tasks = held.tasks.len(), "the fallback is full");
            return None;
        }
        let answer = match add_one(&*self.memory, task).await {
            Ok(AddAnswer::Added) => Answer::AddedLocally,
            Ok(AddAnswer::Exists(existing)) => Answer::Exists(existing),
            Ok(_) => return None,
            Err(error) => {
                tracing::error!(key = %task.key, task = %task.name, ?error, "the fallback could not take a task");
                return None;
            }
        };
        if answer == Answer::AddedLocally {
            held.keep(task.clone());
            let error = cause;
            tracing::warn!(key = %task.key, task = %task.name, ?error, "docket scheduling failed, falling back to memory");
        }
        self.taken.notify_one();
        Some(answer)
    }
}

async fn add_one(memory: &dyn Store, task: &NewTask) -> Result<AddAnswer> {
    let answers = memory.add(std::slice::from_ref(task)).await?;
    answers
        .into_iter()
        .next()
        .unwrap_or_else(|| Err(Error::invalid("add a task locally", "no answer for the only item")))
}

#[cfg(test)]
mod tests {
    use docket_core::{Existing, Payload, TaskState};

    use super::*;
    use crate::fallback::testing::{local, take, task};

    #[tokio::test]
    async fn a_task_of_a_known_name_is_taken_and_never_called_added() {
        let local = local();
        let quick = task("quick");
        assert_eq!(take(&local, &quick).await, Some(Answer::AddedLocally));
        assert_eq!(local.left().await.len(), 1);
        assert_eq!(local.added(&quick.key).await.unwrap().add_id, quick.add_id);
    }

    #[tokio::test]
    async fn a_key_that_is_held_is_not_taken_twice() {
        let local = local();
        let first = task("quick");
        let again = NewTask { key: first.key.clone(), ..task("quick") };
        take(&local, &first).await;
        assert_eq!(take(&local, &again).await, Some(Answer::Exists(Existing::In(TaskState::Ready))));
        assert_eq!(local.added(&first.key).await.unwrap().add_id, first.add_id);
    }

    #[tokio::test]
    async fn what_this_process_cannot_run_soon_is_left_to_the_caller() {
        let local = local();
        let elsewhere = NewTask { queue: Queue::new("elsewhere").unwrap(), ..task("quick") };
        let periodic = NewTask { every: Some(Duration::from_secs(3_600)), ..task("quick") };
        let later = NewTask { run_at: RunAt::In(DUE_WITHIN + Duration::from_micros(1)), ..task("quick") };
        let now = local.memory.list(&ListFilter::default(), None, 1).await.unwrap().now;
        let far = NewTask { run_at: RunAt::At(now.plus(DUE_WITHIN * 2)), ..task("quick") };
        for refused in [task("stranger"), task("daily"), elsewhere, periodic, later, far] {
            assert_eq!(take(&local, &refused).await, None, "{refused:?}");
        }
        assert!(local.left().await.is_empty());
    }

    #[tokio::test]
    async fn a_full_or_closed_fallback_takes_nothing() {
        let local = local();
        let large = NewTask { args: Payload::new(vec![b' '; 1 << 20]), ..task("quick") };
        for _ in 0..BYTES_MAX >> 20 {
            assert!(take(&local, &NewTask { key: TaskKey::unique(), ..large.clone() }).await.is_some());
        }
        assert_eq!(take(&local, &task("quick")).await, None);
        let local = self::local();
        local.close().await;
        assert_eq!(take(&local, &task("quick")).await, None);
    }
}
