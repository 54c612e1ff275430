//! T10, T14, T20: workers as processes, killed and replaced.
//!
//! A process is this test binary once more, started for the one test that is not a real test:
//! [`a_worker_process`].

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::{Client, Context, DocketName, Failure, Policy, Registry, Store, Task, TaskKey, TaskState, Worker};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::scene::{IN_TIME, SOON, Setup, eventually};
use crate::stores::{Kind, SERVED, docket, on_kinds, open};

/// The variable with a process's instructions.
const ASKED: &str = "DOCKET_INCIDENT_PROCESS";

/// The instructions of a worker process.
#[derive(Serialize, Deserialize, Clone)]
struct Asked {
    url: String,
    docket: String,
    /// Runs leave a line here, whichever process they were in.
    log: PathBuf,
    heartbeat_ms: u64,
    /// Whether it never ends its tasks.
    stuck: bool,
    /// Whether its worker leaves signals to it.
    without_signals: bool,
}

impl Asked {
    /// Starts it.
    fn start(&self) -> Process {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["processes::a_worker_process", "--exact", "--ignored", "--nocapture"])
            .env(ASKED, serde_json::to_string(self).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Process(child.unwrap())
    }

    fn worker(&self, store: Arc<dyn Store>) -> Worker {
        let mut registry = Registry::new();
        registry.register::<Work>().unwrap().register::<Deadly>().unwrap();
        let settings = Setup::new(self.heartbeat_ms, 1).settings();
        let builder = Worker::builder(store).registry(registry).settings(settings).state(Arc::new(self.clone()));
        if self.without_signals { builder.without_signals() } else { builder }.build().unwrap()
    }

    fn lines(&self, key: &str) -> usize {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter(|line| *line == key).count()
    }
}

/// A process, killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn kill9(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to end, as a platform does, and waits: how long did it take, and how did it end?
    async fn terminate(mut self) -> (Duration, ExitStatus) {
        let start = Instant::now();
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let status = eventually("the process ends", Duration::from_secs(10), async || self.0.try_wait().unwrap()).await;
        (start.elapsed(), status)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a worker process of T10, T14 and T20, not a test"]
async fn a_worker_process() {
    let asked: Asked = serde_json::from_str(&std::env::var(ASKED).expect("started by a test")).unwrap();
    let store = open(&asked.url, &DocketName::new(&asked.docket).unwrap()).await;
    asked.worker(store).run().await.unwrap();
}

/// Takes a while and leaves a line, unless its process is stuck.
#[derive(Serialize, Deserialize)]
struct Work {
    millis: u64,
}

impl Task for Work {
    const NAME: &'static str = "work";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let asked = ctx.state::<Asked>()?;
        if asked.stuck {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(self.millis)).await;
        // One small write at the end of a file: lines of several processes do not mix.
        let mut log = OpenOptions::new().append(true).create(true).open(&asked.log)?;
        log.write_all(format!("{}\n", ctx.key()).as_bytes())?;
        Ok(())
    }
}

/// Takes its whole process with it, every time.
#[derive(Serialize, Deserialize)]
struct Deadly {}

impl Task for Deadly {
    const NAME: &'static str = "deadly";
    type Output = ();

    fn policy() -> Policy {
        Policy { max_crashes: 2, ..Policy::default() }
    }

    async fn run(self, _: Context) -> Result<(), Failure> {
        std::process::abort();
    }
}

struct Scene {
    asked: Asked,
    store: Arc<dyn Store>,
    client: Client,
    _directory: TempDir,
}

impl Scene {
    async fn new(kind: Kind, heartbeat_ms: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = kind.url().await;
        let docket = docket("processes");
        let store = open(&url, &docket).await;
        let log = directory.path().join("runs");
        let asked = Asked { url, docket: docket.to_string(), log, heartbeat_ms, stuck: false, without_signals: false };
        Self { asked, client: Client::new(store.clone()), store, _directory: directory }
    }

    fn lease(&self) -> Duration {
        Setup::new(self.asked.heartbeat_ms, 1).lease()
    }

    fn start_stuck(&self) -> Process {
        Asked { stuck: true, ..self.asked.clone() }.start()
    }

    async fn until(&self, key: &str, state: TaskState, within: Duration) -> docket_core::TaskView {
        let key = TaskKey::new(key).unwrap();
        eventually(&format!("{key} is {state}"), within, async || {
            self.store.get(&key).await.unwrap().filter(|view| view.state == state)
        })
        .await
    }
}

/// The killed process returns under the same command, or never: both times another worker has the
/// tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t10_what_a_killed_worker_held_runs_once_its_own_leases_end_and_not_before() {
    let plays = [(50, false), (50, true), (2_000, false)];
    let plays = plays.into_iter().flat_map(|(heartbeat_ms, back)| SERVED.map(|kind| (kind, heartbeat_ms, back)));
    join_all(plays.map(async |(kind, heartbeat_ms, back)| {
        let scene = Scene::new(kind, heartbeat_ms).await;
        let keys: Vec<String> = (0..10).map(|n| format!("k{n}")).collect();
        for key in &keys {
            scene.client.add(Work { millis: 0 }).key(key).await.unwrap();
        }
        let victim = scene.start_stuck();
        for key in &keys {
            scene.until(key, TaskState::Running, Duration::from_secs(20)).await;
        }
        let survivor = (!back).then(|| scene.asked.start());
        victim.kill9();
        let (killed, lease) = (Instant::now(), scene.lease());
        let restarted = back.then(|| scene.asked.start());

        // The last renewal was at most a quarter of a lease ago.
        tokio::time::sleep(lease / 2).await;
        assert!(!scene.asked.log.exists(), "stolen before the lease was over");
        for key in &keys {
            let left = (lease + SOON).saturating_sub(killed.elapsed());
            let view = scene.until(key, TaskState::Completed, left).await;
            assert_eq!(scene.asked.lines(key), 1, "{key}");
            assert_eq!((view.crashes, view.attempts), (1, 0), "a lost worker is not a failed attempt");
        }
        drop((survivor, restarted));
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t10_a_task_that_kills_its_workers_is_dead_and_takes_no_other_with_it() {
    on_kinds(&SERVED, deadly).await;
}

async fn deadly(kind: Kind) {
    let scene = Scene::new(kind, 50).await;
    scene.client.add(Deadly {}).key("deadly").await.unwrap();
    let end = Instant::now() + (scene.lease() + SOON) * 3;
    let mut process = scene.asked.start();
    // As a platform does: a process that ends is restarted.
    let view = loop {
        if process.0.try_wait().unwrap().is_some() {
            process = scene.asked.start();
        }
        match scene.store.get(&TaskKey::new("deadly").unwrap()).await.unwrap() {
            Some(view) if view.state == TaskState::Dead => break view,
            _ => assert!(Instant::now() < end, "it is not dead"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(view.worker.is_some());
    for n in 0..10 {
        scene.client.add(Work { millis: 0 }).key(format!("k{n}")).await.unwrap();
    }
    for n in 0..10 {
        scene.until(&format!("k{n}"), TaskState::Completed, SOON).await;
    }
}

/// Three deploys under way with work in flight and tasks for later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_rolling_deploys_lose_nothing_and_end_within_the_grace() {
    on_kinds(&SERVED, deploys).await;
}

async fn deploys(kind: Kind) {
    let scene = Scene::new(kind, 50).await;
    let mut keys = Vec::new();
    let mut generation = scene.asked.start();
    for deploy in 0..3 {
        for n in 0..10 {
            let (short, long, later) =
                (format!("{deploy}.short.{n}"), format!("{deploy}.long.{n}"), format!("{deploy}.later.{n}"));
            scene.client.add(Work { millis: 200 }).key(&short).await.unwrap();
            // Longer than the grace: given back, and run from the start by the next.
            if n == 0 {
                scene.client.add(Work { millis: 5_000 }).key(&long).await.unwrap();
                keys.push(long);
            }
            scene.client.add(Work { millis: 10 }).key(&later).after(Duration::from_secs(4)).await.unwrap();
            keys.extend([short, later]);
        }
        scene.until(&format!("{deploy}.long.0"), TaskState::Running, Duration::from_secs(10)).await;
        let next = scene.asked.start();
        let (took, status) = std::mem::replace(&mut generation, next).terminate().await;
        // The usual kill comes after 5 s.
        assert!(took < Duration::from_secs(5) && status.success(), "{took:?}, {status}");
    }
    for key in &keys {
        let view = scene.until(key, TaskState::Completed, Duration::from_secs(20)).await;
        assert_eq!((view.attempts, view.crashes, scene.asked.lines(key)), (0, 0, 1), "{key}");
    }
    let (took, status) = generation.terminate().await;
    assert!(took < Duration::from_secs(5) && status.success(), "{took:?}, {status}");
}

/// The waiter that was the first to know of the due time is killed; the other idles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t20_due_and_new_tasks_start_in_time_though_a_waiting_worker_is_killed() {
    on_kinds(&SERVED, async |kind| {
        let scene = Scene::new(kind, 2_000).await;
        let victim = scene.asked.start();
        scene.client.add(Work { millis: 0 }).key("first").await.unwrap();
        scene.until("first", TaskState::Completed, Duration::from_secs(20)).await;
        let delay = Duration::from_secs(8);
        scene.client.add(Work { millis: 0 }).key("due").after(delay).await.unwrap();
        let due = Instant::now() + delay;
        let survivor = scene.asked.start();
        eventually("the other is there as well", delay / 2, async || {
            let workers = scene.store.workers().await.unwrap();
            (workers.iter().filter(|worker| worker.leased_ago.is_some()).count() == 2).then_some(())
        })
        .await;
        victim.kill9();
        assert!(Instant::now() < due, "starting took too long to show anything");
        scene.client.add(Work { millis: 0 }).key("new").await.unwrap();
        scene.until("new", TaskState::Completed, IN_TIME).await;
        scene.until("due", TaskState::Completed, due + IN_TIME - Instant::now()).await;
        drop(survivor);
    })
    .await;
}

/// Nobody handles the signal here, so it has its default effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_a_worker_without_signals_leaves_them_to_its_caller() {
    let scene = Scene::new(SERVED[0], 50).await;
    scene.client.add(Work { millis: 60_000 }).key("long").await.unwrap();
    let process = Asked { without_signals: true, ..scene.asked.clone() }.start();
    scene.until("long", TaskState::Running, Duration::from_secs(20)).await;
    let (took, status) = process.terminate().await;
    assert!(took < Duration::from_secs(2) && status.signal() == Some(15), "{took:?}, {status}");
}
