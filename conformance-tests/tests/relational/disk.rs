//! The server's disk full.

use std::time::Duration;

use conformance_tests::servers::PostgresServer;
use docket_core::{Error, ErrorKind, Settings};

use crate::scene::{SOON, Scene, eventually};
use crate::tasks::Count;

const DISK_MIB: usize = 160;
/// Adds that a disk without room may still take: pages that are there have some.
const TAKEN_MAX: usize = 200;

/// Accepted tasks are kept and run; refused ones get the reason; when there is room again all goes
/// on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_loses_nothing() {
    let scene = Scene::on(PostgresServer::start_on_small_disk(DISK_MIB).await).await;
    let worker = scene.start(Settings { check_interval: Duration::from_secs(1), ..Settings::default() });
    scene.add::<Count>(0..200).await;
    scene.ran(200, SOON).await;

    scene.server.fill_disk();
    let mut accepted = Vec::new();
    let error = loop {
        let key = format!("full{}", accepted.len());
        match add_heavy(&scene, &key).await {
            Ok(()) => accepted.push(key),
            Err(error) => break error,
        }
        assert!(accepted.len() < TAKEN_MAX, "the disk is not full");
    };
    println!("{} adds taken, then: {error}", accepted.len());
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.to_string().contains("the server's disk is full; make room"), "{error}");

    // Without room for its log, the server ends: from here on a worker can do nothing, and reports
    // so.
    eventually("the server has ended", SOON, async || {
        let switched = sqlx::query("SELECT pg_switch_wal(), txid_current()").execute(&scene.pool).await;
        switched.is_err().then_some(())
    })
    .await;
    worker.until_unready(SOON).await;
    println!("the worker is not alive: {:?}", worker.health.alarms());

    scene.server.free_disk();
    scene.server.restart().await;
    worker.until_ready(SOON).await;
    add_heavy(&scene, "after").await.unwrap();
    accepted.push("after".to_owned());
    scene.settled((0..200).map(|n| format!("k{n}")).chain(accepted)).await;
    worker.stopped().await;
}

/// A task that needs pages of its own.
async fn add_heavy(scene: &Scene, key: &str) -> Result<(), Error> {
    let ballast = (0..100_000).map(|_| fastrand::alphanumeric()).collect();
    scene.client.add(Count { ballast }).key(key).await.map(|_| ())
}
