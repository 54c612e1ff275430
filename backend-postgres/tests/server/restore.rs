//! A database that comes back from a backup, or fails over to a standby that missed the latest commits.

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::restore::fences_stay_above_the_lost;
use conformance_tests::servers::PostgresServer;
use docket_core::{Fence, LeaseRequest, NewTask, QueueBackend, Store, Timestamp};

use crate::work::{ask, connect, put_back, task, tell};

#[tokio::test]
async fn fences_stay_above_those_of_before_when_a_backup_is_put_back() {
    let server = PostgresServer::start().await;
    let (store, url) = (connect(&server.url()).await, server.url());
    let set_clock = async |now: Timestamp| {
        tell(&url, &format!("UPDATE docket.meta SET clock = {}", now.as_micros())).await;
    };
    let copy = async || {
        for (copy, table) in [("old", "task"), ("old_meta", "meta")] {
            tell(&url, &format!("CREATE TABLE {copy} AS SELECT * FROM docket.{table}")).await;
        }
        tell(&url, "CREATE TABLE old_fence AS SELECT last_value FROM docket.fence").await;
    };
    let back = async || {
        for sql in [
            "DELETE FROM docket.request",
            "DELETE FROM docket.task",
            &put_back("docket", "old"),
            "UPDATE docket.meta m SET ahead = o.ahead, seen = o.seen FROM old_meta o WHERE o.id = m.id",
            "SELECT setval('docket.fence', last_value) FROM old_fence",
        ] {
            tell(&url, sql).await;
        }
    };
    fences_stay_above_the_lost(&store, set_clock, copy, back).await;
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
