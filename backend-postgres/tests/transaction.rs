//! Adds inside the caller's transaction: all or nothing with the caller's data, and in nobody's way.
//!
//! Time is real here: transactions, notifications and workers at work are what is looked at, and no docket's clock moves
//! those.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use conformance_tests::servers::postgres_url;
use docket_core::{
    Answer, Client, Context, DocketName, ErrorKind, Existing, Failure, Key, Registry, Settings, State, Task, Worker,
};
use docket_memory::MemoryBackend;
use docket_postgres::{InTransaction, Options, PostgresBackend};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::mpsc;

/// Tells the test that it has started.
#[derive(Serialize, Deserialize)]
struct Note {}

#[async_trait]
impl Task for Note {
    const NAME: &'static str = "note";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<mpsc::UnboundedSender<Instant>>()?.send(Instant::now())?;
        Ok(())
    }
}

/// A docket, and the service's own pool on the same database with a table of its own.
struct Service {
    client: Client,
    pool: PgPool,
    table: String,
}

impl Service {
    async fn new() -> Self {
        let url = postgres_url().await;
        let unique = uuid::Uuid::now_v7().simple().to_string();
        let docket = DocketName::new(format!("tx.{unique}")).unwrap();
        let store = PostgresBackend::connect(&url, docket, Options::default()).await.unwrap();
        let pool = PgPool::connect(&url).await.unwrap();
        let service = Self { client: Client::new(Arc::new(store)), pool, table: format!("tracks_{unique}") };
        service.execute(&format!("CREATE TABLE {} (id int)", service.table)).await;
        service
    }

    async fn execute(&self, sql: &str) {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    /// A transaction that has written a row of the service's and added a task.
    async fn half_done(&self, key: &str) -> sqlx::Transaction<'_, sqlx::Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        let insert = format!("INSERT INTO {} VALUES (1)", self.table);
        sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&mut *tx).await.unwrap();
        let receipt = self.client.add(Note {}).key(key).in_transaction(&mut tx).await.unwrap();
        assert_eq!((receipt.key.as_str(), receipt.answer), (key, Answer::Added));
        tx
    }

    async fn state(&self, key: &str) -> Option<State> {
        self.client.store().get(&Key::new(key).unwrap()).await.unwrap().map(|task| task.state)
    }

    async fn rows(&self) -> i64 {
        let count = format!("SELECT count(*) FROM {}", self.table);
        sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&self.pool).await.unwrap()
    }

    /// A worker, and what tells that a run has started.
    fn worker(&self) -> (Worker, mpsc::UnboundedReceiver<Instant>) {
        let (started, starts) = mpsc::unbounded_channel();
        let mut registry = Registry::new();
        registry.register::<Note>().unwrap();
        let settings = Settings { check_interval: Duration::from_mins(1), ..Settings::default() };
        let builder = Worker::builder(self.client.store().clone()).registry(registry).settings(settings);
        (builder.share(Arc::new(started)).build().unwrap(), starts)
    }
}

#[tokio::test]
async fn a_task_is_there_at_the_commit_and_not_before() {
    let service = Service::new().await;
    let tx = service.half_done("k").await;
    assert_eq!((service.state("k").await, service.rows().await), (None, 0));
    tx.commit().await.unwrap();
    assert_eq!((service.state("k").await, service.rows().await), (Some(State::Ready), 1));
}

/// The docket itself is new, too: were it made in the transaction, nobody could enter it before the commit.
#[tokio::test]
async fn the_first_task_of_a_docket_holds_up_nobody() {
    let service = Service::new().await;
    let tx = service.half_done("k").await;
    let other = service.client.add(Note {}).key("other");
    assert_eq!(other.await.unwrap().answer, Answer::Added);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn after_a_rollback_there_is_none() {
    let service = Service::new().await;
    service.half_done("k").await.rollback().await.unwrap();
    assert_eq!((service.state("k").await, service.rows().await), (None, 0));
    assert_eq!(service.client.add(Note {}).key("k").await.unwrap().answer, Answer::Added);
}

/// T16: a process that dies between its commit and its add has lost a task, one that adds first has invented one. Here it
/// dies with both in one transaction.
#[tokio::test]
async fn t16_a_death_before_the_commit_leaves_neither_row_nor_task() {
    let service = Service::new().await;
    let mut tx = service.half_done("k").await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *tx).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&service.pool).await.unwrap();
    assert!(tx.commit().await.is_err());
    assert_eq!((service.state("k").await, service.rows().await), (None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commit_wakes_a_waiting_worker() {
    let service = Service::new().await;
    let (worker, mut starts) = service.worker();
    let stop = worker.stop();
    let running = tokio::spawn(worker.run());
    // The first one shows that it waits for the second.
    service.client.add(Note {}).await.unwrap();
    starts.recv().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let tx = service.half_done("k").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(starts.try_recv().is_err(), "it is not committed");
    let committed = Instant::now();
    tx.commit().await.unwrap();
    let started = tokio::time::timeout(Duration::from_secs(10), starts.recv()).await.expect("it is woken").unwrap();
    assert!(started.duration_since(committed) < Duration::from_secs(2), "{:?}", started.duration_since(committed));
    stop.stop();
    running.await.unwrap().unwrap();
}

/// A transaction that takes its time, with a key in it that lived before (which changes what is counted), must not hold
/// up those who add, wait, lease and settle other keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_holds_up_nobody_else() {
    let service = Service::new().await;
    let (worker, mut starts) = service.worker();
    let stop = worker.stop();
    let running = tokio::spawn(worker.run());
    service.client.add(Note {}).key("k").await.unwrap();
    starts.recv().await.unwrap();
    while service.state("k").await != Some(State::Completed) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let tx = service.half_done("k").await;
    for n in 0..40 {
        let added = Instant::now();
        service.client.add(Note {}).key(format!("other-{n}")).await.unwrap();
        let started = tokio::time::timeout(Duration::from_secs(5), starts.recv()).await.expect("it runs").unwrap();
        assert!(started.duration_since(added) < Duration::from_secs(1), "{n}: {:?}", started.duration_since(added));
    }
    tx.commit().await.unwrap();
    starts.recv().await.unwrap();
    stop.stop();
    running.await.unwrap().unwrap();
    assert_eq!(service.state("k").await, Some(State::Completed));
    assert_eq!(service.client.store().audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_is_taken_says_so_and_a_schedule_moves_it() {
    let service = Service::new().await;
    service.client.add(Note {}).key("k").await.unwrap();
    let mut tx = service.pool.begin().await.unwrap();
    let add = service.client.add(Note {}).key("k").in_transaction(&mut tx).await.unwrap();
    assert_eq!(add.answer, Answer::Exists(Existing::In(State::Ready)));
    let later = service.client.schedule(Note {}).key("k").after(Duration::from_mins(1));
    assert_eq!(later.in_transaction(&mut tx).await.unwrap().answer, Answer::Moved);
    tx.commit().await.unwrap();
    assert_eq!(service.state("k").await, Some(State::Scheduled));
}

#[tokio::test]
async fn a_docket_elsewhere_has_no_part_in_it() {
    let service = Service::new().await;
    let elsewhere = Client::new(Arc::new(MemoryBackend::new(DocketName::default())));
    let mut tx = service.pool.begin().await.unwrap();
    let refused = elsewhere.add(Note {}).in_transaction(&mut tx).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("memory"), "{refused}");
    assert!(!elsewhere.store().capabilities().transactional_add);
}
