//! How soon a committed task starts.

use std::time::{Duration, Instant};

use crate::scene::{Scene, until};

const COMMITS: usize = 300;
/// What no wake-up takes, on a machine that does other things beside; the worker looks by itself once a minute.
const GENEROUS: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_wakes_the_relay_and_the_relay_the_worker() {
    let scene = Scene::new().await;
    let _worker = scene.worker();
    scene.commit_notes([COMMITS]).await;
    scene.ran_exactly([COMMITS]).await;
    let mut took = Vec::new();
    for n in 0..COMMITS {
        let mut tx = scene.begin().await;
        scene.note(n, &mut tx).await;
        tx.commit().await.unwrap();
        let committed = Instant::now();
        until("it runs", async || scene.ran.all().len() == n + 2).await;
        let started = scene.ran.all()[n + 1].1;
        took.push(started.saturating_duration_since(committed));
    }
    took.sort_unstable();
    let (median, p99) = (took[COMMITS / 2], took[COMMITS * 99 / 100]);
    println!("from the commit to the start: median {median:?}, p99 {p99:?}");
    assert!(p99 < GENEROUS, "{p99:?}");
}

/// Whoever hears nothing looks by itself, and listens again.
#[tokio::test]
async fn a_lost_listener_costs_the_interval_at_most() {
    let scene = Scene::new().await;
    let _worker = scene.worker_that_looks(Duration::from_secs(1));
    scene.commit_notes([1]).await;
    scene.ran_exactly([1]).await;
    let gone =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN \"docket_outbox%'";
    let gone: i64 = sqlx::query_scalar(gone).fetch_one(&scene.pool).await.unwrap();
    assert!(gone > 0, "it did listen");
    let committed = Instant::now();
    scene.commit_notes([2]).await;
    scene.ran_exactly([1, 2]).await;
    assert!(committed.elapsed() < Duration::from_secs(5), "{:?}", committed.elapsed());
}
