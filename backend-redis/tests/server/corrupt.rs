//! Data in the store that no build would have written.

use std::time::Duration;

use docket_core::{Ack, AckAnswer, Control, ErrorKind, Inspect, Outcome, QueueBackend};

use crate::server::Server;
use crate::work::{DOCKET, add, completed, connect, key, keys, take, task};

#[tokio::test]
async fn a_record_that_cannot_be_read_is_set_aside_and_holds_up_nobody() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    for name in ["broken", "odd", "gone", "sound"] {
        add(&store, task(name)).await.unwrap();
    }
    let tasks = format!("docket:{{{DOCKET}}}:tasks");
    // Begins as a record does, and ends too early.
    server.tell::<()>(&format!("HSET {tasks} odd \x01\x00\x00")).await;
    server.tell::<()>(&format!("HSET {tasks} broken garbage")).await;
    server.tell::<()>(&format!("HDEL {tasks} gone")).await;
    assert_eq!(keys(&take(&store).await.unwrap()), ["sound"]);
    let empty = take(&store).await.unwrap();
    assert!(empty.leases.is_empty() && empty.oldest_ready.is_none(), "set aside once, not met again: {empty:?}");
    assert_eq!(store.get(&key("broken")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(add(&store, task("broken")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let defects = store.audit().await.unwrap().join("\n");
    assert!(["broken", "odd", "gone"].iter().all(|name| defects.contains(name)), "{defects}");
    assert!(!defects.contains("sound"), "{defects}");
    store.clear().await.unwrap();
    add(&store, task("broken")).await.expect("a clear takes it away");
}

/// Parking an entry of a shelf once turned the shelf into a lane: counting failed, and a clear left
/// the other records.
#[tokio::test]
async fn a_finished_record_that_is_gone_holds_up_nobody() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    for name in ["gone", "kept"] {
        add(&store, task(name)).await.unwrap();
    }
    let leases = take(&store).await.unwrap().leases;
    let at_once = Ack { retention: Duration::ZERO, ..completed(&leases[0]) };
    server.tell::<()>(&format!("HDEL docket:{{{DOCKET}}}:tasks gone")).await;
    let shelf = format!("docket:{{{DOCKET}}}:finished");
    assert_eq!(store.ack(&[at_once, completed(&leases[1])]).await.unwrap().answers.len(), 2);
    server.tell::<()>(&format!("ZADD {shelf} 1 gone")).await;
    trims_next(&server).await;
    assert!(take(&store).await.unwrap().leases.is_empty(), "this call trims");
    assert_eq!(server.tell::<i64>(&format!("ZCARD {shelf}")).await, 1, "it was set aside");
    let counts = store.counts().await.expect("the shelf is not a lane");
    assert_eq!((counts.len(), counts[0].completed), (1, 1));
    store.clear().await.unwrap();
    assert_eq!(server.tell::<i64>(&format!("EXISTS docket:{{{DOCKET}}}:tasks")).await, 0);
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

/// The next lease call looks for records to trim, regardless of the noted time.
async fn trims_next(server: &Server) {
    server.tell::<()>(&format!("HDEL docket:{{{DOCKET}}}:meta trim")).await;
}

/// The fast path trims a record without reading all of it. A truncated record must not pass for
/// one.
#[tokio::test]
async fn a_finished_record_that_is_cut_off_is_set_aside_and_not_trimmed() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    for name in ["cut", "plain"] {
        add(&store, task(name)).await.unwrap();
    }
    let leases = take(&store).await.unwrap().leases;
    store.ack(&leases.iter().map(completed).collect::<Vec<_>>()).await.unwrap();
    let (tasks, shelf) = (format!("docket:{{{DOCKET}}}:tasks"), format!("docket:{{{DOCKET}}}:finished"));
    // Completed and settled, and then nothing.
    server.tell::<()>(&format!("HSET {tasks} cut \x03\x03\x00")).await;
    server.tell::<()>(&format!("ZADD {shelf} 1 cut 1 plain")).await;
    trims_next(&server).await;
    assert!(take(&store).await.unwrap().leases.is_empty(), "this call trims");
    assert!(store.get(&key("plain")).await.unwrap().is_none());
    assert_eq!(store.get(&key("cut")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(server.tell::<i64>(&format!("EXISTS {shelf}")).await, 0);
    assert!(store.audit().await.unwrap().join("\n").contains("cut"));
}

/// An ack that occurs twice in a batch sees the effect of its first copy, on the fast path or not.
#[tokio::test]
async fn an_ack_that_comes_twice_in_a_batch_settles_once() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    for name in ["plain", "failed"] {
        add(&store, task(name)).await.unwrap();
    }
    let leases = take(&store).await.unwrap().leases;
    let (plain, failed) = (completed(&leases[0]), Ack { outcome: Outcome::Release, ..completed(&leases[1]) });
    let late = Ack { outcome: Outcome::Release, ..plain.clone() };
    let answers = store.ack(&[plain.clone(), failed.clone(), plain, late, failed]).await.unwrap().answers;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(AckAnswer::Settled))), "{answers:?}");
    assert_eq!(keys(&take(&store).await.unwrap()), ["failed"], "released once, and the other is over");
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
}

/// Nothing is trimmed before the noted time, so a noted time that is too late keeps records
/// forever, unseen.
#[tokio::test]
async fn a_trim_that_is_noted_too_late_is_a_defect() {
    let server = Server::start(&[]).await;
    let store = connect(&server).await;
    add(&store, task("over")).await.unwrap();
    let leases = take(&store).await.unwrap().leases;
    store.ack(&[completed(&leases[0])]).await.unwrap();
    assert_eq!(store.audit().await.unwrap(), Vec::<String>::new());
    server.tell::<()>(&format!("HSET docket:{{{DOCKET}}}:meta trim 9007199254740991")).await;
    assert_eq!(store.audit().await.unwrap(), ["meta.trim is later than the first of finished"]);
}
