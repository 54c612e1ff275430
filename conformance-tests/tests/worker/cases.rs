//! One rule each. Bounds are wide, as the machine may be busy: they rule out seconds, not
//! milliseconds.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use docket_core::{
    Answer, CancelAnswer, Client, ErrorKind, NewTask, Payload, Registry, Result, Settings, Store, TaskKey, TaskName,
    TaskState, TaskView, Worker,
    worker::{Alarm, HealthHandle, Stop},
};
use tokio::task::JoinHandle;

use crate::jobs::{Block, Echo, Fail, Fork, How, LaterTick, Log, NoJson, OtherEcho, Sized, Slow, Sour, Stuck, Tick};

/// How long something that happens at once may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(5);

pub(crate) struct Scene {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) client: Client,
    pub(crate) log: Arc<Log>,
}

impl Scene {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { client: Client::new(store.clone()), store, log: Arc::default() }
    }

    pub(crate) fn worker(&self, settings: Settings) -> Worker {
        let mut registry = Registry::new();
        registry.register::<Echo>().unwrap().register::<Fail>().unwrap().register::<Slow>().unwrap();
        registry.register::<Stuck>().unwrap().register::<NoJson>().unwrap();
        registry.register::<Block>().unwrap().register::<Sized>().unwrap().register::<Fork>().unwrap();
        self.worker_of(registry, settings)
    }

    pub(crate) fn worker_of(&self, registry: Registry, settings: Settings) -> Worker {
        let builder = Worker::builder(self.store.fork()).registry(registry).settings(settings);
        builder.state(self.log.clone()).build().unwrap()
    }

    pub(crate) fn start(&self, settings: Settings) -> Running {
        Running::of(self.worker(settings))
    }

    pub(crate) fn start_with(&self, registry: Registry, settings: Settings) -> Running {
        Running::of(self.worker_of(registry, settings))
    }

    pub(crate) async fn finished(&self, key: &str) -> TaskView {
        eventually(&format!("{key} is finished"), async || {
            let view = self.view(key).await;
            view.state.is_finished().then_some(view)
        })
        .await
    }

    pub(crate) async fn view(&self, key: &str) -> TaskView {
        self.store.get(&TaskKey::new(key).unwrap()).await.unwrap().expect("the task is kept")
    }

    pub(crate) async fn until(&self, key: &str, state: TaskState) -> TaskView {
        eventually(&format!("{key} is {state}"), async || {
            let view = self.view(key).await;
            (view.state == state).then_some(view)
        })
        .await
    }
}

/// A worker under way; dropped, it is stopped the hard way.
pub(crate) struct Running {
    pub(crate) health: HealthHandle,
    stop: Stop,
    run: JoinHandle<Result<()>>,
}

impl Running {
    pub(crate) fn of(worker: Worker) -> Self {
        Self { health: worker.health(), stop: worker.stop_handle(), run: tokio::spawn(worker.run()) }
    }

    pub(crate) async fn stopped(self) -> Duration {
        let start = Instant::now();
        self.stop.stop();
        tokio::time::timeout(Duration::from_secs(10), self.run).await.expect("a stop has an end").unwrap().unwrap();
        start.elapsed()
    }
}

pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn fast() -> Settings {
    // The shortest lease there is, 2.5 s, renewed every 50 ms.
    Settings { heartbeat_interval: Duration::from_millis(50), ..Settings::default() }
}

pub(crate) async fn a_run_completes_and_its_result_is_kept(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Echo { text: "hi".into() }).key("k").await.unwrap();
    let worker = scene.start(fast());
    let view = scene.until("k", TaskState::Completed).await;
    assert_eq!(view.result.unwrap().as_bytes(), br#""hi""#);
    worker.stopped().await;
}

async fn fail(store: Arc<dyn Store>, how: How, good_from: u32, end: TaskState) -> (TaskView, Vec<String>) {
    let scene = Scene::new(store);
    scene.client.add(Fail { how, good_from }).key("k").await.unwrap();
    let worker = scene.start(fast());
    let view = scene.until("k", end).await;
    worker.stopped().await;
    (view, scene.log.starts())
}

pub(crate) async fn a_panic_is_a_failed_attempt(store: Arc<dyn Store>) {
    let (view, starts) = fail(store, How::Panic, 2, TaskState::Completed).await;
    assert_eq!(starts, ["1", "2"]);
    assert_eq!(view.error.as_deref(), Some("panicked: the disk is on fire"));
    assert_eq!(view.crashes, 0);
}

pub(crate) async fn used_up_attempts_leave_a_dead_task_with_its_error(store: Arc<dyn Store>) {
    let (view, starts) = fail(store, How::Error, 9, TaskState::Dead).await;
    assert_eq!(starts, ["1", "2", "3"]);
    assert_eq!(view.error.as_deref(), Some("the disk is on fire"));
}

pub(crate) async fn args_that_no_build_can_read_are_dead_in_the_end(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let mut task = NewTask::new(TaskName::new("echo").unwrap(), Payload::new(&b"{\"texd\": 1}"[..]));
    task.key = TaskKey::new("k").unwrap();
    scene.client.add_all(&[task]).await.unwrap().remove(0).unwrap();
    let start = Instant::now();
    let worker = scene.start(Settings { undecodable_for: Duration::from_secs(1), ..fast() });
    let view = scene.until("k", TaskState::Dead).await;
    assert!(start.elapsed() >= Duration::from_secs(1), "not at once: another build may read them");
    let error = view.error.unwrap();
    assert!(error.contains("do not decode as echo") && error.contains("no build could read them for"), "{error}");
    worker.stopped().await;
}

/// In a rolling deploy one build cannot decode args that the other has added.
pub(crate) async fn args_that_one_build_cannot_read_are_run_by_another(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let keys: Vec<String> = (0..10).map(|n| format!("k{n}")).collect();
    for key in &keys {
        scene.client.add(Echo { text: key.clone() }).key(key).await.unwrap();
    }
    let mut other = Registry::new();
    other.register::<OtherEcho>().unwrap();
    let worker = Running::of(scene.worker_of(other, fast()));
    for key in &keys {
        eventually("it is shown with the reason from the first time", async || {
            scene.view(key).await.error.filter(|error| error.contains("do not decode as echo"))
        })
        .await;
    }
    let able = scene.start(fast());
    worker.stopped().await;
    for key in &keys {
        let view = scene.until(key, TaskState::Completed).await;
        assert_eq!((view.attempts, view.crashes), (0, 0));
    }
    assert_eq!(scene.log.starts().len(), keys.len());
    able.stopped().await;
}

pub(crate) async fn a_cancel_reaches_the_handler(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Slow { millis: 60_000, listens: true }).key("k").await.unwrap();
    let worker = scene.start(fast());
    scene.until("k", TaskState::Running).await;
    assert_eq!(scene.client.cancel("k").await.unwrap(), CancelAnswer::Cancelling);
    scene.until("k", TaskState::Cancelled).await;
    assert_eq!(scene.log.cancelled.load(Ordering::SeqCst), 1);
    worker.stopped().await;
}

pub(crate) async fn a_run_longer_than_its_lease_runs_once(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Slow { millis: 4_000, listens: true }).key("k").await.unwrap();
    let workers = [scene.start(fast()), scene.start(fast())];
    tokio::time::sleep(Duration::from_secs(4)).await;
    let view = scene.until("k", TaskState::Completed).await;
    assert_eq!((scene.log.starts().len(), view.crashes), (1, 0));
    for worker in workers {
        worker.stopped().await;
    }
}

pub(crate) async fn a_handler_that_blocks_its_thread_keeps_its_lease(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    // Both threads of the runtime, for longer than a lease.
    for key in ["a", "b"] {
        scene.client.add(Block { millis: 3_500 }).key(key).await.unwrap();
    }
    let worker = scene.start(fast());
    tokio::time::sleep(Duration::from_millis(3_600)).await;
    for key in ["a", "b"] {
        assert_eq!(scene.until(key, TaskState::Completed).await.crashes, 0);
    }
    assert_eq!(scene.log.starts().len(), 2);
    worker.stopped().await;
}

pub(crate) async fn a_name_nobody_knows_is_untouched(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let mut stranger = NewTask::new(TaskName::new("stranger").unwrap(), Payload::new(&b"{}"[..]));
    stranger.key = TaskKey::new("stranger").unwrap();
    scene.client.add_all(&[stranger]).await.unwrap().remove(0).unwrap();
    scene.client.add(Echo { text: "hi".into() }).key("k").await.unwrap();
    let worker = scene.start(fast());
    scene.until("k", TaskState::Completed).await;
    worker.stopped().await;
    let view = scene.view("stranger").await;
    assert_eq!((view.state, view.attempts, view.crashes, view.fence), (TaskState::Ready, 0, 0, None));
}

pub(crate) async fn one_chain_however_many_workers(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let start = Instant::now();
    let workers: Vec<Running> = (0..3)
        .map(|_| {
            let mut registry = Registry::new();
            registry.periodic::<Tick>().unwrap();
            Running::of(scene.worker_of(registry, fast()))
        })
        .collect();
    eventually("three ticks", async || (scene.log.starts().len() >= 3).then_some(())).await;
    // Three ticks are two intervals apart; three chains would have been there at once.
    assert!(start.elapsed() >= Duration::from_millis(1_900), "{:?}", start.elapsed());
    for worker in workers {
        worker.stopped().await;
    }
    assert_eq!(scene.view("tick").await.state, TaskState::Scheduled);
}

/// It once never started, without a line.
pub(crate) async fn a_periodic_task_whose_key_is_taken_is_an_alarm_that_names_both(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let other = Echo { text: "mine".into() };
    scene.client.add(other).key("tick").after(Duration::from_hours(1)).await.unwrap();
    let mut registry = Registry::new();
    registry.periodic::<Tick>().unwrap();
    let worker = scene.worker_of(registry, fast());
    let health = worker.health();
    let running = Running::of(worker);
    eventually("an alarm names both", async || {
        let alarms: Vec<String> = health.alarms().iter().map(ToString::to_string).collect();
        alarms.iter().any(|alarm| alarm.contains("periodic task tick") && alarm.contains("echo")).then_some(())
    })
    .await;
    assert!(health.is_ready(), "{:?}", health.alarms());
    assert_eq!(scene.view("tick").await.name.as_str(), "echo", "it is left alone");
    scene.client.cancel("tick").await.unwrap();
    // The next try is a second later, or two.
    let end = Instant::now() + SOON * 2;
    while scene.log.starts().is_empty() {
        assert!(Instant::now() < end, "it starts once the key is free");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It may start before the answer to its seed has come.
    eventually("the alarm is over", async || health.alarms().is_empty().then_some(())).await;
    running.stopped().await;
}

/// Once a new queue got no runs, new args failed forever, and a new interval waited for the old
/// one.
pub(crate) async fn a_deploy_changes_a_periodic_task_and_a_rollback_changes_it_back(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    // A declaration holds for five seconds.
    let settings = Settings { check_interval: Duration::from_millis(100), ..fast() };
    let (mut before, mut after) = (Registry::new(), Registry::new());
    before.periodic::<Tick>().unwrap();
    after.periodic::<LaterTick>().unwrap();
    let ran = async |what: &str| scene.log.starts().iter().any(|start| start == what).then_some(());

    let older = Running::of(scene.worker_of(before, settings.clone()));
    eventually("it runs as the older build says", async || ran("tick").await).await;
    let newer = Running::of(scene.worker_of(after, settings));
    eventually("it runs as the newer build says", async || ran("later tick 1").await).await;
    let view = scene.view("tick").await;
    assert_eq!((view.queue.as_str(), view.every), ("later", Some(Duration::from_millis(1_500))));
    newer.stopped().await;
    let end = Instant::now() + SOON * 4;
    while scene.view("tick").await.queue.as_str() != "default" {
        assert!(Instant::now() < end, "the older definition returns when the newer worker has left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    scene.log.starts.lock().unwrap().clear();
    eventually("it runs as the older build says", async || ran("tick").await).await;
    older.stopped().await;
}

pub(crate) async fn three_failures_in_a_row_of_a_periodic_task_are_an_alarm(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let mut registry = Registry::new();
    registry.periodic::<Sour>().unwrap();
    // It hears of failures as often as it declares the task: every 2.5 s.
    let worker = scene.worker_of(registry, Settings { check_interval: Duration::from_millis(100), ..fast() });
    let health = worker.health();
    let running = Running::of(worker);
    let end = Instant::now() + SOON * 3;
    let is_failing = |alarm: &Alarm| matches!(alarm, Alarm::Failing { key, failures: 3.. } if key.as_str() == "sour");
    while !health.alarms().iter().any(is_failing) {
        assert!(Instant::now() < end, "{:?}", health.alarms());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(health.is_ready(), "the worker is well: {:?}", health.alarms());
    running.stopped().await;
}

pub(crate) async fn a_stop_leaves_no_lease_behind(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    // Stopped repeatedly while leasing: every leased task must run or be given back.
    for round in 0..20 {
        let worker = scene.start(fast());
        for n in 0..5 {
            scene.client.add(Echo { text: String::new() }).key(format!("{round}.{n}")).await.unwrap();
        }
        worker.stopped().await;
    }
    let counts = scene.store.counts().await.unwrap();
    let running: u64 = counts.iter().map(|lane| lane.running).sum();
    assert_eq!(running, 0, "{counts:?}");
    scene.worker(fast()).run_until_finished().await.unwrap();
    assert_eq!(scene.log.starts().len(), 100);
}

pub(crate) async fn another_environment_is_refused(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let of = |environment: &str| Settings { environment: Some(environment.to_owned()), ..fast() };
    scene.worker(of("staging")).run_until_finished().await.unwrap();
    let error = scene.worker(of("production")).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("staging"), "{error}");
}

pub(crate) async fn until_finished_waits_for_retries_and_not_for_periodic_tasks(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let answer =
        scene.client.add(Fail { how: How::Error, good_from: 3 }).key("k").after(Duration::from_millis(300)).await;
    assert_eq!(answer.unwrap().answer, Answer::Added);
    let mut registry = Registry::new();
    registry.periodic::<Tick>().unwrap().register::<Fail>().unwrap();
    let run = scene.worker_of(registry, fast()).run_until_finished();
    tokio::time::timeout(Duration::from_secs(10), run).await.expect("a periodic task does not keep it").unwrap();
    assert_eq!(scene.view("k").await.state, TaskState::Completed);
}

pub(crate) async fn a_handler_adds_further_tasks(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Fork {}).key("k").await.unwrap();
    scene.worker(fast()).run_until_finished().await.unwrap();
    let mut starts = scene.log.starts();
    starts.sort();
    assert_eq!(starts, ["left", "right"]);
}

pub(crate) async fn a_dropped_worker_leaves_its_leases_to_their_deadlines(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Slow { millis: 600, listens: true }).key("k").await.unwrap();
    let first = scene.start(fast());
    scene.until("k", TaskState::Running).await;
    first.run.abort();
    let second = scene.start(fast());
    let view = scene.until("k", TaskState::Completed).await;
    assert_eq!(scene.log.starts().len(), 2);
    assert!(view.worker.is_some());
    second.stopped().await;
}
