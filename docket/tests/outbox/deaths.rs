//! Processes that die at the worst moments: T16 of the incident, for a queue on Redis.

use crate::gate::Fault;
use crate::scene::{Scene, until};

/// A process that dies between its commit and its add has lost the task. Here the commit is the add: nothing else of the
/// process is needed.
#[tokio::test]
async fn t16_a_death_after_the_commit_loses_nothing() {
    let scene = Scene::new().await;
    scene.commit_notes(1..=3).await;
    assert_eq!((scene.waiting().await, scene.seen.sent().len()), (3, 0), "the process dies here");
    let _elsewhere = scene.worker();
    scene.ran_exactly(1..=3).await;
}

/// One that adds first and dies before its commit has invented one.
#[tokio::test]
async fn t16_a_death_before_the_commit_invents_nothing() {
    let scene = Scene::new().await;
    let _worker = scene.worker();
    let mut tx = scene.begin().await;
    scene.note(1, &mut tx).await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *tx).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&scene.pool).await.unwrap();
    assert!(tx.commit().await.is_err());
    scene.commit_notes([2]).await;
    scene.ran_exactly([2]).await;
    assert_eq!(scene.state(1).await, None);
}

#[tokio::test]
async fn a_relay_that_dies_before_it_sends_loses_nothing() {
    dies_before_it_sends(Scene::new().await).await;
}

/// It has taken the rows.
pub(crate) async fn dies_before_it_sends(scene: Scene) {
    scene.seen.fail(Fault::HangBefore);
    let worker = scene.worker();
    scene.commit_notes([1]).await;
    scene.seen.reached.notified().await;
    worker.kill().await;
    assert_eq!((scene.waiting().await, scene.state(1).await), (1, None));
    let _next = scene.worker();
    scene.ran_exactly([1]).await;
}

#[tokio::test]
async fn a_relay_that_dies_after_it_has_sent_runs_nothing_twice() {
    dies_after_it_has_sent(Scene::new().await).await;
}

/// The queue has the tasks, and they have run: the rows are sent again, and the queue knows them.
pub(crate) async fn dies_after_it_has_sent(scene: Scene) {
    scene.seen.fail(Fault::HangAfter);
    let worker = scene.worker();
    scene.commit_notes([1]).await;
    scene.seen.reached.notified().await;
    until("it has run", async || scene.state(1).await == Some(docket::TaskState::Completed)).await;
    worker.kill().await;
    assert_eq!(scene.waiting().await, 1);
    let _next = scene.worker();
    scene.ran_exactly([1]).await;
    assert_eq!(scene.seen.sent().len(), 2, "it was sent again");
}

/// While one relay hangs in the middle, another cannot pass it by; it takes over when the first is gone.
#[tokio::test]
async fn another_relay_takes_over_at_once() {
    let scene = Scene::new().await;
    scene.seen.fail(Fault::HangBefore);
    let first = scene.worker();
    scene.commit_notes([1]).await;
    scene.seen.reached.notified().await;
    let _second = scene.worker();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(scene.seen.sent().len(), 1, "only the first one sends");
    first.kill().await;
    let started = std::time::Instant::now();
    scene.ran_exactly([1]).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}

/// The worker's own supervision: a relay is one of its loops.
#[tokio::test]
async fn a_relay_that_panics_is_started_again() {
    let scene = Scene::new().await;
    scene.seen.fail(Fault::Panic);
    let worker = scene.worker();
    scene.commit_notes([1]).await;
    scene.ran_exactly([1]).await;
    assert_eq!(scene.seen.sent().len(), 2);
    worker.end().await;
}
