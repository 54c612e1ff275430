//! A database that comes back from a backup, or fails over to a standby that missed the latest commits.

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::servers::PostgresServer;
use docket_core::{Fence, LeaseRequest, NewTask, QueueBackend, Store};

use crate::work::{ask, connect, put_back, task, tell};

const TASKS: usize = 12;
/// A restore, or a fail-over, takes longer.
const DOWN: Duration = Duration::from_millis(200);

/// Takes all tasks, one call for each; answers their fences.
async fn fences(store: &impl QueueBackend) -> Vec<Fence> {
    let mut leases = Vec::new();
    for _ in 0..TASKS {
        let request = LeaseRequest { count: 1, ..ask("worker", Duration::ZERO) };
        leases.extend(store.lease(&request).await.unwrap().leases);
    }
    assert_eq!(leases.len(), TASKS);
    leases.iter().map(|lease| lease.token.fence).collect()
}

#[tokio::test]
async fn fences_stay_above_those_of_before_when_a_backup_is_put_back() {
    let server = PostgresServer::start().await;
    let (store, url) = (connect(&server.url()).await, server.url());
    let tasks: Vec<NewTask> = (0..TASKS).map(|n| task(&n.to_string())).collect();
    store.add(&tasks).await.unwrap();
    tell(&url, "CREATE TABLE old AS SELECT * FROM docket.task").await;
    let old = tell(&url, "SELECT nextval('docket.fence')").await;
    let mut before = fences(&store).await;
    for _ in 0..3 {
        for sql in ["DELETE FROM docket.request", "DELETE FROM docket.task", &put_back("docket", "old")] {
            tell(&url, sql).await;
        }
        tell(&url, &format!("SELECT setval('docket.fence', {old})")).await;
        tokio::time::sleep(DOWN).await;
        let after = fences(&store).await;
        assert!(before.iter().max() < after.iter().min(), "{before:?} came before {after:?}");
        before = after;
    }
}

/// Many calls that find the fences behind set them on once, and none draws one that another has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fence_is_drawn_twice_while_they_are_set_on() {
    let server = PostgresServer::start().await;
    let (store, url) = (connect(&server.url()).await, server.url());
    let (mut drawn, rounds, workers) = (Vec::new(), 20, 6);
    for round in 0..rounds {
        let tasks: Vec<NewTask> = (0..workers).map(|n| task(&format!("{round}-{n}"))).collect();
        store.add(&tasks).await.unwrap();
        tell(&url, "SELECT setval('docket.fence', last_value - 300000) FROM docket.fence WHERE last_value > 300000")
            .await;
        let calls: Vec<_> = (0..workers).map(|n| tokio::spawn(draw_one(store.fork(), n))).collect();
        for call in calls {
            drawn.extend(call.await.unwrap());
        }
    }
    let count = drawn.len();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!((drawn.len(), count), (count, rounds * workers));
}

async fn draw_one(store: Arc<dyn Store>, n: usize) -> Option<Fence> {
    let request = LeaseRequest { count: 1, ..ask(&format!("worker-{n}"), Duration::from_secs(5)) };
    store.lease(&request).await.unwrap().leases.first().map(|lease| lease.token.fence)
}
