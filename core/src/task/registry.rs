//! The names that a worker can run.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::handler::Returned;
use crate::{Context, Error, Failure, NewTask, Payload, Policy, Result, Task, TaskKey, TaskName, json, limits};

/// Task types by name. Explicit, so that a test can check whether a name was forgotten.
#[derive(Clone, Default)]
pub struct Registry {
    entries: BTreeMap<TaskName, Entry>,
}

/// A task type without its args type.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) policy: Policy,
    pub(crate) run: Run,
    /// For a periodic task: the args that a worker adds at its start.
    seed: Option<Payload>,
}

pub(crate) type Run = Arc<dyn Fn(Payload, Context) -> RunFuture + Send + Sync>;
pub(crate) type RunFuture = Pin<Box<dyn Future<Output = Result<Returned, Unfinished>> + Send>>;

/// Why a run has no result.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// The handler failed.
    Failed(Failure),
    /// It was never called: this build cannot decode the args.
    Undecodable(String),
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task type. Refuses a name twice, a policy that cannot work, and a periodic type (see
    /// [`Registry::periodic`]).
    pub fn register<T: Task>(&mut self) -> Result<&mut Self> {
        if T::policy().every.is_some() {
            return Err(Error::config(
                format!("register {}", T::NAME),
                "its policy has an interval; register it with periodic(), so that workers seed it",
            ));
        }
        self.insert::<T>(None)
    }

    /// Adds a periodic type: at its start, each worker seeds it under the fixed key [`Task::NAME`],
    /// with default args.
    pub fn periodic<T: Task + Default>(&mut self) -> Result<&mut Self> {
        if T::policy().every.is_none() {
            return Err(Error::config(
                format!("register {}", T::NAME),
                "its policy has no interval; set `every`, or use register()",
            ));
        }
        self.insert::<T>(Some(encode(&T::default())?))
    }

    fn insert<T: Task>(&mut self, seed: Option<Payload>) -> Result<&mut Self> {
        let name = TaskName::new(T::NAME)?;
        let policy = T::policy();
        policy.check(T::NAME)?;
        let entry = Entry { policy, run: Arc::new(|args, ctx| Box::pin(run::<T>(args, ctx))), seed };
        self.put(name, entry)?;
        Ok(self)
    }

    /// Takes in the types of another one; refuses a name that both have.
    pub(crate) fn merge(&mut self, other: Self) -> Result<()> {
        for (name, entry) in other.entries {
            self.put(name, entry)?;
        }
        Ok(())
    }

    fn put(&mut self, name: TaskName, entry: Entry) -> Result<()> {
        match self.entries.entry(name) {
            MapEntry::Vacant(free) => {
                free.insert(entry);
                Ok(())
            }
            MapEntry::Occupied(taken) => {
                Err(Error::config(format!("register {}", taken.key()), "the name is registered already"))
            }
        }
    }

    /// Its names, in order.
    pub fn names(&self) -> impl Iterator<Item = &TaskName> {
        self.entries.keys()
    }

    /// The policy of one of its names.
    pub fn policy(&self, name: &TaskName) -> Option<&Policy> {
        self.entries.get(name).map(|entry| &entry.policy)
    }

    /// The same without its periodic types: for a worker beside the store, which must not start
    /// chains of its own.
    pub fn without_periodic_tasks(&self) -> Self {
        let one_shots = self.entries.iter().filter(|(_, entry)| entry.policy.every.is_none());
        Self { entries: one_shots.map(|(name, entry)| (name.clone(), entry.clone())).collect() }
    }

    pub(crate) fn find(&self, name: &TaskName) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The first occurrence of each periodic type, under its fixed key.
    pub(crate) fn seeds(&self) -> Vec<NewTask> {
        let periodic_tasks = self.entries.iter().filter_map(|(name, entry)| Some((name, entry, entry.seed.clone()?)));
        periodic_tasks
            .filter_map(|(name, entry, args)| {
                let mut task = NewTask::keyed(TaskKey::new(name.as_str()).ok()?, name.clone(), args);
                task.queue = entry.policy.queue.clone();
                task.every = entry.policy.every;
                Some(task)
            })
            .collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

/// The args of `task` as JSON that a worker of this build can read.
pub(crate) fn encode<T: Task>(task: &T) -> Result<Payload> {
    let invalid = |why| Error::invalid(format!("encode the args of {}", T::NAME), why);
    let encoded = json::encode(task).map_err(invalid)?;
    if encoded.is_wide {
        json::decode::<T>(&encoded.json).map_err(|why| {
            invalid(format!(
                "{why}: it has integers of 128 bits in a type that writes them and cannot read them (flatten, untagged or a tag \
                 inside); make them text"
            ))
        })?;
    }
    Ok(Payload::new(encoded.json))
}

/// Decode, run, encode: all within the fault boundary of this one task.
async fn run<T: Task>(args: Payload, ctx: Context) -> Result<Returned, Unfinished> {
    let task: T = json::decode(args.as_bytes())
        .map_err(|why| Unfinished::Undecodable(format!("the args do not decode as {}: {why}", T::NAME)))?;
    drop(args);
    let output = task.run(ctx).await.map_err(|failure| Unfinished::Failed(failure.classified(T::classify)))?;
    Ok(encode_result(&output).map_or_else(Returned::Unkept, Returned::Kept))
}

/// The kept form of a run's result, or why it cannot be kept.
pub(crate) fn encode_result<T: serde::Serialize>(output: &T) -> Result<Option<Payload>, String> {
    let output = json::encode(output).map_err(|why| format!("does not encode as JSON: {why}"))?.json;
    if output.len() > limits::PAYLOAD_BYTES_MAX {
        return Err(format!("has {} bytes; the limit is {}", output.len(), limits::PAYLOAD_BYTES_MAX));
    }
    // A task without a result keeps nothing.
    Ok((output != b"null").then(|| Payload::new(output)))
}
