//! Which names a worker can run.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Context, Error, Failure, Key, Name, NewTask, Payload, Policy, Result, Task, limits};

/// Task types by name. Explicit, so that a test can ask it whether a name was forgotten.
#[derive(Clone, Default)]
pub struct Registry {
    entries: BTreeMap<Name, Entry>,
}

/// A task type whose args type has been forgotten.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) policy: Policy,
    pub(crate) run: Run,
    /// What a worker adds at its start, for a perpetual.
    seed: Option<Payload>,
}

pub(crate) type Run = Arc<dyn Fn(Payload, Context) -> RunFuture + Send + Sync>;
pub(crate) type RunFuture = Pin<Box<dyn Future<Output = Result<Option<Payload>, Unfinished>> + Send>>;

/// Why a run brought no result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unfinished {
    /// The handler failed.
    Failed(Failure),
    /// It was never called: this build cannot read the args.
    Undecodable(String),
}

impl Registry {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task type. Refuses a name twice, a policy that cannot work, and a perpetual (see
    /// [`Registry::perpetual`]).
    pub fn register<T: Task>(&mut self) -> Result<&mut Self> {
        if T::policy().every.is_some() {
            return Err(Error::config(
                format!("register {}", T::NAME),
                "its policy has an interval; register it with perpetual(), so that workers seed it",
            ));
        }
        self.insert::<T>(None)
    }

    /// Adds a perpetual: any worker seeds it under the fixed key [`Task::NAME`], with default args, at its start.
    pub fn perpetual<T: Task + Default>(&mut self) -> Result<&mut Self> {
        if T::policy().every.is_none() {
            return Err(Error::config(
                format!("register {}", T::NAME),
                "its policy has no interval; set `every`, or use register()",
            ));
        }
        self.insert::<T>(Some(encode(&T::default())?))
    }

    fn insert<T: Task>(&mut self, seed: Option<Payload>) -> Result<&mut Self> {
        let name = Name::new(T::NAME)?;
        let policy = T::policy();
        policy.check(T::NAME)?;
        let entry = Entry { policy, run: Arc::new(|args, ctx| Box::pin(run::<T>(args, ctx))), seed };
        if self.entries.insert(name, entry).is_some() {
            return Err(Error::config(format!("register {}", T::NAME), "the name is registered already"));
        }
        Ok(self)
    }

    /// The names it knows, in order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.entries.keys()
    }

    /// The policy of a name it knows.
    pub fn policy(&self, name: &Name) -> Option<&Policy> {
        self.entries.get(name).map(|entry| &entry.policy)
    }

    /// The same without its perpetuals: for a worker beside the store, which must not start chains of its own.
    pub fn without_perpetuals(&self) -> Self {
        let one_shots = self.entries.iter().filter(|(_, entry)| entry.policy.every.is_none());
        Self { entries: one_shots.map(|(name, entry)| (name.clone(), entry.clone())).collect() }
    }

    pub(crate) fn find(&self, name: &Name) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The first occurrence of every perpetual it knows, under its fixed key.
    pub(crate) fn seeds(&self) -> Vec<NewTask> {
        let perpetuals = self.entries.iter().filter_map(|(name, entry)| Some((name, entry, entry.seed.clone()?)));
        perpetuals
            .filter_map(|(name, entry, args)| {
                let mut task = NewTask::keyed(Key::new(name.as_str()).ok()?, name.clone(), args);
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

/// JSON of `value`, within the default payload limit of a store; the client may allow less.
pub(crate) fn encode<T: serde::Serialize>(value: &T) -> Result<Payload> {
    serde_json::to_vec(value).map(Payload::new).map_err(|e| Error::invalid("encode args as JSON", e.to_string()))
}

/// Decode, run, encode: all of it inside the fault boundary of the one task.
async fn run<T: Task>(args: Payload, ctx: Context) -> Result<Option<Payload>, Unfinished> {
    let task: T = serde_json::from_slice(args.as_bytes())
        .map_err(|e| Unfinished::Undecodable(format!("the args do not decode as {}: {e}", T::NAME)))?;
    drop(args);
    let output = task.run(ctx).await.map_err(Unfinished::Failed)?;
    encode_result(&output)
        .map_err(|why| Unfinished::Failed(Failure::Fatal(format!("the run succeeded, but its result {why}"))))
}

/// What is kept of a run's result, or why it cannot be.
pub(crate) fn encode_result<T: serde::Serialize>(output: &T) -> Result<Option<Payload>, String> {
    let output = serde_json::to_vec(output).map_err(|e| format!("does not encode as JSON: {e}"))?;
    if output.len() > limits::PAYLOAD_BYTES_MAX {
        return Err(format!("has {} bytes; the limit is {}", output.len(), limits::PAYLOAD_BYTES_MAX));
    }
    // A task that returns nothing keeps nothing.
    Ok((output != b"null").then(|| Payload::new(output)))
}
