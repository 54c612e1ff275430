//! The contract between a store and everything else.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::contract::{
    Clock, Control, DocketName, Inspect, Lease, NewTask, Payload, Queue, RequestId, Result, RunAt, TaskKey, TaskName,
    TaskState,
};
use crate::contract::{LeaseToken, Relocate, WorkerId, limits, words};

/// Where tasks live: five verbs, all batched, each item with its own result, so that a bad item
/// never spoils its batch.
///
/// The **implementor** is a backend. It makes each item of each call one atomic transition of the
/// table in `docs/transitions.md`, decided by the store's clock alone. The **caller** is a
/// [`crate::Client`] or a [`crate::Worker`]. It repeats a call without an answer, with the same
/// ids, for at most [`crate::limits::REPEAT_MAX`], and relies on nothing but answers.
///
/// # Invariants
///
/// Each is a module of the conformance suite.
///
/// * **I1 No loss.** Once `add` has answered [`AddAnswer::Added`], the task is unfinished and
///   indexed, or was finished by a current token, a cancel or a limit: `loss`.
/// * **I2 One live lease.** At most one token of a key is current, and only that token can
///   heartbeat or settle, also after trimming and in a later life: `fence`.
/// * **I3 Bounded.** A task runs at most `max_attempts` times with an error and `max_crashes` times
///   into a dead worker; then it is dead, kept and shown: `limit`.
/// * **I4 Exact.** No task is leased before its time, and a waiting worker gets it within
///   milliseconds after: `exact`.
/// * **I5 Ordered.** Earliest `visible_at` first (for a lost lease: its deadline), then in the
///   order of adding: `order`.
/// * **I6 Idempotent.** Repeating a call has the effect and the answer of calling once: `repeat`.
/// * **I7 No orphan.** Records and indexes are a bijection ([`Inspect::audit`]): checked after
///   every case.
/// * **I8 Bounded memory.** Finished tasks are trimmed; payloads and batches have limits: `bound`.
/// * **I9 Unknown is untouched.** A name that no request asked for is never leased, moved or
///   counted: `unknown`.
///
/// # Cancel safety
///
/// Dropping the future of a verb is like losing its reply: the call may have taken effect. Nothing
/// is half done, and repeating it with the same ids is safe. A dropped `lease` may hold leases that
/// no worker knows of; a repetition of the same request gets them, or they become visible again at
/// their deadline.
#[async_trait]
pub trait QueueBackend: fmt::Debug + Send + Sync + 'static {
    /// The abilities of this backend, as facts.
    fn capabilities(&self) -> Capabilities;

    /// A handle on the same docket with connections of its own, which are opened on first use and
    /// bound to the runtime of that use. A worker leases, renews and settles over separate handles,
    /// so that none can starve another.
    fn fork(&self) -> Arc<dyn Store>;

    /// How tasks are moved to another store, if this one can: see [`Relocate`]. A caller that needs
    /// it calls the methods of that name on `dyn Store`, which refuse in one place.
    fn as_relocate(&self) -> Option<&dyn Relocate> {
        None
    }

    /// Adds tasks.
    ///
    /// * An unfinished key is not added twice: `add::unfinished_key_is_not_added_twice`.
    /// * A finished key lives again, with counts at zero: `add::finished_key_lives_again`.
    /// * A known add id gets its first answer and changes nothing: `repeat::add_after_lost_reply`.
    /// * Declaring a cancelled periodic task does not revive it:
    ///   `periodic::seeding_does_not_undo_a_cancel`.
    /// * Of the definitions of a periodic task that workers declare, the one first seen last is in
    ///   force: `definition::the_latest_is_in_force`,
    ///   `definition::the_earlier_returns_when_the_later_is_gone`.
    /// * An item beyond a limit is refused alone: `bound::oversized_args_do_not_spoil_the_batch`.
    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>>;

    /// Places tasks, or moves the unfinished ones of the same key.
    ///
    /// * A queued task takes the new args, add id and time, with its counts reset:
    ///   `schedule::moves_a_queued_task`.
    /// * A running task is left alone and the new one follows it; the last one wins:
    ///   `follow::last_schedule_wins`.
    /// * However the lease ends, the successor takes its place:
    ///   `follow::promoted_however_the_lease_ends`.
    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>>;

    /// Leases tasks whose `visible_at` has passed, and moves it to the lease's deadline.
    ///
    /// * Never a name or a queue that was not asked for: `unknown::unasked_name_is_untouched`.
    /// * The same request again gets its leases that nobody has retaken, with a new deadline, and
    ///   nothing new: `repeat::lease_after_lost_reply`.
    /// * A passed deadline is one crash, counted here: `crash::counted_when_leased_again`.
    /// * At `max_crashes` the task is dead instead: `limit::crashes_end_a_task`.
    /// * Waits at most `wait` for a wake-up when there is nothing: `wait::an_add_wakes_a_waiter`.
    /// * `next_visible` counts only tasks that this call could have leased:
    ///   `wait::next_visible_ignores_unasked_names`.
    /// * The reply says when its poll was sent, so that a lease does not count from the beginning
    ///   of a wait: `wait::a_lease_counts_from_the_look_that_took_it`.
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply>;

    /// Extends leases before their deadline, and keeps the worker's record alive.
    ///
    /// * A lost lease does not fail the others: `heartbeat::one_lost_lease_does_not_fail_the_others`.
    /// * A late heartbeat of a current token counts: `heartbeat::late_but_current_is_held`.
    /// * A cancelled task says so: `cancel::a_running_task_is_told`.
    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>>;

    /// Settles leases.
    ///
    /// * Only the current token settles; any other gets [`AckAnswer::Stale`] and changes nothing:
    ///   `fence::stale_token_settles_nothing`.
    /// * The same ack again gets [`AckAnswer::Settled`] and changes nothing:
    ///   `repeat::ack_after_lost_reply`.
    /// * A release restores the task's position in its lane:
    ///   `ack::release_keeps_the_place_in_line`.
    /// * A task whose args cannot be decoded is queued again, uncounted, with the time of the first
    ///   such answer: `ack::undecodable_is_no_attempt`, `ack::undecodable_is_timed_from_the_first`.
    /// * An outcome that the implementor does not know is refused alone, as `Unsupported`, and
    ///   changes nothing: `ack::an_outcome_of_a_later_version_is_refused_alone`.
    async fn ack(&self, acks: &[Ack]) -> Result<AckReply>;

    /// Waits until every answer given before this call would survive a crash of the store's
    /// machine, if the store can tell. The relay of an outbox asks before it deletes the rows it
    /// has sent. The provided method returns at once: for a store that keeps everything it
    /// acknowledges, and for one that cannot tell.
    ///
    /// # Errors
    ///
    /// `Unavailable`: unknown. Send important calls once more, with the same ids.
    async fn persist(&self) -> Result<()> {
        Ok(())
    }
}

/// A whole backend: the five verbs, the reading side and the operator's side. It writes 14 methods;
/// the others have defaults, which refuse with `Unsupported` or say that there is nothing to say.
///
/// It is [`Any`], so that a backend can find itself behind `dyn Store` for an ability of its own,
/// such as [`Capabilities::transactional_add`].
pub trait Store: QueueBackend + Inspect + Control + Any {}

impl<T: QueueBackend + Inspect + Control> Store for T {}

/// The abilities of a backend: facts, not settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// The scheme of its URLs, e.g. `redis`.
    pub scheme: &'static str,
    /// The docket this handle is on.
    pub docket: DocketName,
    /// Whether a task outlives the process.
    pub durable: bool,
    /// Whether other processes see the same docket.
    pub shared: bool,
    /// Whether `add` can be part of the caller's own transaction.
    pub transactional_add: bool,
}

/// The answer to one `add`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AddAnswer {
    /// The store has it.
    Added,
    /// A task in this state has the key; nothing was changed.
    Exists(Existing),
    /// The task declares a periodic one, and the key exists.
    Declared(Declared),
}

/// How a declaration of a periodic task relates to the task under its key; see
/// [`crate::NewTask::declared_for`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Declared {
    /// The task has this definition.
    InForce {
        /// Its occurrences that failed in a row.
        failures: u32,
    },
    /// The task has another definition, which stays.
    Superseded {
        /// Its occurrences that failed in a row.
        failures: u32,
    },
    /// The task had another definition; now it has this one, or will have it when its run has
    /// ended.
    Redefined,
    /// The key belongs to a task of another name, or without an interval; nothing was changed.
    Taken,
}

/// The task that an `add` or a requeue found under its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Existing {
    /// An unfinished task, or a finished periodic task, which only a requeue revives.
    In(TaskState),
    /// A running task that is being cancelled; use `schedule` to put a new one behind it.
    Cancelling,
}

/// The answer to one `schedule`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ScheduleAnswer {
    /// The key was free; now it has this task.
    Placed,
    /// The queued task of this key took the new args and time.
    Moved,
    /// The key is running; this one takes its place when it ends.
    Follows,
}

/// A lease request of a worker.
#[derive(Clone, PartialEq, Debug)]
pub struct LeaseRequest {
    /// The identity of this call, kept when it is repeated.
    pub request: RequestId,
    /// The worker that asks. The call writes this record: leasing is the worker's sign of life.
    pub worker: WorkerRecord,
    /// The queues to serve, in order of precedence.
    pub queues: Vec<Queue>,
    /// The names to serve, and no others.
    pub names: Vec<KnownName>,
    /// The most tasks to lease.
    pub count: usize,
    /// Whether a suspect (two or more crashes) may be among them; at most one is.
    pub suspects: LeaseSuspects,
    /// The length of the leases.
    pub lease_for: Duration,
    /// How long to wait for a visible task; zero answers at once.
    pub wait: Duration,
    /// How queues are weighed against each other.
    pub order: LeaseOrder,
}

/// A name and the crash limit of its task type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownName {
    /// The task type.
    pub name: TaskName,
    /// The most leases that may expire unsettled before the task is dead.
    pub max_crashes: u32,
}

/// Whether a lease call may lease a suspect: a task under which two or more workers died.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaseSuspects {
    /// The worker holds none: at most one may be leased.
    Allow,
    /// The worker holds one already.
    Avoid,
}

/// How queues are weighed against each other within one lease call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaseOrder {
    /// All tasks of the first queue before any of the second.
    Precedence,
    /// The earliest task of all queues first: used for every eighth call, so that no queue starves.
    Earliest,
}

/// The answer to a lease call.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LeaseReply {
    /// The leased tasks, in the order in which to start them.
    pub leases: Vec<Lease>,
    /// How long until the next task that this request could have leased becomes visible; zero if one already is.
    pub next_visible: Option<Duration>,
    /// How long the oldest ready task that this request could have leased has been ready, after
    /// this call took its own. Grows without end only if there is work and no worker leases it.
    pub oldest_ready: Option<Duration>,
    /// The crashes and trims of this call.
    pub swept: Swept,
    /// When the poll that took the leases was sent, by this process's monotonic clock: none of them
    /// began earlier. A call may have waited long before that poll. If absent, the caller counts
    /// from the beginning of its call.
    pub looked_at: Option<Instant>,
    /// The docket's time relative to the server's clock.
    pub clock: Clock,
}

/// The crashes and trims that a call came across, a lease call or another: for the log, so that
/// nothing ends unseen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Leases found past their deadline.
    pub crashed: u64,
    /// Tasks that reached their crash limit.
    pub limited: Vec<Limited>,
    /// Dead records trimmed.
    pub dead_trimmed: u64,
}

/// A task with one expired lease too many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limited {
    /// The task.
    pub key: TaskKey,
    /// The task type.
    pub name: TaskName,
    /// Runs before this one that ended with an error.
    pub attempts: u32,
    /// A periodic task repeats later; any other task is dead.
    pub repeats: bool,
}

/// A worker as others see it. Its lease calls and heartbeats write the record; it expires without
/// them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Unique per start.
    pub id: WorkerId,
    /// The queues it serves, in order.
    pub queues: Vec<Queue>,
    /// The names it runs and the queue of each, so that another process can add tasks for it.
    pub names: Vec<(TaskName, Queue)>,
    /// The most tasks it runs at the same time.
    pub concurrency: usize,
    /// Tasks it runs now.
    pub running: usize,
    /// Tasks it has settled since its start.
    pub settled: u64,
    /// How long this record stays unless it is written again; zero deletes it.
    pub ttl: Duration,
}

/// A renewal of leases.
#[derive(Clone, PartialEq, Debug)]
pub struct Heartbeat {
    /// The worker.
    pub worker: WorkerRecord,
    /// The leases it holds.
    pub tokens: Vec<LeaseToken>,
    /// The new length of the leases.
    pub lease_for: Duration,
}

/// The answer to one token of a heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HeartbeatAnswer {
    /// The lease is extended.
    Held,
    /// The lease is lost: stop the work.
    Lost,
    /// The lease is extended, and an operator wants the work stopped.
    Cancelled,
}

/// How a run ended.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Done, with its result.
    Completed(Option<Payload>),
    /// Done, but the result cannot be kept; the reason is kept instead.
    Unkept {
        /// The queue's error.
        error: String,
    },
    /// Failed: an attempt. The task is dead if it was the last.
    Retry {
        /// How long to wait before the next.
        after: Duration,
        /// The error.
        error: String,
    },
    /// Not now: not an attempt.
    Snooze {
        /// How long to wait.
        after: Duration,
    },
    /// This build cannot decode its args: not an attempt. Another build may decode them, so the
    /// task is queued again for later; the record keeps the time since when no build could.
    Undecodable {
        /// How long to wait.
        after: Duration,
        /// The decode error.
        error: String,
    },
    /// Never started, or stopped by a shutdown: not an attempt, and back at its position in the
    /// lane.
    Release,
    /// Failed for good.
    Dead {
        /// The error.
        error: String,
    },
    /// A periodic task's run is done; its next occurrence follows.
    Repeat {
        /// `In` counts from the start of the lease, never earlier than now.
        at: RunAt,
        /// New arguments, or the old ones.
        args: Option<Payload>,
    },
    /// The run noticed that it was cancelled.
    Cancelled,
    /// Stands for an outcome of a later version, for the suite: a store refuses it alone. No run
    /// ends like this.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    OfALaterVersion,
}

#[cfg(feature = "testing")]
impl Outcome {
    /// One outcome of each kind: every store must be able to settle them.
    #[must_use]
    pub fn one_of_each() -> Vec<Self> {
        std::iter::successors(Some(Self::Completed(None)), Self::next_kind).collect()
    }

    /// Invariant: a match without a wildcard, so that a new kind cannot be forgotten, and no store
    /// can lack it unnoticed: `ack::every_outcome_is_settled`.
    fn next_kind(&self) -> Option<Self> {
        let after = Duration::from_secs(1);
        let error = || "it failed".to_owned();
        match self {
            Self::Completed(_) => Some(Self::Unkept { error: error() }),
            Self::Unkept { .. } => Some(Self::Retry { after, error: error() }),
            Self::Retry { .. } => Some(Self::Snooze { after }),
            Self::Snooze { .. } => Some(Self::Undecodable { after, error: error() }),
            Self::Undecodable { .. } => Some(Self::Release),
            Self::Release => Some(Self::Dead { error: error() }),
            Self::Dead { .. } => Some(Self::Repeat { at: RunAt::In(after), args: None }),
            Self::Repeat { .. } => Some(Self::Cancelled),
            Self::Cancelled | Self::OfALaterVersion => None,
        }
    }
}

/// One lease to settle.
#[derive(Clone, PartialEq, Debug)]
pub struct Ack {
    /// Identifies the lease.
    pub token: LeaseToken,
    /// How the run ended.
    pub outcome: Outcome,
    /// The attempt limit of the task type; an override by the adder takes precedence.
    pub max_attempts: u32,
    /// How long the record is kept once completed or cancelled.
    pub retention: Duration,
}

impl Ack {
    /// Refuses a delay or a retention beyond [`limits::DELAY_MAX`]; the lease stays as it is. Every
    /// backend calls this for each item: `exact::the_furthest_future_is_ten_years`.
    pub fn check(&self) -> Result<()> {
        let at = match &self.outcome {
            Outcome::Retry { after, .. } | Outcome::Snooze { after } | Outcome::Undecodable { after, .. } => {
                RunAt::In(*after)
            }
            Outcome::Repeat { at, .. } => *at,
            _ => RunAt::Now,
        };
        if at.is_too_long() || self.retention > limits::DELAY_MAX {
            return Err(words::too_far("settle a task"));
        }
        Ok(())
    }
}

/// The answer to one ack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AckAnswer {
    /// Settled, now or by an earlier copy of the same ack.
    Settled,
    /// Not the current token: nothing was changed. After a repetition this means "settled or lost,
    /// unknown".
    Stale,
}

/// The answer to a batch of acks.
#[derive(Debug, Default)]
pub struct AckReply {
    /// One answer per ack, in order.
    pub answers: Vec<Result<AckAnswer>>,
    /// The crashes and trims of the batch.
    pub swept: Swept,
}
