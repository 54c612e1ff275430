//! What a service writes, from the first line to the result.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use docket::{
    Connect, Context, Docket, ErrorKind, Failure, FailureExt as _, Policy, Queue, Settings, Task, TaskResult,
    TaskState, Verdict,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

impl Task for Greet {
    const NAME: &'static str = "greet";
    type Output = String;

    async fn run(self, ctx: Context) -> TaskResult<String> {
        if self.name.is_empty() {
            Err("no name")?;
        }
        Ok(format!("{} {}", ctx.state::<Hello>()?.0, self.name))
    }
}

struct Hello(&'static str);

/// A task whose run fails as it is told to.
#[derive(Serialize, Deserialize)]
enum Fail {
    Anyhow,
    Boxed,
    Text,
    Mail,
    OwnMind,
    NoState,
}

#[derive(Debug)]
struct NoSuchUser;

impl fmt::Display for NoSuchUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such user")
    }
}

impl std::error::Error for NoSuchUser {}

impl Task for Fail {
    const NAME: &'static str = "fail";
    type Output = ();

    fn policy() -> Policy {
        Policy { max_attempts: 2, queue: Queue::from_static("failing"), ..Policy::default() }
    }

    fn classify(failure: &Failure) -> Verdict {
        if failure.downcast_ref::<NoSuchUser>().is_some() { Verdict::Fatal } else { failure.verdict() }
    }

    async fn run(self, ctx: Context) -> TaskResult<()> {
        let boxed: Result<(), Box<dyn std::error::Error + Send + Sync>> = Err("boxed".into());
        let text = if ctx.is_last_attempt() { "the last attempt" } else { "not the last attempt" };
        match self {
            Self::Anyhow => Err(anyhow::anyhow!("below").context("above"))?,
            Self::Boxed => boxed?,
            Self::Text => Err(text)?,
            Self::Mail => Err(NoSuchUser)?,
            Self::OwnMind => return Err(NoSuchUser).retry_after(Duration::from_secs(1)),
            Self::NoState => drop(ctx.state::<Hello>()?),
        }
        Ok(())
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Sweep {}

impl Task for Sweep {
    const NAME: &'static str = "sweep";
    type Output = ();

    fn policy() -> Policy {
        Policy { every: Some(Duration::from_secs(300)), ..Policy::default() }
    }

    async fn run(self, _ctx: Context) -> TaskResult<()> {
        Ok(())
    }
}

async fn memory() -> Docket {
    Docket::connect("memory://").await.expect("a docket in memory opens")
}

#[tokio::test]
async fn a_task_goes_from_add_to_its_result() {
    let docket = memory().await;
    docket.add(Greet { name: "Ada".into() }).key("greet:ada").await.unwrap();
    assert_eq!(docket.result::<Greet>("greet:ada").await.unwrap(), None);
    let done = async {
        while docket.result::<Greet>("greet:ada").await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    docket.worker().task::<Greet>().periodic::<Sweep>().state(Hello("hello")).run_until(done).await.unwrap();
    assert_eq!(docket.result::<Greet>("greet:ada").await.unwrap().as_deref(), Some("hello Ada"));
    assert_eq!(docket.result::<Greet>("greet:bob").await.unwrap(), None);
    let error = docket.result::<Fail>("greet:ada").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("is a task greet, not fail"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_result_of_nothing_is_a_result() {
    #[derive(Serialize, Deserialize)]
    struct Quiet {
        fails: bool,
    }
    impl Task for Quiet {
        const NAME: &'static str = "quiet";
        type Output = ();
        async fn run(self, ctx: Context) -> TaskResult<()> {
            if self.fails && ctx.attempt() == 1 { Err("at first")? } else { Ok(()) }
        }
    }
    let docket = memory().await;
    for (key, fails) in [("a", false), ("b", true)] {
        docket.add(Quiet { fails }).key(key).await.unwrap();
    }
    docket.worker().task::<Quiet>().build().unwrap().run_until_finished().await.unwrap();
    for key in ["a", "b"] {
        assert_eq!(docket.result::<Quiet>(key).await.unwrap(), Some(()), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn state_is_given_as_a_value_or_shared() {
    for shared in [false, true] {
        let docket = memory().await;
        let key = docket.add(Greet { name: "Ada".into() }).await.unwrap().key;
        let worker = docket.worker().task::<Greet>();
        let worker = if shared { worker.state(Arc::new(Hello("hi"))) } else { worker.state(Hello("hi")) };
        worker.build().unwrap().run_until_finished().await.unwrap();
        assert_eq!(docket.result::<Greet>(key).await.unwrap().as_deref(), Some("hi Ada"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_as_its_type_or_its_place_decides() {
    let docket = memory().await;
    let table = [
        (Fail::Anyhow, 2, "above: below"),
        (Fail::Boxed, 2, "boxed"),
        (Fail::Text, 2, "the last attempt"),
        (Fail::Mail, 1, "no such user"),
        (Fail::OwnMind, 2, "no such user"),
        (Fail::NoState, 1, "the task fail needs the state service::Hello"),
    ];
    let mut expected = Vec::new();
    for (task, attempts, error) in table {
        expected.push((docket.add(task).await.unwrap().key, attempts, error));
    }
    docket.worker().task::<Fail>().build().unwrap().run_until_finished().await.unwrap();
    for (key, attempts, error) in expected {
        let task = docket.store().get(&key).await.unwrap().unwrap();
        assert_eq!((task.state, task.attempts), (TaskState::Dead, attempts), "{error}");
        assert!(task.error.as_deref().is_some_and(|found| found.starts_with(error)), "{error}: {:?}", task.error);
    }
}

#[tokio::test]
async fn a_mistake_in_a_builder_is_reported_when_the_worker_is_built() {
    let docket = memory().await;
    let said = |worker: docket::worker::Builder| worker.build().unwrap_err().to_string();
    assert!(said(docket.worker().task::<Greet>().task::<Greet>()).contains("register greet: the name is registered"));
    assert!(said(docket.worker().task::<Sweep>()).contains("register it with periodic"));
    assert!(said(docket.worker()).contains("no task is registered"));
    let mut registry = docket::Registry::new();
    registry.register::<Greet>().unwrap();
    assert!(said(docket.worker().task::<Greet>().registry(registry.clone())).contains("registered already"));
    docket.worker().task::<Fail>().registry(registry).build().unwrap();
}

#[tokio::test]
async fn a_docket_from_the_environment_has_the_settings_of_its_workers_there() {
    let from = |value: &'static str| {
        Connect::from_vars(move |name| match name {
            "DOCKET_URL" => Some("memory://".to_owned()),
            "DOCKET_WORKER_CONCURRENCY" => Some(value.to_owned()),
            _ => None,
        })
    };
    let worker = from("3").await.unwrap().worker().task::<Greet>().build().unwrap();
    assert!(format!("{worker:?}").contains("concurrency: 3,"));
    // A process that only adds tasks is not kept from it.
    let docket = from("many").await.unwrap();
    docket.add(Greet { name: "Ada".into() }).await.unwrap();
    let error = docket.worker().task::<Greet>().build().unwrap_err();
    assert!(error.to_string().contains("DOCKET_WORKER_CONCURRENCY"), "{error}");
    docket.worker().task::<Greet>().settings(Settings::default()).build().unwrap();
}

#[tokio::test]
async fn an_add_can_be_spawned_and_every_text_and_time_is_taken() {
    let docket = memory().await;
    let sent = tokio::spawn(docket.add(Greet { name: "Ada".into() }).key("a").send());
    let key = sent.await.unwrap().unwrap().key;
    let added = docket.store().get(&key).await.unwrap().unwrap();
    let later = SystemTime::from(added.added_at) + Duration::from_secs(3_600);
    docket.schedule(Greet { name: "Bob".into() }).key(&key).at(later).await.unwrap();
    let moved = docket.store().get(&key).await.unwrap().unwrap();
    assert_eq!(moved.state, TaskState::Scheduled);
    docket.cancel("a").await.unwrap();
    docket.client().cancel(&key).await.unwrap();
    assert_eq!(docket.cancel("").await.unwrap_err().kind(), ErrorKind::Invalid);
}
