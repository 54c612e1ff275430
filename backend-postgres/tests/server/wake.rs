//! A task that comes has one of those who wait look at once, and one a little later for all others.

use std::time::{Duration, Instant};

use conformance_tests::proxy::{Held, Proxy};
use conformance_tests::servers::postgres_url;
use docket_core::{Lease, QueueBackend};
use docket_postgres::PostgresBackend;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::work::{add, ask, docket, options, task, tell};

const WAITERS: usize = 8;
const SOON: Duration = Duration::from_secs(20);
/// How long the task is leased.
const LEASE: Duration = Duration::from_secs(3);

/// Everybody is noted, and has been asleep for a while.
const ASLEEP: &str = "SELECT count(*) FROM wakes.waiter HAVING \
                      (SELECT max(leased_at) FROM wakes.worker) + 400000 < extract(epoch FROM clock_timestamp()) * 1000000";
/// Those who have looked since the task came.
const ALL: &str = "SELECT count(*) FROM wakes.worker w, wakes.task t WHERE w.leased_at >= t.added_at";
/// Those of them that were no later than somebody who was not named may be.
const EARLY: &str = "SELECT count(*) FROM wakes.worker w, wakes.task t \
                     WHERE w.leased_at >= t.added_at AND w.leased_at < t.added_at + 250000";

#[tokio::test]
async fn one_task_has_one_waiter_look_at_once_and_one_later_for_all() {
    let mut scene = Scene::new("wakes", WAITERS).await;
    scene.until(ASLEEP, WAITERS).await;
    scene.add().await;
    assert_eq!(scene.served().await.len(), 1);
    scene.until(ALL, 2).await;
    assert_eq!(scene.count(EARLY).await, 1, "who was not named waited");
    // Longer than the others would wait for a standby that is gone.
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(scene.count(ALL).await, 2, "the standby polled for all");
    // It has told them of the deadline.
    let began = Instant::now();
    assert_eq!(scene.served().await.len(), 1, "the lost lease is somebody else's");
    assert!(began.elapsed() < LEASE);
}

/// The named waiters and the standby may both be gone, with their process.
#[tokio::test]
async fn the_others_look_for_themselves_if_nobody_does() {
    let mut scene = Scene::new("ghosts", 2).await;
    scene.until(&ASLEEP.replace("wakes", "ghosts"), 2).await;
    scene
        .eye
        .execute(
            "INSERT INTO ghosts.waiter (docket, id, until, noted, queues, names)
             SELECT docket, gen_random_uuid(), until, 0, queues, names FROM ghosts.waiter",
        )
        .await
        .unwrap();
    let began = Instant::now();
    scene.add().await;
    assert_eq!(scene.served().await.len(), 1);
    let took = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&took), "{took:?}");
}

struct Scene {
    url: String,
    schema: &'static str,
    eye: PgConnection,
    waits: JoinSet<Vec<Lease>>,
}

impl Scene {
    async fn new(schema: &'static str, waiters: usize) -> Self {
        let url = postgres_url().await;
        let eye = PgConnection::connect(&url).await.unwrap();
        let mut waits = JoinSet::new();
        for n in 0..waiters {
            let store = PostgresBackend::connect(&url, docket(), options(schema)).await.unwrap();
            let mut request = ask(&format!("worker-{n}"), SOON * 2);
            request.lease_for = LEASE;
            waits.spawn(async move { store.lease(&request).await.unwrap().leases });
        }
        Self { url, schema, eye, waits }
    }

    async fn add(&self) {
        let store = PostgresBackend::connect(&self.url, docket(), options(self.schema)).await.unwrap();
        add(&store, task("a")).await.unwrap();
    }

    /// What the first that is served was served.
    async fn served(&mut self) -> Vec<Lease> {
        timeout(SOON, self.waits.join_next()).await.expect("somebody looks").unwrap().unwrap()
    }

    /// Asks until so many are counted.
    async fn until(&mut self, sql: &str, wanted: usize) {
        let end = Instant::now() + SOON;
        while self.count(sql).await < i64::try_from(wanted).unwrap() {
            assert!(Instant::now() < end, "{sql}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn count(&mut self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_optional(&mut self.eye).await.unwrap().unwrap_or(0)
    }
}

/// A firewall that has forgotten connections drops whatever is sent on them and says nothing; new ones pass. The waiter is
/// found by no notification then, and its own look would wait for an answer that never comes.
#[tokio::test]
async fn a_waiter_whose_connections_went_silent_takes_a_task_within_eight_seconds() {
    let url = postgres_url().await;
    let direct = PostgresBackend::connect(&url, docket(), options("silent")).await.unwrap();
    let proxy = Proxy::before(&url).await;
    let store = PostgresBackend::connect(&proxy.url(), docket(), options("silent")).await.unwrap();
    // As a worker does: an unanswered call is repeated with the same request.
    let waiting = tokio::spawn(async move {
        let request = ask("worker", Duration::from_secs(15));
        loop {
            match store.lease(&request).await {
                Ok(reply) if !reply.leases.is_empty() => return reply.leases,
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    });
    let began = Instant::now();
    while tell(&url, "SELECT count(*) FROM silent.waiter").await == 0 {
        assert!(began.elapsed() < SOON, "nobody waits");
        sleep(Duration::from_millis(20)).await;
    }
    // Asleep, and not in the middle of being noted.
    sleep(Duration::from_millis(300)).await;
    for flow in proxy.flows() {
        flow.hold(Held::Both);
    }
    let added = Instant::now();
    add(&direct, task("a")).await.unwrap();
    let leases = timeout(SOON, waiting).await.unwrap().unwrap();
    assert!(added.elapsed() < Duration::from_secs(8), "{:?}", added.elapsed());
    assert_eq!(leases.len(), 1);
}
