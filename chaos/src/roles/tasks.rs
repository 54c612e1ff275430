//! The tasks, in two builds that differ as two deploys may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use docket_core::{Context, Failure, Policy, Queue, Registry, Result, Task};
use serde::{Deserialize, Serialize};

use super::{EVERY, Sabotage};
use crate::history::PERIODIC;
use crate::ledger::{Event, How, Ledger};

/// A build of the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Build {
    /// The build that a run begins and ends with.
    Old,
    /// Its tasks need an arg that the tasks of the old build do not have; its periodic task has
    /// another queue and interval.
    New,
}

impl Build {
    /// Its task types.
    pub fn registry(self) -> Result<Registry> {
        let mut registry = Registry::new();
        match self {
            Self::Old => registry.register::<Work>()?.periodic::<Tick>()?,
            Self::New => registry.register::<NewWork>()?.periodic::<NewTick>()?,
        };
        Ok(registry)
    }

    /// The queues it serves: of the periodic task its own alone.
    pub fn queues(self) -> Result<Vec<Queue>> {
        let periodic = match self {
            Self::Old => "periodic",
            Self::New => "periodic-new",
        };
        Ok(vec![Queue::default(), Queue::new("fast")?, Queue::new(periodic)?])
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Shared by the runs of one worker.
#[derive(Debug)]
pub struct Desk {
    ledger: Arc<Ledger>,
    sabotage: Sabotage,
    runs: AtomicU64,
}

impl Desk {
    /// A desk with this ledger.
    pub fn new(ledger: Arc<Ledger>, sabotage: Sabotage) -> Self {
        Self { ledger, sabotage, runs: AtomicU64::new(0) }
    }

    fn start(&self, ctx: &Context) -> Run {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let key = ctx.key().as_str().to_owned();
        self.ledger.write(Event::Started { run: number, key, fence: ctx.token().fence.0, attempt: ctx.attempt() });
        Run { ledger: Arc::clone(&self.ledger), number, ended: false }
    }

    async fn work(&self, ctx: &Context, millis: u64, fails: u32) -> Result<(), Failure> {
        let run = self.start(ctx);
        let time = Duration::from_millis(millis);
        let by_accident = |run: u64, of: u64| run % of == of - 1;
        match self.sabotage {
            Sabotage::AckFirst => {
                tokio::spawn(run.goes_on(time));
                return Ok(());
            }
            Sabotage::Deaf => {
                // Dropping the handle does not end it.
                tokio::spawn(run.goes_on(time)).await?;
                return Ok(());
            }
            Sabotage::Twice if by_accident(run.number, 20) => self.start(ctx).end(How::Done),
            Sabotage::Twice | Sabotage::Nothing | Sabotage::LoseAdds => {}
        }
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = ctx.cancellation().cancelled() => {
                run.ledger.write(Event::Told { run: run.number });
                run.end(How::Stopped);
                return Err(Failure::cancelled());
            }
        }
        if ctx.attempt() <= fails {
            run.end(How::Failed);
            return Err(Failure::retry_after(Duration::from_millis(100), "on purpose".to_owned()));
        }
        run.end(How::Done);
        Ok(())
    }
}

/// A run; if dropped before its end, it records that.
struct Run {
    ledger: Arc<Ledger>,
    number: u64,
    ended: bool,
}

impl Run {
    async fn goes_on(self, time: Duration) {
        tokio::time::sleep(time).await;
        self.end(How::Done);
    }

    fn end(mut self, how: How) {
        self.ended = true;
        self.ledger.write(Event::Ended { run: self.number, how });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            self.ledger.write(Event::Ended { run: self.number, how: How::Dropped });
        }
    }
}

/// Faults strike some keys many times; none of them is to die of that.
fn policy(queue: &str, every: Option<Duration>) -> Policy {
    let queue = Queue::new(queue).unwrap_or_default();
    Policy { max_crashes: 1_000, retention: Duration::from_hours(1), queue, every, ..Policy::default() }
}

/// Work of some length that fails at first.
#[derive(Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) millis: u64,
    pub(super) fails: u32,
}

impl Task for Work {
    const NAME: &'static str = "work";
    type Output = ();

    fn policy() -> Policy {
        policy("default", None)
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Desk>()?.work(&ctx, self.millis, self.fails).await
    }
}

/// The same with an arg that older tasks do not have.
#[derive(Serialize, Deserialize)]
pub(super) struct NewWork {
    pub(super) millis: u64,
    pub(super) fails: u32,
    pub(super) note: String,
}

impl Task for NewWork {
    const NAME: &'static str = Work::NAME;
    type Output = ();

    fn policy() -> Policy {
        policy("fast", None)
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Desk>()?.work(&ctx, self.millis, self.fails).await
    }
}

/// The periodic task.
#[derive(Serialize, Deserialize, Default)]
struct Tick {}

impl Task for Tick {
    const NAME: &'static str = PERIODIC;
    type Output = ();

    fn policy() -> Policy {
        policy("periodic", Some(Duration::from_secs(1)))
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Desk>()?.work(&ctx, 5, 0).await
    }
}

/// The same in another queue, with another interval and another arg.
#[derive(Serialize, Deserialize, Default)]
struct NewTick {
    note: String,
}

impl Task for NewTick {
    const NAME: &'static str = PERIODIC;
    type Output = ();

    fn policy() -> Policy {
        policy("periodic-new", Some(EVERY))
    }

    async fn run(self, ctx: Context) -> Result<(), Failure> {
        ctx.state::<Desk>()?.work(&ctx, 5, 0).await
    }
}
