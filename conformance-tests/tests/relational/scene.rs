//! A server of one test, a docket on it, and a worker under way.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conformance_tests::servers::PostgresServer;
use docket_core::worker::{HealthHandle, Stop};
use docket_core::{
    Client, DocketName, Error, NewTask, Payload, Result, Settings, Store, Task, TaskKey, TaskName, Worker, limits,
};
use docket_postgres::{Options, PostgresBackend};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Row as _};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::task::JoinHandle;

use crate::tasks::{Count, Log, registry};

/// From the end of a fault to the last task that waited for it.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Shared by scenes that may play beside each other.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// The machine's share of a scene, for as long as it plays.
#[expect(dead_code, reason = "they are held, not read")]
enum Turn {
    Beside(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// One docket on a server of its own.
pub(crate) struct Scene {
    _turn: Turn,
    pub(crate) server: PostgresServer,
    pub(crate) client: Client,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) log: Arc<Log>,
    /// The service's own.
    pub(crate) pool: PgPool,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::on(PostgresServer::start().await).await
    }

    pub(crate) async fn on(server: PostgresServer) -> Self {
        let url = server.url();
        Self::through(server, &url).await
    }

    /// Alone on the machine: durations are measured.
    pub(crate) async fn alone() -> Self {
        let turn = Turn::Alone(MACHINE.write().await);
        let server = PostgresServer::start().await;
        let url = server.url();
        Self::in_turn(turn, server, &url).await
    }

    /// The same as new, the docket reached by another URL.
    pub(crate) async fn through(server: PostgresServer, url: &str) -> Self {
        Self::in_turn(Turn::Beside(MACHINE.read().await), server, url).await
    }

    async fn in_turn(turn: Turn, server: PostgresServer, url: &str) -> Self {
        let store = PostgresBackend::connect(url, DocketName::default(), Options::default()).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let pool = PgPool::connect_lazy(&server.url()).unwrap();
        Self { _turn: turn, server, client: Client::new(store.clone()), store, log: Arc::default(), pool }
    }

    pub(crate) fn start(&self, settings: Settings) -> Running {
        let builder = Worker::builder(self.store.fork()).registry(registry()).settings(settings);
        Running::of(builder.state(self.log.clone()).state(Arc::new(self.pool.clone())).build().unwrap())
    }

    /// Adds the tasks of these numbers, in full batches.
    pub(crate) async fn add<T: Task>(&self, numbers: Range<usize>) {
        let args = Payload::new("{}");
        let name = TaskName::new(T::NAME).unwrap();
        let task =
            |n| NewTask { key: TaskKey::new(format!("k{n}")).unwrap(), ..NewTask::new(name.clone(), args.clone()) };
        let tasks: Vec<NewTask> = numbers.map(task).collect();
        for batch in tasks.chunks(limits::BATCH_ITEMS_MAX) {
            for answer in self.client.add_all(batch).await.unwrap() {
                answer.unwrap();
            }
        }
    }

    /// Adds one task every 20 ms until `end`; answers the keys accepted, and the errors of the others.
    pub(crate) async fn add_until(&self, prefix: &str, end: Instant) -> (Vec<String>, Vec<Error>) {
        let (mut accepted, mut errors) = (Vec::new(), Vec::new());
        while Instant::now() < end {
            let key = format!("{prefix}{}", accepted.len() + errors.len());
            match self.client.add(Count::light()).key(&key).await {
                Ok(_) => accepted.push(key),
                Err(error) => errors.push(error),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (accepted, errors)
    }

    /// Waits until as many have run.
    pub(crate) async fn ran(&self, count: usize, within: Duration) {
        eventually(&format!("{count} runs"), within, async || (self.log.len() >= count).then_some(())).await;
    }

    /// No accepted task is lost, and a task ran again only because its lease was lost.
    pub(crate) async fn settled(&self, accepted: impl IntoIterator<Item = String>) {
        let left = "SELECT count(*) FROM docket.task WHERE state <> 'completed'";
        eventually("all is settled", SOON, async || (self.number(left).await == 0).then_some(())).await;
        let runs = self.log.runs();
        let lost: Vec<String> = accepted.into_iter().filter(|key| !runs.contains_key(key)).collect();
        assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), &lost[..lost.len().min(10)]);
        let again: usize = runs.values().map(|runs| runs - 1).sum();
        let crashes = self.number("SELECT coalesce(sum(crashes), 0)::bigint FROM docket.task").await;
        assert!(i64::try_from(again).unwrap() <= crashes, "{again} runs again, {crashes} leases lost");
        assert_eq!(self.store.audit().await.unwrap(), Vec::<String>::new());
    }

    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.server.url()).await.unwrap()
    }

    /// Asks the server itself for one number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connection().await;
        sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap().get(0)
    }
}

/// A worker under way; dropped, it dies without a word.
pub(crate) struct Running {
    pub(crate) health: HealthHandle,
    stop: Stop,
    run: JoinHandle<Result<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.run.abort();
    }
}

impl Running {
    fn of(worker: Worker) -> Self {
        let (health, stop) = (worker.health(), worker.stop_handle());
        Self { health, stop, run: tokio::spawn(worker.run()) }
    }

    /// Stops it, its last outcome settled.
    pub(crate) async fn stopped(mut self) {
        self.stop.stop();
        (&mut self.run).await.unwrap().unwrap();
    }

    pub(crate) async fn until_ready(&self, within: Duration) {
        eventually("the worker is alive", within, async || self.health.is_ready().then_some(())).await;
    }

    pub(crate) async fn until_unready(&self, within: Duration) {
        eventually("the worker is shown as not alive", within, async || (!self.health.is_ready()).then_some(())).await;
    }
}

pub(crate) async fn eventually<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
