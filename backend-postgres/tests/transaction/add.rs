//! Adds inside the caller's transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::{Answer, Client, DocketName, ErrorKind, Existing, TaskState};
use docket_memory::MemoryBackend;
use docket_postgres::InTransaction;

use crate::service::{Note, Service};

#[tokio::test]
async fn a_task_is_there_at_the_commit_and_not_before() {
    let service = Service::new().await;
    let tx = service.half_done("k").await;
    assert_eq!((service.state("k").await, service.rows().await), (None, 0));
    tx.commit().await.unwrap();
    assert_eq!((service.state("k").await, service.rows().await), (Some(TaskState::Ready), 1));
}

/// The docket itself is new, too: were it made in the transaction, nobody could enter it before the commit.
#[tokio::test]
async fn the_first_task_of_a_docket_holds_up_nobody() {
    let service = Service::new().await;
    let tx = service.half_done("k").await;
    let other = service.client.add(Note {}).key("other");
    assert_eq!(other.await.unwrap().answer, Answer::Added);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn after_a_rollback_there_is_none() {
    let service = Service::new().await;
    service.half_done("k").await.rollback().await.unwrap();
    assert_eq!((service.state("k").await, service.rows().await), (None, 0));
    assert_eq!(service.client.add(Note {}).key("k").await.unwrap().answer, Answer::Added);
}

/// T16: a process that dies between its commit and its add has lost a task, one that adds first has invented one. Here it
/// dies with both in one transaction.
#[tokio::test]
async fn t16_a_death_before_the_commit_leaves_neither_row_nor_task() {
    let service = Service::new().await;
    let mut tx = service.half_done("k").await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *tx).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&service.pool).await.unwrap();
    assert!(tx.commit().await.is_err());
    assert_eq!((service.state("k").await, service.rows().await), (None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commit_wakes_a_waiting_worker() {
    let service = Service::new().await;
    let (worker, mut starts) = service.worker();
    let stop = worker.stop_handle();
    let running = tokio::spawn(worker.run());
    // The first one shows that it waits for the second.
    service.client.add(Note {}).await.unwrap();
    starts.recv().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let tx = service.half_done("k").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(starts.try_recv().is_err(), "it is not committed");
    let committed = Instant::now();
    tx.commit().await.unwrap();
    let started = tokio::time::timeout(Duration::from_secs(10), starts.recv()).await.expect("it is woken").unwrap();
    assert!(started.duration_since(committed) < Duration::from_secs(2), "{:?}", started.duration_since(committed));
    stop.stop();
    running.await.unwrap().unwrap();
}

/// A transaction that takes its time, with a key in it that lived before (which changes what is counted), must not hold
/// up those who add, wait, lease and settle other keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_holds_up_nobody_else() {
    let service = Service::new().await;
    let (worker, mut starts) = service.worker();
    let stop = worker.stop_handle();
    let running = tokio::spawn(worker.run());
    service.client.add(Note {}).key("k").await.unwrap();
    starts.recv().await.unwrap();
    service.until("k", TaskState::Completed).await;
    let tx = service.half_done("k").await;
    for n in 0..40 {
        let added = Instant::now();
        service.client.add(Note {}).key(format!("other-{n}")).await.unwrap();
        let started = tokio::time::timeout(Duration::from_secs(5), starts.recv()).await.expect("it runs").unwrap();
        assert!(started.duration_since(added) < Duration::from_secs(1), "{n}: {:?}", started.duration_since(added));
    }
    tx.commit().await.unwrap();
    starts.recv().await.unwrap();
    stop.stop();
    running.await.unwrap().unwrap();
    assert_eq!(service.state("k").await, Some(TaskState::Completed));
    assert_eq!(service.client.store().audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_is_taken_says_so_and_a_schedule_moves_it() {
    let service = Service::new().await;
    service.client.add(Note {}).key("k").await.unwrap();
    let mut tx = service.pool.begin().await.unwrap();
    let add = service.client.add(Note {}).key("k").in_transaction(&mut tx).await.unwrap();
    assert_eq!(add.answer, Answer::Exists(Existing::In(TaskState::Ready)));
    let later = service.client.schedule(Note {}).key("k").after(Duration::from_mins(1));
    assert_eq!(later.in_transaction(&mut tx).await.unwrap().answer, Answer::Moved);
    tx.commit().await.unwrap();
    assert_eq!(service.state("k").await, Some(TaskState::Scheduled));
}

#[tokio::test]
async fn a_docket_elsewhere_has_no_part_in_it() {
    let service = Service::new().await;
    let elsewhere = Client::new(Arc::new(MemoryBackend::new(DocketName::default())));
    let mut tx = service.pool.begin().await.unwrap();
    let refused = elsewhere.add(Note {}).in_transaction(&mut tx).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("memory"), "{refused}");
    assert!(!elsewhere.store().capabilities().transactional_add);
}
