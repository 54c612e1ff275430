//! W5: the cost of a worker without work: a process of its own, default settings, ten task types.
//!
//! All runs of one store are at the same time, each with a server of its own: they do nothing, so
//! none disturbs another.

use std::time::Duration;

use docket_core::{DocketName, Settings};

use super::process::{Process, Role};
use crate::Outcome;
use crate::bench::{Bench, share};
use crate::meter::{Look, Meter, process};
use crate::report::{Measured, Side};
use crate::servers::{Kind, Server};

/// Past the start: joining, seeding, the first look.
const SETTLED: Duration = Duration::from_secs(3);

/// One worker that is watched.
struct Watched {
    kind: Kind,
    side: Side,
    process: Process,
    meter: Option<Meter>,
    /// Keeps the store alive.
    _server: Server,
    before: Look,
    cpu_before: f64,
}

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    let seconds = if bench.scale.quick { 10 } else { 60 };
    let mut all = Vec::new();
    for kind in bench.kinds.clone() {
        for _ in 0..bench.scale.rounds {
            for side in Side::BOTH {
                all.push(start(kind, side).await?);
            }
        }
    }
    tokio::time::sleep(SETTLED).await;
    for watched in &mut all {
        watched.begin().await?;
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    for mut watched in all {
        let measured = watched.end(seconds).await?;
        bench.report.take("w5", watched.kind, watched.side, measured);
    }
    Ok(())
}

async fn start(kind: Kind, side: Side) -> Outcome<Watched> {
    let server = Server::start_counting(kind).await?;
    let role = match side {
        Side::Docket => Role::Idle,
        Side::Floor => Role::Floor,
    };
    let process = Process::start(role, &server.url(), &DocketName::default(), Settings::default().heartbeat_interval)?;
    let meter = Meter::on(&server).await?;
    Ok(Watched { kind, side, process, meter, _server: server, before: Look::default(), cpu_before: 0.0 })
}

impl Watched {
    async fn begin(&mut self) -> Outcome {
        if let Some(meter) = &mut self.meter {
            self.before = meter.look().await?;
        }
        self.cpu_before = process::cpu(self.process.id()?)?;
        Ok(())
    }

    async fn end(&mut self, seconds: u64) -> Outcome<Measured> {
        let id = self.process.id()?;
        let cpu = process::cpu(id)? - self.cpu_before;
        let mut measured = Measured::default();
        let seconds = usize::try_from(seconds)?;
        if let Some(meter) = &mut self.meter {
            let what = meter.command();
            let spent = meter.look().await?.since(self.before);
            measured.figure(format!("{what} sent"), "1/s", share(spent.sent, seconds));
            measured.figure(format!("{what} inside scripts"), "1/s", share(spent.inside, seconds));
            measured.figure("server CPU", "s/min", share(spent.cpu * 60.0, seconds));
        }
        measured.figure("worker CPU", "s/min", share(cpu * 60.0, seconds));
        measured.figure("worker memory", "MiB", process::resident(id)?);
        Ok(measured)
    }
}
