//! T21: a firewall, or a table of network addresses, forgets connections while they are idle.

use std::time::{Duration, Instant};

use tracing::Level;

use crate::firewall::{Firewall, in_own_network};
use crate::logs;
use crate::scene::{SOON, Scene, Setup};
use crate::stores::{Kind, Server};
use crate::tasks::Note;

/// How soon the only worker has an immediate task after its connections were forgotten.
const REDIS_MAX: Duration = Duration::from_secs(5);
/// The same on Postgres.
const POSTGRES_MAX: Duration = Duration::from_secs(8);
/// For a machine that is busy with other tests.
const SPARE: Duration = Duration::from_secs(1);

/// The kernel finds out, since no command is sent: keepalive probes go unanswered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t21_a_redis_connection_that_a_firewall_forgot_costs_seconds() {
    in_own_network("forgotten::t21_a_redis_connection_that_a_firewall_forgot_costs_seconds", async || {
        forgotten(Kind::Redis, REDIS_MAX).await;
    })
    .await;
}

/// The driver sets no keepalive, so the connection that listens is asked every three seconds, and given two to answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t21_a_postgres_connection_that_a_firewall_forgot_costs_seconds() {
    in_own_network("forgotten::t21_a_postgres_connection_that_a_firewall_forgot_costs_seconds", async || {
        forgotten(Kind::Postgres, POSTGRES_MAX).await;
    })
    .await;
}

async fn forgotten(kind: Kind, bound: Duration) {
    let server = Server::start(kind).await;
    let firewall = Firewall::before(&server.url());
    let scene = Scene::behind(&firewall.url(), &server.url(), "t21").await;
    // The check interval of production: nothing but the kernel may find out sooner.
    let worker = scene.start(Setup::new(2_000, 1).settings());
    scene.burst("before", 1).await;
    scene.all_ran(SOON).await;
    for round in 0..2 {
        // Idle, its last look and its heartbeats behind it.
        tokio::time::sleep(Duration::from_secs(3)).await;
        firewall.forget();
        let forgotten = Instant::now();
        scene.add(&scene.aside_client(), Note {}, &format!("{round}.first"), Duration::ZERO).await.unwrap();
        scene.all_ran(bound + SPARE).await;
        assert!(forgotten.elapsed() < bound + SPARE, "{:?}", forgotten.elapsed());
        // The worker's old reads, which the server still believes in, take no wake-up.
        scene.add(&scene.aside_client(), Note {}, &format!("{round}.second"), Duration::ZERO).await.unwrap();
        scene.all_ran(bound + SPARE).await;
        let late = scene.latencies("second");
        assert!(late.iter().all(|late| *late < SPARE), "{late:?}");
    }
    assert!(logs::count(Level::WARN, &[&firewall.port()]) > 0, "it is said");
    scene.none_ran_twice();
    worker.stopped().await.unwrap();
}
