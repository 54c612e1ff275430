//! One row after another of the same key, as they were committed; each row once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use docket::{InTransaction, NewTask, Payload, TaskKey, TaskName, Verb};

use crate::scene::{Note, Scene, until};

const KEYS: usize = 3;
const WRITERS: usize = 8;
const EACH: usize = 60;

/// Transactions that race for a few keys, some of which are rolled back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_key_arrives_in_the_order_of_its_commits() {
    let scene = Arc::new(Scene::new().await);
    let _workers = [scene.worker(), scene.worker()];
    let committed: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(write(scene.clone(), writer, committed.clone()))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    until("all have arrived", async || scene.waiting().await == 0).await;
    // A relay that is too slow for the database loses its rows to another, which sends them again: the queue knows a
    // repeated call by its id, so that only the first one counts.
    let mut seen = HashSet::new();
    let sent = scene.seen.sent();
    let arrived: Vec<_> = sent.iter().map(key_and_args).filter(|row| seen.insert(row.clone())).collect();
    let committed = committed.lock().unwrap().clone();
    assert_eq!(by_key(&arrived), by_key(&committed));
    assert!(arrived.len() > WRITERS * EACH / 2, "most were committed: {}", arrived.len());
}

async fn write(scene: Arc<Scene>, writer: usize, committed: Arc<Mutex<Vec<(String, String)>>>) {
    for n in 0..EACH {
        let (n, key) = (writer * EACH + n, format!("key-{}", (writer + n) % KEYS));
        let mut tx = scene.begin().await;
        scene.client.schedule(Note { n }).key(&key).in_transaction(&mut tx).await.unwrap();
        if n % 7 == 0 {
            tx.rollback().await.unwrap();
            continue;
        }
        // From the call to the commit the key is this transaction's, so what is noted now is noted in that order.
        committed.lock().unwrap().push((key, format!("{{\"n\":{n}}}")));
        tokio::task::yield_now().await;
        tx.commit().await.unwrap();
    }
}

fn key_and_args(task: &NewTask) -> (String, String) {
    (task.key.as_str().to_owned(), String::from_utf8(task.args.as_bytes().to_vec()).unwrap())
}

fn by_key(tasks: &[(String, String)]) -> HashMap<&str, Vec<&str>> {
    let mut all: HashMap<&str, Vec<&str>> = HashMap::new();
    for (key, args) in tasks {
        all.entry(key).or_default().push(args);
    }
    all
}

/// Three relays, one outbox: the figures are what it takes on this machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_rows_arrive_once_each() {
    const ROWS: u32 = 10_000;
    let scene = Scene::new().await;
    let task = |n: u32| NewTask {
        key: TaskKey::new(format!("row-{n}")).unwrap(),
        ..NewTask::new(TaskName::new("other").unwrap(), Payload::new(format!("{{\"n\":{n}}}")))
    };
    let started = std::time::Instant::now();
    for chunk in 0..ROWS / 100 {
        let tasks: Vec<_> = (chunk * 100..(chunk + 1) * 100).map(task).collect();
        scene.commit(if chunk % 2 == 0 { Verb::Add } else { Verb::Schedule }, &tasks).await;
    }
    let written = started.elapsed();
    let started = std::time::Instant::now();
    let _workers = [scene.worker(), scene.worker(), scene.worker()];
    until("all have arrived", async || scene.waiting().await == 0).await;
    let relayed = started.elapsed();
    let mut sent: Vec<String> = scene.seen.sent().iter().map(|task| task.key.as_str().to_owned()).collect();
    sent.sort_unstable();
    sent.dedup();
    let rows = usize::try_from(ROWS).unwrap();
    assert_eq!(sent.len(), rows, "each was sent");
    assert!(scene.seen.sent().len() < 2 * rows, "hardly any was sent twice");
    let counts = scene.client.store().counts().await.unwrap();
    assert_eq!(counts.iter().map(|lane| lane.ready).sum::<u64>(), u64::from(ROWS));
    let rate = |took: std::time::Duration| f64::from(ROWS) / took.as_secs_f64();
    println!("{ROWS} rows: {:.0}/s written, 100 a commit; {:.0}/s relayed", rate(written), rate(relayed));
}
