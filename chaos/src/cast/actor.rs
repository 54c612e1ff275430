//! One actor: a process of its own, or, if the store is in this process, a runtime of its own.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use docket_core::worker::Stop;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Role, Scene};
use crate::Outcome;
use crate::roles::{Adder, Build, Common, Worker};

#[derive(Debug)]
pub(super) enum Actor {
    Process(Child),
    Inside(Inside),
}

/// Killed by taking its runtime away.
#[derive(Debug)]
pub(super) struct Inside {
    runtime: Option<Runtime>,
    playing: JoinHandle<Outcome>,
    stop: Ask,
}

#[derive(Debug)]
enum Ask {
    Adder(oneshot::Sender<()>),
    Worker(Stop),
}

impl Actor {
    pub(super) fn start(scene: &Scene, role: Role, name: &str, url: &str, build: Build, seed: u64) -> Outcome<Self> {
        let common = Common {
            url: url.to_owned(),
            docket: scene.docket.clone(),
            name: name.to_owned(),
            ledgers: scene.ledgers.clone(),
            build,
            sabotage: scene.sabotage,
        };
        if scene.memory.is_some() {
            return Ok(Self::Inside(Inside::start(scene, role, common, seed)?));
        }
        let mut command = Command::new(std::env::current_exe()?);
        let rate = scene.rate.to_string();
        match role {
            Role::Adder => command.args(["adder", "--seed", &seed.to_string(), "--rate", &rate]),
            Role::Caller => command.args(["adder", "--seed", &seed.to_string(), "--rate", &rate, "--in-transaction"]),
            Role::Worker | Role::Pooled => command.arg("worker"),
        };
        let log = File::create(scene.ledgers.join(format!("{name}.log")))?;
        let child = command
            .args(["--url", url, "--docket", common.docket.as_str(), "--name", name])
            .arg("--ledgers")
            .arg(&common.ledgers)
            .args(["--build", &build.name(), "--sabotage", &common.sabotage.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self::Process(child))
    }

    pub(super) async fn kill(self) -> Outcome {
        match self {
            Self::Process(mut child) => child.kill().await?,
            Self::Inside(mut inside) => inside.kill(),
        }
        Ok(())
    }

    /// Whether it ended when it was asked to.
    pub(super) async fn end(self, within: Duration) -> Outcome<bool> {
        match self {
            Self::Process(mut child) => {
                // Kept: a process whose input ends has lost its conductor.
                let input = child.stdin.take();
                signal(&child, Signal::TERM)?;
                let ended = timeout(within, child.wait()).await;
                drop(input);
                if ended.is_err() {
                    child.kill().await?;
                }
                Ok(ended.is_ok())
            }
            Self::Inside(mut inside) => Ok(inside.end(within).await),
        }
    }

    pub(super) fn pause(&self) -> Outcome {
        self.signal(Signal::STOP)
    }

    pub(super) fn resume(&self) -> Outcome {
        self.signal(Signal::CONT)
    }

    fn signal(&self, which: Signal) -> Outcome {
        match self {
            Self::Process(child) => signal(child, which),
            Self::Inside(_) => Err("an actor in this process cannot be stopped alone".into()),
        }
    }

    /// How it ended by itself, if it did.
    pub(super) fn ended(&mut self) -> Outcome<Option<String>> {
        Ok(match self {
            Self::Process(child) => child.try_wait()?.map(|status| status.to_string()),
            Self::Inside(inside) => inside.playing.is_finished().then(|| "its future is over".to_owned()),
        })
    }
}

fn signal(child: &Child, signal: Signal) -> Outcome {
    let Some(id) = child.id() else { return Ok(()) };
    let pid = Pid::from_raw(i32::try_from(id)?).ok_or("a process has a number")?;
    Ok(kill_process(pid, signal)?)
}

impl Inside {
    fn start(scene: &Scene, role: Role, common: Common, seed: u64) -> Outcome<Self> {
        let store = scene.memory.as_ref().ok_or("the store is elsewhere")?.fork();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (playing, stop) = match role {
            Role::Adder | Role::Caller => {
                let adder = Adder::new(common, seed, scene.rate);
                let (ask, asked) = oneshot::channel();
                let stop = async move {
                    // A sender that is gone asks as well.
                    let _ = asked.await;
                };
                (runtime.spawn(adder.run_on(store, stop)), Ask::Adder(ask))
            }
            Role::Worker | Role::Pooled => {
                let worker = Worker::new(common).build(store)?;
                let stop = worker.stop_handle();
                (runtime.spawn(async move { Ok(worker.run().await?) }), Ask::Worker(stop))
            }
        };
        Ok(Self { runtime: Some(runtime), playing, stop })
    }

    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    async fn end(&mut self, within: Duration) -> bool {
        match &mut self.stop {
            Ask::Worker(stop) => stop.stop(),
            Ask::Adder(ask) => {
                // The receiver takes a sender that is gone for a word.
                drop(std::mem::replace(ask, oneshot::channel().0));
            }
        }
        let ended = timeout(within, &mut self.playing).await.is_ok();
        self.kill();
        ended
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // A runtime must not be dropped inside another.
        self.kill();
    }
}
