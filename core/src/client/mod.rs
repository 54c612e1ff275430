//! Adding tasks: the client that a service holds.

pub(crate) mod repeat;

use std::collections::HashSet;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::repeat::{bounded, repeat};
use crate::{
    AddAnswer, AddId, CancelAnswer, CancelId, Declared, Error, Existing, Fence, NewTask, Payload, TaskKey, TaskName,
};
use crate::{
    Queue, RequeueAnswer, Result, RunAt, ScheduleAnswer, Store, Task, TaskState, Timestamp, Verb, handler, json,
    limits, registry,
};

/// How long a client repeats a call without an answer, unless set otherwise. A request that adds a
/// task waits at most this long when the store is down.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Adds tasks to a docket, and cancels them. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    store: Arc<dyn Store>,
    patience: Duration,
    max_payload_bytes: usize,
    fallback: Option<Arc<dyn Fallback>>,
}

/// Takes an add that the store cannot accept.
#[async_trait]
pub trait Fallback: std::fmt::Debug + Send + Sync {
    /// Takes the task; `None` if it may not take this kind of task.
    async fn take(&self, task: &NewTask, cause: &Error) -> Option<Answer>;
}

/// The result of an add.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The task's identity.
    pub key: TaskKey,
    /// The store's answer.
    pub answer: Answer,
}

/// The store's answer to an add or a schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The store has it.
    Added,
    /// The store is down; this process will run the task or hand it over. Lost if the process dies
    /// first.
    AddedLocally,
    /// The key exists; nothing was changed.
    Exists(Existing),
    /// The key exists, and the added task declares a periodic one.
    Declared(Declared),
    /// The queued task of this key took the new args and time.
    Moved,
    /// The key is running; this one takes its place when it ends.
    Follows,
    /// It is in the outbox of the caller's transaction: after the commit, a worker brings it to the
    /// store.
    InOutbox,
}

impl From<AddAnswer> for Answer {
    fn from(answer: AddAnswer) -> Self {
        match answer {
            AddAnswer::Added => Self::Added,
            AddAnswer::Exists(existing) => Self::Exists(existing),
            AddAnswer::Declared(declared) => Self::Declared(declared),
        }
    }
}

impl From<ScheduleAnswer> for Answer {
    fn from(answer: ScheduleAnswer) -> Self {
        match answer {
            ScheduleAnswer::Placed => Self::Added,
            ScheduleAnswer::Moved => Self::Moved,
            ScheduleAnswer::Follows => Self::Follows,
        }
    }
}

impl Client {
    /// A client on `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, patience: PATIENCE, max_payload_bytes: limits::PAYLOAD_BYTES_MAX, fallback: None }
    }

    /// Sets how long a call without an answer is repeated, at most [`limits::REPEAT_MAX`].
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(limits::REPEAT_MAX);
        self
    }

    /// Sets how many bytes of JSON the args of one task may have; the store has a limit of its own.
    pub fn with_max_payload_bytes(mut self, bytes: usize) -> Self {
        self.max_payload_bytes = bytes;
        self
    }

    /// Sets the fallback for adds that the store cannot accept.
    pub fn with_fallback(mut self, fallback: Arc<dyn Fallback>) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// Its store, for reading and control.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Adds a task; `.await` sends it. An unfinished task of the same key is left as it is.
    ///
    /// ```no_run
    /// # use docket_core::{Client, Task};
    /// # async fn f<T: Task>(client: Client, scan: T) -> docket_core::Result<()> {
    /// client.add(scan).key("scan:42:9f3c").after(std::time::Duration::from_secs(5)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// A dropped add may or may not have taken effect. With a key of the caller's it can be repeated safely.
    #[expect(clippy::needless_pass_by_value, reason = "every added task is sent")]
    pub fn add<T: Task>(&self, task: T) -> Add {
        Add::new(self, Verb::Add, &task)
    }

    /// Places a task, or moves the queued one of the same key; behind a running one it follows.
    /// `.await` sends it.
    ///
    /// However the running one ends, this one takes its place: a run that fails is then not
    /// retried, whatever attempts it had left.
    ///
    /// # Cancel safety
    ///
    /// As [`Client::add`].
    #[expect(clippy::needless_pass_by_value, reason = "every scheduled task is sent")]
    pub fn schedule<T: Task>(&self, task: T) -> Add {
        Add::new(self, Verb::Schedule, &task)
    }

    /// Adds tasks built by hand, e.g. of a type whose code this process lacks; one result each.
    ///
    /// # Cancel safety
    ///
    /// As [`Client::add`], for each task.
    pub async fn add_all(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        repeat("add tasks", self.patience, || bounded("add tasks", Duration::ZERO, self.store.add(tasks))).await
    }

    /// As [`Client::add_all`], but also repeated while the one task cannot be accepted.
    async fn add_one(&self, task: &[NewTask]) -> Result<AddAnswer> {
        let what = "add a task";
        let call = async || only(bounded(what, Duration::ZERO, self.store.add(task)).await?);
        repeat(what, self.patience, call).await
    }

    async fn schedule_one(&self, task: &[NewTask]) -> Result<ScheduleAnswer> {
        let what = "schedule a task";
        let call = async || only(bounded(what, Duration::ZERO, self.store.schedule(task)).await?);
        repeat(what, self.patience, call).await
    }

    /// The queue in which the live workers of `name` expect it, if they agree: for an adder without
    /// its code.
    pub async fn queue_of(&self, name: impl AsRef<str>) -> Result<Option<Queue>> {
        let name = TaskName::new(name)?;
        let workers = bounded("read the workers", Duration::ZERO, self.store.workers()).await?;
        let mut queues: HashSet<Queue> = HashSet::new();
        for worker in workers {
            queues.extend(worker.record.names.into_iter().filter(|(n, _)| *n == name).map(|(_, queue)| queue));
        }
        Ok(if queues.len() == 1 { queues.into_iter().next() } else { None })
    }

    /// Cancels a task: at once if it is not running. A running task learns of it with its worker's
    /// next renewal, within a quarter of a lease ([`Timing::renewal`](crate::Timing)) while the
    /// store answers: its [`Context::cancellation`](crate::Context) fires, and a grace period later
    /// it is dropped.
    ///
    /// # Cancel safety
    ///
    /// A dropped cancel may or may not have taken effect.
    pub async fn cancel(&self, key: impl AsRef<str>) -> Result<CancelAnswer> {
        let key = TaskKey::new(key)?;
        let id = CancelId::unique();
        let call = || bounded("cancel a task", Duration::ZERO, self.store.cancel(&key, id));
        repeat("cancel a task", self.patience, call).await
    }

    /// The output of a completed task. `None` if there is no completed task of this key: it is not
    /// done yet, has ended otherwise, is periodic, or is no longer kept (see
    /// [`Policy::retention`](crate::Policy::retention)).
    ///
    /// # Errors
    ///
    /// `Invalid` if the key is of another type, or its output does not decode as this build's;
    /// `NotFound` if the task was completed without its output, with the reason; otherwise the
    /// store's error.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub async fn result<T: Task<Output: DeserializeOwned>>(&self, key: impl AsRef<str>) -> Result<Option<T::Output>> {
        let (key, what) = (TaskKey::new(key)?, "read the result of a task");
        let call = || bounded(what, Duration::ZERO, self.store.get(&key));
        let Some(task) = repeat(what, self.patience, call).await? else { return Ok(None) };
        if task.name.as_str() != T::NAME {
            return Err(Error::invalid(what, format!("{key} is a task {}, not {}", task.name, T::NAME)));
        }
        if task.state != TaskState::Completed {
            return Ok(None);
        }
        if let (None, Some(why)) = (&task.result, task.error.filter(|error| handler::is_unkept(error))) {
            return Err(Error::new(crate::ErrorKind::NotFound, what, why));
        }
        // An output that is null, as that of a task without one, is kept as nothing.
        let output = task.result.as_ref().map_or(b"null".as_slice(), Payload::as_bytes);
        json::decode(output).map(Some).map_err(|why| Error::invalid(what, format!("it does not decode: {why}")))
    }

    /// Starts a dead task again; `fence` is that of the death that the caller saw.
    ///
    /// # Cancel safety
    ///
    /// A dropped requeue may or may not have taken effect.
    pub async fn requeue(&self, key: impl AsRef<str>, fence: Option<Fence>) -> Result<RequeueAnswer> {
        let key = TaskKey::new(key)?;
        let call = || bounded("requeue a task", Duration::ZERO, self.store.requeue(&key, fence));
        repeat("requeue a task", self.patience, call).await
    }
}

/// A task about to be sent; `.await` sends it.
#[derive(Debug)]
#[must_use = "a task is sent when it is awaited"]
pub struct Add {
    client: Client,
    verb: Verb,
    /// The first mistake in the builder is reported when it is sent.
    task: Result<NewTask>,
}

impl Add {
    fn new<T: Task>(client: &Client, verb: Verb, task: &T) -> Self {
        let build = || {
            let args: Payload = registry::encode(task)?;
            if args.len() > client.max_payload_bytes {
                return Err(too_large(T::NAME, args.len(), client.max_payload_bytes));
            }
            // Without the interval: adding a task of a periodic type is one extra run beside the
            // chain, not a second chain.
            Ok(NewTask { queue: T::policy().queue, ..NewTask::new(TaskName::new(T::NAME)?, args) })
        };
        Self { client: client.clone(), verb, task: build() }
    }

    /// Gives the task an identity: adding it twice is then harmless.
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        self.task = self.task.and_then(|task| Ok(NewTask { key: TaskKey::new(key)?, ..task }));
        self
    }

    /// Not before this long from now, by the store's clock.
    pub fn after(mut self, delay: Duration) -> Self {
        self.task = self.task.map(|task| NewTask { run_at: RunAt::In(delay), ..task });
        self
    }

    /// Not before this time of the store's clock: a [`Timestamp`], a `SystemTime` or a `jiff::Timestamp`.
    pub fn at(mut self, time: impl Into<Timestamp>) -> Self {
        self.task = self.task.map(|task| NewTask { run_at: RunAt::At(time.into()), ..task });
        self
    }

    /// In this queue instead of the policy's.
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.task = self.task.and_then(|task| Ok(NewTask { queue: Queue::new(queue)?, ..task }));
        self
    }

    /// With this attempt limit instead of the policy's; at least 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.task = self.task.map(|mut task| {
            task.overrides.max_attempts = Some(attempts.max(1));
            task
        });
        self
    }

    /// With the id of an earlier call: its repetition changes nothing.
    pub fn add_id(mut self, id: AddId) -> Self {
        self.task = self.task.map(|task| NewTask { add_id: id, ..task });
        self
    }

    /// The task that `.await` would send, and how: for a backend that sends it another way, e.g. in
    /// the caller's transaction.
    ///
    /// # Errors
    ///
    /// `Invalid` or `TooLarge` for the first mistake in the builder.
    pub fn into_task(self) -> Result<(Verb, NewTask)> {
        Ok((self.verb, self.task?))
    }

    /// The client that would send it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends it, as `.await` does: `tokio::spawn(docket.add(task).send())`.
    ///
    /// # Errors
    ///
    /// `Invalid` or `TooLarge` for the first mistake in the builder; otherwise the store's error.
    ///
    /// # Cancel safety
    ///
    /// As [`Client::add`].
    pub async fn send(self) -> Result<Receipt> {
        let task = self.task?;
        let tasks = std::slice::from_ref(&task);
        let key = task.key.clone();
        let answer = match self.verb {
            Verb::Schedule => self.client.schedule_one(tasks).await?.into(),
            Verb::Add => match self.client.add_one(tasks).await {
                Ok(answer) => answer.into(),
                Err(error) => match self.client.fallback.as_ref().filter(|_| error.is_retryable()) {
                    Some(fallback) => fallback.take(&task, &error).await.ok_or(error)?,
                    None => return Err(error),
                },
            },
        };
        Ok(Receipt { key, answer })
    }
}

impl IntoFuture for Add {
    type Output = Result<Receipt>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Receipt>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn only<T>(answers: Vec<Result<T>>) -> Result<T> {
    answers.into_iter().next().unwrap_or_else(|| {
        Err(Error::new(crate::ErrorKind::Internal, "add a task", "the backend gave no answer for the only item"))
    })
}

fn too_large(name: &str, bytes: usize, bytes_max: usize) -> Error {
    let message = format!(
        "its args have {bytes} bytes; the limit is {bytes_max}. Put large data into object storage and add its address"
    );
    Error::new(crate::ErrorKind::TooLarge, format!("add {name}"), message)
}
