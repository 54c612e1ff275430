//! W6: the cost of one task for the store, in batches of 100: processor time, commands, log and
//! bytes.

use std::sync::Arc;
use std::time::Duration;

use crate::Outcome;
use crate::bench::{Bench, Scale, share};
use crate::docket::Docket;
use crate::floor;
use crate::meter::Meter;
use crate::report::{Faults, Measured, Side};
use crate::servers::{Kind, Server};
use crate::tasks::{Tally, usual};
use crate::verbs::{Verbs, add_all, run_all, run_all_kept};

const BATCH: usize = 100;
/// The figure that a bar is held against.
pub(crate) const TRIMMED: &str = "server CPU, add to ack, one trimmed per life";

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    let kinds = bench.kinds.clone();
    bench.kinds.retain(|kind| *kind != Kind::Memory);
    let measured = bench.alternate("w6", one_side).await;
    bench.kinds = kinds;
    measured
}

async fn one_side(side: Side, server: &Server, scale: Scale) -> Outcome<Measured> {
    let count = scale.tasks(if server.kind() == Kind::Redis { 50_000 } else { 10_000 });
    let items = usual(count)?;
    let tally = Tally::of(count);
    let mut meter = Meter::on(server).await?.ok_or("memory has no server")?;
    let verbs: Arc<dyn Verbs> = match side {
        Side::Docket => Arc::new(Docket::on(server.docket().await?)?),
        Side::Floor => floor::open(&server.url()).await?,
    };
    // One life, so that scripts are loaded and plans are made.
    let first = usual(1)?;
    add_all(&*verbs, &first, 1, Duration::ZERO).await?;
    run_all(&*verbs, 1, &Tally::of(1)).await?;

    let empty = meter.look().await?;
    add_all(&*verbs, &items, BATCH, Duration::ZERO).await?;
    let pending = meter.look().await?;
    run_all(&*verbs, BATCH, &tally).await?;
    let finished = meter.look().await?;

    let mut measured = Measured { faults: tally.faults(), ..Measured::default() };
    measured.faults.add(Faults::of_count(0, verbs.unfinished().await? as u64));
    let life = finished.since(empty);
    measured.figure("server CPU, add to ack", "µs/task", share(life.cpu * 1e6, count));
    measured.figure("server CPU, add", "µs/task", share(pending.since(empty).cpu * 1e6, count));
    if server.kind() == Kind::Redis {
        measured.figure("commands sent", "1/task", share(life.sent, count));
        measured.figure("commands inside scripts", "1/task", share(life.inside, count));
    }
    if let Some(log) = life.log {
        measured.figure("log of a life", "bytes/task", share(log, count));
    }
    measured.figure("stored, pending", "bytes/task", share(pending.since(empty).stored, count));
    measured.figure("stored, life over", "bytes/task", share(life.stored, count));

    // The same lives again, each of them trimmed in the next batches.
    let (items, tally) = (usual(count)?, Tally::of(count));
    add_all(&*verbs, &items, BATCH, Duration::ZERO).await?;
    run_all_kept(&*verbs, BATCH, Duration::from_millis(1), &tally).await?;
    let life = meter.look().await?.since(finished);
    measured.faults.add(tally.faults());
    measured.faults.add(Faults::of_count(0, verbs.unfinished().await? as u64));
    measured.figure(TRIMMED, "µs/task", share(life.cpu * 1e6, count));
    Ok(measured)
}
