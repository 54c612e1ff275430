//! Task types, and the records of their runs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use docket_core::{Backoff, Context, Failure, Policy, Task};
use serde::{Deserialize, Serialize};

/// The log of the runs of one test.
#[derive(Default, Debug)]
pub(crate) struct Log {
    starts: Mutex<Vec<String>>,
    running: AtomicUsize,
    running_max: AtomicUsize,
    told: AtomicUsize,
}

impl Log {
    /// The keys of all runs, in the order in which they started.
    pub(crate) fn starts(&self) -> Vec<String> {
        self.starts.lock().unwrap().clone()
    }

    /// How many runs were under way at once, at most.
    pub(crate) fn running_max(&self) -> usize {
        self.running_max.load(Ordering::SeqCst)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// How many runs were asked to stop, and did.
    pub(crate) fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }

    fn start(&self, key: impl Into<String>) -> Under<'_> {
        self.starts.lock().unwrap().push(key.into());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.running_max.fetch_max(running, Ordering::SeqCst);
        Under(self)
    }
}

/// A run that is under way.
struct Under<'a>(&'a Log);

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs for so many milliseconds, or until it is asked to stop, if it listens.
#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    millis: u64,
    listens: bool,
}

impl Run {
    pub(crate) fn of(time: Duration) -> Self {
        Self { millis: u64::try_from(time.as_millis()).unwrap(), listens: true }
    }

    /// It goes on when it is asked to stop.
    pub(crate) fn stubborn(self) -> Self {
        Self { listens: false, ..self }
    }
}

impl Task for Run {
    const NAME: &'static str = "run";
    type Output = ();

    fn policy() -> Policy {
        Policy { timeout: Duration::from_secs(2 * 3_600), ..Policy::default() }
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        let log = ctx.state::<Log>()?;
        let _under = log.start(ctx.key().to_string());
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(self.millis)) => Ok(()),
            () = ctx.cancellation().cancelled(), if self.listens => {
                log.told.fetch_add(1, Ordering::SeqCst);
                Err(Failure::cancelled())
            }
        }
    }
}

/// Ends in this way, until so many runs were made.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fail {
    pub(crate) how: How,
    pub(crate) runs: usize,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(crate) enum How {
    Error,
    /// With a payload that panics when it is dropped.
    PanicsTwice,
    Fatal,
    Hangs,
    Snooze,
}

impl Task for Fail {
    const NAME: &'static str = "fail";
    type Output = u32;

    fn policy() -> Policy {
        let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(5) };
        Policy { max_attempts: 3, timeout: Duration::from_secs(20), backoff, ..Policy::default() }
    }

    async fn run(self, ctx: Context) -> Result<u32, Failure> {
        let log = ctx.state::<Log>()?;
        let _under = log.start(ctx.attempt().to_string());
        if log.starts().len() > self.runs {
            return Ok(ctx.attempt());
        }
        match self.how {
            How::Error => Err(Failure::retry("the disk is on fire")),
            How::PanicsTwice => std::panic::panic_any(Hydra),
            How::Fatal => Err(Failure::fatal("no such disk")),
            How::Snooze => Err(Failure::snooze(Duration::from_secs(5))),
            How::Hangs => std::future::pending().await,
        }
    }
}

/// Each drop raises another one.
struct Hydra;

impl Drop for Hydra {
    fn drop(&mut self) {
        std::panic::panic_any(Self);
    }
}
