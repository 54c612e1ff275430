//! A server that comes back from a snapshot, or fails over to a copy that missed the latest writes.

use std::time::Duration;

use docket_core::{Fence, LeaseRequest, QueueBackend};

use crate::server::Server;
use crate::work::{DOCKET, ask, connect, task};

const TASKS: usize = 12;

/// Every key of the docket, as the server writes it into a snapshot.
type Snapshot = Vec<(String, Vec<u8>)>;

async fn snapshot(server: &Server) -> Snapshot {
    let keys: Vec<String> = server.tell(&format!("KEYS docket:{{{DOCKET}}}:*")).await;
    let mut snapshot = Snapshot::new();
    for key in keys {
        let value = server.tell(&format!("DUMP {key}")).await;
        snapshot.push((key, value));
    }
    snapshot
}

async fn put_back(server: &Server, snapshot: &Snapshot) {
    server.tell::<()>("FLUSHALL").await;
    let mut connection = server.connection().await;
    for (key, value) in snapshot {
        let mut command = redis::cmd("RESTORE");
        command.arg(key).arg(0).arg(value);
        command.query_async::<()>(&mut connection).await.unwrap();
    }
}

/// Takes all tasks, one call for each, and gives them back; answers their fences.
async fn fences(store: &impl QueueBackend) -> Vec<Fence> {
    let mut leases = Vec::new();
    for _ in 0..TASKS {
        let request = LeaseRequest { count: 1, ..ask("worker", Duration::ZERO) };
        leases.extend(store.lease(&request).await.unwrap().leases);
    }
    assert_eq!(leases.len(), TASKS);
    leases.iter().map(|lease| lease.token.fence).collect()
}

/// Of twelve tasks, three had two live runs with one fence, and an outside system that keeps the
/// largest fence refused the later run.
#[tokio::test]
async fn fences_stay_above_those_of_before_when_a_snapshot_is_put_back() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    let tasks: Vec<_> = (0..TASKS).map(|n| task(&n.to_string())).collect();
    store.add(&tasks).await.unwrap();
    let old = snapshot(&server).await;
    let mut before = fences(&store).await;
    for _ in 0..3 {
        put_back(&server, &old).await;
        let after = fences(&store).await;
        assert!(before.iter().max() < after.iter().min(), "{before:?} came before {after:?}");
        before = after;
    }
}
