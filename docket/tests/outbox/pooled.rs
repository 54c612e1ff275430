//! The outbox where everybody reaches Postgres through a real `PgBouncer` in transaction mode, the service too: nobody can
//! listen, so relays look by themselves.

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::servers::{PgBouncer, postgres_url};

use crate::deaths::{dies_after_it_has_sent, dies_before_it_sends};
use crate::gate::Fault;
use crate::scene::{Scene, until};

/// The URL stays good only as long as the pooler is kept.
async fn scene() -> (PgBouncer, Scene) {
    let pooler = PgBouncer::before(&postgres_url().await).await;
    let scene = Scene::pooled(&pooler.url()).await;
    (pooler, scene)
}

#[tokio::test]
async fn a_task_is_there_at_the_commit_and_gone_at_the_rollback() {
    let (_pooler, scene) = scene().await;
    let _worker = scene.worker();
    let mut kept = scene.begin().await;
    scene.note(1, &mut kept).await;
    let mut undone = scene.begin().await;
    scene.note(2, &mut undone).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(scene.seen.sent().len(), 0, "nothing is committed");
    undone.rollback().await.unwrap();
    kept.commit().await.unwrap();
    // The worker's own interval is a minute: a relay behind a pooler looks sooner.
    scene.ran_exactly([1]).await;
    assert_eq!(scene.state(2).await, None);
}

#[tokio::test]
async fn many_commits_arrive_once_each_with_two_relays() {
    let (_pooler, scene) = scene().await;
    let _workers = [scene.worker(), scene.worker()];
    scene.commit_notes(0..300).await;
    scene.ran_exactly(0..300).await;
    assert_eq!(scene.seen.sent().len(), 300);
}

/// The transaction in which it took the rows must not stay open in the pooler.
#[tokio::test]
async fn a_relay_that_dies_before_it_sends_loses_nothing() {
    let (_pooler, scene) = scene().await;
    dies_before_it_sends(scene).await;
}

#[tokio::test]
async fn a_relay_that_dies_after_it_has_sent_runs_nothing_twice() {
    let (_pooler, scene) = scene().await;
    dies_after_it_has_sent(scene).await;
}

/// The queue has answered, and the rows cannot be deleted: they are not sent again.
#[tokio::test]
async fn a_pooler_that_dies_in_the_middle_costs_nothing() {
    let (pooler, scene) = scene().await;
    let pooler = Arc::new(pooler);
    let killed = pooler.clone();
    scene.seen.fail(Fault::Then(Box::new(move || killed.kill9())));
    scene.commit_notes([1]).await;
    let _worker = scene.worker();
    until("it runs", async || scene.ran.numbers() == [1]).await;
    pooler.start().await;
    scene.commit_notes([2]).await;
    scene.ran_exactly([1, 2]).await;
    assert_eq!(scene.seen.sent().len(), 2, "each once");
}
