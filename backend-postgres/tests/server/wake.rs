//! A task that comes has one of those who wait look at once, and the others a little later.

use std::time::{Duration, Instant};

use conformance_tests::servers::postgres_url;
use docket_core::QueueBackend;
use docket_postgres::PostgresBackend;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::work::{add, ask, docket, options, task};

const WAITERS: usize = 8;
const SOON: Duration = Duration::from_secs(20);

/// Everybody is noted, and has been asleep for a while.
const ASLEEP: &str = "SELECT count(*) FROM wakes.waiter HAVING \
                      (SELECT max(leased_at) FROM wakes.worker) + 400000 < extract(epoch FROM clock_timestamp()) * 1000000";
/// Looks since the task came.
const ALL: &str = "SELECT count(*) FROM wakes.worker w, wakes.task t WHERE w.leased_at >= t.added_at";
/// Those of them that were no later than somebody who was not named may be.
const EARLY: &str = "SELECT count(*) FROM wakes.worker w, wakes.task t \
                     WHERE w.leased_at >= t.added_at AND w.leased_at < t.added_at + 250000";

#[tokio::test]
async fn one_task_has_one_waiter_look_at_once_and_the_others_later() {
    let url = postgres_url().await;
    let mut eye = PgConnection::connect(&url).await.unwrap();
    let mut waits = JoinSet::new();
    for n in 0..WAITERS {
        let store = PostgresBackend::connect(&url, docket(), options("wakes")).await.unwrap();
        waits.spawn(async move { store.lease(&ask(&format!("worker-{n}"), SOON * 2)).await.unwrap().leases });
    }
    until(&mut eye, ASLEEP).await;
    let store = PostgresBackend::connect(&url, docket(), options("wakes")).await.unwrap();
    add(&store, task("a")).await.unwrap();
    assert_eq!(waits.join_next().await.unwrap().unwrap().len(), 1);
    // They must learn of the deadline of the one that was taken.
    until(&mut eye, ALL).await;
    assert!(count(&mut eye, EARLY).await <= 1, "who was not named waited");
}

/// Asks until all are counted.
async fn until(eye: &mut PgConnection, sql: &'static str) {
    let end = Instant::now() + SOON;
    while count(eye, sql).await < i64::try_from(WAITERS).unwrap() {
        assert!(Instant::now() < end, "{sql}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn count(eye: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_optional(eye).await.unwrap().unwrap_or(0)
}
