//! Workers beside a caller's transaction that is left open on the key of a running task.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use docket_core::worker::Stop;
use docket_core::{Answer, Context, Failure, Registry, Result, Settings, Task, TaskKey, TaskState, Worker};
use docket_postgres::InTransaction;
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, Transaction};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::service::Service;

/// The shortest lease there is; what is not renewed is lost after it.
const LEASE: Duration = Duration::from_millis(2_500);

/// Takes its time, and counts its starts.
#[derive(Serialize, Deserialize)]
struct Doze {
    ms: u64,
}

impl Task for Doze {
    const NAME: &'static str = "doze";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<AtomicUsize>()?.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(self.ms)).await;
        Ok(())
    }
}

fn start(service: &Service) -> (Stop, JoinHandle<Result<()>>, Arc<AtomicUsize>) {
    let mut registry = Registry::new();
    registry.register::<Doze>().unwrap();
    let settings = Settings { heartbeat_interval: LEASE / 5, missed_heartbeats: 5, ..Settings::default() };
    let starts = Arc::new(AtomicUsize::new(0));
    let builder = Worker::builder(service.client.store().clone()).registry(registry).settings(settings);
    let worker = builder.state(starts.clone()).build().unwrap();
    (worker.stop_handle(), tokio::spawn(worker.run()), starts)
}

/// A caller's transaction that is open, in which the running task was scheduled anew.
async fn hold<'s>(service: &'s Service, key: &str) -> Transaction<'s, Postgres> {
    let mut tx = service.pool.begin().await.unwrap();
    let receipt = service.client.schedule(Doze { ms: 0 }).key(key).in_transaction(&mut tx).await.unwrap();
    assert_eq!(receipt.answer, Answer::Follows);
    tx
}

/// The task it touched runs again, since its lease was not renewed for its whole length; the other one is left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_longer_than_a_lease_costs_its_own_run_alone() {
    let service = Service::new().await;
    let (stop, running, starts) = start(&service);
    for key in ["held", "free"] {
        service.client.add(Doze { ms: 5_000 }).key(key).await.unwrap();
    }
    for key in ["held", "free"] {
        service.until(key, TaskState::Running).await;
    }
    let tx = hold(&service, "held").await;
    sleep(LEASE + Duration::from_millis(1_500)).await;
    tx.commit().await.unwrap();
    for key in ["held", "free"] {
        service.until(key, TaskState::Completed).await;
        let view = service.client.store().get(&TaskKey::new(key).unwrap()).await.unwrap().unwrap();
        assert_eq!((view.attempts, view.crashes), (0, 0), "{key}");
    }
    assert_eq!(starts.load(Ordering::SeqCst), 3, "two runs, and the one that followed");
    stop.stop();
    running.await.unwrap().unwrap();
    assert_eq!(service.client.store().audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_is_put_off_holds_up_no_other() {
    let service = Service::new().await;
    let (stop, running, starts) = start(&service);
    service.client.add(Doze { ms: 400 }).key("held").await.unwrap();
    service.until("held", TaskState::Running).await;
    let tx = hold(&service, "held").await;
    sleep(Duration::from_millis(600)).await;
    for n in 0..5 {
        let (key, added) = (format!("other-{n}"), Instant::now());
        service.client.add(Doze { ms: 0 }).key(&key).await.unwrap();
        service.until(&key, TaskState::Completed).await;
        assert!(added.elapsed() < Duration::from_millis(1_500), "{:?}", added.elapsed());
    }
    assert!(
        matches!(service.state("held").await, Some(TaskState::Running | TaskState::Ready)),
        "it cannot be settled yet"
    );
    tx.commit().await.unwrap();
    service.until("held", TaskState::Completed).await;
    assert_eq!(starts.load(Ordering::SeqCst), 7, "it was settled, and what followed it ran");
    stop.stop();
    running.await.unwrap().unwrap();
}
