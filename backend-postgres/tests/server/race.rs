//! Many calls on few keys: they wait for each other, and never forever.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use conformance_tests::servers::PostgresServer;
use docket_core::{Ack, Inspect, Lease, LeaseRequest, NewTask, QueueBackend, Store};

use crate::work::{ask, completed, connect, task, tell};

/// The concurrent callers, and the number of calls of each: fixed, so that a busy machine makes the test longer and not weaker.
const CALLERS: usize = 12;
const CALLS: usize = 150;
const KEYS: usize = 30;
/// The latest tokens, for everybody to settle.
const TOKENS_KEPT: usize = 20;

/// Batches over the same keys in any order, while these finish, are trimmed and come back. An ack once locked a key that
/// had come back after it had locked its others: out of order, and the server broke off one of every fifty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_over_the_same_keys_never_deadlock() {
    let server = PostgresServer::start().await;
    let store = connect(&server.url()).await;
    let tokens = Arc::<Mutex<Vec<Lease>>>::default();
    let calls: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(call(n, store.fork(), tokens.clone()))).collect();
    for call in calls {
        call.await.unwrap();
    }
    // The server notes it when a connection ends, or a moment later.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let deadlocks = tell(&server.url(), "SELECT sum(deadlocks)::bigint FROM pg_stat_database").await;
    assert_eq!(deadlocks, 0, "the server says:\n{}", server.log());
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

/// Every token is settled by whoever comes across it, more than once: most are stale, their keys gone or back.
async fn call(n: usize, store: Arc<dyn Store>, tokens: Arc<Mutex<Vec<Lease>>>) {
    let request =
        || LeaseRequest { lease_for: Duration::from_millis(1), ..ask(&format!("worker-{n}"), Duration::ZERO) };
    for made in 0..CALLS {
        let at = made * 7 + n;
        let batch: Vec<NewTask> = [0, 11, 5, 19].map(|step| task(&((at + step) % KEYS).to_string())).to_vec();
        let leases = match made % 4 {
            0 => store.add(&batch).await.map(|_| Vec::new()).unwrap(),
            1 => store.schedule(&batch).await.map(|_| Vec::new()).unwrap(),
            2 => store.lease(&request()).await.unwrap().leases,
            _ => {
                let some: Vec<Lease> = tokens.lock().unwrap().iter().rev().skip(at % 5).step_by(3).cloned().collect();
                let gone = |lease: &Lease| Ack { retention: Duration::from_millis(1), ..completed(lease) };
                let acks: Vec<Ack> = some.iter().map(gone).collect();
                store.ack(&acks).await.map(|_| Vec::new()).unwrap()
            }
        };
        let mut tokens = tokens.lock().unwrap();
        tokens.extend(leases);
        let old = tokens.len().saturating_sub(TOKENS_KEPT);
        tokens.drain(..old);
    }
}
