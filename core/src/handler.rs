//! What a service writes: a task, and how it runs.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Ack, Client, Lease, Outcome, Payload, Policy, RunAt, Store, limits, registry};

/// A type of background work: its fields are the args, its name is how stores know it, `run` does it.
///
/// A task runs at least once. It runs again after an error (until [`Policy::attempts_max`]), and after a worker that
/// died in the middle (until [`Policy::crashes_max`]); so write it to converge: choose ids and timestamps when adding,
/// use "put" rather than "create", and where an outside system can compare numbers, hand it the fence of
/// [`Context::token`].
///
/// ```
/// use docket_core::{Context, Failure, Task};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Greet {
///     name: String,
/// }
///
/// #[async_trait::async_trait]
/// impl Task for Greet {
///     const NAME: &'static str = "greet";
///     type Output = String;
///
///     async fn run(self, _ctx: Context) -> Result<String, Failure> {
///         Ok(format!("hello {}", self.name))
///     }
/// }
/// ```
#[async_trait]
pub trait Task: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name stores know it by. Renaming it strands what is already waiting under the old one.
    const NAME: &'static str;

    /// What a run returns; kept with the finished task. One that cannot be kept (no JSON, larger than 1 MiB) changes nothing
    /// about the work: the task is completed without it, and its error says why.
    type Output: Serialize + Send;

    /// How it wants to be run.
    fn policy() -> Policy {
        Policy::default()
    }

    /// Does the work.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped a grace period after [`Context::cancellation`] fires: when the lease is lost, an operator
    /// cancels, the timeout passes or the worker shuts down. What must be undone belongs in a guard. A handler that blocks its
    /// thread cannot be dropped before it returns; code that blocks belongs in [`Context::spawn_blocking`].
    async fn run(self, ctx: Context) -> Result<Self::Output, Failure>;
}

/// How a run did not complete. Any error turns into [`Failure::Retry`] with `?`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Try again after the policy's backoff, if attempts are left.
    Retry(String),
    /// Try again after this long, if attempts are left: a server said when. Longer than [`crate::limits::DELAY_MAX`], the
    /// policy's backoff is used, and the error on the record says so.
    RetryAfter(Duration, String),
    /// Not now, and nobody's fault: come back after this long. Not an attempt, unless it is longer than
    /// [`crate::limits::DELAY_MAX`]: that is a failed one.
    Snooze(Duration),
    /// It can never work: dead at once.
    Fatal(String),
    /// Stopped because [`Context::cancellation`] fired.
    Cancelled,
}

impl Failure {
    /// Trying again can help.
    pub fn retry(error: impl fmt::Display) -> Self {
        Self::Retry(error.to_string())
    }

    /// Trying again cannot help.
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

/// What a run knows of itself.
#[derive(Clone)]
pub struct Context {
    pub(crate) lease: Arc<Lease>,
    pub(crate) policy: Policy,
    pub(crate) cancellation: CancellationToken,
    pub(crate) shared: Shared,
    pub(crate) client: Client,
    /// The one that the lease is from; the client's may be another.
    pub(crate) store: Arc<dyn Store>,
    /// What this run has started on threads of their own.
    pub(crate) blocking: TaskTracker,
}

impl Context {
    /// The task's key.
    pub fn key(&self) -> &crate::Key {
        &self.lease.token.key
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.lease.attempts + 1
    }

    /// The proof of the lease. Its fence grows with every run of the docket: a system that keeps the largest fence it
    /// has seen can refuse the late writes of a run that lost its lease.
    pub fn token(&self) -> &crate::Token {
        &self.lease.token
    }

    /// The lease this run works under.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Fires when the run should stop: lost lease, cancel, timeout, shutdown. A cancel arrives with the next renewal of the
    /// lease, within a quarter of its length while the store answers.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// Runs code that blocks, on a thread where it may, as `tokio::task::spawn_blocking` does.
    ///
    /// Nothing can stop such code, so the run keeps its slot and its lease until the code returns, also after the timeout, a
    /// cancel or a lost lease, and whether or not anybody awaits it; for [`crate::Settings::blocking_max`] at most. Code that
    /// tokio's own `spawn_blocking` runs is not known to the worker: it goes on after its run is over, and the task may start
    /// again beside it. Long code should look at [`Context::cancellation`] now and then.
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

    /// The store that the lease is from.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The ack that the worker sends if the run returns `result`: for a backend that can settle it in a transaction of the
    /// handler's own.
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
            attempts_max: self.policy.attempts_max,
            retention: self.policy.retention,
        })
    }

    /// A client on the same docket, to add further tasks with.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// What is left of a run's result.
#[derive(Debug)]
pub(crate) enum Returned {
    Kept(Option<Payload>),
    /// It cannot be kept, for this reason.
    Unkept(String),
}

/// The outcome of a run that returned.
pub(crate) fn completed(returned: Returned, lease: &Lease) -> Outcome {
    match (lease.every, returned) {
        // The record's interval, and not this build's: it is that of the definition in force.
        (Some(every), _) => Outcome::Repeat { at: RunAt::In(every), args: None },
        (None, Returned::Kept(result)) => Outcome::Completed(result),
        (None, Returned::Unkept(why)) => Outcome::Unkept { error: unkept(&format!("its result {why}")) },
    }
}

/// The error of a task that is completed without its result.
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
