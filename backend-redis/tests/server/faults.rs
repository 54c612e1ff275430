//! What a server can do to its clients: it costs seconds and an error, never a task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::{Ack, AckAnswer, ErrorKind, Heartbeat, HeartbeatAnswer, Inspect, QueueBackend, TaskState};
use docket_redis::{Options, RedisBackend};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::proxy::Proxy;
use crate::server::Server;
use crate::work::{add, ask, completed, connect, docket, key, keys, take, task};

/// From a fault to the error it ends in.
const IN_TIME: Duration = Duration::from_secs(6);

/// A worker like the real loop: it retries until it has a task.
fn worker(store: &Arc<RedisBackend>) -> JoinHandle<(Vec<String>, u32)> {
    let store = store.fork();
    tokio::spawn(async move {
        for failures in 0.. {
            match store.lease(&ask("worker", Duration::from_secs(30))).await {
                Ok(reply) => return (keys(&reply).into_iter().map(str::to_owned).collect(), failures),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
        unreachable!("it never gives up")
    })
}

async fn parked(server: &Server) {
    while server.tell::<String>("INFO clients").await.lines().all(|line| line != "blocked_clients:1") {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    add(&store, task("a")).await.unwrap();
    let lease = take(&store).await.unwrap().leases.remove(0);
    server.tell::<()>("SCRIPT FLUSH").await;
    add(&store, task("b")).await.unwrap();
    server.tell::<()>("SCRIPT FLUSH").await;
    let reply = store.ack(&[completed(&lease)]).await.unwrap();
    assert_eq!(reply.answers[0].as_ref().unwrap(), &AckAnswer::Settled);
    assert_eq!(keys(&take(&store).await.unwrap()), ["b"]);
}

/// Loading a script and then calling it was not enough: it was forgotten in between, and no caller
/// retried that.
#[tokio::test]
async fn a_server_that_forgets_its_scripts_all_the_time_serves_every_call() {
    let server = Server::start(&["--appendfsync", "everysec"]).await;
    let store = connect(&server).await;
    let mut flushing = server.connection().await;
    let flushes = tokio::spawn(async move {
        loop {
            redis::cmd("SCRIPT").arg("FLUSH").query_async::<()>(&mut flushing).await.expect("the server answers");
        }
    });
    for n in 0..200 {
        add(&store, task(&n.to_string())).await.expect("added");
        let lease = take(&store).await.expect("leased").leases.remove(0);
        assert!(store.ack(&[completed(&lease)]).await.expect("settled").answers[0].is_ok());
    }
    flushes.abort();
}

#[tokio::test]
async fn a_killed_server_loses_nothing_and_waiters_come_back() {
    let server = Server::start(&[]).await;
    let store = Arc::new(connect(&server).await);
    let waiting = worker(&store);
    parked(&server).await;
    server.kill9();
    assert_eq!(add(&*store, task("away")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    server.restart().await;
    add(&*store, task("back")).await.expect("the first call after the restart is served");
    assert_eq!(waiting.await.unwrap().0, ["back"]);
    server.kill9();
    server.restart().await;
    assert_eq!(store.get(&key("back")).await.unwrap().unwrap().state, TaskState::Running);
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_killed_connection_does_not_end_a_wait() {
    let server = Server::start(&[]).await;
    let store = Arc::new(connect(&server).await);
    let waiting = worker(&store);
    for _ in 0..3 {
        parked(&server).await;
        server.tell::<()>("CLIENT KILL TYPE normal").await;
        sleep(Duration::from_millis(50)).await;
    }
    parked(&server).await;
    add(&*store, task("a")).await.expect("a connection that died idle costs nothing");
    let (found, failures) = waiting.await.unwrap();
    assert_eq!(found, ["a"]);
    assert!(failures <= 3, "{failures} failures for three killed connections");
}

#[tokio::test]
async fn a_server_that_closes_idle_connections_costs_nothing() {
    let server = Server::start(&["--timeout", "1"]).await;
    let store = connect(&server).await;
    add(&store, task("a")).await.unwrap();
    // A second of the server's own idle rule, looked at once a second.
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!(keys(&take(&store).await.expect("a new connection is made unseen")), ["a"]);
}

#[tokio::test]
async fn a_silent_server_costs_an_error_in_time() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    add(&store, task("a")).await.unwrap();
    server.pause();
    for _ in 0..2 {
        let start = Instant::now();
        let error = take(&store).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(start.elapsed() < IN_TIME, "after {:?}", start.elapsed());
    }
    server.resume();
    // The two calls were lost replies: one of them may have taken the task when the server came to it.
    let found = take(&store).await.expect("the server is back");
    let state = store.get(&key("a")).await.unwrap().unwrap().state;
    assert!(keys(&found) == ["a"] || state == TaskState::Running, "{found:?} {state}");
}

/// A heartbeat gives up after half a short lease, sooner than the backend does. Its connection must go with it.
#[tokio::test]
async fn a_silent_connection_is_given_up_by_a_caller_that_waits_no_longer() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::before(&server).await;
    let store = RedisBackend::connect(&proxy.url(), docket(), Options::default()).await.unwrap();
    proxy.silence();
    timeout(Duration::from_millis(300), add(&store, task("a"))).await.expect_err("nothing arrives");
    timeout(Duration::from_millis(300), add(&store, task("a"))).await.expect("over a new connection").unwrap();
}

/// A web server drops the call when its client hangs up. That used to cost everybody else a new
/// connection.
#[tokio::test]
async fn callers_that_go_away_cost_the_others_no_connection() {
    let server = Server::start(&["--appendfsync", "everysec"]).await;
    let store = connect(&server).await;
    add(&store, task("first")).await.unwrap();
    let before = server.number_of("total_connections_received").await;
    let mut dropped = 0;
    for n in 0..200_u64 {
        // Some before anything is sent, some while the answer is on its way.
        let moments = async {
            for _ in 0..n % 4 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = add(&store, task(&format!("gone-{n}"))) => {}
            () = moments => dropped += 1,
        }
        add(&store, task(&format!("stays-{n}"))).await.expect("the others are served");
    }
    assert!(dropped > 20, "{dropped} were dropped");
    // A busy machine may keep a connection silent for longer than is believed in.
    let opened = server.number_of("total_connections_received").await - before;
    assert!(opened < dropped / 4, "{opened} connections for {dropped} dropped calls");
}

#[tokio::test]
async fn a_silent_connection_costs_an_error_in_time() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::before(&server).await;
    let store = RedisBackend::connect(&proxy.url(), docket(), Options::default()).await.unwrap();
    proxy.silence();
    let start = Instant::now();
    assert_eq!(add(&store, task("a")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(start.elapsed() < IN_TIME, "after {:?}", start.elapsed());
    add(&store, task("a")).await.expect("over a new connection");
}

/// The read ends at its own deadline, the wait with an error, and the next one finds what was added meanwhile.
#[tokio::test]
async fn a_silent_blocking_read_ends_shortly_after_its_block() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::before(&server).await;
    let store = RedisBackend::connect(&proxy.url(), docket(), Options::default()).await.unwrap();
    let adding = connect(&server).await;
    let start = Instant::now();
    let wait = store.fork();
    let waiting = tokio::spawn(async move { wait.lease(&ask("worker", Duration::from_secs(2))).await });
    parked(&server).await;
    proxy.silence();
    add(&adding, task("a")).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(2) + IN_TIME, "after {:?}", start.elapsed());
    assert_eq!(keys(&store.fork().lease(&ask("worker", Duration::from_secs(2))).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn a_fail_over_to_a_copy_is_an_error_that_passes() {
    let server = Server::start(&[]).await;
    let store = Arc::new(connect(&server).await);
    let waiting = worker(&store);
    parked(&server).await;
    server.tell::<()>("REPLICAOF 127.0.0.1 1").await;
    let error = add(&*store, task("refused")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::Unavailable), "{error:?}");
    assert!(error.is_retryable(), "{error:?}");
    server.tell::<()>("REPLICAOF NO ONE").await;
    add(&*store, task("taken")).await.unwrap();
    assert_eq!(waiting.await.unwrap().0, ["taken"]);
}

/// It once refused everything, so nothing could ever make room again.
#[tokio::test]
async fn a_full_server_takes_no_new_tasks_and_works_off_those_it_has() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]).await;
    let store = connect(&server).await;
    add(&store, task("before")).await.unwrap();
    server.tell::<()>("CONFIG SET maxmemory 1").await;
    let error = add(&store, task("refused")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.is_retryable() && error.to_string().contains("memory"), "{error:?}");
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new(), "nothing half done");
    let reply = take(&store).await.expect("work goes on");
    assert_eq!(keys(&reply), ["before"]);
    let request = ask("worker", Duration::ZERO);
    let beat = Heartbeat {
        worker: request.worker,
        tokens: vec![reply.leases[0].token.clone()],
        lease_for: Duration::from_secs(10),
    };
    assert_eq!(store.heartbeat(&beat).await.unwrap()[0].as_ref().unwrap(), &HeartbeatAnswer::Held);
    let at_once = Ack { retention: Duration::ZERO, ..completed(&reply.leases[0]) };
    let settled = store.ack(&[at_once]).await.unwrap();
    assert_eq!(settled.answers[0].as_ref().unwrap(), &AckAnswer::Settled);
    assert!(take(&store).await.unwrap().leases.is_empty());
    assert!(store.get(&key("before")).await.unwrap().is_none(), "trimmed, which makes room");
    server.tell::<()>("CONFIG SET maxmemory 0").await;
    add(&store, task("refused")).await.expect("there is room again");
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_without_the_copies_it_wants_refuses_whole_calls_and_says_so() {
    let server = Server::start(&["--min-replicas-to-write", "0"]).await;
    let store = connect(&server).await;
    add(&store, task("before")).await.unwrap();
    server.tell::<()>("CONFIG SET min-replicas-to-write 1").await;
    for error in [add(&store, task("refused")).await.unwrap_err(), take(&store).await.unwrap_err()] {
        assert!(error.kind() == ErrorKind::Refused && error.is_retryable(), "{error:?}");
    }
    server.tell::<()>("CONFIG SET min-replicas-to-write 0").await;
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new(), "nothing half done");
    assert_eq!(keys(&take(&store).await.unwrap()), ["before"]);
}
