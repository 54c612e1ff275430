//! A run that completes in its handler's transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use docket_core::{
    Backoff, Client, Context, DocketName, ErrorKind, Failure, Policy, Registry, Result, Settings, Store, Task, TaskKey,
    TaskState, TaskView, Worker,
};
use docket_memory::MemoryBackend;
use docket_postgres::CompleteInTransaction;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::service::Service;

/// What a handler does around its one row.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
enum How {
    Commit,
    /// The first attempt changes its mind.
    RollBackOnce,
    /// Never returns after the commit.
    Hang,
    /// Tries again after the commit, as if its answer had been lost.
    Twice,
    /// Goes on when the test says so.
    Wait,
}

#[derive(Serialize, Deserialize)]
struct Pay {
    how: How,
}

/// What the handlers share with the test.
struct Bank {
    pool: PgPool,
    insert: String,
    runs: AtomicUsize,
    go: Semaphore,
    /// What the latest completion was answered.
    answers: mpsc::UnboundedSender<Option<ErrorKind>>,
}

impl Task for Pay {
    const NAME: &'static str = "pay";
    type Output = &'static str;

    fn policy() -> Policy {
        let backoff = Backoff { base: Duration::from_millis(10), max: Duration::from_millis(50) };
        Policy { max_attempts: 3, backoff, ..Policy::default() }
    }

    async fn run(self, ctx: Context) -> Result<&'static str, Failure> {
        let bank = ctx.state::<Bank>()?;
        bank.runs.fetch_add(1, Ordering::SeqCst);
        if self.how == How::Wait {
            bank.go.acquire().await?.forget();
        }
        pay(&ctx, &bank, self.how == How::RollBackOnce && ctx.attempt() == 1).await?;
        match self.how {
            How::Hang => std::future::pending().await,
            How::Twice => pay(&ctx, &bank, false).await?,
            How::Commit | How::RollBackOnce | How::Wait => {}
        }
        Ok("returned")
    }
}

async fn pay(ctx: &Context, bank: &Bank, roll_back: bool) -> Result<(), Failure> {
    let mut tx = bank.pool.begin().await?;
    sqlx::query(sqlx::AssertSqlSafe(bank.insert.as_str())).execute(&mut *tx).await?;
    let answer = ctx.complete_in(&mut tx, &"committed").await;
    if roll_back {
        return Err(Failure::retry("changed its mind"));
    }
    if answer.is_ok() {
        tx.commit().await?;
    }
    bank.answers.send(answer.as_ref().err().map(docket_core::Error::kind))?;
    Ok(answer?)
}

struct Scene {
    service: Service,
    bank: Arc<Bank>,
    answers: mpsc::UnboundedReceiver<Option<ErrorKind>>,
}

impl Scene {
    async fn new() -> Self {
        let service = Service::new().await;
        let (sender, answers) = mpsc::unbounded_channel();
        let insert = format!("INSERT INTO {} VALUES (1)", service.table);
        let (runs, go) = (AtomicUsize::new(0), Semaphore::new(0));
        let bank = Arc::new(Bank { pool: service.pool.clone(), insert, runs, go, answers: sender });
        Self { service, bank, answers }
    }

    fn start(&self, store: &Arc<dyn Store>) -> JoinHandle<Result<()>> {
        let mut registry = Registry::new();
        registry.register::<Pay>().unwrap();
        let settings = Settings { heartbeat_interval: Duration::from_millis(500), ..Settings::default() };
        let builder = Worker::builder(store.clone()).registry(registry).settings(settings);
        tokio::spawn(builder.state(self.bank.clone()).build().unwrap().run())
    }

    /// Adds a task on a docket with a worker.
    async fn run(&self, how: How) -> JoinHandle<Result<()>> {
        self.service.client.add(Pay { how }).key("k").await.unwrap();
        self.start(self.service.client.store())
    }

    async fn view(&self) -> TaskView {
        self.service.client.store().get(&TaskKey::new("k").unwrap()).await.unwrap().unwrap()
    }

    /// It is completed, by the transaction, and its row is there once.
    async fn is_paid_once(&self, runs: usize) {
        self.service.until("k", TaskState::Completed).await;
        assert_eq!(self.view().await.result.unwrap().as_bytes(), b"\"committed\"");
        assert_eq!((self.service.rows().await, self.bank.runs.load(Ordering::SeqCst)), (1, runs));
        assert_eq!(self.service.client.store().audit().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effects_and_completion_commit_together() {
    let mut scene = Scene::new().await;
    let worker = scene.run(How::Commit).await;
    assert_eq!(scene.answers.recv().await, Some(None));
    scene.is_paid_once(1).await;
    // The worker's own ack, if it came late, changes nothing.
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.is_paid_once(1).await;
    worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rollback_the_run_counts_as_what_it_returned() {
    let scene = Scene::new().await;
    let worker = scene.run(How::RollBackOnce).await;
    scene.is_paid_once(2).await;
    assert_eq!(scene.view().await.attempts, 1);
    worker.abort();
}

/// The worker dies between the commit and its ack: elsewhere that runs the task again, and pays twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_right_after_the_commit_has_paid_once() {
    let mut scene = Scene::new().await;
    let worker = scene.run(How::Hang).await;
    assert_eq!(scene.answers.recv().await, Some(None));
    worker.abort();
    let other = scene.start(scene.service.client.store());
    // Beyond the lease, after which the task of a dead worker runs again.
    tokio::time::sleep(Duration::from_secs(4)).await;
    scene.is_paid_once(1).await;
    other.abort();
}

/// Somebody else has the task by now: its own transaction will be the one that commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_lost_its_lease_is_refused() {
    let mut scene = Scene::new().await;
    let worker = scene.run(How::Wait).await;
    scene.service.until("k", TaskState::Running).await;
    let steal = "UPDATE docket.task SET fence = nextval('docket.fence'), request = gen_random_uuid(), \
                 visible_at = visible_at + 60000000 WHERE docket = (SELECT id FROM docket.meta WHERE name = '{}')";
    let docket = scene.service.client.store().capabilities().docket;
    scene.service.execute(&steal.replace("{}", docket.as_str())).await;
    scene.bank.go.add_permits(1);
    assert_eq!(scene.answers.recv().await, Some(Some(ErrorKind::LeaseLost)));
    assert_eq!((scene.service.rows().await, scene.view().await.state), (0, TaskState::Running));
    worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_not_made_twice() {
    let mut scene = Scene::new().await;
    let worker = scene.run(How::Twice).await;
    assert_eq!(scene.answers.recv().await, Some(None));
    assert_eq!(scene.answers.recv().await, Some(Some(ErrorKind::Conflict)));
    scene.is_paid_once(1).await;
    worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_a_docket_elsewhere_has_no_part_in_it() {
    let mut scene = Scene::new().await;
    let elsewhere: Arc<dyn Store> = Arc::new(MemoryBackend::new(DocketName::default()));
    Client::new(elsewhere.clone()).add(Pay { how: How::Commit }).await.unwrap();
    let worker = scene.start(&elsewhere);
    assert_eq!(scene.answers.recv().await, Some(Some(ErrorKind::Unsupported)));
    assert_eq!(scene.service.rows().await, 0);
    worker.abort();
}
