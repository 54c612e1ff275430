//! A task, and how it runs: the part that a service writes.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Ack, Client, Lease, Outcome, Payload, Policy, RunAt, Store, limits, registry};

/// A type of background work: its fields are the args, `NAME` is its name in stores, `run` does the
/// work.
///
/// A task runs at least once. It runs again after an error (until [`Policy::max_attempts`]), and
/// after its worker died (until [`Policy::max_crashes`]); so write it to converge: choose ids and
/// timestamps when adding, use "put" rather than "create", and pass the fence of [`Context::token`]
/// to outside systems that can compare numbers.
///
/// ```
/// use docket_core::{Context, Task, TaskResult};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Greet {
///     name: String,
/// }
///
/// impl Task for Greet {
///     const NAME: &'static str = "greet";
///     type Output = String;
///
///     async fn run(self, _ctx: Context) -> TaskResult<String> {
///         Ok(format!("hello {}", self.name))
///     }
/// }
/// ```
pub trait Task: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in stores. Renaming it strands tasks that wait under the old name.
    const NAME: &'static str;

    /// The result of a run, kept with the finished task. If a result cannot be kept (no JSON,
    /// larger than 1 MiB), the task is completed without it, and its error says why.
    type Output: Serialize + Send;

    /// How to run it.
    fn policy() -> Policy {
        Policy::default()
    }

    /// Does the work. Written as `async fn run(self, ctx: Context) -> TaskResult<Self::Output>`.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped a grace period after [`Context::cancellation`] fires: when the lease
    /// is lost, an operator cancels, the timeout passes or the worker shuts down. Put cleanup into
    /// a guard. A handler that blocks its thread cannot be dropped before it returns; blocking code
    /// belongs in [`Context::spawn_blocking`].
    fn run(self, ctx: Context) -> impl Future<Output = TaskResult<Self::Output>> + Send;
}

/// The result of a run.
pub type TaskResult<T> = Result<T, Failure>;

/// Why a run did not complete. Any error turns into [`Failure::Retry`] with `?`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Retry after the policy's backoff, if attempts are left.
    Retry(String),
    /// Retry after this long, if attempts are left: for a server that named a time. If it is longer
    /// than [`crate::limits::DELAY_MAX`], the policy's backoff is used, and the error on the record
    /// says so.
    RetryAfter(Duration, String),
    /// Postpone: run again after this long. Not an attempt, unless it is longer than
    /// [`crate::limits::DELAY_MAX`]: that is a failed one.
    Snooze(Duration),
    /// It can never work: dead at once.
    Fatal(String),
    /// Stopped because [`Context::cancellation`] fired.
    Cancelled,
}

impl Failure {
    /// A retry can help.
    pub fn retry(error: impl fmt::Display) -> Self {
        Self::Retry(error.to_string())
    }

    /// A retry cannot help.
    pub fn fatal(error: impl fmt::Display) -> Self {
        Self::Fatal(error.to_string())
    }
}

impl<E: std::error::Error> From<E> for Failure {
    /// The whole chain of causes, on one line.
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::Retry(text)
    }
}

/// The surroundings of a run.
#[derive(Clone)]
pub struct Context {
    pub(crate) lease: Arc<Lease>,
    pub(crate) policy: Policy,
    pub(crate) cancellation: CancellationToken,
    pub(crate) shared: Shared,
    pub(crate) client: Client,
    /// The store of the lease; the client's may be another one.
    pub(crate) store: Arc<dyn Store>,
    /// The blocking code that this run has started.
    pub(crate) blocking: TaskTracker,
}

impl Context {
    /// The task's key.
    pub fn key(&self) -> &crate::TaskKey {
        &self.lease.token.key
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.lease.attempts + 1
    }

    /// Identifies the lease. Its fence grows with every run of the docket: a system that keeps the
    /// largest fence it has seen can refuse the late writes of a run that lost its lease.
    pub fn token(&self) -> &crate::LeaseToken {
        &self.lease.token
    }

    /// The lease of this run.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Fires when the run should stop: lost lease, cancel, timeout, shutdown. A cancel arrives with
    /// the next renewal of the lease, within a quarter of its length while the store answers.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// Runs blocking code on a thread made for it, as `tokio::task::spawn_blocking` does.
    ///
    /// Nothing can stop such code. So the run keeps its slot and its lease until the code returns,
    /// also after the timeout, a cancel or a lost lease, and whether or not it is awaited; for at
    /// most [`crate::Settings::max_blocking`]. The worker does not know of code that tokio's own
    /// `spawn_blocking` runs: that code goes on after its run has ended, and the task may start
    /// again beside it. Long code should check [`Context::cancellation`] now and then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the handle does not stop the code.
    pub fn spawn_blocking<F, T>(&self, code: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.blocking.spawn_blocking(code)
    }

    /// Shared state of type `T`, as given to the worker with `worker::Builder::share`.
    pub fn state<T: Any + Send + Sync>(&self) -> Result<Arc<T>, Failure> {
        self.shared.find().ok_or_else(|| {
            Failure::Retry(format!("this worker was built without the shared state {}", type_name::<T>()))
        })
    }

    /// The store of the lease.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The ack that the worker would send for `result`: for a backend that can settle it in a
    /// transaction of the handler.
    ///
    /// # Errors
    ///
    /// `Invalid` for a result that does not encode as JSON or is too large.
    pub fn completion(&self, result: &impl Serialize) -> crate::Result<Ack> {
        let result = registry::encode_result(result)
            .map_err(|why| crate::Error::invalid("complete a run", format!("its result {why}")))?;
        let outcome = completed(Returned::Kept(result), &self.lease);
        Ok(Ack {
            token: self.lease.token.clone(),
            outcome,
            max_attempts: self.policy.max_attempts,
            retention: self.policy.retention,
        })
    }

    /// A client on the same docket, to add further tasks.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// The kept part of a run's result.
#[derive(Debug)]
pub(crate) enum Returned {
    Kept(Option<Payload>),
    /// It cannot be kept, for this reason.
    Unkept(String),
}

/// The outcome of a run that returned.
pub(crate) fn completed(returned: Returned, lease: &Lease) -> Outcome {
    match (lease.every, returned) {
        // The record's interval, not this build's: it belongs to the definition in force.
        (Some(every), _) => Outcome::Repeat { at: RunAt::In(every), args: None },
        (None, Returned::Kept(result)) => Outcome::Completed(result),
        (None, Returned::Unkept(why)) => Outcome::Unkept { error: unkept(&format!("its result {why}")) },
    }
}

/// The error of a task that completed without its result.
pub(crate) fn unkept(why: &str) -> String {
    limits::cut_error(&format!("completed without its result: {why}")).into_owned()
}

/// Values that handlers share, one per type.
#[derive(Clone, Default)]
pub(crate) struct Shared(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} values)", self.0.len())
    }
}

impl Shared {
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, value: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), value);
    }

    fn find<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }
}
