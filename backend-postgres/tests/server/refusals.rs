//! What a server that is there may refuse: each is said as what it is, and what passes is tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conformance_tests::servers::{PostgresServer, postgres_url};
use docket_core::{Ack, ErrorKind, Inspect, LeaseRequest, QueueBackend, Store};
use docket_postgres::{Migrate, Options, PostgresBackend};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::sleep;

use crate::work::{add, ask, completed, connect, docket, keys, options, task, tell};

const MANUAL: &str = include_str!("../../../docs/operations-postgres.md");

/// The grants of the manual, for this role and schema.
fn grants(role: &str, schema: &str) -> Vec<String> {
    let lines = MANUAL.lines().filter(|line| line.starts_with("GRANT "));
    lines.map(|line| line.replace("SCHEMA docket", &format!("SCHEMA {schema}")).replace("app_role", role)).collect()
}

#[tokio::test]
async fn a_role_with_the_grants_of_the_manual_can_do_everything_but_migrate() {
    let url = postgres_url().await;
    PostgresBackend::connect(&url, docket(), options("granted")).await.unwrap();
    tell(&url, "CREATE ROLE granted_role LOGIN").await;
    let theirs = url.replacen("postgres@", "granted_role@", 1);
    let refused = PostgresBackend::connect(&theirs, docket(), options("granted")).await.unwrap_err();
    assert!(refused.kind() == ErrorKind::Refused && refused.to_string().contains("grant"), "{refused:?}");
    let grants = grants("granted_role", "granted");
    assert!(grants.len() >= 3, "{grants:?}");
    for grant in grants {
        tell(&url, &grant).await;
    }
    let options = Options { migrate: Migrate::Never, ..options("granted") };
    let store = PostgresBackend::connect(&theirs, docket(), options).await.unwrap();
    add(&store, task("a")).await.unwrap();
    let waiting = store.lease(&ask("worker", Duration::from_secs(1))).await.unwrap();
    assert_eq!(keys(&waiting), ["a"]);
    store.ack(&[completed(&waiting.leases[0])]).await.unwrap();
    assert!(store.lease(&ask("worker", Duration::from_millis(300))).await.unwrap().leases.is_empty());
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn every_query_of_the_manual_can_be_run() {
    let url = postgres_url().await;
    let store = PostgresBackend::connect(&url, docket(), Options::default()).await.unwrap();
    add(&store, task("a")).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let blocks = MANUAL.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let queries: Vec<&str> =
        blocks.filter(|block| !block.contains("app_role")).flat_map(|block| block.split(';')).collect();
    for query in &queries {
        sqlx::raw_sql(AssertSqlSafe(*query)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{query}: {e}"));
    }
    assert!(queries.len() > 6, "{queries:?}");
}

#[tokio::test]
async fn a_server_without_a_free_connection_says_so_and_is_tried_again() {
    let url = postgres_url().await;
    PostgresBackend::connect(&url, docket(), options("crowded")).await.unwrap();
    tell(&url, "CREATE ROLE crowded_role LOGIN CONNECTION LIMIT 1").await;
    for grant in grants("crowded_role", "crowded") {
        tell(&url, &grant).await;
    }
    let theirs = url.replacen("postgres@", "crowded_role@", 1);
    let only = PgConnection::connect(&theirs).await.unwrap();
    let store = PostgresBackend::open(&theirs, docket(), options("crowded")).unwrap();
    let error = add(&store, task("a")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains("no free connection"), "{error}");
    only.close().await.unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    while let Err(error) = add(&store, task("a")).await {
        assert!(error.is_retryable() && Instant::now() < end, "{error:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_as_unavailable() {
    let url = postgres_url().await;
    let options = Options { response: Duration::from_millis(600), ..options("slow") };
    let store = PostgresBackend::connect(&url, docket(), options).await.unwrap();
    add(&store, task("a")).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE slow.task").execute(&mut other).await.unwrap();
    let start = Instant::now();
    let error = add(&store, task("b")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    // In the caller's transaction the caller's own bound holds.
    let mut caller = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; SET LOCAL statement_timeout = 100").execute(&mut caller).await.unwrap();
    let error = store.add_in(&mut caller, &[task("c")]).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("statement_timeout"), "{error:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    add(&store, task("b")).await.unwrap();
}

/// Our statement is the one that the server gives up: it is sent again, and nobody hears of it.
#[tokio::test]
async fn a_deadlock_with_somebody_elses_transaction_is_repeated() {
    let server = PostgresServer::start().await;
    let url = server.url();
    tell(&url, "ALTER DATABASE postgres SET deadlock_timeout = '150ms'").await;
    let store = connect(&url).await;
    for text in ["a", "z"] {
        add(&store, task(text)).await.unwrap();
    }
    let mut other = PgConnection::connect(&url).await.unwrap();
    let lock = |key: &str| AssertSqlSafe(format!("SELECT FROM docket.task WHERE key = '{key}' FOR UPDATE"));
    sqlx::raw_sql("BEGIN; SET LOCAL deadlock_timeout = '10s'").execute(&mut other).await.unwrap();
    sqlx::raw_sql(lock("z")).execute(&mut other).await.unwrap();
    let both = tokio::spawn({
        let store = store.fork();
        async move { store.schedule(&["a", "z"].map(task)).await }
    });
    sleep(Duration::from_millis(50)).await;
    sqlx::raw_sql(lock("a")).execute(&mut other).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert!(both.await.unwrap().unwrap().iter().all(Result::is_ok));
    // The server notes it when the connections have ended.
    drop((store, other));
    sleep(Duration::from_secs(1)).await;
    assert!(tell(&url, "SELECT sum(deadlocks)::bigint FROM pg_stat_database").await >= 1, "there was one");
}

/// A service's pool may ask for the strictest isolation: calls are given up for each other, and sent again.
#[tokio::test]
async fn serialization_failures_are_repeated_and_nothing_is_done_twice() {
    let server = PostgresServer::start().await;
    connect(&server.url()).await;
    let strict: PgConnectOptions = server.url().parse().unwrap();
    let strict = strict.options([("default_transaction_isolation", "serializable")]);
    let pool = PgPoolOptions::new().max_connections(8).connect_with(strict).await.unwrap();
    let store = PostgresBackend::on_pool(pool.clone(), docket(), Options::default()).unwrap();
    let caller = |n| add_and_settle(n, store.fork());
    tokio::join!(caller(0), caller(1), caller(2), caller(3));
    assert_eq!(tell(&server.url(), "SELECT count(*) FROM docket.task WHERE state <> 'completed'").await, 0);
    assert_eq!(tell(&server.url(), "SELECT count(*) FROM docket.task WHERE attempts + crashes > 0").await, 0);
    assert_eq!(tell(&server.url(), "SELECT count(*) FROM docket.task").await, 4 * 25);
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
    // The server notes it when the connections have ended.
    pool.close().await;
    sleep(Duration::from_secs(1)).await;
    assert!(
        tell(&server.url(), "SELECT sum(xact_rollback)::bigint FROM pg_stat_database").await > 0,
        "there were some"
    );
}

/// Goes on after what passes, as a worker does, with the same ids.
async fn add_and_settle(n: usize, store: Arc<dyn Store>) {
    for step in 0..25 {
        let task = task(&format!("{n}-{step}"));
        while let Err(error) = add(&*store, task.clone()).await {
            assert!(error.is_retryable(), "{error:?}");
        }
        let request = LeaseRequest { count: 2, ..ask(&format!("worker-{n}"), Duration::ZERO) };
        let leases = again(async || store.lease(&request).await).await.leases;
        let acks: Vec<Ack> = leases.iter().map(completed).collect();
        again(async || store.ack(&acks).await).await;
    }
    loop {
        let request = ask(&format!("worker-{n}"), Duration::ZERO);
        let leases = again(async || store.lease(&request).await).await.leases;
        if leases.is_empty() {
            return;
        }
        let acks: Vec<Ack> = leases.iter().map(completed).collect();
        again(async || store.ack(&acks).await).await;
    }
}

async fn again<T>(call: impl AsyncFn() -> docket_core::Result<T>) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
    }
}
