//! A worker that runs until all is done waits for what is still in the outbox, whenever it was committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use conformance_tests::servers::{postgres_url, redis_url};
use docket::{Context, Failure, InTransaction, Outbox, QueueBackend, Registry, Settings, Task, Worker};
use docket_redis::RedisBackend;
use sqlx::PgPool;

use crate::scene::{Running, Scene};

/// Adds the next one in a transaction of its own, until it is the last.
#[derive(serde::Serialize, serde::Deserialize)]
struct Chain {
    left: usize,
}

struct Service {
    pool: PgPool,
    done: AtomicUsize,
}

impl Task for Chain {
    const NAME: &'static str = "chain";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let service = ctx.state::<Service>()?;
        if self.left == 0 {
            service.done.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        let mut tx = service.pool.begin().await?;
        let next = Self { left: self.left - 1 };
        ctx.client().add(next).key(format!("{}.", ctx.key())).in_transaction(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn worker(store: &Arc<Outbox>, service: &Arc<Service>) -> Worker {
    let mut registry = Registry::new();
    registry.register::<Chain>().unwrap();
    let worker = Worker::builder(store.clone()).companion(store.relay()).registry(registry);
    worker.settings(Settings::default()).state(service.clone()).build().unwrap()
}

/// The outbox of a worker that is not notified of rows and polls only when it is asked: the other
/// workers relay all rows.
async fn deaf(scene: &Scene) -> Arc<Outbox> {
    let docket = scene.store.capabilities().docket;
    let queue = RedisBackend::connect(&redis_url().await, docket, docket_redis::Options::default()).await.unwrap();
    let url = format!("{}?pgbouncer=true", postgres_url().await);
    let options = docket_postgres::Options { poll: Duration::from_secs(30), ..docket_postgres::Options::default() };
    Arc::new(Outbox::connect(Arc::new(queue), &url, options).await.unwrap())
}

/// The next task of a chain can be in the outbox whenever the queue is checked, and in the queue
/// whenever the outbox is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_finished_misses_no_chain_that_another_worker_brings_in() {
    let scene = Scene::new().await;
    let service = Arc::new(Service { pool: scene.pool.clone(), done: AtomicUsize::new(0) });
    let other = Running::start(worker(&scene.store, &service));
    for round in 0..20 {
        let chain = scene.client.add(Chain { left: 60 }).key(format!("chain-{round}"));
        chain.await.unwrap();
        worker(&deaf(&scene).await, &service).run_until_finished().await.unwrap();
        assert_eq!((service.done.load(Ordering::SeqCst), scene.waiting().await), (round + 1, 0), "round {round}");
    }
    other.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_finished_leaves_no_row_behind() {
    let scene = Scene::new().await;
    let service = Arc::new(Service { pool: scene.pool.clone(), done: AtomicUsize::new(0) });
    for round in 0..10 {
        scene.client.add(Chain { left: 30 }).key(format!("chain-{round}")).await.unwrap();
        worker(&scene.store, &service).run_until_finished().await.unwrap();
        assert_eq!((service.done.load(Ordering::SeqCst), scene.waiting().await), (round + 1, 0), "round {round}");
    }
}
