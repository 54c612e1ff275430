//! A service with a docket in its own database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conformance_tests::servers::postgres_url;
use docket_core::{Answer, Client, Context, DocketName, Failure, Registry, Settings, Task, TaskKey, TaskState, Worker};
use docket_postgres::{InTransaction, Options, PostgresBackend};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::mpsc;

/// Tells the test that it has started.
#[derive(Serialize, Deserialize)]
pub(crate) struct Note {}

impl Task for Note {
    const NAME: &'static str = "note";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<mpsc::UnboundedSender<Instant>>()?.send(Instant::now())?;
        Ok(())
    }
}

/// A docket, and the service's own pool on the same database with a table of its own.
pub(crate) struct Service {
    pub(crate) client: Client,
    pub(crate) pool: PgPool,
    pub(crate) table: String,
}

impl Service {
    pub(crate) async fn new() -> Self {
        let url = postgres_url().await;
        let unique = uuid::Uuid::now_v7().simple().to_string();
        let docket = DocketName::new(format!("tx.{unique}")).unwrap();
        let store = PostgresBackend::connect(&url, docket, Options::default()).await.unwrap();
        let pool = PgPool::connect(&url).await.unwrap();
        let service = Self { client: Client::new(Arc::new(store)), pool, table: format!("tracks_{unique}") };
        service.execute(&format!("CREATE TABLE {} (id int)", service.table)).await;
        service
    }

    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    /// A transaction that has written a row of the service's and added a task.
    pub(crate) async fn half_done(&self, key: &str) -> sqlx::Transaction<'_, sqlx::Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        let insert = format!("INSERT INTO {} VALUES (1)", self.table);
        sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&mut *tx).await.unwrap();
        let receipt = self.client.add(Note {}).key(key).in_transaction(&mut tx).await.unwrap();
        assert_eq!((receipt.key.as_str(), receipt.answer), (key, Answer::Added));
        tx
    }

    pub(crate) async fn state(&self, key: &str) -> Option<TaskState> {
        self.client.store().get(&TaskKey::new(key).unwrap()).await.unwrap().map(|task| task.state)
    }

    pub(crate) async fn rows(&self) -> i64 {
        let count = format!("SELECT count(*) FROM {}", self.table);
        sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&self.pool).await.unwrap()
    }

    /// Waits until the task of this key is in this state.
    pub(crate) async fn until(&self, key: &str, state: TaskState) {
        let end = Instant::now() + Duration::from_secs(15);
        while self.state(key).await != Some(state) {
            assert!(Instant::now() < end, "{key} is {:?}, not {state}", self.state(key).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A worker, and what tells that a run has started.
    pub(crate) fn worker(&self) -> (Worker, mpsc::UnboundedReceiver<Instant>) {
        let (started, starts) = mpsc::unbounded_channel();
        let mut registry = Registry::new();
        registry.register::<Note>().unwrap();
        let settings = Settings { check_interval: Duration::from_mins(1), ..Settings::default() };
        let builder = Worker::builder(self.client.store().clone()).registry(registry).settings(settings);
        (builder.state(started).build().unwrap(), starts)
    }
}
