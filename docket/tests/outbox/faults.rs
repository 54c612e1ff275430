//! Servers that go away: rows wait, and everything else goes on.

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::servers::{PostgresServer, RedisServer, postgres_url, redis_url};
use docket::worker::{Alarm, HealthHandle};

use crate::gate::Fault;
use crate::scene::{Note, Scene, until};

const LOOK: Duration = Duration::from_millis(500);

fn stands_still(health: &HealthHandle) -> bool {
    let of_outbox = |alarm: &Alarm| matches!(alarm, Alarm::Stalled { name: "outbox", error: Some(_), .. });
    !health.is_ready() && health.alarms().iter().any(of_outbox)
}

#[tokio::test]
async fn with_the_queue_away_rows_wait_and_say_so() {
    let redis = RedisServer::start().await;
    let scene = Scene::on(&redis.url(), &postgres_url().await, docket_redis::Options::default()).await;
    let worker = scene.worker_that_looks(LOOK);
    scene.commit_notes([1]).await;
    scene.ran_exactly([1]).await;
    redis.kill9();
    scene.commit_notes(2..=20).await;
    until("an alarm", async || stands_still(&worker.health)).await;
    assert!(worker.health.oldest_waiting().unwrap() > Duration::from_secs(5));
    assert_eq!(scene.waiting().await, 19);
    redis.restart().await;
    scene.ran_exactly(1..=20).await;
    until("all is well", async || worker.health.is_ready() && worker.health.oldest_waiting().is_none()).await;
}

#[tokio::test]
async fn with_the_outbox_away_the_worker_goes_on_and_says_so() {
    let postgres = PostgresServer::start().await;
    let scene = Scene::on(&redis_url().await, &postgres.url(), docket_redis::Options::default()).await;
    scene.commit_notes([1]).await;
    postgres.kill9();
    let worker = scene.worker_that_looks(LOOK);
    for n in 2..=5 {
        scene.client.add(Note { n }).await.expect("the queue is there");
    }
    until("the queue's own tasks run", async || scene.ran.numbers() == [2, 3, 4, 5]).await;
    until("an alarm", async || stands_still(&worker.health)).await;
    postgres.restart().await;
    scene.ran_exactly(1..=5).await;
    until("all is well", async || worker.health.is_ready()).await;
    postgres.kill9();
    postgres.restart().await;
    scene.commit_notes([6]).await;
    scene.ran_exactly(1..=6).await;
}

/// The queue has answered and the rows cannot be deleted: a relay that lives through it does not send them again, so that
/// not even a task which the queue has forgotten by then runs twice.
#[tokio::test]
async fn what_was_answered_is_not_sent_again_by_the_same_relay() {
    let postgres = Arc::new(PostgresServer::start().await);
    let scene = Scene::on(&redis_url().await, &postgres.url(), docket_redis::Options::default()).await;
    let killed = postgres.clone();
    scene.seen.fail(Fault::Then(Box::new(move || killed.kill9())));
    scene.commit_notes([1]).await;
    let _worker = scene.worker_that_looks(LOOK);
    until("it runs", async || scene.ran.numbers() == [1]).await;
    postgres.restart().await;
    scene.commit_notes([2]).await;
    scene.ran_exactly([1, 2]).await;
    assert_eq!(scene.seen.sent().len(), 2, "each once");
}
