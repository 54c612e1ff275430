//! A task that a caller's open transaction has touched: its own calls are put off, and nobody else's.

use std::time::{Duration, Instant};

use conformance_tests::servers::postgres_url;
use docket_core::{
    AckAnswer, AddAnswer, CancelId, Control, ErrorKind, Heartbeat, HeartbeatAnswer, Inspect, Lease, LeaseRequest,
    QueueBackend, Result, ScheduleAnswer, TaskState,
};
use docket_postgres::PostgresBackend;
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;

use crate::work::{add, ask, completed, docket, key, keys, options, take, task};

/// What a call about a task that is held may take, here and everywhere.
const SOON: Duration = Duration::from_millis(1_600);

struct Scene {
    store: PostgresBackend,
    caller: PgConnection,
    leases: Vec<Lease>,
}

impl Scene {
    /// Three tasks, leased for so long, and a caller's transaction that has scheduled the second one anew.
    async fn with_one_held(schema: &str, lease: Duration) -> Self {
        let url = postgres_url().await;
        let store = PostgresBackend::connect(&url, docket(), options(schema)).await.unwrap();
        for text in ["a", "held", "z"] {
            add(&store, task(text)).await.unwrap();
        }
        let leases =
            store.lease(&LeaseRequest { lease_for: lease, ..ask("worker", Duration::ZERO) }).await.unwrap().leases;
        assert_eq!(leases.len(), 3);
        let mut scene = Self { store, caller: PgConnection::connect(&url).await.unwrap(), leases };
        sqlx::raw_sql("BEGIN").execute(&mut scene.caller).await.unwrap();
        let placed = scene.store.schedule_in(&mut scene.caller, &[task("held")]).await.unwrap();
        assert_eq!(*placed[0].as_ref().unwrap(), ScheduleAnswer::Follows);
        scene
    }

    async fn commit(&mut self) {
        sqlx::raw_sql("COMMIT").execute(&mut self.caller).await.unwrap();
    }

    async fn heartbeat(&self) -> Vec<Result<HeartbeatAnswer>> {
        let tokens = self.leases.iter().map(|lease| lease.token.clone()).collect();
        let worker = ask("worker", Duration::ZERO).worker;
        self.store.heartbeat(&Heartbeat { worker, tokens, lease_for: Duration::from_secs(10) }).await.unwrap()
    }

    async fn ack(&self) -> Vec<Result<AckAnswer>> {
        let acks: Vec<_> = self.leases.iter().map(completed).collect();
        self.store.ack(&acks).await.unwrap().answers
    }
}

/// The middle one was put off, in time; the others got this answer.
fn all_but_the_held<A: PartialEq + std::fmt::Debug>(answers: &[Result<A>], others: &A, start: Instant) {
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!((answers[0].as_ref().unwrap(), answers[2].as_ref().unwrap()), (others, others));
    let error = answers[1].as_ref().unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains("another transaction"), "{error}");
}

#[tokio::test]
async fn the_other_leases_of_a_heartbeat_are_renewed() {
    let mut scene = Scene::with_one_held("busy_heartbeat", Duration::from_secs(10)).await;
    let start = Instant::now();
    all_but_the_held(&scene.heartbeat().await, &HeartbeatAnswer::Held, start);
    scene.commit().await;
    assert!(scene.heartbeat().await.iter().all(|answer| *answer.as_ref().unwrap() == HeartbeatAnswer::Held));
}

#[tokio::test]
async fn the_other_acks_of_a_batch_are_settled() {
    let mut scene = Scene::with_one_held("busy_ack", Duration::from_secs(10)).await;
    let start = Instant::now();
    all_but_the_held(&scene.ack().await, &AckAnswer::Settled, start);
    scene.commit().await;
    assert!(scene.ack().await.iter().all(|answer| *answer.as_ref().unwrap() == AckAnswer::Settled));
    assert_eq!(keys(&take(&scene.store).await.unwrap()), ["held"], "what was scheduled follows");
}

#[tokio::test]
async fn the_other_tasks_of_a_batch_are_added_and_a_cancel_is_put_off() {
    let mut scene = Scene::with_one_held("busy_add", Duration::from_secs(10)).await;
    let batch = ["b", "held", "y"].map(task);
    let start = Instant::now();
    all_but_the_held(&scene.store.add(&batch).await.unwrap(), &AddAnswer::Added, start);
    let start = Instant::now();
    let put_off = scene.store.cancel(&key("held"), CancelId::unique()).await.unwrap_err();
    assert!(put_off.is_retryable() && start.elapsed() < SOON, "{put_off:?}");
    // In a transaction of its own it costs this one task as well, and not the transaction.
    let mut other = PgConnection::connect(&postgres_url().await).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut other).await.unwrap();
    let start = Instant::now();
    let answers = scene.store.schedule_in(&mut other, &["c", "held", "x"].map(task)).await.unwrap();
    all_but_the_held(&answers, &ScheduleAnswer::Placed, start);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert!(scene.store.get(&key("x")).await.unwrap().is_some());
    scene.commit().await;
    assert!(scene.store.add(&batch).await.unwrap()[1].is_ok());
}

/// Its deadline passes meanwhile: nobody can take it, and the late ack counts.
#[tokio::test]
async fn a_lease_is_nobody_elses_as_long_as_its_task_is_held() {
    let mut scene = Scene::with_one_held("busy_late", Duration::from_millis(100)).await;
    sleep(Duration::from_millis(150)).await;
    let others = scene.store.lease(&ask("thief", Duration::ZERO)).await.unwrap();
    assert_eq!((keys(&others), others.swept.crashed), (vec!["a", "z"], 2));
    assert!(scene.ack().await[1].is_err());
    scene.commit().await;
    assert_eq!(*scene.ack().await[1].as_ref().unwrap(), AckAnswer::Settled);
    let successor = scene.store.get(&key("held")).await.unwrap().unwrap();
    assert_eq!((successor.state, successor.crashes), (TaskState::Ready, 0));
    assert_eq!(scene.store.audit().await.unwrap(), Vec::<String>::new());
}

/// Large leases take turns; a server process that stops within one must not block all.
#[tokio::test]
async fn a_large_lease_does_not_wait_for_a_turn_that_never_comes() {
    let url = postgres_url().await;
    let store = PostgresBackend::connect(&url, docket(), options("turns")).await.unwrap();
    for text in ["a", "b"] {
        add(&store, task(text)).await.unwrap();
    }
    let mut stuck = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT turns.take_turn(id) FROM turns.meta").execute(&mut stuck).await.unwrap();
    let mut large = ask("worker", Duration::ZERO);
    (large.count, large.lease_for) = (100, Duration::from_millis(1));
    let start = Instant::now();
    assert_eq!(keys(&store.lease(&large).await.unwrap()), ["a", "b"]);
    assert!((Duration::from_millis(200)..SOON).contains(&start.elapsed()), "{:?}", start.elapsed());
    // What ran out is everybody's, and a small lease asks for no turn.
    let start = Instant::now();
    assert_eq!(keys(&take(&store).await.unwrap()), ["a", "b"]);
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}
