//! A row is deleted only when its task would outlive the queue's machine, where the queue can tell.

use std::time::Duration;

use crate::gate::Disk;
use crate::scene::{Scene, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_kept_until_the_queue_has_it_on_its_disk() {
    let scene = Scene::new().await;
    let worker = scene.worker();
    scene.commit_notes([1]).await;
    scene.ran_exactly([1]).await;
    scene.seen.disk(Disk::Silent);
    scene.commit_notes([2]).await;
    until("it runs all the same", async || scene.ran.numbers() == [1, 2]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.waiting().await, 1);
    scene.commit_notes([3]).await;
    until("new rows do not wait for it", async || scene.ran.numbers() == [1, 2, 3]).await;
    assert_eq!(scene.waiting().await, 2);
    scene.seen.disk(Disk::Own);
    scene.ran_exactly([1, 2, 3]).await;
    assert_eq!(scene.seen.sent().len(), 3, "each was sent once");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_queue_may_have_lost_is_sent_again() {
    let scene = Scene::new().await;
    let worker = scene.worker();
    scene.commit_notes([1]).await;
    scene.ran_exactly([1]).await;
    scene.seen.disk(Disk::Lost);
    scene.commit_notes([2]).await;
    scene.ran_exactly([1, 2]).await;
    let keys: Vec<String> = scene.seen.sent().iter().map(|task| task.key.to_string()).collect();
    assert_eq!(keys, ["note-1", "note-2", "note-2"]);
    worker.end().await;
}
