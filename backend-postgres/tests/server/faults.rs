//! What a server can do to its clients: it costs seconds and an error, never a task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conformance_tests::servers::PostgresServer;
use docket_core::{AckAnswer, ErrorKind, Inspect, QueueBackend, TaskState};
use docket_postgres::{Options, PostgresBackend};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::work::{add, ask, completed, connect, docket, key, keys, take, task, tell};

/// From a fault to the error it ends in.
const IN_TIME: Duration = Duration::from_secs(6);

/// A worker like the real loop: it retries until it has a task.
fn worker(store: &Arc<PostgresBackend>) -> JoinHandle<Vec<String>> {
    let store = store.fork();
    tokio::spawn(async move {
        loop {
            match store.lease(&ask("worker", Duration::from_secs(30))).await {
                Ok(reply) => return keys(&reply).into_iter().map(str::to_owned).collect(),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    })
}

/// Returns once somebody listens and is noted.
async fn parked(url: &str) {
    let listens = "SELECT count(*) FROM pg_stat_activity, docket.waiter WHERE query LIKE 'LISTEN%' AND state = 'idle'";
    while tell(url, listens).await == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    // Its last look is under way.
    sleep(Duration::from_millis(50)).await;
}

async fn terminate_all(url: &str) {
    tell(
        url,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE application_name = 'docket' AND pid <> pg_backend_pid()",
    )
    .await;
}

#[tokio::test]
async fn a_killed_server_loses_nothing_and_waiters_come_back() {
    let server = PostgresServer::start().await;
    let store = Arc::new(connect(&server.url()).await);
    let waiting = worker(&store);
    parked(&server.url()).await;
    server.kill9();
    assert_eq!(add(&*store, task("away")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    server.restart().await;
    add(&*store, task("back")).await.expect("the first call after the restart is served");
    let taken = timeout(Duration::from_secs(10), waiting).await.expect("the waiter is back long before its wait ends");
    assert_eq!(taken.unwrap(), ["back"]);
    server.kill9();
    server.restart().await;
    assert_eq!(store.get(&key("back")).await.unwrap().unwrap().state, TaskState::Running);
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn killed_connections_cost_nothing_and_do_not_end_a_wait() {
    let server = PostgresServer::start().await;
    let url = server.url();
    let store = Arc::new(connect(&url).await);
    add(&*store, task("first")).await.unwrap();
    let lease = take(&*store).await.unwrap().leases.remove(0);
    let waiting = worker(&store);
    for _ in 0..3 {
        parked(&url).await;
        terminate_all(&url).await;
    }
    let reply = store.ack(&[completed(&lease)]).await.expect("a connection that died idle costs nothing");
    assert_eq!(reply.answers[0].as_ref().unwrap(), &AckAnswer::Settled);
    // Several idle ones, all dead.
    let (a, b, c) = tokio::join!(take(&*store), take(&*store), take(&*store));
    assert!([a, b, c].iter().all(Result::is_ok));
    terminate_all(&url).await;
    add(&*store, task("second")).await.expect("nor does the next one");
    let taken = timeout(Duration::from_secs(10), waiting).await.expect("listening goes on by itself");
    assert_eq!(taken.unwrap(), ["second"]);
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time_and_its_late_answer_is_nobodys() {
    let server = PostgresServer::start().await;
    let store = connect(&server.url()).await;
    add(&store, task("before")).await.unwrap();
    server.pause();
    let start = Instant::now();
    assert_eq!(add(&store, task("during")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
    server.resume();
    let reply = take(&store).await.unwrap();
    assert!(keys(&reply).contains(&"before"), "this call's own answer: {reply:?}");
}

#[tokio::test]
async fn a_database_that_became_read_only_says_so() {
    let server = PostgresServer::start().await;
    let url = server.url();
    let store = connect(&url).await;
    tell(&url, "ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    terminate_all(&url).await;
    let error = add(&store, task("a")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("read-only"), "{error}");
    let refused = PostgresBackend::connect(&url, docket(), Options::default()).await.unwrap_err();
    assert!(refused.kind() == ErrorKind::Refused && refused.to_string().contains("read-only"), "{refused}");
}

/// Somebody's long transaction holds a task's row: it delays that task and nothing else.
#[tokio::test]
async fn a_row_that_is_held_stops_nobody() {
    let server = PostgresServer::start().await;
    let url = server.url();
    let store = connect(&url).await;
    for text in ["held", "free"] {
        add(&store, task(text)).await.unwrap();
    }
    let holder = tokio::spawn(async move {
        tell(
            &url,
            "WITH h AS MATERIALIZED (SELECT key FROM docket.task WHERE key = \
        'held' FOR UPDATE) SELECT count(*) FROM h, pg_sleep(1.5)",
        )
        .await
    });
    sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    assert_eq!(keys(&take(&store).await.unwrap()), ["free"]);
    let nothing = take(&store).await.unwrap();
    assert!(nothing.leases.is_empty() && start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(nothing.next_visible, Some(Duration::ZERO), "it is not forgotten");
    holder.await.unwrap();
    assert_eq!(keys(&take(&store).await.unwrap()), ["held"]);
}
