//! The worker: takes tasks, runs them, keeps their leases, settles them, and never stops unseen.
//!
//! Each job has one file and one loop, and every loop is supervised:
//!
//! * `fetch` — a free slot first, then a lease; its answered calls are the worker's sign of life.
//! * `gate` — leases nothing while leases cannot be renewed or outcomes not settled.
//! * `slots` — which tasks may run, and the short queue of prefetched tasks.
//! * `run` — one task: its timeout, its cancellation, its panic, its outcome.
//! * `blocking` — code that cannot be stopped keeps its slot and its lease until it returns.
//! * `report` — the log lines about the end of a run.
//! * `settle` — acks in groups, repeated until answered.
//! * `heartbeat` — a thread with a runtime and connections of its own, so that handlers cannot
//!   starve it.
//! * `periodic` — seeds periodic tasks, beside leasing.
//! * `companion` — a loop that a worker keeps going beside its own, as for an outbox.
//! * `watchdog` — compares what must happen with what did, turns readiness red, restarts a loop
//!   that makes no progress.

mod alarm;
mod blocking;
mod companion;
mod fetch;
mod finished;
mod gate;
mod health;
mod heartbeat;
mod held;
mod panics;
mod periodic;
mod report;
mod run;
pub(crate) mod settings;
mod settle;
mod slots;
mod stop;
mod supervise;
mod watchdog;

use std::any::Any;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::handler::Shared;
use crate::{Client, Error, Heartbeat, KnownName, Registry, Result, Settings, Store, Task, Timing};
use crate::{WorkerId, WorkerRecord, display_duration, limits};

pub use alarm::Alarm;
pub use companion::{Check, Companion, Pulse};
pub use health::{Health, HealthHandle};
pub use stop::{Stop, shutdown_signal};

use held::Held;
use slots::Slots;
use supervise::Restarts;

/// Runs the tasks of a registry, until stopped.
///
/// ```no_run
/// use std::sync::Arc;
/// use docket_core::{Registry, Settings, Store, Worker};
///
/// # async fn f(store: Arc<dyn Store>, registry: Registry) -> docket_core::Result<()> {
/// let worker = Worker::builder(store).registry(registry).settings(Settings::from_env()?).build()?;
/// worker.run().await // until SIGTERM or SIGINT
/// # }
/// ```
#[derive(Debug)]
pub struct Worker {
    inner: Arc<Inner>,
}

/// Shared by the loops of one worker.
#[derive(Debug)]
struct Inner {
    id: WorkerId,
    settings: Settings,
    timing: Timing,
    registry: Registry,
    names: Vec<KnownName>,
    queues: Vec<crate::Queue>,
    shared: Shared,
    client: Client,
    /// The handle for seeds, which the service also adds with.
    adding: Arc<dyn Store>,
    /// Whether the docket was joined.
    joined: SetOnce<()>,
    /// The handle for leases, and nothing else.
    fetching: Arc<dyn Store>,
    /// The handle for acks, and for the watchdog's occasional look.
    settling: Arc<dyn Store>,
    /// The handle for heartbeats, and nothing else; first used on the heartbeat thread's runtime.
    beating: Arc<dyn Store>,
    companion: Option<Arc<dyn Companion>>,
    slots: Arc<Slots>,
    held: Held,
    runs: TaskTracker,
    health: Arc<Health>,
    restarts: Restarts,
    stop: Stop,
    /// Fires when the worker ends without waiting any longer for running tasks.
    leaving: CancellationToken,
    signals: Signals,
    /// Whether leases are renewed on the handlers' runtime: only in tests with a paused clock.
    renews_beside_handlers: bool,
    settled: AtomicU64,
}

/// Whether the worker or the caller handles SIGTERM and SIGINT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Signals {
    Worker,
    Caller,
}

/// When the worker ends without being stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Until {
    Stopped,
    Finished,
}

/// Builds a worker. [`Builder::build`] refuses settings that do not fit, with the reason.
#[derive(Debug)]
#[must_use = "a worker is made by `build`, and runs by `run` or `run_until`"]
pub struct Builder {
    store: Arc<dyn Store>,
    client: Option<Client>,
    registry: Registry,
    /// The first mistake, reported by [`Builder::build`].
    mistake: Option<Error>,
    settings: Result<Settings>,
    shared: Shared,
    companion: Option<Arc<dyn Companion>>,
    signals: Signals,
    renews_beside_handlers: bool,
}

impl Builder {
    /// Runs tasks of this type. A mistake (a name twice, a policy that cannot work) is reported by
    /// [`Builder::build`].
    pub fn task<T: Task>(self) -> Self {
        self.register(|registry| registry.register::<T>().map(|_| ()))
    }

    /// Runs this periodic type, and seeds it: see [`Registry::periodic`].
    pub fn periodic<T: Task + Default>(self) -> Self {
        self.register(|registry| registry.periodic::<T>().map(|_| ()))
    }

    fn register(mut self, add: impl FnOnce(&mut Registry) -> Result<()>) -> Self {
        let mistake = add(&mut self.registry).err();
        self.mistake = self.mistake.or(mistake);
        self
    }

    /// Runs the task types of a registry as well.
    pub fn registry(self, registry: Registry) -> Self {
        self.register(|own| own.merge(registry))
    }

    /// The settings.
    pub fn settings(self, settings: Settings) -> Self {
        self.try_settings(Ok(settings))
    }

    /// Settings that may not have been read: [`Builder::build`] reports the error, unless other
    /// settings follow.
    pub fn try_settings(mut self, settings: Result<Settings>) -> Self {
        self.settings = settings;
        self
    }

    /// A value that handlers get from [`crate::Context::state`], one per type. Takes the value, or
    /// an `Arc` of it.
    pub fn state<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.shared.insert(value);
        self
    }

    /// The client with which handlers add further tasks; by default one on the same store.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// A loop to keep going beside the worker's own, as the relay of an outbox.
    pub fn companion(mut self, companion: Arc<dyn Companion>) -> Self {
        self.companion = Some(companion);
        self
    }

    /// Leaves SIGTERM and SIGINT to the caller, who then calls [`Worker::stop_handle`]: for a service with
    /// its own order of shutdown.
    pub fn without_signals(mut self) -> Self {
        self.signals = Signals::Caller;
        self
    }

    /// Renews leases on the runtime that the handlers run on, instead of a thread of its own: for a test that pauses
    /// tokio's clock, which would not move the clock of another thread.
    #[cfg(feature = "testing")]
    pub fn renew_beside_handlers(mut self) -> Self {
        self.renews_beside_handlers = true;
        self
    }

    /// Builds the worker and runs it until a signal: see [`Worker::run`].
    ///
    /// # Errors
    ///
    /// As [`Builder::build`] and [`Worker::run`].
    ///
    /// # Cancel safety
    ///
    /// As [`Worker::run`].
    pub async fn run(self) -> Result<()> {
        self.build()?.run().await
    }

    /// Builds the worker and runs it until `end` is done, as [`shutdown_signal`] is. Signals are
    /// left to `end`.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`] and [`Worker::run`].
    ///
    /// # Cancel safety
    ///
    /// As [`Worker::run`].
    pub async fn run_until(self, end: impl Future<Output = ()>) -> Result<()> {
        self.without_signals().build()?.run_until(end).await
    }

    /// Checks that everything fits together, and reports the first mistake in the builder.
    ///
    /// # Errors
    ///
    /// `Config`, with what cannot work and what to do.
    pub fn build(self) -> Result<Worker> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let settings = self.settings?;
        let timing = settings.timing()?;
        if self.registry.names().next().is_none() {
            return Err(Error::config("build the worker", "no task is registered, so it could never run one"));
        }
        let known = |name: &crate::TaskName| {
            let max_crashes = self.registry.policy(name)?.max_crashes;
            Some(KnownName { name: name.clone(), max_crashes })
        };
        let names = self.registry.names().filter_map(known).collect();
        let queues = queues_to_serve(&settings, &self.registry);
        check_bounds(queues.len(), self.registry.names().count())?;
        let id = WorkerId::new(format!("{}:{}", std::process::id(), Uuid::now_v7().simple()))?;
        let client = self.client.unwrap_or_else(|| Client::new(self.store.clone()));
        let name = self.companion.as_ref().map(|companion| companion.name());
        Ok(Worker {
            inner: Arc::new(Inner {
                id,
                timing,
                names,
                queues,
                shared: self.shared,
                client,
                fetching: self.store.fork(),
                settling: self.store.fork(),
                beating: self.store.fork(),
                adding: self.store,
                joined: SetOnce::new(),
                slots: Arc::new(Slots::new(settings.concurrency, settings.max_ahead)),
                held: Held::new(timing.lease),
                runs: TaskTracker::new(),
                health: Arc::new(Health::new(&settings, timing, name)),
                companion: self.companion,
                restarts: Restarts::default(),
                stop: Stop::new(),
                leaving: CancellationToken::new(),
                signals: self.signals,
                renews_beside_handlers: self.renews_beside_handlers,
                settled: AtomicU64::new(0),
                registry: self.registry,
                settings,
            }),
        })
    }
}

/// Refuses more than one lease call may list: every call would be refused, and the worker would
/// never run anything.
fn check_bounds(queues: usize, names: usize) -> Result<()> {
    let max = limits::LEASE_NAMES_MAX;
    for (what, count, remedy) in [
        ("queues", queues, "name fewer (DOCKET_WORKER_QUEUES)"),
        ("task types", names, "split the registry between workers"),
    ] {
        if count > max {
            let why = format!("it has {count} {what}, and LEASE_NAMES_MAX is {max}; {remedy}");
            return Err(Error::config("build the worker", why));
        }
    }
    Ok(())
}

/// The queues named, or `default` and those of the registered tasks.
fn queues_to_serve(settings: &Settings, registry: &Registry) -> Vec<crate::Queue> {
    let wanted = registry.names().filter_map(|name| registry.policy(name)).map(|policy| policy.queue.clone());
    if !settings.queues.is_empty() {
        return settings.queues.clone();
    }
    let mut queues = vec![crate::Queue::default()];
    for queue in wanted {
        if !queues.contains(&queue) {
            queues.push(queue);
        }
    }
    queues
}

impl Worker {
    /// Starts a builder on `store`.
    pub fn builder(store: Arc<dyn Store>) -> Builder {
        Builder {
            store,
            client: None,
            registry: Registry::new(),
            mistake: None,
            settings: Ok(Settings::default()),
            shared: Shared::default(),
            companion: None,
            signals: Signals::Worker,
            renews_beside_handlers: false,
        }
    }

    /// Its identity: unique per start.
    pub fn id(&self) -> &WorkerId {
        &self.inner.id
    }

    /// A handle to stop it from elsewhere.
    pub fn stop_handle(&self) -> Stop {
        self.inner.stop.clone()
    }

    /// Its sign of life, for a readiness probe.
    pub fn health(&self) -> HealthHandle {
        HealthHandle(self.inner.health.clone())
    }

    /// Runs until stopped, by [`Worker::stop_handle`] or by a signal. An error means that it could not go
    /// on: exit non-zero, and let the platform restart it.
    ///
    /// The first SIGTERM or SIGINT lets running tasks end within [`Settings::grace`], gives the
    /// others back, uncounted, and returns `Ok`: at the defaults in less than the 5 s that a
    /// platform waits before it kills. A second one leaves at once. [`Builder::without_signals`]
    /// leaves signals to the caller.
    ///
    /// Once it has run, these signals no longer end the process by themselves: end the process when
    /// `run` returns. A service that spawns its worker waits for both, its own end and the
    /// worker's.
    ///
    /// # Errors
    ///
    /// `Conflict` if the docket belongs to another environment or layout; `Internal` if one of its
    /// loops failed again and again. A store that is down is not an error: the worker keeps trying.
    ///
    /// # Cancel safety
    ///
    /// A dropped run leaves its leases to their deadlines, as a killed process would. Use
    /// [`Worker::stop_handle`].
    pub async fn run(self) -> Result<()> {
        self.run_with(Until::Stopped).await
    }

    /// Runs until stopped or until `end` is done, whichever comes first; then it shuts down as after a
    /// signal.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`].
    ///
    /// # Cancel safety
    ///
    /// As [`Worker::run`].
    pub async fn run_until(self, end: impl Future<Output = ()>) -> Result<()> {
        let stop = self.stop_handle();
        match select(pin!(self.run()), pin!(end)).await {
            Either::Left((ended, _)) => ended,
            Either::Right(((), run)) => {
                stop.stop();
                run.await
            }
        }
    }

    /// Runs until no task of its queues and names is ready, running or due within a minute;
    /// periodic tasks do not count.
    ///
    /// At one point in time that was true of the whole docket, including the tasks of other workers
    /// and tasks that tasks have added. It leaves tasks that are added later, from outside or by a
    /// periodic task. It handles signals as [`Worker::run`] does, and then returns earlier.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`].
    ///
    /// # Cancel safety
    ///
    /// As [`Worker::run`].
    pub async fn run_until_finished(self) -> Result<()> {
        self.run_with(Until::Finished).await
    }

    async fn run_with(self, until: Until) -> Result<()> {
        let inner = self.inner;
        tracing::info!(
            docket = %inner.fetching.capabilities().docket,
            worker = %inner.id,
            concurrency = inner.settings.concurrency,
            lease = %display_duration(inner.timing.lease),
            renewal = %display_duration(inner.timing.renewal),
            check_interval = %display_duration(inner.settings.check_interval),
            queues = ?inner.queues,
            names = ?inner.registry,
            "worker started"
        );
        let end = supervise::run(inner.clone(), until).await;
        tracing::info!(worker = %inner.id, settled = inner.settled.load(Ordering::Relaxed), "worker stopped");
        end
    }
}

impl Inner {
    /// The record that lease calls and heartbeats write.
    fn record(&self) -> WorkerRecord {
        let queue_of = |name: &crate::TaskName| Some((name.clone(), self.registry.policy(name)?.queue.clone()));
        WorkerRecord {
            id: self.id.clone(),
            queues: self.queues.clone(),
            names: self.registry.names().filter_map(queue_of).collect(),
            concurrency: self.settings.concurrency,
            running: self.slots.running(),
            settled: self.settled.load(Ordering::Relaxed),
            ttl: self.settings.check_interval + self.timing.lease * 2,
        }
    }

    /// Deletes the worker's record, so that nobody counts on it any longer. Best effort: the record
    /// expires anyway.
    async fn sign_off(&self) {
        let beat = Heartbeat {
            worker: WorkerRecord { ttl: Duration::ZERO, ..self.record() },
            tokens: Vec::new(),
            lease_for: self.timing.lease,
        };
        // Safe to lose: the record expires by itself.
        let _ = tokio::time::timeout(Duration::from_millis(500), self.settling.heartbeat(&beat)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_lease_may_list_is_refused_by_name() {
        let max = limits::LEASE_NAMES_MAX;
        assert!(check_bounds(max, max).is_ok());
        for (queues, names, said) in [(max + 1, 1, "1001 queues"), (1, max + 1, "1001 task types")] {
            let error = check_bounds(queues, names).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert!(error.to_string().contains(said) && error.to_string().contains("LEASE_NAMES_MAX"), "{error}");
        }
    }
}
