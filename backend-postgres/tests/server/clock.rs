//! A server whose clock is set back. Here what was noted of the time is set ahead instead, which looks the same.

use std::time::Duration;

use conformance_tests::servers::PostgresServer;
use docket_core::{Control, Inspect, ListFilter, NewTask, QueueBackend, RunAt};

use crate::work::{add, ask, completed, connect, keys, take, task, tell};

const SEEN: &str = "SELECT seen FROM docket.meta";

#[tokio::test]
async fn a_step_back_is_noticed_by_the_next_call_and_time_runs_on() {
    let server = PostgresServer::start().await;
    let (store, url) = (connect(&server.url()).await, server.url());
    add(&store, task("a")).await.unwrap();
    let running = take(&store).await.unwrap().leases.remove(0);
    tell(&url, "UPDATE docket.meta SET seen = seen + 300000000").await;
    let offset = Duration::from_mins(5);
    let shown = store.list(&ListFilter::default(), None, 10).await.unwrap();
    assert!(shown.clock.offset <= offset && shown.clock.offset > offset.saturating_sub(Duration::from_mins(1)));
    let soon = NewTask { run_at: RunAt::In(Duration::from_millis(300)), ..task("soon") };
    add(&store, soon).await.unwrap();
    let reply = store.lease(&ask("worker", Duration::from_secs(20))).await.unwrap();
    // The lease of `a` has run out by the time that was noted; what is due comes in time all the same.
    assert!(keys(&reply).contains(&"a") || keys(&reply) == ["soon"], "{reply:?}");
    assert_eq!(reply.clock.steps, 1);
    let age = reply.leases[0].leased_at.since(running.leased_at);
    assert!(age < Duration::from_mins(1), "{age:?} by the server's clock");
    let mut leases = reply.leases;
    while leases.len() < 2 {
        leases.extend(store.lease(&ask("worker", Duration::from_secs(20))).await.unwrap().leases);
    }
    store.ack(&leases.iter().map(completed).collect::<Vec<_>>()).await.unwrap();
    assert!(store.settle_clock().await.unwrap() > Duration::from_secs(200));
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

/// One row that every call wrote would be one that every call waits for.
#[tokio::test]
async fn the_time_is_noted_once_a_second() {
    let server = PostgresServer::start().await;
    let (store, url) = (connect(&server.url()).await, server.url());
    take(&store).await.unwrap();
    let mut noted = vec![tell(&url, SEEN).await];
    for _ in 0..50 {
        take(&store).await.unwrap();
        noted.push(tell(&url, SEEN).await);
    }
    noted.dedup();
    assert!(noted[0] > 0 && noted.windows(2).all(|pair| pair[1] - pair[0] >= 1_000_000), "{noted:?}");
}
