//! Adds while the store is away: taken here, run here, handed over when it is back.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conformance_tests::servers::RedisServer;
use docket::{AddId, Answer, Context, Docket, ErrorKind, Failure, Policy, Registry, Settings, Task, TaskState};
use tracing_subscriber::fmt::MakeWriter;

/// How long an add waits before it falls back.
const PATIENCE: Duration = Duration::from_millis(300);

/// How often each kind of run was started, shared by the handlers.
#[derive(Default)]
struct Runs(AtomicUsize);

/// Fails until it has run as often as it says.
#[derive(serde::Serialize, serde::Deserialize)]
struct Stubborn {
    runs: usize,
}

impl Task for Stubborn {
    const NAME: &'static str = "stubborn";
    type Output = ();

    fn policy() -> Policy {
        let backoff = docket::Backoff { base: Duration::from_millis(1), max: Duration::from_millis(1) };
        Policy { backoff, ..Policy::default() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let runs = ctx.state::<Runs>()?.0.fetch_add(1, Ordering::SeqCst) + 1;
        if runs < self.runs { Err(Failure::retry("not yet")) } else { Ok(()) }
    }
}

/// A name that this process does not run.
#[derive(serde::Serialize, serde::Deserialize)]
struct Stranger {}

impl Task for Stranger {
    const NAME: &'static str = "stranger";
    type Output = ();

    async fn run(self, _ctx: Context) -> Result<(), Failure> {
        Ok(())
    }
}

/// What was logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no writer panicked")).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panicked").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A docket with a fallback on a store of its own, which is about to go away.
struct Scene {
    redis: RedisServer,
    docket: Docket,
    runs: Arc<Runs>,
    log: Log,
    _logging: tracing::subscriber::DefaultGuard,
}

async fn scene(grace: Duration) -> Scene {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let redis = RedisServer::start_with(&[]).await;
    let runs = Arc::new(Runs::default());
    let mut registry = Registry::new();
    registry.register::<Stubborn>().expect("a good task");
    let docket = Docket::connect(redis.url()).patience(PATIENCE).await.expect("the store is there");
    let settings = Settings { grace, ..Settings::default() };
    let shared = runs.clone();
    let docket = docket
        .with_fallback(&registry, &settings, move |worker| worker.state(shared.clone()))
        .expect("the local worker can be built");
    Scene { redis, docket, runs, log, _logging: logging }
}

/// Waits until `done`, for at most 20 s.
async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let started = Instant::now();
    while !done().await {
        assert!(started.elapsed() < Duration::from_secs(20), "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_task_runs_here_under_its_own_policy_while_the_store_is_away() {
    let scene = scene(Duration::from_secs(3)).await;
    scene.redis.kill9();
    let started = Instant::now();
    let receipt = scene.docket.client().add(Stubborn { runs: 3 }).key("k").await.unwrap();
    assert_eq!((receipt.key.as_str(), receipt.answer), ("k", Answer::AddedLocally));
    assert!(started.elapsed() < PATIENCE + Duration::from_secs(1), "{:?}", started.elapsed());
    until("the third run", async || scene.runs.0.load(Ordering::SeqCst) == 3).await;
    assert_eq!(scene.log.text().matches("docket scheduling failed, falling back to memory").count(), 1);
    scene.docket.shutdown().await;
    assert!(!scene.log.text().contains("left in the fallback"), "{}", scene.log.text());
}

#[tokio::test]
async fn while_the_store_answers_nothing_falls_back() {
    let scene = scene(Duration::from_secs(3)).await;
    let receipt = scene.docket.client().add(Stubborn { runs: 1 }).await.unwrap();
    assert_eq!(receipt.answer, Answer::Added);
    scene.docket.shutdown().await;
    assert!(!scene.log.text().contains("falling back"));
}

#[tokio::test]
async fn what_has_not_started_is_handed_over_with_its_key_and_add_id() {
    let scene = scene(Duration::from_secs(3)).await;
    scene.redis.kill9();
    let id = AddId::unique();
    let add = scene.docket.client().add(Stubborn { runs: 1 }).key("k").after(Duration::from_secs(50)).add_id(id);
    assert_eq!(add.await.unwrap().answer, Answer::AddedLocally);
    scene.redis.restart().await;
    let key = docket::TaskKey::new("k").unwrap();
    until("the hand-over", async || scene.docket.store().get(&key).await.is_ok_and(|task| task.is_some())).await;
    let task = scene.docket.store().get(&key).await.unwrap().unwrap();
    assert_eq!((task.state, task.name.as_str()), (TaskState::Scheduled, "stubborn"));
    // The store knows the call: its repetition gets the first answer.
    let again = scene.docket.client().add(Stubborn { runs: 1 }).key("k").add_id(id).await.unwrap();
    assert_eq!(again.answer, Answer::Added);
    scene.docket.shutdown().await;
    assert_eq!(scene.runs.0.load(Ordering::SeqCst), 0, "it never ran here");
    assert!(!scene.log.text().contains("left in the fallback"), "{}", scene.log.text());
}

#[tokio::test]
async fn for_what_this_process_cannot_run_soon_the_caller_gets_the_error() {
    let scene = scene(Duration::from_secs(3)).await;
    scene.redis.kill9();
    let client = scene.docket.client();
    let stranger = client.add(Stranger {}).await.unwrap_err();
    let later = client.add(Stubborn { runs: 1 }).after(Duration::from_secs(61)).await.unwrap_err();
    let moved = client.schedule(Stubborn { runs: 1 }).key("k").await.unwrap_err();
    for error in [stranger, later, moved] {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    scene.docket.shutdown().await;
}

#[tokio::test]
async fn shutdown_ends_within_the_grace_and_names_what_is_left() {
    let scene = scene(Duration::from_millis(500)).await;
    scene.redis.kill9();
    for key in ["one", "two"] {
        let add = scene.docket.client().add(Stubborn { runs: 1 }).key(key).after(Duration::from_secs(50));
        assert_eq!(add.await.unwrap().answer, Answer::AddedLocally);
    }
    let started = Instant::now();
    scene.docket.shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let log = scene.log.text();
    let left: Vec<_> = log.lines().filter(|line| line.contains("left in the fallback")).collect();
    assert_eq!(left.len(), 2, "{log}");
    assert!(left.iter().any(|line| line.contains("key=one")) && left.iter().any(|line| line.contains("key=two")));
    let late = scene.docket.client().add(Stubborn { runs: 1 }).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable, "nothing is taken any more");
}

/// A service that starts during the outage once failed at `connect`, before it could set its fallback up.
#[tokio::test]
async fn a_service_that_starts_during_the_outage_has_its_fallback() {
    let redis = RedisServer::start_with(&[]).await;
    redis.kill9();
    let runs = Arc::new(Runs::default());
    let mut registry = Registry::new();
    registry.register::<Stubborn>().expect("a good task");
    let settings = Settings { grace: Duration::from_secs(3), ..Settings::default() };
    let shared = runs.clone();
    let started = Instant::now();
    let docket = Docket::connect(redis.url())
        .patience(PATIENCE)
        .with_fallback(&registry, &settings, move |worker| worker.state(shared.clone()))
        .await
        .expect("it starts all the same");
    assert!(started.elapsed() < PATIENCE + Duration::from_secs(2), "{:?}", started.elapsed());
    let receipt = docket.client().add(Stubborn { runs: 1 }).key("k").await.unwrap();
    assert_eq!(receipt.answer, Answer::AddedLocally);
    until("the run", async || runs.0.load(Ordering::SeqCst) == 1).await;
    redis.restart().await;
    until("an add to the store", async || {
        let receipt = docket.client().add(Stubborn { runs: 1 }).key("there").await;
        receipt.is_ok_and(|receipt| receipt.answer != Answer::AddedLocally)
    })
    .await;
    docket.shutdown().await;
}
