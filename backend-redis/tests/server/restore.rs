//! A server that comes back from a snapshot, or fails over to a copy that missed the latest writes.

use std::sync::Mutex;

use conformance_tests::restore::fences_stay_above_the_lost;
use docket_core::Timestamp;

use crate::server::Server;
use crate::work::{DOCKET, connect};

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

async fn put_back(server: &Server, snapshot: Snapshot) {
    server.tell::<()>("FLUSHALL").await;
    let mut connection = server.connection().await;
    for (key, value) in snapshot {
        let mut command = redis::cmd("RESTORE");
        command.arg(key).arg(0).arg(value);
        command.query_async::<()>(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn fences_stay_above_those_of_before_when_a_snapshot_is_put_back() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    let old = Mutex::new(Snapshot::new());
    let set_clock = async |now: Timestamp| {
        server.tell::<()>(&format!("HSET docket:{{{DOCKET}}}:meta clock {}", now.as_micros())).await;
    };
    let copy = async || {
        let copy = snapshot(&server).await;
        *old.lock().unwrap() = copy;
    };
    let back = async || {
        let copy = old.lock().unwrap().clone();
        put_back(&server, copy).await;
    };
    fences_stay_above_the_lost(&store, set_clock, copy, back).await;
}
