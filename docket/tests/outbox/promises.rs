//! What the outbox promises while nothing fails.

use std::time::Duration;

use conformance_tests::servers::{postgres_url, redis_url};
use docket::{
    AddId, Answer, Docket, InTransaction, NewTask, Overrides, Payload, Queue, Registry, RunAt, Settings, TaskKey,
    TaskName, TaskState, Timestamp, Verb,
};

use crate::scene::{Note, Running, Scene, unique, until};

/// As the guide says.
#[tokio::test]
async fn a_service_sets_it_up_with_one_line_and_adds_with_one_call() {
    let docket = Docket::connect(redis_url().await).name(format!("outbox.{}", unique())).outbox(postgres_url().await);
    let docket = docket.await.unwrap();
    assert!(docket.store().capabilities().transactional_add);
    let pool = sqlx::PgPool::connect(&postgres_url().await).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let receipt = docket.client().add(Note { n: 1 }).key("k").in_transaction(&mut tx).await.unwrap();
    assert_eq!((receipt.key.as_str(), receipt.answer), ("k", Answer::InOutbox));
    tx.commit().await.unwrap();
    assert_eq!(docket.outbox().unwrap().row_counts().await.unwrap().waiting, 1);

    let mut registry = Registry::new();
    registry.register::<Note>().unwrap();
    let ran = std::sync::Arc::<crate::scene::Ran>::default();
    let worker = docket.worker().registry(registry).settings(Settings::default()).state(ran.clone());
    worker.build().unwrap().run_until_finished().await.expect("what is in the outbox is not finished");
    assert_eq!(ran.numbers(), [1]);
}

#[tokio::test]
async fn a_task_is_there_at_the_commit_and_gone_at_the_rollback() {
    let scene = Scene::new().await;
    let worker = scene.worker();
    scene.commit_notes([1]).await;
    scene.ran_exactly([1]).await;
    let mut kept = scene.begin().await;
    scene.note(2, &mut kept).await;
    let mut undone = scene.begin().await;
    scene.note(3, &mut undone).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((scene.state(2).await, scene.ran.numbers()), (None, vec![1]), "nothing is committed");
    undone.rollback().await.unwrap();
    kept.commit().await.unwrap();
    scene.ran_exactly([1, 2]).await;
    assert_eq!(scene.state(3).await, None);
    worker.end().await;
}

/// A transaction may have been repeated by a caller that did not hear of its commit.
#[tokio::test]
async fn the_same_add_id_is_one_task() {
    let scene = Scene::new().await;
    let id = AddId::unique();
    for _ in 0..2 {
        let mut tx = scene.begin().await;
        scene.client.add(Note { n: 1 }).key("k").add_id(id).in_transaction(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    scene.commit_notes([2]).await;
    let _worker = scene.worker();
    scene.ran_exactly([1, 2]).await;
}

#[tokio::test]
async fn a_schedule_moves_what_waits_and_the_last_one_counts() {
    let scene = Scene::new().await;
    let _worker = scene.worker();
    for n in 1..=5 {
        let mut tx = scene.begin().await;
        let later = scene.client.schedule(Note { n }).key("k").after(Duration::from_secs(2));
        assert_eq!(later.in_transaction(&mut tx).await.unwrap().answer, Answer::InOutbox);
        tx.commit().await.unwrap();
    }
    until("the last has arrived", async || scene.waiting().await == 0 && scene.seen.sent().len() == 5).await;
    let task = scene.client.store().get(&TaskKey::new("k").unwrap()).await.unwrap().unwrap();
    assert_eq!(task.state, TaskState::Scheduled);
    scene.ran_exactly([5]).await;
}

#[tokio::test]
async fn a_task_arrives_as_it_was_given() {
    let scene = Scene::new().await;
    let year_2100 = Timestamp::from_micros(4_102_444_800_000_000);
    let plain = NewTask::new(TaskName::new("other").unwrap(), Payload::new(vec![0, 255, b'\n']));
    let full = NewTask {
        queue: Queue::new("slow").unwrap(),
        run_at: RunAt::At(year_2100),
        every: Some(Duration::from_secs(90)),
        overrides: Overrides { max_attempts: Some(7), max_crashes: Some(2) },
        key: TaskKey::new(format!("ключ {}", unique())).unwrap(),
        ..plain.clone()
    };
    let full = NewTask { add_id: AddId::unique(), ..full };
    scene.commit(Verb::Add, &[plain.clone(), full.clone()]).await;
    let _worker = scene.worker();
    until("they arrive", async || scene.seen.sent().len() == 2).await;
    assert_eq!(scene.seen.sent(), [plain, full]);
}

#[tokio::test]
async fn a_delay_counts_from_the_call() {
    let scene = Scene::new().await;
    let delayed = |seconds| NewTask {
        run_at: RunAt::In(Duration::from_secs(seconds)),
        ..NewTask::new(TaskName::new("other").unwrap(), Payload::new("{}"))
    };
    scene.commit(Verb::Add, &[delayed(100), delayed(1)]).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let _worker = scene.worker();
    until("they arrive", async || scene.seen.sent().len() == 2).await;
    let left: Vec<_> = scene.seen.sent().iter().map(|task| task.run_at).collect();
    assert!(
        matches!(left[0], RunAt::In(left) if left < Duration::from_millis(98_900) && left > Duration::from_secs(60))
    );
    assert_eq!(left[1], RunAt::In(Duration::ZERO));
}

/// The queue takes less than the outbox: the row is kept and shown, and what came after it arrives.
#[tokio::test]
async fn a_row_that_the_queue_refuses_holds_up_no_other() {
    let options = docket_redis::Options { max_payload_bytes: 100, ..docket_redis::Options::default() };
    let scene = Scene::on(&redis_url().await, &postgres_url().await, options).await;
    let large = NewTask::new(TaskName::new("other").unwrap(), Payload::new(vec![b' '; 101]));
    scene.commit(Verb::Add, std::slice::from_ref(&large)).await;
    scene.commit_notes([1]).await;
    let worker = scene.worker();
    scene.ran_exactly([1]).await;
    let counts = scene.store.row_counts().await.unwrap();
    let row = counts.latest_refused.unwrap();
    assert_eq!((counts.waiting, counts.refused, row.key.as_str()), (0, 1, large.key.as_str()));
    assert!(row.error.contains("max_payload_bytes"), "{}", row.error);
    assert!(worker.health.is_ready() && worker.health.alarms().is_empty());
}

/// As a queue on Postgres cannot, while somebody's transaction has the key.
#[tokio::test]
async fn a_row_that_the_queue_cannot_take_now_holds_up_no_other_key() {
    let scene = Scene::new().await;
    scene.seen.busy(Some(TaskKey::new("note-1").unwrap()));
    scene.commit_notes(1..=3).await;
    let worker = scene.worker();
    until("the others run", async || scene.ran.numbers() == [2, 3]).await;
    assert!(worker.health.is_ready());
    scene.commit_notes([4]).await;
    until("later ones run", async || scene.ran.numbers() == [2, 3, 4]).await;
    // The others have run; their rows go once the queue's disk has them.
    until("only it waits", async || scene.waiting().await == 1).await;
    scene.seen.busy(None);
    scene.ran_exactly(1..=4).await;
}

#[tokio::test]
async fn a_worker_that_runs_until_all_is_finished_waits_for_the_outbox() {
    let scene = Scene::new().await;
    scene.seen.busy(Some(TaskKey::new("note-1").unwrap()));
    scene.commit_notes([1]).await;
    let run = tokio::spawn(scene.build(Duration::from_secs(60)).run_until_finished());
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(!run.is_finished(), "a row waits");
    scene.seen.busy(None);
    run.await.unwrap().unwrap();
    assert_eq!(scene.ran.numbers(), [1]);
}

#[tokio::test]
async fn stopping_a_worker_leaves_the_rows_to_the_next() {
    let scene = Scene::new().await;
    let first: Running = scene.worker();
    scene.commit_notes([1]).await;
    scene.ran_exactly([1]).await;
    first.end().await;
    scene.commit_notes([2]).await;
    let _second = scene.worker();
    scene.ran_exactly([1, 2]).await;
}
