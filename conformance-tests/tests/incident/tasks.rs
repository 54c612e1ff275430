//! Task types for the scenes, and the effects they leave behind.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use docket_core::{Backoff, Context, Failure, Policy, Task};
use serde::{Deserialize, Serialize, Serializer};

/// The runs and their times: the effects of a scene's tasks.
#[derive(Default, Debug)]
pub(crate) struct Log(Mutex<HashMap<String, Vec<Instant>>>);

impl Log {
    pub(crate) fn runs(&self, key: &str) -> Vec<Instant> {
        self.0.lock().unwrap().get(key).cloned().unwrap_or_default()
    }

    /// The keys that have run.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    fn note(&self, key: impl Into<String>) {
        self.0.lock().unwrap().entry(key.into()).or_default().push(Instant::now());
    }
}

fn quick() -> Policy {
    let backoff = Backoff { base: Duration::from_millis(10), max: Duration::from_millis(50) };
    Policy { max_attempts: 3, backoff, ..Policy::default() }
}

/// Leaves its key behind.
#[derive(Serialize, Deserialize)]
pub(crate) struct Note {}

impl Task for Note {
    const NAME: &'static str = "note";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Log>()?.note(ctx.key().as_str());
        Ok(())
    }
}

/// Fails at first; leaves its key behind the second time.
#[derive(Serialize, Deserialize)]
pub(crate) struct Flaky {}

impl Task for Flaky {
    const NAME: &'static str = "flaky";
    type Output = ();

    fn policy() -> Policy {
        quick()
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        if ctx.attempt() == 1 {
            return Err(Failure::retry_after(Duration::from_millis(200), "not yet".to_owned()));
        }
        ctx.state::<Log>()?.note(ctx.key().as_str());
        Ok(())
    }
}

/// Comes back every second.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct Tick {}

impl Task for Tick {
    const NAME: &'static str = "tick";
    type Output = ();

    fn policy() -> Policy {
        Policy { every: Some(Duration::from_secs(1)), ..quick() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Log>()?.note(ctx.key().as_str());
        Ok(())
    }
}

/// Takes a while; records its key when it starts, `KEY done` when it ends, and `KEY told` when it
/// is asked to stop and does. Returns its fence.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) millis: u64,
    /// Whether it goes on when it is asked to stop.
    pub(crate) stubborn: bool,
}

impl Task for Hold {
    const NAME: &'static str = "hold";
    type Output = u64;

    async fn run(self, ctx: Context) -> Result<u64, Failure> {
        let log = ctx.state::<Log>()?;
        log.note(ctx.key().as_str());
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(self.millis)) => {}
            () = ctx.cancellation().cancelled(), if !self.stubborn => {
                log.note(format!("{} told", ctx.key()));
                return Err(Failure::cancelled());
            }
        }
        log.note(format!("{} done", ctx.key()));
        Ok(ctx.token().fence.0)
    }
}

/// Ends with its timeout, and is dead then.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hang {}

impl Task for Hang {
    const NAME: &'static str = "hang";
    type Output = ();

    fn policy() -> Policy {
        Policy { timeout: Duration::from_millis(300), max_attempts: 1, ..Policy::default() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Log>()?.note(ctx.key().as_str());
        std::future::pending().await
    }
}

/// Panics, however often it is tried.
#[derive(Serialize, Deserialize)]
pub(crate) struct Panics {}

impl Task for Panics {
    const NAME: &'static str = "panics";
    type Output = ();

    fn policy() -> Policy {
        quick()
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Log>()?.note(ctx.key().as_str());
        panic!("the disk is on fire");
    }
}

/// Returns a value that cannot be serialised.
#[derive(Serialize, Deserialize)]
pub(crate) struct Unwritable {}

/// A result that JSON refuses.
pub(crate) struct Unspeakable;

impl Serialize for Unspeakable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("unspeakable"))
    }
}

impl Task for Unwritable {
    const NAME: &'static str = "unwritable";
    type Output = Unspeakable;

    async fn run(self, _: Context) -> Result<Unspeakable, Failure> {
        Ok(Unspeakable)
    }
}
