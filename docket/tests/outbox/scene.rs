//! A service whose data is in Postgres and whose queue is on Redis, and its workers.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conformance_tests::servers::{postgres_url, redis_url};
use docket::worker::HealthHandle;
use docket::{
    Client, Context, DocketName, Failure, InTransaction, NewTask, Outbox, Receipt, Registry, Settings, Store, Task,
    TaskKey, TaskState, Verb, Worker,
};
use docket_redis::RedisBackend;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, Postgres, Transaction};
use tokio::task::JoinHandle;

use crate::gate::{Gate, Seen};

/// Notes that it ran.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Note {
    pub(crate) n: usize,
}

/// What ran: the number of each note, and when.
#[derive(Default)]
pub(crate) struct Ran(Mutex<Vec<(usize, Instant)>>);

impl Ran {
    pub(crate) fn all(&self) -> Vec<(usize, Instant)> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn numbers(&self) -> Vec<usize> {
        let mut numbers: Vec<usize> = self.all().into_iter().map(|(n, _)| n).collect();
        numbers.sort_unstable();
        numbers
    }
}

impl Task for Note {
    const NAME: &'static str = "note";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Ran>()?.0.lock().unwrap().push((self.n, Instant::now()));
        Ok(())
    }
}

pub(crate) struct Scene {
    pub(crate) store: Arc<Outbox>,
    pub(crate) client: Client,
    pub(crate) pool: PgPool,
    pub(crate) seen: Arc<Seen>,
    pub(crate) ran: Arc<Ran>,
}

pub(crate) fn unique() -> String {
    TaskKey::unique().as_str().replace('-', "")
}

impl Scene {
    /// On servers that the tests share, with a docket of its own.
    pub(crate) async fn new() -> Self {
        Self::on(&redis_url().await, &postgres_url().await, docket_redis::Options::default()).await
    }

    pub(crate) async fn on(redis: &str, postgres: &str, options: docket_redis::Options) -> Self {
        Self::with(redis, postgres, options, PgPool::connect(postgres).await.unwrap()).await
    }

    /// With a pooler in transaction mode at `pooler`, for the outbox and for the service.
    pub(crate) async fn pooled(pooler: &str) -> Self {
        let service: PgConnectOptions = pooler.parse().unwrap();
        // A statement prepared on one server connection is unknown on the next; the parameter is refused.
        let service = service.statement_cache_capacity(0).extra_float_digits(None);
        let service = PgPool::connect_with(service).await.unwrap();
        let outbox = format!("{pooler}?pgbouncer=true");
        Self::with(&redis_url().await, &outbox, docket_redis::Options::default(), service).await
    }

    async fn with(redis: &str, outbox: &str, options: docket_redis::Options, pool: PgPool) -> Self {
        let name = DocketName::new(format!("outbox.{}", unique())).unwrap();
        let queue = Arc::new(RedisBackend::connect(redis, name, options).await.unwrap());
        let seen = Arc::new(Seen::default());
        let gate = Arc::new(Gate { queue, seen: seen.clone() });
        let store = Arc::new(Outbox::connect(gate, outbox, docket_postgres::Options::default()).await.unwrap());
        Self { client: Client::new(store.clone()), store, pool, seen, ran: Arc::default() }
    }

    pub(crate) async fn begin(&self) -> Transaction<'_, Postgres> {
        self.pool.begin().await.unwrap()
    }

    pub(crate) async fn note(&self, n: usize, tx: &mut Transaction<'_, Postgres>) -> Receipt {
        self.client.add(Note { n }).key(format!("note-{n}")).in_transaction(tx).await.unwrap()
    }

    /// Adds notes, in one transaction each.
    pub(crate) async fn commit_notes(&self, numbers: impl IntoIterator<Item = usize>) {
        for n in numbers {
            let mut tx = self.begin().await;
            self.note(n, &mut tx).await;
            tx.commit().await.unwrap();
        }
    }

    /// Commits tasks made by hand.
    pub(crate) async fn commit(&self, verb: Verb, tasks: &[NewTask]) {
        let mut tx = self.begin().await;
        for answer in self.store.put_in(&mut tx, verb, tasks).await.unwrap() {
            answer.unwrap();
        }
        tx.commit().await.unwrap();
    }

    pub(crate) async fn waiting(&self) -> u64 {
        self.store.row_counts().await.unwrap().waiting
    }

    pub(crate) async fn state(&self, n: usize) -> Option<TaskState> {
        let key = TaskKey::new(format!("note-{n}")).unwrap();
        self.client.store().get(&key).await.unwrap().map(|task| task.state)
    }

    /// A worker that looks by itself only once a minute, so that what comes sooner was a wake-up.
    pub(crate) fn worker(&self) -> Running {
        self.worker_that_looks(Duration::from_secs(60))
    }

    pub(crate) fn worker_that_looks(&self, check_interval: Duration) -> Running {
        Running::start(self.build(check_interval))
    }

    pub(crate) fn build(&self, check_interval: Duration) -> Worker {
        let mut registry = Registry::new();
        registry.register::<Note>().unwrap();
        let settings = Settings { check_interval, ..Settings::default() };
        let store: Arc<dyn Store> = self.store.clone();
        let builder = Worker::builder(store).companion(self.store.relay()).registry(registry).settings(settings);
        builder.state(self.ran.clone()).build().unwrap()
    }

    /// Waits until these have run, and a moment longer for any that should not.
    pub(crate) async fn ran_exactly(&self, expected: impl IntoIterator<Item = usize>) {
        let expected: Vec<usize> = expected.into_iter().collect();
        until("they run", async || self.ran.all().len() >= expected.len()).await;
        until("nothing waits", async || self.waiting().await == 0).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(self.ran.numbers(), expected);
        assert_eq!(self.client.store().audit().await.unwrap(), Vec::<String>::new());
    }
}

/// A worker at work; dropped, it is gone as in a killed process.
pub(crate) struct Running {
    pub(crate) health: HealthHandle,
    stop: docket::worker::Stop,
    run: JoinHandle<docket::Result<()>>,
}

impl Running {
    pub(crate) fn start(worker: Worker) -> Self {
        Self { health: worker.health(), stop: worker.stop_handle(), run: tokio::spawn(worker.run()) }
    }

    pub(crate) async fn kill(mut self) {
        self.run.abort();
        assert!((&mut self.run).await.is_err());
    }

    pub(crate) async fn end(mut self) {
        self.stop.stop();
        (&mut self.run).await.unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.run.abort();
    }
}

/// Waits until `done`, for at most 30 s.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let started = Instant::now();
    while !done().await {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}: did not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
