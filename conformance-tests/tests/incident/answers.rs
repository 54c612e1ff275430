//! One answer lost after the call took effect, for each verb: the effect happened once, and a
//! repeated call gets the first answer.

use std::time::{Duration, Instant};

use conformance_tests::proxy::Then;
use docket_core::{
    Ack, AckAnswer, Answer, CancelAnswer, CancelId, Heartbeat, HeartbeatAnswer, Lease, Outcome, RequeueAnswer, Result,
    TaskKey, TaskState, limits,
};
use futures_util::future::join_all;

use crate::scene::{SOON, Scene, request};
use crate::stores::SERVED;
use crate::tasks::Note;

const LEASE: Duration = Duration::from_secs(30);

/// Plays with the connection closed after the loss, and with it silent, on each store with a server.
async fn on_each_loss(play: impl AsyncFn(Scene, Then)) {
    let plays = [Then::Close, Then::Silence].into_iter().flat_map(|then| SERVED.map(|kind| (kind, then)));
    join_all(plays.map(async |(kind, then)| {
        let scene = Scene::proxied(kind, "answers").await;
        // The server knows the scripts and statements, so the lost answer is that of the run.
        warm_up(&scene).await;
        play(scene, then).await;
    }))
    .await;
}

async fn warm_up(scene: &Scene) {
    scene.client.add(Note {}).key("warm").await.unwrap();
    scene.client.schedule(Note {}).key("warm").await.unwrap();
    let lease = take(scene, "warm").await;
    beat(scene, &lease).await.unwrap();
    settle(scene, &ack(&lease, completed())).await.unwrap();
    let key = TaskKey::new("warm").unwrap();
    scene.client.cancel(&key).await.unwrap();
    scene.client.requeue(&key, None).await.unwrap();
}

/// Acts as a caller of the store: repeats a call without an answer, unchanged, within its limit.
async fn again<T>(mut call: impl AsyncFnMut() -> Result<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_retryable() && Instant::now() < end, "{error:?}"),
        }
    }
}

/// Takes the one task there is, from another machine.
async fn take(scene: &Scene, name: &str) -> Lease {
    let mut leases = scene.aside.lease(&request(name, "note", 1, LEASE)).await.unwrap().leases;
    assert_eq!(leases.len(), 1);
    leases.remove(0)
}

async fn nothing_left(scene: &Scene) {
    let left = scene.aside.lease(&request("another", "note", 10, LEASE)).await.unwrap();
    assert!(left.leases.is_empty(), "{:?}", left.leases);
}

fn completed() -> Outcome {
    Outcome::Completed(None)
}

fn ack(lease: &Lease, outcome: Outcome) -> Ack {
    Ack { token: lease.token.clone(), outcome, max_attempts: 3, retention: limits::RETENTION }
}

async fn settle(scene: &Scene, ack: &Ack) -> Result<AckAnswer> {
    scene.store.ack(std::slice::from_ref(ack)).await?.answers.remove(0)
}

async fn beat(scene: &Scene, lease: &Lease) -> Result<HeartbeatAnswer> {
    let worker = request("beats", "note", 1, LEASE).worker;
    let beat = Heartbeat { worker, tokens: vec![lease.token.clone()], lease_for: LEASE };
    scene.store.heartbeat(&beat).await?.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_add_adds_once() {
    on_each_loss(async |scene, then| {
        let loss = scene.proxy().lose_answer("the-key", then);
        assert_eq!(scene.client.add(Note {}).key("the-key").await.unwrap().answer, Answer::Added);
        assert!(loss.happened());
        take(&scene, "one").await;
        nothing_left(&scene).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_schedule_moves_once() {
    on_each_loss(async |scene, then| {
        let loss = scene.proxy().lose_answer("the-key", then);
        let placed = scene.client.schedule(Note {}).key("the-key").after(LEASE).await.unwrap();
        assert_eq!((placed.answer, loss.happened()), (Answer::Added, true));
        let loss = scene.proxy().lose_answer("the-key", then);
        let moved = scene.client.schedule(Note {}).key("the-key").await.unwrap();
        assert_eq!((moved.answer, loss.happened()), (Answer::Moved, true));
        take(&scene, "one").await;
        nothing_left(&scene).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_lease_takes_once() {
    on_each_loss(async |scene, then| {
        for n in 0..3 {
            scene.client.add(Note {}).key(format!("k{n}")).await.unwrap();
        }
        let request = request("the-worker", "note", 2, LEASE);
        let loss = scene.proxy().lose_answer("the-worker", then);
        let leases = again(async || scene.store.lease(&request).await).await.leases;
        assert!(loss.happened());
        let keys: Vec<&str> = leases.iter().map(|lease| lease.token.key.as_str()).collect();
        assert_eq!(keys, ["k0", "k1"]);
        assert!(leases.iter().all(|lease| lease.crashes == 0));
        assert_eq!(scene.view("k2").await.fence, None, "the third was taken by nobody");
        assert_eq!(settle(&scene, &ack(&leases[0], completed())).await.unwrap(), AckAnswer::Settled);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_heartbeat_keeps_the_lease() {
    on_each_loss(async |scene, then| {
        scene.client.add(Note {}).key("the-key").await.unwrap();
        let lease = take(&scene, "one").await;
        let loss = scene.proxy().lose_answer("the-key", then);
        assert_eq!(again(async || beat(&scene, &lease).await).await, HeartbeatAnswer::Held);
        assert!(loss.happened());
        assert!(scene.view("the-key").await.visible_at > lease.deadline);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_ack_settles_once() {
    on_each_loss(async |scene, then| {
        scene.client.add(Note {}).key("the-key").await.unwrap();
        let retry = Outcome::Retry { after: Duration::ZERO, error: "it failed".to_owned() };
        for outcome in [retry, completed()] {
            let ack = ack(&take(&scene, "one").await, outcome);
            let loss = scene.proxy().lose_answer("the-key", then);
            assert_eq!(again(async || settle(&scene, &ack).await).await, AckAnswer::Settled);
            assert!(loss.happened());
            assert_eq!(scene.view("the-key").await.attempts, 1);
        }
        assert_eq!(scene.view("the-key").await.state, TaskState::Completed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_cancel_cancels_once() {
    on_each_loss(async |scene, then| {
        scene.client.add(Note {}).key("the-key").await.unwrap();
        let key = TaskKey::new("the-key").unwrap();
        let loss = scene.proxy().lose_answer("the-key", then);
        assert_eq!(scene.client.cancel(&key).await.unwrap(), CancelAnswer::Cancelled);
        assert!(loss.happened());

        // A repetition that comes late does not hit the next life.
        let id = CancelId::unique();
        scene.client.add(Note {}).key("the-key").await.unwrap();
        let loss = scene.proxy().lose_answer("the-key", then);
        assert_eq!(again(async || scene.store.cancel(&key, id).await).await, CancelAnswer::Cancelled);
        assert!(loss.happened());
        scene.client.add(Note {}).key("the-key").await.unwrap();
        assert_eq!(scene.store.cancel(&key, id).await.unwrap(), CancelAnswer::Cancelled);
        assert_eq!(scene.view("the-key").await.state, TaskState::Ready);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_requeue_gives_one_life() {
    on_each_loss(async |scene, then| {
        scene.client.add(Note {}).key("the-key").await.unwrap();
        let lease = take(&scene, "one").await;
        settle(&scene, &ack(&lease, Outcome::Dead { error: "hopeless".to_owned() })).await.unwrap();
        let key = TaskKey::new("the-key").unwrap();
        let loss = scene.proxy().lose_answer("the-key", then);
        let fence = Some(lease.token.fence);
        assert_eq!(scene.client.requeue(&key, fence).await.unwrap(), RequeueAnswer::Requeued);
        assert!(loss.happened());
        settle(&scene, &ack(&take(&scene, "one").await, completed())).await.unwrap();
        nothing_left(&scene).await;
    })
    .await;
}
