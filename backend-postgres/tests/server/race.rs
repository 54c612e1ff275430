//! Many calls on few keys: they wait for each other, and never for ever.

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::servers::PostgresServer;
use docket_core::{Ack, CancelId, Control, Inspect, Lease, NewTask, QueueBackend, Store};
use tokio::time::Instant;

use crate::work::{ask, completed, connect, key, take, task, tell};

/// How long the calls go on.
const A_WHILE: Duration = Duration::from_secs(4);
const KEYS: usize = 30;

/// Batches over the same keys in any order, while these finish, are trimmed and come back. An ack once locked a key that
/// had come back after it had locked its others: out of order, and the server broke off one of every fifty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_over_the_same_keys_never_deadlock() {
    let server = PostgresServer::start().await;
    let store = connect(&server.url()).await;
    let end = Instant::now() + A_WHILE;
    let calls: Vec<_> = (0..12).map(|n| tokio::spawn(call_until(end, n, store.fork()))).collect();
    let mut made = 0;
    for call in calls {
        made += call.await.unwrap();
    }
    assert!(made > 500, "{made} calls were made");
    // The server notes it when a connection ends, or a moment later.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let deadlocks = tell(&server.url(), "SELECT sum(deadlocks)::bigint FROM pg_stat_database").await;
    assert_eq!(deadlocks, 0, "of {made} calls");
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

async fn call_until(end: Instant, n: usize, store: Arc<dyn Store>) -> usize {
    let (mut made, mut held) = (0, Vec::<Lease>::new());
    while Instant::now() < end {
        let at = made * 7 + n;
        let batch: Vec<NewTask> = [0, 11, 5, 19].map(|step| task(&((at + step) % KEYS).to_string())).to_vec();
        match at % 4 {
            0 => drop(store.add(&batch).await.unwrap()),
            1 => drop(store.schedule(&batch).await.unwrap()),
            2 => drop(store.cancel(&key(&(at % KEYS).to_string()), CancelId::unique()).await.unwrap()),
            _ => held.append(&mut take(&*store).await.unwrap().leases),
        }
        if held.len() > 5 {
            // The latest first: in no order of keys. Some are stale by now, their keys cancelled and back.
            let gone = |lease: &Lease| Ack { retention: Duration::from_millis(1), ..completed(lease) };
            let acks: Vec<Ack> = held.drain(..).rev().map(|lease| gone(&lease)).collect();
            let next = ask(&format!("worker-{n}"), Duration::ZERO);
            held = store.ack(&acks, Some(&next)).await.unwrap().next.unwrap().leases;
        }
        made += 1;
    }
    made
}
