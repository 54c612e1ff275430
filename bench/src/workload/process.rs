//! Processes of their own: a worker to watch while it idles, or to kill while it runs.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use docket_core::{DocketName, Settings, Worker};

use crate::Outcome;
use crate::floor;
use crate::servers::open;
use crate::tasks::{Tally, busy, idle};
use crate::verbs::serve;

/// The arguments of the process.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    role: Role,
    url: String,
    docket: DocketName,
    heartbeat_interval_ms: u64,
}

/// The purpose of the process.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// A worker with ten task types that nobody adds.
    Idle,
    /// A worker to kill.
    Busy,
    /// The floor's minimal worker, waiting.
    Floor,
}

pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let Arguments { role, url, docket, heartbeat_interval_ms } = arguments;
    let tally = Arc::new(Tally::of(0));
    let registry = match role {
        Role::Idle => idle()?,
        Role::Busy => busy()?,
        Role::Floor => return serve(floor::open(&url).await?, 10, tally).await,
    };
    let heartbeat_interval = Duration::from_millis(heartbeat_interval_ms);
    let settings = Settings { heartbeat_interval, ..Settings::default() };
    let store = open(&url, docket).await?;
    Ok(Worker::builder(store).registry(registry).state(tally).settings(settings).build()?.run().await?)
}

/// Ends the process it holds, however the run ends.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(role: Role, url: &str, docket: &DocketName, heartbeat_interval: Duration) -> Outcome<Self> {
        let role = role.to_possible_value().ok_or("every role has a name")?;
        let child = Command::new(std::env::current_exe()?)
            .args(["process", role.get_name(), url, docket.as_str(), &heartbeat_interval.as_millis().to_string()])
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    pub(crate) fn id(&self) -> Outcome<i32> {
        Ok(i32::try_from(self.0.id())?)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Outcome {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Safe to lose: it is gone already, or the run has failed anyway.
        let _ = self.kill();
    }
}
