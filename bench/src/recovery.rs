//! How soon the tasks of a killed worker run again.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::{Settings, State};

use crate::Outcome;
use crate::jobs::{Hold, Starts};
use crate::stage::{Stage, worker_on};

const TASKS: usize = 10;

/// Ends the process it holds, however the run ends.
struct Killed(Child);

impl Killed {
    /// `kill -9`.
    fn kill(&mut self) -> Outcome {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Safe to lose: it is gone already, or the figure has failed anyway.
        let _ = self.kill();
    }
}

pub(crate) async fn figure() -> Outcome {
    let stage = Stage::redis().await?;
    let docket = stage.client.store().capabilities().docket;
    let first = Command::new(std::env::current_exe()?)
        .args(["worker", &stage.url()?, docket.as_str()])
        .stdin(Stdio::null())
        .spawn()?;
    let mut first = Killed(first);
    for n in 0..TASKS {
        stage.client.add(Hold {}).key(format!("hold-{n}")).await?;
    }
    until_running(&stage).await?;

    let second = stage.worker(Settings { concurrency: 2 * TASKS, ..Settings::default() })?;
    let stop = second.stop();
    let running = tokio::spawn(second.run());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let killed = Instant::now();
    first.kill()?;
    tokio::time::timeout(Duration::from_mins(2), stage.starts.reach(TASKS)).await?;
    let starts = stage.starts.all();
    let last = starts.values().flatten().max().ok_or("nothing started")?.saturating_duration_since(killed);
    for (key, times) in &starts {
        let view = stage.client.store().get(&docket_core::Key::new(key)?).await?.ok_or("a task was lost")?;
        if times.len() != 1 || view.crashes != 1 || view.state != State::Running {
            return Err(format!("{key} started {} times and is {view:?}", times.len()).into());
        }
    }
    stop.leave();
    running.await??;
    println!(
        "redis: kill -9 of a worker with {TASKS} running tasks: all restarted by a second one after {last:.1?}; \
         none lost, none under two live leases"
    );
    Ok(())
}

async fn until_running(stage: &Stage) -> Outcome {
    for _ in 0..300 {
        let counts = stage.client.store().counts().await?;
        if counts.iter().map(|lane| lane.running).sum::<u64>() == TASKS as u64 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("the first worker did not start the tasks within 30 s".into())
}

pub(crate) async fn worker(url: &str, docket: &str) -> Outcome {
    let store = crate::stage::open(url, docket.parse()?).await?;
    Ok(worker_on(store, Arc::new(Starts::default()), Settings::default())?.run().await?)
}
