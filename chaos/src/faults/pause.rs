//! SIGSTOP, then SIGCONT. Where all are in this process, it stops itself: a helper wakes it.

use std::process::Stdio;

use rustix::process::{Signal, getpid, kill_process};
use tokio::process::Command;

use super::{Stage, Struck};
use crate::Outcome;
use crate::cast::Role;
use crate::ledger::Event;
use crate::plan::{Kind, Planned};
use crate::store::Server;

pub(super) async fn pause(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    if matches!(stage.server, Server::Memory(_)) {
        return pause_all(stage, planned).await;
    }
    let role = match planned.kind {
        Kind::PauseAdder => Role::Adder,
        Kind::PausePooled => Role::Pooled,
        Kind::PauseTransaction => Role::Caller,
        _ => Role::Worker,
    };
    let place = stage.cast.choose(role, planned.target);
    let struck = Struck::only(vec![stage.cast.name(place)]);
    stage.cast.pause(place)?;
    stage.wait(planned.lasts).await?;
    stage.cast.resume(place)?;
    Ok(struck)
}

async fn pause_all(stage: &mut Stage, planned: &Planned) -> Outcome<Struck> {
    let names = stage.cast.names();
    for process in names.iter().cloned() {
        stage.ledger.write(Event::Paused { process });
    }
    let wake = format!("sleep {}; kill -CONT {}", planned.lasts.as_secs_f64(), std::process::id());
    let mut helper = Command::new("sh").args(["-c", &wake]).stdin(Stdio::null()).spawn()?;
    kill_process(getpid(), Signal::STOP)?;
    helper.wait().await?;
    for process in names {
        stage.ledger.write(Event::Resumed { process });
    }
    Ok(Struck::all())
}
