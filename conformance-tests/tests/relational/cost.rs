//! What a task's life costs the server, and what a worker without work does.

use std::time::Duration;

use conformance_tests::proxy::Proxy;
use conformance_tests::servers::PostgresServer;
use docket_core::Settings;

use crate::scene::{SOON, Scene};
use crate::tasks::Count;

const TASKS: usize = 5_000;
const IDLE: Duration = Duration::from_secs(30);

/// The statements of a connection, by their first word.
const SAID: [&str; 5] = ["TLS", "STARTUP", "LISTEN", "SELECT", "EXECUTE"];
/// A connection that ends hands in its statistics.
const END_ALL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'docket'";
const WAL: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
const BYTES: &str = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c \
                     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'docket' AND c.relkind = 'r'";
const WRITTEN: &str = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables \
                       WHERE schemaname = 'docket'";

/// The rows written, the bytes kept until the task is trimmed, and the WAL, of tasks added in full
/// batches and run by one worker. A fourth row per life, or a kilobyte more, must be noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_costs_few_rows_and_few_bytes() {
    let scene = Scene::new().await;
    let worker = scene.start(Settings { concurrency: 100, ..Settings::default() });
    // The first life also creates everything shared; and a page is written whole after a
    // checkpoint.
    scene.add::<Count>(0..100).await;
    scene.ran(100, SOON).await;
    let before = figures(&scene).await;
    scene.add::<Count>(100..100 + TASKS).await;
    scene.ran(100 + TASKS, SOON).await;
    worker.stopped().await;
    let after = figures(&scene).await;
    let of_one = |at: usize| (after[at] - before[at]) / i64::try_from(TASKS).unwrap();
    println!("a life: {} rows written, {} bytes on disk, {} bytes of WAL", of_one(0), of_one(1), of_one(2));
    assert!((3..=4).contains(&of_one(0)), "an add, a lease, an ack");
    assert!(of_one(1) < 2_500 && of_one(2) < 6_000);
}

/// Rows, bytes, WAL.
async fn figures(scene: &Scene) -> [i64; 3] {
    scene.number(END_ALL).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    [scene.number(WRITTEN).await, scene.number(BYTES).await, scene.number(WAL).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_sends_less_than_two_statements_in_three_seconds() {
    let server = PostgresServer::start().await;
    let proxy = Proxy::before(&server.url()).await;
    let scene = Scene::through(server, &proxy.url()).await;
    let worker = scene.start(Settings::default());
    // Past the start: joining, the first looks.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let said = || SAID.map(|word| proxy.commands(word));
    let before = said();
    tokio::time::sleep(IDLE).await;
    let sent: usize = said().iter().sum::<usize>() - before.iter().sum::<usize>();
    println!("an idle worker for {IDLE:?}: {sent} statements");
    // One in three seconds asks whether the connection that listens is still there.
    assert!((1..20).contains(&sent), "{before:?} to {:?}", said());
    worker.stopped().await;
}
