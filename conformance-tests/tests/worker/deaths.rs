//! A task that will not run again by itself is one error line, whatever the cause.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{
    KnownName, LeaseOrder, LeaseRequest, LeaseSuspects, NewTask, Payload, Queue, RequestId, Store, TaskKey, TaskName,
    TaskState, WorkerId, WorkerRecord,
};

use crate::cases::{Scene, eventually, fast};
use crate::jobs::{Fail, How};
use crate::logs;

const DEATH: &str = "task failed for good";

/// The line of the death of `key`, from a process that logs from `warn` on.
async fn death(key: &str) -> String {
    eventually("the death is logged", async || deaths(key).pop()).await
}

fn deaths(key: &str) -> Vec<String> {
    logs::lines(key).into_iter().filter(|line| line.contains(DEATH)).collect()
}

/// A key that no other test logs.
fn unique(what: &str) -> String {
    format!("{what}-{}", TaskKey::unique())
}

pub(crate) async fn each_death_is_one_error_line_that_names_the_task(store: Arc<dyn Store>) {
    logs::keep();
    let scene = Scene::new(store);
    let worker = scene.start(fast());
    // The last attempt, whoever set the limit; a fatal failure; a panic; a timeout.
    let ways = [
        ("used-up", How::Error, None, 3),
        ("overridden", How::Error, Some(2), 2),
        ("fatal", How::Fatal, None, 1),
        ("panic", How::Panic, Some(1), 1),
        ("timeout", How::Hang, Some(1), 1),
    ];
    for (what, how, max_attempts, attempts) in ways {
        let key = unique(what);
        let mut add = scene.client.add(Fail { how, good_from: u32::MAX }).key(key.as_str());
        if let Some(max) = max_attempts {
            add = add.max_attempts(max);
        }
        add.await.unwrap();
        let view = scene.until(&key, TaskState::Dead).await;
        let line = death(&key).await;
        assert!(line.contains("ERROR") && !line.contains("WARN"), "{line}");
        for said in [format!("key={key}"), "task=fail".to_owned(), format!("attempt={attempts}")] {
            assert!(line.contains(&said), "{said}: {line}");
        }
        assert_eq!(view.attempts, attempts, "{what}");
        let lines = logs::lines(&key);
        let (warned, died) = (lines.iter().filter(|line| line.contains("WARN")).count(), deaths(&key).len());
        assert_eq!((warned + 1, died), (attempts as usize, 1), "no warning speaks of a next attempt: {lines:?}");
        let json = logs::json(&key);
        let fields = &json.iter().find(|line| line["level"] == "ERROR").expect("it is in JSON as well")["fields"];
        assert_eq!((&fields["key"], &fields["task"]), (&key.into(), &"fail".into()));
        assert_eq!((&fields["attempt"], &fields["message"]), (&attempts.into(), &DEATH.into()));
    }
    worker.stopped().await;
}

/// Nobody is there to say so but the worker that finds it.
pub(crate) async fn the_crash_limit_is_a_death_as_well(store: Arc<dyn Store>) {
    logs::keep();
    let scene = Scene::new(store);
    let key = unique("crashed");
    let mut task = NewTask::keyed(TaskKey::new(&key).unwrap(), TaskName::new("slow").unwrap(), Payload::new("{}"));
    task.overrides.max_crashes = Some(1);
    scene.client.add_all(&[task]).await.unwrap().remove(0).unwrap();
    let short = Duration::from_millis(50);
    let doomed = LeaseRequest {
        request: RequestId::unique(),
        worker: WorkerRecord {
            id: WorkerId::new("doomed").unwrap(),
            queues: vec![Queue::default()],
            names: Vec::new(),
            concurrency: 1,
            running: 0,
            settled: 0,
            ttl: short,
        },
        queues: vec![Queue::default()],
        names: vec![KnownName { name: TaskName::new("slow").unwrap(), max_crashes: 5 }],
        count: 1,
        suspects: LeaseSuspects::Avoid,
        lease_for: short,
        wait: Duration::ZERO,
        order: LeaseOrder::Precedence,
    };
    assert_eq!(scene.store.lease(&doomed).await.unwrap().leases.len(), 1);
    tokio::time::sleep(short * 2).await;
    let worker = scene.start(fast());
    scene.until(&key, TaskState::Dead).await;
    let line = death(&key).await;
    for said in ["ERROR", "task=slow", "attempt=1", "its lease ran out too often"] {
        assert!(line.contains(said), "{said}: {line}");
    }
    assert_eq!(deaths(&key).len(), 1);
    worker.stopped().await;
}

pub(crate) async fn a_failure_that_is_not_the_last_is_a_warning(store: Arc<dyn Store>) {
    logs::keep();
    let scene = Scene::new(store);
    let key = unique("again");
    scene.client.add(Fail { how: How::Error, good_from: 2 }).key(key.as_str()).await.unwrap();
    let worker = scene.start(fast());
    scene.until(&key, TaskState::Completed).await;
    let lines = logs::lines(&key);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("task=fail") && lines[0].contains("attempt=1"), "{lines:?}");
    // The span of a run has a name of its own in JSON, beside the task's.
    let spans: Vec<_> = logs::json(&key).into_iter().filter(|line| line["span"]["key"] == key.as_str()).collect();
    assert!(spans.iter().all(|line| line["span"]["name"] == "task" && line["span"]["task"] == "fail"), "{spans:?}");
    assert!(!spans.is_empty(), "the handler has logged something within its run");
    worker.stopped().await;
}
