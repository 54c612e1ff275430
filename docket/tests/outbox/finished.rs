//! A worker that runs until all is done waits for what is still in the outbox, whenever it was committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use docket::{Context, Failure, InTransaction, Registry, Settings, Store, Task, Worker};
use sqlx::PgPool;

use crate::scene::Scene;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_finished_leaves_no_row_behind() {
    let scene = Scene::new().await;
    let service = Arc::new(Service { pool: scene.pool.clone(), done: AtomicUsize::new(0) });
    for round in 0..10 {
        scene.client.add(Chain { left: 30 }).key(format!("chain-{round}")).await.unwrap();
        let mut registry = Registry::new();
        registry.register::<Chain>().unwrap();
        let store: Arc<dyn Store> = scene.store.clone();
        let worker = Worker::builder(store).registry(registry).settings(Settings::default()).share(service.clone());
        worker.build().unwrap().run_until_finished().await.unwrap();
        assert_eq!((service.done.load(Ordering::SeqCst), scene.waiting().await), (round + 1, 0), "round {round}");
    }
}
