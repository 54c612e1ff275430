//! A task, and how it runs: the part that a service writes.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{
    Ack, Client, Failure, Lease, Outcome, Payload, Policy, RunAt, Store, TaskResult, Verdict, limits, registry,
};

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

    /// Whether another attempt can help after a failure that `?` made: by default yes, and after an
    /// [`Error`](crate::Error) of Docket if it says so. Not asked about a failure that was decided
    /// in its place, as by [`Failure::fatal`].
    ///
    /// ```
    /// # use docket_core::{Failure, Verdict};
    /// # #[derive(Debug)] enum MailError { NoSuchUser, ServerBusy }
    /// # impl std::fmt::Display for MailError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self:?}") } }
    /// # impl std::error::Error for MailError {}
    /// fn classify(failure: &Failure) -> Verdict {
    ///     match failure.downcast_ref::<MailError>() {
    ///         Some(MailError::NoSuchUser) => Verdict::Fatal,
    ///         _ => failure.verdict(),
    ///     }
    /// }
    /// # assert_eq!(classify(&MailError::NoSuchUser.into()), Verdict::Fatal);
    /// # assert_eq!(classify(&MailError::ServerBusy.into()), Verdict::Retry);
    /// ```
    fn classify(failure: &Failure) -> Verdict {
        failure.verdict()
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

    /// Whether the task is dead if this attempt fails. A run that ends with its worker does not
    /// learn that; see [`Policy::max_crashes`].
    pub fn is_last_attempt(&self) -> bool {
        self.attempt() >= self.lease.overrides.max_attempts.unwrap_or(self.policy.max_attempts)
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

    /// Shared state of type `T`, as given to the worker with `worker::Builder::state`.
    pub fn state<T: Any + Send + Sync>(&self) -> Result<Arc<T>, Failure> {
        self.shared.find().ok_or_else(|| {
            Failure::fatal(format!(
                "the task {} needs the state {}, and its worker was built without it; add .state(value) to the worker",
                self.lease.name,
                type_name::<T>()
            ))
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
    limits::cut_error(&format!("{UNKEPT}{why}")).into_owned()
}

/// Whether a completed task has this error because its result was not kept.
pub(crate) fn is_unkept(error: &str) -> bool {
    error.starts_with(UNKEPT)
}

const UNKEPT: &str = "completed without its result: ";

/// Values that handlers share, one per type.
#[derive(Clone, Default)]
pub(crate) struct Shared(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} values)", self.0.len())
    }
}

impl Shared {
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    fn find<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let of_type = |id| self.0.get(&id).cloned();
        if let Some(value) = of_type(TypeId::of::<T>()) {
            return value.downcast().ok();
        }
        // It was given as an `Arc`.
        Some(of_type(TypeId::of::<Arc<T>>())?.downcast_ref::<Arc<T>>()?.clone())
    }
}
