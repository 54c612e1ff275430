//! A docket in memory, a worker on it, and faults between them.

use std::sync::Arc;
use std::time::Duration;

use docket_core::worker::{Alarm, HealthHandle, Stop};
use docket_core::{Client, DocketName, Registry, Result, Settings, Store, Task, TaskKey, TaskState, TaskView, Worker};
use docket_memory::MemoryBackend;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::sabotage::Sabotage;
use crate::tasks::{Fail, Log, Run};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The settings of a service that has set none: leases of 10 s, renewed every 2 s.
pub(crate) fn usual() -> Settings {
    Settings::default()
}

pub(crate) struct Scene {
    /// The store as the workers see it, with faults. The test itself uses the docket directly.
    pub(crate) sabotage: Sabotage,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) client: Client,
    pub(crate) log: Arc<Log>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryBackend::new(DocketName::default()));
        let sabotage = Sabotage::of(store.fork());
        Self { sabotage, client: Client::new(store.clone()), store, log: Arc::default() }
    }

    pub(crate) async fn add(&self, task: impl Task, key: &str) {
        self.client.add(task).key(key).await.unwrap();
    }

    pub(crate) fn worker(&self, settings: Settings) -> Worker {
        self.worker_on(self.sabotage.store(), settings)
    }

    pub(crate) fn start(&self, settings: Settings) -> Running {
        Running::of(self.worker(settings))
    }

    /// Starts a worker that the sabotage does not reach.
    pub(crate) fn start_unharmed(&self, settings: Settings) -> Running {
        Running::of(self.worker_on(self.store.fork(), settings))
    }

    fn worker_on(&self, store: Arc<dyn Store>, settings: Settings) -> Worker {
        let mut registry = Registry::new();
        registry.register::<Run>().unwrap().register::<Fail>().unwrap();
        let builder = Worker::builder(store).registry(registry).settings(settings);
        builder.state(self.log.clone()).without_signals().renew_beside_handlers().build().unwrap()
    }

    pub(crate) async fn view(&self, key: &str) -> TaskView {
        self.store.get(&TaskKey::new(key).unwrap()).await.unwrap().expect("the task is kept")
    }

    pub(crate) async fn state(&self, key: &str) -> TaskState {
        self.view(key).await.state
    }

    pub(crate) async fn until(&self, key: &str, state: TaskState, within: Duration) -> TaskView {
        eventually(&format!("{key} is {state}"), within, async || {
            let view = self.view(key).await;
            (view.state == state).then_some(view)
        })
        .await
    }
}

/// A worker under way.
pub(crate) struct Running {
    pub(crate) health: HealthHandle,
    stop: Stop,
    run: JoinHandle<Result<()>>,
}

impl Running {
    fn of(worker: Worker) -> Self {
        Self { health: worker.health(), stop: worker.stop_handle(), run: tokio::spawn(worker.run()) }
    }

    /// Stops it; how long that took.
    pub(crate) async fn stopped(self) -> Duration {
        let begun = Instant::now();
        self.stop.stop();
        timeout(10 * SECOND, self.run).await.expect("a stop has an end").unwrap().unwrap();
        begun.elapsed()
    }

    pub(crate) async fn until_ready(&self, within: Duration) {
        eventually("the worker is ready", within, async || self.health.is_ready().then_some(())).await;
    }

    /// Waits for an alarm; how long that took.
    pub(crate) async fn until_alarm(&self, within: Duration, is: impl Fn(&Alarm) -> bool) -> Duration {
        let begun = Instant::now();
        eventually("there is an alarm", within, async || self.health.alarms().iter().any(&is).then_some(())).await;
        begun.elapsed()
    }
}

pub(crate) async fn eventually<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
