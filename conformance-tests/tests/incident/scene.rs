//! The helpers of a test: a docket, a proxy before it, workers, and the expectation that accepted
//! tasks run in time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conformance_tests::proxy::{Flow, Proxy};
use docket_core::{
    Client, LeaseOrder, LeaseRequest, LeaseSuspects, Registry, RequestId, Result, Settings, Store, Task, TaskKey,
    TaskName, TaskState, TaskView, Worker, WorkerId, WorkerRecord,
};
use futures_util::future::join_all;

use crate::logs;
use crate::running::Running;
use crate::stores::{Kind, SERVED, docket, open};
use crate::tasks::{Flaky, Hang, Hold, Log, Note, Panics, Tick, Unwritable};

/// The default bound: this long after its time, a task has run.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// A due task starts within a second whichever of its waiters dies; the other is for a busy
/// machine.
pub(crate) const IN_TIME: Duration = Duration::from_secs(2);
/// How long a client's call may take when the store is down: its patience, and a little more.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(7);
/// How long a worker may be dead before it reports so: its check interval here, the deadline of one
/// call, and a little more.
pub(crate) const NOTICED: Duration = Duration::from_secs(14);

/// How many workers, and how they are set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) heartbeat: Duration,
    pub(crate) workers: usize,
}

impl Setup {
    pub(crate) const fn new(heartbeat_ms: u64, workers: usize) -> Self {
        Self { heartbeat: Duration::from_millis(heartbeat_ms), workers }
    }

    pub(crate) fn settings(self) -> Settings {
        Settings { heartbeat_interval: self.heartbeat, ..Settings::default() }
    }

    pub(crate) fn lease(self) -> Duration {
        self.settings().timing().unwrap().lease
    }
}

/// Every heartbeat of the incident, and either number of workers.
pub(crate) const EACH: [Setup; 4] =
    [Setup::new(50, 2), Setup::new(2_000, 1), Setup::new(30_000, 2), Setup::new(120_000, 1)];
/// Where leases are lost, a lease of a minute would only make the test longer.
pub(crate) const SHORT: [Setup; 2] = [Setup::new(50, 1), Setup::new(2_000, 2)];

/// Plays one scene in several setups on each store with a server, at the same time.
pub(crate) async fn on_each(setups: &[Setup], play: impl AsyncFn(Kind, Setup)) {
    let plays = SERVED.iter().flat_map(|kind| setups.iter().map(|setup| play(*kind, *setup)));
    join_all(plays).await;
}

/// One docket and what happens on it.
pub(crate) struct Scene {
    /// The store of workers and the service: through the proxy, if there is one.
    pub(crate) store: Arc<dyn Store>,
    /// Another machine's view: never through the proxy.
    pub(crate) aside: Arc<dyn Store>,
    pub(crate) client: Client,
    pub(crate) log: Arc<Log>,
    proxy: Option<Proxy>,
    expected: Mutex<Vec<(String, Instant)>>,
}

impl Scene {
    pub(crate) fn memory() -> Self {
        Self::of(Arc::new(docket_memory::MemoryBackend::new(docket("memory"))))
    }

    pub(crate) fn of(store: Arc<dyn Store>) -> Self {
        Self::on(store.clone(), store, None)
    }

    /// On the shared server, where there is one.
    pub(crate) async fn new(kind: Kind, case: &str) -> Self {
        match kind {
            Kind::Memory => Self::memory(),
            Kind::Redis | Kind::Postgres => Self::of(open(&kind.url().await, &docket(case)).await),
        }
    }

    /// On a store whose workers have another way to it than the test.
    pub(crate) fn beside(store: Arc<dyn Store>, aside: Arc<dyn Store>) -> Self {
        Self::on(store, aside, None)
    }

    /// On the shared server, through a proxy.
    pub(crate) async fn proxied(kind: Kind, case: &str) -> Self {
        Self::proxied_before(&kind.url().await, case).await
    }

    pub(crate) async fn proxied_before(url: &str, case: &str) -> Self {
        let proxy = Proxy::before(url).await;
        let docket = docket(case);
        let (store, aside) = (open(&proxy.url(), &docket).await, open(url, &docket).await);
        Self::on(store, aside, Some(proxy))
    }

    /// With workers and service behind something that is not a proxy, at `url`; the server itself is at `aside`.
    pub(crate) async fn behind(url: &str, aside: &str, case: &str) -> Self {
        let docket = docket(case);
        let (store, aside) = (open(url, &docket).await, open(aside, &docket).await);
        Self::on(store, aside, None)
    }

    fn on(store: Arc<dyn Store>, aside: Arc<dyn Store>, proxy: Option<Proxy>) -> Self {
        logs::keep();
        let client = Client::new(store.clone());
        Self { client, store, aside, proxy, log: Arc::default(), expected: Mutex::default() }
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("this scene was set up with a proxy")
    }

    /// The connections through the proxy on which a fetch waits.
    pub(crate) fn waiting(&self) -> Vec<Flow> {
        let is_postgres = self.store.capabilities().scheme.starts_with("postgres");
        self.proxy().flows_in(if is_postgres { "LISTEN" } else { "BLPOP" })
    }

    /// Where the proxy is, as errors name it.
    pub(crate) fn port(&self) -> String {
        let url = self.proxy().url();
        let host = url.rsplit('@').next().unwrap_or_default();
        format!(":{}", host.rsplit(':').next().unwrap_or_default().split('/').next().unwrap_or_default())
    }

    /// A service on another machine.
    pub(crate) fn aside_client(&self) -> Client {
        Client::new(self.aside.clone())
    }

    pub(crate) fn start(&self, settings: Settings) -> Running {
        self.start_on(self.store.fork(), all_tasks(), settings)
    }

    pub(crate) fn start_all(&self, setup: Setup) -> Vec<Running> {
        self.start_all_with(setup, &setup.settings())
    }

    pub(crate) fn start_all_with(&self, setup: Setup, settings: &Settings) -> Vec<Running> {
        (0..setup.workers).map(|_| self.start(settings.clone())).collect()
    }

    pub(crate) fn start_on(&self, store: Arc<dyn Store>, registry: Registry, settings: Settings) -> Running {
        let builder = Worker::builder(store).registry(registry).settings(settings).state(self.log.clone());
        Running::of(builder.build().unwrap())
    }

    /// Adds one task and, if it was accepted, expects it to run. Says how long the call took, too.
    pub(crate) async fn add<T: Task>(&self, client: &Client, task: T, key: &str, after: Duration) -> Result<Duration> {
        let start = Instant::now();
        client.add(task).key(key).after(after).await?;
        self.expected.lock().unwrap().push((key.to_owned(), Instant::now() + after));
        Ok(start.elapsed())
    }

    /// Adds `count` tasks to each of three paths from another machine: immediate, delayed, retried.
    pub(crate) async fn burst(&self, prefix: &str, count: usize) {
        let client = self.aside_client();
        let adds = (0..count).map(async |n| {
            self.add(&client, Note {}, &format!("{prefix}.now.{n}"), Duration::ZERO).await.unwrap();
            self.add(&client, Note {}, &format!("{prefix}.later.{n}"), Duration::from_millis(700)).await.unwrap();
            self.add(&client, Flaky {}, &format!("{prefix}.again.{n}"), Duration::ZERO).await.unwrap();
        });
        join_all(adds).await;
    }

    /// Adds `count` tasks, has a worker lease them that then dies, and expects them once their
    /// leases are over. The leases are short, whatever the heartbeat of the workers that are to
    /// find them. Call it before any worker is started.
    pub(crate) async fn abandon(&self, prefix: &str, count: usize, lease: Duration) {
        let client = self.aside_client();
        for n in 0..count {
            client.add(Note {}).key(format!("{prefix}.lost.{n}")).await.unwrap();
        }
        let taken = self.aside.lease(&request("the-dead", "note", count, lease)).await.unwrap();
        assert_eq!(taken.leases.len(), count);
        let due = Instant::now() + lease;
        self.expected.lock().unwrap().extend((0..count).map(|n| (format!("{prefix}.lost.{n}"), due)));
    }

    /// Waits until everything accepted has run, none of it later than `bound` after its time.
    pub(crate) async fn all_ran(&self, bound: Duration) {
        let expected = self.expected.lock().unwrap().clone();
        let last = expected.iter().map(|(_, due)| *due + bound).max().expect("something is expected");
        let has_run = |(key, _): &(String, Instant)| !self.log.runs(key).is_empty();
        while !expected.iter().all(has_run) && Instant::now() < last {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let late = expected.iter().filter_map(|(key, due)| match self.log.runs(key).first() {
            None => Some(format!("{key} has not run")),
            Some(ran) if *ran > *due + bound => Some(format!("{key} ran {:?} late", ran.duration_since(*due))),
            Some(_) => None,
        });
        let late: Vec<String> = late.collect();
        assert!(late.is_empty(), "{} of {} not within {bound:?}: {late:#?}", late.len(), expected.len());
    }

    /// Where no lease was lost, nothing may have run twice.
    pub(crate) fn none_ran_twice(&self) {
        let expected = self.expected.lock().unwrap();
        let twice: Vec<&String> =
            expected.iter().map(|(key, _)| key).filter(|key| self.log.runs(key).len() > 1).collect();
        assert!(twice.is_empty(), "ran more than once: {twice:?}");
    }

    /// How late each accepted task whose key holds `path` ran, in order.
    pub(crate) fn latencies(&self, path: &str) -> Vec<Duration> {
        let expected = self.expected.lock().unwrap();
        let of_path = expected.iter().filter(|(key, _)| key.contains(path));
        let late = of_path.filter_map(|(key, due)| Some(self.log.runs(key).first()?.saturating_duration_since(*due)));
        let mut late: Vec<Duration> = late.collect();
        late.sort_unstable();
        late
    }

    pub(crate) async fn view(&self, key: &str) -> TaskView {
        self.aside.get(&TaskKey::new(key).unwrap()).await.unwrap().unwrap_or_else(|| panic!("{key} is kept"))
    }

    pub(crate) async fn until(&self, key: &str, state: TaskState, within: Duration) -> TaskView {
        eventually(&format!("{key} is {state}"), within, async || {
            let view = self.view(key).await;
            (view.state == state).then_some(view)
        })
        .await
    }

    /// Waits for a run of `key` after now: the periodic path is alive.
    pub(crate) async fn runs_again(&self, key: &str, within: Duration) {
        let runs = self.log.runs(key).len();
        eventually(&format!("{key} runs again"), within, async || (self.log.runs(key).len() > runs).then_some(()))
            .await;
    }
}

/// Every task type of the scenes.
pub(crate) fn all_tasks() -> Registry {
    let mut registry = Registry::new();
    registry.register::<Note>().unwrap().register::<Flaky>().unwrap().register::<Hold>().unwrap();
    registry.register::<Hang>().unwrap();
    registry.register::<Panics>().unwrap().register::<Unwritable>().unwrap().periodic::<Tick>().unwrap();
    registry
}

/// A lease request made by hand, for one name of the default queue.
pub(crate) fn request(worker: &str, name: &str, count: usize, lease: Duration) -> LeaseRequest {
    let name = TaskName::new(name).unwrap();
    let queue = docket_core::Queue::default();
    LeaseRequest {
        request: RequestId::unique(),
        worker: WorkerRecord {
            id: WorkerId::new(worker).unwrap(),
            queues: vec![queue.clone()],
            names: vec![(name.clone(), queue.clone())],
            concurrency: count,
            running: 0,
            settled: 0,
            ttl: Duration::from_secs(1),
        },
        queues: vec![queue],
        names: vec![docket_core::KnownName { name, max_crashes: 5 }],
        count,
        suspects: LeaseSuspects::Allow,
        lease_for: lease,
        wait: Duration::ZERO,
        order: LeaseOrder::Precedence,
    }
}

pub(crate) async fn eventually<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
