//! Two stores with one docket each, the tasks in them, and a record of every run.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conformance_tests::servers::{self, RedisServer};
use docket::{
    AddAnswer, AddId, CancelAnswer, Context, Docket, Failure, NewTask, Overrides, Payload, Policy, Queue, Registry,
    RequeueAnswer, RunAt, Settings, Task, TaskKey, TaskName, TaskState,
};
use docket_core::{KnownName, LeaseOrder, LeaseRequest, LeaseSuspects, RequestId, WorkerId, WorkerRecord};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use uuid::Uuid;

use crate::said::Said;

/// How long everything may take to end.
const END_MAX: Duration = Duration::from_secs(90);
/// The task that runs at the source when the move begins.
const RUNS_LONG: &str = "runs long";
/// How many of them repeat forever.
const PERIODIC_TASKS: usize = 5;

/// What a run did.
#[derive(Default)]
struct Ran {
    running: usize,
    completed: usize,
    failed: usize,
    together: bool,
}

/// Every run of every key, on either side.
#[derive(Default)]
pub(crate) struct Runs(Mutex<BTreeMap<String, Ran>>);

impl Runs {
    fn change<T>(&self, key: &str, step: impl FnOnce(&mut Ran) -> T) -> T {
        step(self.0.lock().unwrap().entry(key.to_owned()).or_default())
    }
}

/// A task that says how it runs.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Work {
    /// What tells it from a successor of the same key.
    label: String,
    millis: u64,
    /// Its first run fails, and it comes back after so many milliseconds.
    retry_after: Option<u64>,
    padding: String,
}

impl Work {
    pub(crate) fn of(label: &str) -> Self {
        Self { label: label.to_owned(), millis: 8, retry_after: None, padding: String::new() }
    }

    /// Each of its two runs takes `millis`, with a pause of `retry_after` milliseconds between them.
    pub(crate) fn that_fails_once(self, millis: u64, retry_after: u64) -> Self {
        Self { millis, retry_after: Some(retry_after), ..self }
    }
}

impl Task for Work {
    const NAME: &'static str = "work";
    type Output = ();

    fn policy() -> Policy {
        Policy { max_attempts: 2, ..Policy::default() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let runs = ctx.state::<Runs>()?;
        runs.change(&self.label, |ran| {
            ran.running += 1;
            ran.together |= ran.running > 1;
        });
        sleep(Duration::from_millis(self.millis)).await;
        let retry_after = self.retry_after.filter(|_| ctx.attempt() == 1);
        runs.change(&self.label, |ran| {
            ran.running -= 1;
            if retry_after.is_some() { ran.failed += 1 } else { ran.completed += 1 }
        });
        match retry_after {
            Some(millis) => Err(Failure::retry_after(Duration::from_millis(millis), "once".to_owned())),
            None => Ok(()),
        }
    }
}

/// A docket of a test's own in one store.
pub(crate) struct Place {
    pub(crate) url: String,
    docket: Docket,
}

impl Place {
    pub(crate) async fn redis() -> Self {
        Self::at(servers::redis_url().await, "to be named").await
    }

    pub(crate) async fn postgres() -> Self {
        Self::at(servers::postgres_url().await, "to be named").await
    }

    /// One on a server that the test may stop.
    pub(crate) async fn own_redis() -> (RedisServer, Self) {
        let server = RedisServer::start().await;
        let place = Self::at(server.url(), "to be named").await;
        (server, place)
    }

    async fn at(url: String, name: &str) -> Self {
        let name = name.replace(' ', "-");
        let docket = Docket::connect(&url).name(&name).await.unwrap();
        Self { url, docket }
    }

    /// Another docket in the same store.
    pub(crate) async fn named(&self, name: &str) -> Self {
        Self::at(self.url.clone(), name).await
    }

    pub(crate) fn name(&self) -> String {
        self.docket.store().capabilities().docket.to_string()
    }

    pub(crate) async fn add(&self, key: &str, work: Work) -> AddAnswer {
        self.add_task(NewTask { key: TaskKey::new(key).unwrap(), ..task(&work) }).await
    }

    async fn add_task(&self, task: NewTask) -> AddAnswer {
        self.docket.client().add_all(&[task]).await.unwrap().remove(0).unwrap()
    }

    /// What a worker does at its start.
    pub(crate) async fn seed(&self, key: &str) -> AddAnswer {
        let every = Some(Duration::from_hours(1));
        self.add_task(NewTask { key: TaskKey::new(key).unwrap(), every, ..task(&Work::of(key)) }).await
    }

    /// Adds a task that is dead, or repeats, after one lost lease.
    pub(crate) async fn add_frail(&self, key: &str, every: Option<Duration>) {
        let overrides = Overrides { max_crashes: Some(1), ..Overrides::default() };
        let (key, queue) = (TaskKey::new(key).unwrap(), Queue::new("lost").unwrap());
        let frail = NewTask { key, queue, every, overrides, ..task(&Work::of("frail")) };
        assert_eq!(self.add_task(frail).await, AddAnswer::Added);
    }

    pub(crate) async fn cancel(&self, key: &str) {
        let answer = self.docket.client().cancel(key).await.unwrap();
        assert_eq!(answer, CancelAnswer::Cancelled);
    }

    pub(crate) async fn requeue(&self, key: &str) {
        let answer = self.docket.client().requeue(key, None).await.unwrap();
        assert_eq!(answer, RequeueAnswer::Requeued);
    }

    pub(crate) async fn state(&self, key: &str) -> TaskState {
        self.docket.store().get(&TaskKey::new(key).unwrap()).await.unwrap().expect("it is there").state
    }

    pub(crate) async fn until(&self, key: &str, state: TaskState) {
        let started = Instant::now();
        while self.state(key).await != state {
            assert!(started.elapsed() < END_MAX, "{key} is not {state}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn count(&self, state: TaskState) -> u64 {
        self.docket.store().counts().await.unwrap().iter_mut().map(|lane| *lane.of(state)).sum()
    }

    async fn unfinished(&self) -> u64 {
        // In one look: what repeats goes from state to state.
        let lanes = self.docket.store().counts().await.unwrap();
        lanes.iter().map(|lane| lane.scheduled + lane.ready + lane.running + lane.moving).sum()
    }

    /// Leases what is ready, and lets it be lost.
    pub(crate) async fn lose(&self, count: usize) {
        let name = TaskName::new("work").unwrap();
        let request = LeaseRequest {
            request: RequestId::unique(),
            worker: WorkerRecord {
                id: WorkerId::new("dies").unwrap(),
                queues: vec![Queue::default()],
                names: Vec::new(),
                concurrency: count,
                running: 0,
                settled: 0,
                ttl: Duration::from_secs(1),
            },
            queues: vec![Queue::new("lost").unwrap()],
            names: vec![KnownName { name, max_crashes: 5 }],
            count,
            suspects: LeaseSuspects::Allow,
            lease_for: Duration::from_millis(1),
            wait: Duration::ZERO,
            order: LeaseOrder::Precedence,
        };
        let taken = self.docket.store().lease(&request).await.unwrap().leases.len();
        assert_eq!(taken, count);
        sleep(Duration::from_millis(5)).await;
    }
}

fn task(work: &Work) -> NewTask {
    NewTask::new(TaskName::new("work").unwrap(), Payload::new(serde_json::to_vec(work).unwrap()))
}

/// Both sides.
pub(crate) struct Scene {
    pub(crate) from: Place,
    pub(crate) to: Place,
    runs: Arc<Runs>,
    expected: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    /// Gives both dockets a name that nobody else has.
    pub(crate) async fn open(from: Place, to: Place) -> Self {
        let name = format!("move-{}", &Uuid::now_v7().simple().to_string()[12..]);
        let (from, to) = (from.named(&name).await, to.named(&name).await);
        Self { from, to, runs: Arc::default(), expected: Arc::default() }
    }

    /// Tasks of every shape: ready, later, scheduled, with large args, failing once, tried before, suspects, periodic task.
    pub(crate) async fn fill(&self, count: usize) {
        let lost: Vec<NewTask> = (0..10).map(|n| self.one("lost", n, |_| {})).collect();
        let lost: Vec<NewTask> =
            lost.into_iter().map(|task| NewTask { queue: Queue::new("lost").unwrap(), ..task }).collect();
        self.add_all(&lost).await;
        self.from.lose(10).await;
        self.from.lose(10).await;
        let mut tasks: Vec<NewTask> = (0..count).map(|n| self.shape(n)).collect();
        for n in 0..PERIODIC_TASKS {
            let work = Work::of(&format!("every {n}"));
            let key = TaskKey::new(format!("every {n}")).unwrap();
            tasks.push(NewTask { key, every: Some(Duration::from_millis(300)), ..task(&work) });
        }
        self.add_all(&tasks).await;
    }

    fn shape(&self, n: usize) -> NewTask {
        let later = RunAt::In(Duration::from_millis(fastrand::u64(500..3_000)));
        match n % 5 {
            0 => NewTask { run_at: later, ..self.one("later", n, |_| {}) },
            1 => self.one("fails", n, |work| work.retry_after = Some(600)),
            2 => self.one("large", n, |work| work.padding = "x".repeat(fastrand::usize(0..20_000))),
            3 => {
                let overrides = Overrides { max_attempts: Some(7), max_crashes: Some(3) };
                NewTask { overrides, queue: Queue::new("bulk").unwrap(), ..self.one("bulk", n, |_| {}) }
            }
            _ => self.one("plain", n, |_| {}),
        }
    }

    fn one(&self, shape: &str, n: usize, edit: impl FnOnce(&mut Work)) -> NewTask {
        let label = format!("{shape} {n}");
        let mut work = Work::of(&label);
        edit(&mut work);
        self.expected.lock().unwrap().push(label.clone());
        NewTask { key: TaskKey::new(&label).unwrap(), ..task(&work) }
    }

    async fn add_all(&self, tasks: &[NewTask]) {
        for batch in tasks.chunks(200) {
            for answer in self.from.docket.client().add_all(batch).await.unwrap() {
                assert_eq!(answer.unwrap(), AddAnswer::Added);
            }
        }
    }

    /// One that runs at the source for longer than the adders add, and one behind it.
    pub(crate) async fn follow_a_running_task(&self) {
        let first = Work { millis: 4_000, ..Work::of(RUNS_LONG) };
        let key = TaskKey::new(RUNS_LONG).unwrap();
        let queue = Queue::new("first").unwrap();
        self.from.add_task(NewTask { key: key.clone(), queue: queue.clone(), ..task(&first) }).await;
        while self.runs.change(RUNS_LONG, |ran| ran.running) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        let next = NewTask { key, queue, add_id: AddId::unique(), ..task(&Work::of("follows")) };
        self.from.docket.store().schedule(&[next]).await.unwrap().remove(0).unwrap();
        self.expected.lock().unwrap().extend([RUNS_LONG.to_owned(), "follows".to_owned()]);
    }

    /// Adds at the source, as a service that has not been told yet.
    pub(crate) fn keep_adding(&self, length: Duration) -> JoinHandle<()> {
        let (client, expected) = (self.from.docket.client().clone(), Arc::clone(&self.expected));
        tokio::spawn(async move {
            let end = Instant::now() + length;
            for n in 0.. {
                if Instant::now() >= end {
                    return;
                }
                let label = format!("added meanwhile {n}");
                expected.lock().unwrap().push(label.clone());
                let task = NewTask { key: TaskKey::new(&label).unwrap(), ..task(&Work::of(&label)) };
                assert_eq!(client.add_all(&[task]).await.unwrap().remove(0).unwrap(), AddAnswer::Added);
                sleep(Duration::from_millis(5)).await;
            }
        })
    }

    pub(crate) fn worker(&self, place: &Place, concurrency: usize) -> AtWork {
        let mut registry = Registry::new();
        registry.register::<Work>().unwrap();
        let queues = ["first", "lost", "default", "bulk"].map(|queue| Queue::new(queue).unwrap()).to_vec();
        let settings = Settings { concurrency, queues, ..Settings::default() };
        let worker = place.docket.worker().registry(registry).settings(settings).state(Arc::clone(&self.runs));
        let worker = worker.build().unwrap();
        let stop = worker.stop_handle();
        AtWork { run: tokio::spawn(worker.run()), stop }
    }

    pub(crate) fn mover(&self, more: &[&str]) -> Mover {
        self.mover_between(&self.from.url, &self.to.url, more)
    }

    pub(crate) fn mover_between(&self, from: &str, to: &str, more: &[&str]) -> Mover {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docket"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOCKET_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        command.args(["move", "--from", from, "--to", to, "--docket", &self.from.name()]).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Mover(command)
    }

    pub(crate) async fn until_something_moves(&self) {
        let started = Instant::now();
        while self.from.count(TaskState::Moving).await == 0 {
            assert!(started.elapsed() < END_MAX, "nothing was taken out");
        }
    }

    pub(crate) async fn nothing_is_left_behind(&self) {
        assert_eq!(self.from.unfinished().await, 0);
    }

    /// Waits for the end, and looks at every run there was.
    pub(crate) async fn every_task_ran_once(&self) {
        let started = Instant::now();
        let periodic = u64::try_from(PERIODIC_TASKS).unwrap();
        loop {
            let left = self.from.unfinished().await + self.to.unfinished().await;
            if left == periodic {
                break;
            }
            assert!(started.elapsed() < END_MAX && left > periodic, "{left} tasks are left");
            sleep(Duration::from_millis(50)).await;
        }
        let runs = self.runs.0.lock().unwrap();
        for label in &*self.expected.lock().unwrap() {
            let ran = runs.get(label).unwrap_or_else(|| panic!("{label} never ran"));
            let failures = usize::from(label.starts_with("fails"));
            assert_eq!((ran.completed, ran.failed), (1, failures), "{label}");
        }
        let together: Vec<_> = runs.iter().filter(|(_, ran)| ran.together).map(|(label, _)| label).collect();
        assert!(together.is_empty(), "ran twice at once: {together:?}");
    }

    /// Lets the workers go, and looks at the indexes of both sides.
    pub(crate) async fn rest(&self, workers: [AtWork; 2]) {
        for worker in workers {
            worker.stop().await;
        }
        for place in [&self.from, &self.to] {
            assert_eq!(place.docket.store().audit().await.unwrap(), Vec::<String>::new());
        }
    }
}

/// A worker, until it is stopped.
pub(crate) struct AtWork {
    run: JoinHandle<docket::Result<()>>,
    stop: docket::worker::Stop,
}

impl AtWork {
    pub(crate) async fn stop(self) {
        self.stop.stop();
        self.run.await.unwrap().unwrap();
    }
}

/// The command, about to run.
pub(crate) struct Mover(Command);

impl Mover {
    pub(crate) async fn run(mut self) -> Said {
        let output = tokio::task::spawn_blocking(move || self.0.output().unwrap());
        Said::from(tokio::time::timeout(END_MAX, output).await.expect("a move ends").unwrap())
    }

    pub(crate) fn start(mut self) -> Started {
        Started(self.0.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

/// The command at work.
pub(crate) struct Started(Child);

impl Started {
    /// Kills it at once; answers whether it had not ended by itself.
    pub(crate) fn kill(mut self) -> bool {
        let ran = self.0.try_wait().unwrap().is_none();
        // Safe to lose: it may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
        ran
    }
}
