//! The worker, and what it tells `add`.

use std::time::{Duration, Instant};

use docket::{Context, Docket, Failure, Policy, Queue, Registry, Task};

use crate::common::Redis;
use crate::shell::Shell;

#[test]
fn a_worker_runs_the_smoke_tasks_and_ends_when_all_is_done() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    shell.ok(&["add", "trace", r#"{"message":"seen by the log"}"#, "--key", "t"]);
    shell.ok(&["add", "fail", r#"{"message":"no luck"}"#, "--key", "f"]);
    shell.ok(&["add", "sleep", r#"{"seconds":0.1}"#, "--key", "s"]);
    shell.ok(&["add", "sleep", r#"{"seconds":-1}"#, "--key", "never"]);
    let started = Instant::now();
    let worker = shell.ok(&["worker", "--until-finished", "--concurrency", "2"]);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(worker.stdout.is_empty() && worker.stderr.contains("seen by the log"), "{worker:?}");
    assert_eq!(worker.stderr.matches("no luck").count(), 3, "three attempts: {worker:?}");
    let done = shell.show("t");
    assert_eq!(done["result"], "seen by the log");
    assert_eq!((&done["attempt"], &done["last_attempt"]), (&0.into(), &1.into()), "it ran once");
    assert_eq!(done["finished_at"], done["visible_at"]);
    assert_eq!(shell.show("s")["state"], "completed");
    assert_eq!(shell.show("never")["state"], "dead");
    let failed = shell.show("f");
    assert_eq!((&failed["state"], &failed["error"]), (&"dead".into(), &"no luck".into()));
    assert_eq!((&failed["attempt"], &failed["crashes"]), (&3.into(), &0.into()), "the dead keep their counts");
    assert!(failed["worker"].is_string() && failed["fence"].is_u64());
    assert_eq!(failed["last_attempt"], 3);
    for (name, key, attempt) in [("fail", "f", 3), ("sleep", "never", 1)] {
        let deaths: Vec<_> = worker.stderr.lines().filter(|line| line.contains("task failed for good")).collect();
        let line = deaths.iter().find(|line| line.contains(&format!("key={key} "))).expect("its death is logged");
        assert!(line.contains(&format!("task={name} attempt={attempt} ")) && deaths.len() == 2, "{deaths:?}");
    }
}

#[test]
fn a_worker_with_nothing_to_do_finds_out_at_once() {
    let redis = Redis::start(&[]);
    let started = Instant::now();
    Shell::on(&redis).ok(&["worker", "--until-finished", "--queues", "a, b"]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_terminated_worker_gives_its_task_back_uncounted() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    let mut worker = shell.worker(&[]);
    shell.ok(&["add", "sleep", r#"{"seconds":60}"#, "--key", "long"]);
    shell.wait_for("long", "running");
    let started = Instant::now();
    worker.terminate();
    assert_eq!(worker.end(), 0);
    assert!(started.elapsed() < Duration::from_secs(5), "below the usual kill: {:?}", started.elapsed());
    let task = shell.show("long");
    assert_eq!((&task["state"], &task["attempt"], &task["crashes"]), (&"ready".into(), &0.into(), &0.into()));
}

#[test]
fn a_second_signal_leaves_at_once() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    let mut worker = shell.worker(&[]);
    shell.ok(&["add", "sleep", r#"{"seconds":60}"#, "--key", "long"]);
    shell.wait_for("long", "running");
    worker.terminate();
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    worker.terminate();
    worker.end();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(shell.show("long")["state"], "running", "its lease is left to its deadline");
}

/// A task that lives in a queue of its own.
#[derive(serde::Serialize, serde::Deserialize)]
struct Export {}

impl Task for Export {
    const NAME: &'static str = "export";
    type Output = ();

    fn policy() -> Policy {
        Policy { queue: Queue::from_static("media"), ..Policy::default() }
    }

    async fn run(self, _ctx: Context) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn add_puts_a_task_where_its_live_worker_expects_it() {
    let redis = Redis::start(&[]);
    let shell = Shell::on(&redis);
    let unknown = shell.ok(&["add", "export", "--key", "early", "--in", "1h"]);
    assert!(unknown.stderr.contains("no live worker handles export in queue default"), "{unknown:?}");
    assert_eq!(shell.show("early")["queue"], "default");
    let mut registry = Registry::new();
    registry.register::<Export>().unwrap();
    let docket = Docket::connect(redis.url()).await.unwrap();
    let worker = docket.worker().registry(registry).build().unwrap();
    let stop = worker.stop_handle();
    let run = tokio::spawn(worker.run());
    while docket.store().workers().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let elsewhere = shell.ok(&["add", "export", "--queue", "nobodys", "--in", "1h"]);
    assert!(elsewhere.stderr.contains("no live worker handles export in queue nobodys"), "{elsewhere:?}");
    let known = shell.ok(&["add", "export", "--key", "media"]);
    assert!(known.stderr.is_empty(), "{known:?}");
    shell.wait_for("media", "completed");
    assert_eq!(shell.show("media")["queue"], "media");
    stop.stop();
    run.await.unwrap().unwrap();
}
