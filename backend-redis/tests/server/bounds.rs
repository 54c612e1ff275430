//! What one script may hold and bring, however large or many the records are.

use std::time::Duration;

use docket_core::{
    Ack, ErrorKind, Inspect, KnownName, LeaseRequest, ListFilter, NewTask, Payload, QueueBackend, Result, TaskName,
    limits,
};
use docket_redis::{Options, RedisBackend};

use crate::server::Server;
use crate::work::{DOCKET, add, ask, completed, completed_with, connect, docket, key, keys, take, task};

const MIB: usize = 1 << 20;

fn payload(bytes: usize) -> Payload {
    Payload::new(vec![b'0'; bytes])
}

fn open(server: &Server, max_payload_bytes: usize) -> Result<RedisBackend> {
    RedisBackend::open(&server.url(), docket(), Options { max_payload_bytes, ..Options::default() })
}

#[tokio::test]
async fn the_limit_of_a_payload_can_be_raised_as_far_as_a_batch_goes() {
    let server = Server::start(&[]).await;
    let large = |bytes| NewTask { args: payload(bytes), ..task("large") };
    let refused = add(&connect(&server).await, large(MIB + 1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(refused.to_string().contains("max_payload_bytes is 1048576; raise it"), "{refused}");
    let store = open(&server, limits::BATCH_BYTES_MAX).unwrap();
    add(&store, large(limits::BATCH_BYTES_MAX)).await.unwrap();
    let lease = take(&store).await.unwrap().leases.remove(0);
    assert_eq!(lease.args.len(), limits::BATCH_BYTES_MAX);
    let ack = completed_with(&lease, Some(payload(2 * MIB)));
    assert!(store.ack(&[ack]).await.unwrap().answers[0].is_ok());
    for bytes in [0, limits::BATCH_BYTES_MAX + 1] {
        let error = open(&server, bytes).unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("max_payload_bytes"), "{error}");
    }
}

/// Completes so many tasks, each with a result of a mebibyte.
async fn finish_large(store: &RedisBackend, count: usize, retention: Duration) {
    for n in 0..count {
        add(store, task(&format!("{n}"))).await.expect("added");
        let lease = take(store).await.expect("answered").leases.remove(0);
        let ack = Ack { retention, ..completed_with(&lease, Some(payload(MIB))) };
        store.ack(&[ack]).await.expect("answered");
    }
}

/// What a script leaves to be collected tells how much it held.
#[tokio::test]
async fn a_look_at_many_large_records_holds_few_of_them() {
    let server = Server::start(&["--appendonly", "no"]).await;
    let store = connect(&server).await;
    finish_large(&store, 90, Duration::from_secs(60)).await;
    let filter = ListFilter { name: Some(TaskName::new("another").unwrap()), ..ListFilter::default() };
    assert!(store.list(&filter, None, 100).await.unwrap().tasks.is_empty());
    let held = server.number_of("used_memory_lua").await;
    assert!(held < 60 * MIB as u64, "{held} bytes");
}

#[tokio::test]
async fn a_page_brings_no_more_bytes_than_a_batch_results_included() {
    let server = Server::start(&["--appendonly", "no"]).await;
    let store = connect(&server).await;
    finish_large(&store, 20, Duration::from_secs(60)).await;
    let (mut cursor, mut found) = (None, 0);
    loop {
        let page = store.list(&ListFilter::default(), cursor.as_ref(), 100).await.unwrap();
        let bytes: usize = page.tasks.iter().map(|task| task.result.as_ref().map_or(0, Payload::len)).sum();
        assert!(bytes <= limits::BATCH_BYTES_MAX, "{bytes} bytes");
        found += page.tasks.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, 20);
}

/// A request is remembered for minutes; the keys it took, only as long as one of them is not settled.
#[tokio::test]
async fn what_is_remembered_of_a_busy_worker_is_small() {
    let server = Server::start(&["--appendonly", "no"]).await;
    let store = connect(&server).await;
    let long = "k".repeat(400);
    for round in 0..20 {
        let tasks: Vec<_> =
            (0..100).map(|n| NewTask { key: key(&format!("{long}{round}.{n}")), ..task("x") }).collect();
        store.add(&tasks).await.unwrap();
        let request = LeaseRequest { count: 100, ..ask("worker", Duration::ZERO) };
        let leases = store.lease(&request).await.unwrap().leases;
        assert_eq!(leases.len(), 100);
        let (first, rest) = leases.split_at(99);
        store.ack(&first.iter().map(completed).collect::<Vec<_>>()).await.unwrap();
        let again = store.lease(&request).await.unwrap().leases;
        assert_eq!(again.len(), 1, "what it still holds comes again");
        store.ack(&[completed(&rest[0])]).await.unwrap();
        assert!(store.lease(&request).await.unwrap().leases.is_empty(), "it was answered before");
    }
    let mut bytes = 0;
    for hash in ["requests:0", "requests:1"] {
        let used: Option<u64> = server.tell(&format!("MEMORY USAGE docket:{{{DOCKET}}}:{hash} SAMPLES 0")).await;
        bytes += used.unwrap_or(0);
    }
    assert!(bytes < 20 * 500, "{bytes} bytes for 20 requests of 100 keys");
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

/// The entries of each lane are read in pages, and those pages merged.
#[tokio::test]
async fn the_earliest_of_many_lanes_come_first() {
    let server = Server::start(&["--appendonly", "no"]).await;
    let store = connect(&server).await;
    let all: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
    // Lanes of every size: 1 task to some 800.
    let lane = |n: usize| TaskName::new(format!("n{}", (n * n) % 97 % (n % 50 + 1))).unwrap();
    for (batch, keys) in all.chunks(1_000).enumerate() {
        let named = |(n, key): (usize, &String)| NewTask { name: lane(batch * 1_000 + n), ..task(key) };
        store.add(&keys.iter().enumerate().map(named).collect::<Vec<_>>()).await.unwrap();
    }
    let mut found = Vec::new();
    for count in [1, 7, 992, 1_000, 1_000, 1_000, 1_000] {
        let known = |n| KnownName { name: TaskName::new(format!("n{n}")).unwrap(), max_crashes: 5 };
        let names = (0..50).map(known).collect();
        let reply = store.lease(&LeaseRequest { names, count, ..ask("worker", Duration::ZERO) }).await.unwrap();
        found.extend(keys(&reply).into_iter().map(str::to_owned));
    }
    assert_eq!(found, all);
}
