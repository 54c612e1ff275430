//! Task types for the cases, and the effects they leave behind.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use docket_core::{Backoff, Context, Failure, Policy, Task};
use serde::{Deserialize, Serialize};

/// The runs of one case.
#[derive(Default, Debug)]
pub(crate) struct Log {
    pub(crate) starts: Mutex<Vec<String>>,
    pub(crate) running: AtomicUsize,
    pub(crate) running_max: AtomicUsize,
    pub(crate) cancelled: AtomicUsize,
    pub(crate) done: AtomicUsize,
}

impl Log {
    pub(crate) fn starts(&self) -> Vec<String> {
        self.starts.lock().unwrap().clone()
    }

    fn start(&self, what: impl Into<String>) -> Running<'_> {
        self.starts.lock().unwrap().push(what.into());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.running_max.fetch_max(running, Ordering::SeqCst);
        Running(self)
    }
}

struct Running<'a>(&'a Log);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn quick() -> Policy {
    let backoff = Backoff { base: Duration::from_millis(5), max: Duration::from_millis(20) };
    Policy { max_attempts: 3, backoff, ..Policy::default() }
}

/// Returns its args.
#[derive(Serialize, Deserialize)]
pub(crate) struct Echo {
    pub(crate) text: String,
}

impl Task for Echo {
    const NAME: &'static str = "echo";
    type Output = String;

    async fn run(self, ctx: Context) -> Result<String, Failure> {
        let log = ctx.state::<Log>()?;
        let _running = log.start(&self.text);
        Ok(self.text)
    }
}

/// The same task type in another build, whose args have one more field.
#[derive(Serialize, Deserialize)]
pub(crate) struct OtherEcho {
    text: String,
    times: u32,
}

impl Task for OtherEcho {
    const NAME: &'static str = Echo::NAME;
    type Output = String;

    async fn run(self, _ctx: Context) -> Result<String, Failure> {
        Ok(self.text.repeat(self.times as usize))
    }
}

/// Fails as instructed, until `good_from` attempts have been made.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fail {
    pub(crate) how: How,
    pub(crate) good_from: u32,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(crate) enum How {
    Error,
    Panic,
    Fatal,
    Hang,
}

impl Task for Fail {
    const NAME: &'static str = "fail";
    type Output = u32;

    fn policy() -> Policy {
        // Long enough for a panic to print where it came from.
        Policy { timeout: Duration::from_secs(2), ..quick() }
    }

    async fn run(self, ctx: Context) -> Result<u32, Failure> {
        let log = ctx.state::<Log>()?;
        let _running = log.start(ctx.attempt().to_string());
        if log.starts().len() >= self.good_from as usize {
            return Ok(ctx.attempt());
        }
        tracing::info!("failing");
        match self.how {
            How::Error => Err(Failure::retry("the disk is on fire")),
            How::Panic => panic!("the disk is on fire"),
            How::Fatal => Err(Failure::fatal("no such disk")),
            How::Hang => std::future::pending().await,
        }
    }
}

/// Takes a while; says whether it was asked to stop.
#[derive(Serialize, Deserialize)]
pub(crate) struct Slow {
    pub(crate) millis: u64,
    pub(crate) listens: bool,
}

impl Task for Slow {
    const NAME: &'static str = "slow";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let log = ctx.state::<Log>()?;
        let _running = log.start(ctx.key().to_string());
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(self.millis)) => Ok(()),
            () = ctx.cancellation().cancelled(), if self.listens => {
                log.cancelled.fetch_add(1, Ordering::SeqCst);
                Err(Failure::cancelled())
            }
        }
    }
}

/// Blocks the thread it runs on.
#[derive(Serialize, Deserialize)]
pub(crate) struct Block {
    pub(crate) millis: u64,
}

impl Task for Block {
    const NAME: &'static str = "block";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let log = ctx.state::<Log>()?;
        let _running = log.start("block");
        std::thread::sleep(Duration::from_millis(self.millis));
        Ok(())
    }
}

/// Blocks a thread for longer than its timeout the first time, and ends at once the second time.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stuck {
    pub(crate) millis: u64,
    /// On a blocking thread, or on the one that it runs on.
    pub(crate) apart: bool,
}

impl Task for Stuck {
    const NAME: &'static str = "stuck";
    type Output = ();

    fn policy() -> Policy {
        Policy { timeout: Duration::from_millis(500), ..quick() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let (log, key) = (ctx.state::<Log>()?, ctx.key().to_string());
        let is_first = !log.starts().contains(&key);
        let block = move || {
            let _running = log.start(key);
            if is_first {
                std::thread::sleep(Duration::from_millis(self.millis));
            }
        };
        if self.apart {
            ctx.spawn_blocking(block).await?;
        } else {
            block();
            // Where it can be dropped.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Returns so many bytes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sized {
    pub(crate) bytes: usize,
}

impl Task for Sized {
    const NAME: &'static str = "sized";
    type Output = String;

    async fn run(self, ctx: Context) -> Result<String, Failure> {
        let log = ctx.state::<Log>()?;
        let _running = log.start(ctx.key().to_string());
        Ok("x".repeat(self.bytes))
    }
}

/// Returns a map whose keys no JSON has.
#[derive(Serialize, Deserialize)]
pub(crate) struct NoJson {}

impl Task for NoJson {
    const NAME: &'static str = "no_json";
    type Output = BTreeMap<Vec<u8>, u8>;

    async fn run(self, ctx: Context) -> Result<Self::Output, Failure> {
        let log = ctx.state::<Log>()?;
        let _running = log.start(ctx.key().to_string());
        Ok(BTreeMap::from([(vec![1], 1)]))
    }
}

/// Adds two more.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fork {}

impl Task for Fork {
    const NAME: &'static str = "fork";
    type Output = ();

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        for text in ["left", "right"] {
            // A key made of the parent's: a second run of this one adds nothing twice.
            ctx.client().add(Echo { text: text.to_owned() }).key(format!("{}:{text}", ctx.key())).await?;
        }
        Ok(())
    }
}

/// Runs again a few milliseconds later, as often as instructed; then it is done.
#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct Back {
    pub(crate) by: By,
    pub(crate) times: u32,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub(crate) enum By {
    Retry,
    Snooze,
    /// By a task that it adds, under a key derived from its own.
    Successor,
}

impl Task for Back {
    const NAME: &'static str = "back";
    type Output = ();

    fn policy() -> Policy {
        Policy { max_attempts: 1_000, ..quick() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let log = ctx.state::<Log>()?;
        let soon = Duration::from_millis(7);
        let key = ctx.key().to_string();
        let runs = {
            let _running = log.start(&key);
            log.starts().iter().filter(|start| **start == key).count()
        };
        match self.by {
            By::Retry if runs <= self.times as usize => Err(Failure::retry_after(soon, "not yet".to_owned())),
            By::Snooze if runs <= self.times as usize => Err(Failure::snooze(soon)),
            By::Successor if self.times > 0 => {
                let next = Self { times: self.times - 1, ..self };
                ctx.client().add(next).key(format!("{key}.")).after(soon).await?;
                Ok(())
            }
            By::Retry | By::Snooze | By::Successor => {
                log.done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }
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
        let log = ctx.state::<Log>()?;
        let _running = log.start("tick");
        Ok(())
    }
}

/// The same task type in a later build: in another queue, more often, with other args.
#[derive(Serialize, Deserialize)]
pub(crate) struct LaterTick {
    times: u32,
}

impl Default for LaterTick {
    fn default() -> Self {
        Self { times: 1 }
    }
}

impl Task for LaterTick {
    const NAME: &'static str = Tick::NAME;
    type Output = ();

    fn policy() -> Policy {
        Policy { every: Some(Duration::from_millis(1_500)), queue: "later".parse().unwrap(), ..quick() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let log = ctx.state::<Log>()?;
        let _running = log.start(format!("later tick {}", self.times));
        Ok(())
    }
}

/// Comes back every second, and never goes well.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct Sour {}

impl Task for Sour {
    const NAME: &'static str = "sour";
    type Output = ();

    fn policy() -> Policy {
        Policy { every: Some(Duration::from_secs(1)), max_attempts: 1, ..quick() }
    }

    async fn run(self, _ctx: Context) -> Result<(), Failure> {
        Err(Failure::retry("the milk is off"))
    }
}
