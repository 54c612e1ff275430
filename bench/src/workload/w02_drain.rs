//! W2: how many tasks go through one worker in a second, from its start to the answer to its last ack; and how many whole
//! lives a bare store takes on one thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::limits;

use crate::Outcome;
use crate::bench::{Bench, Scale, rate, share};
use crate::docket::{Docket, Running, at_once};
use crate::floor;
use crate::meter::Meter;
use crate::report::{Faults, Measured, Side};
use crate::servers::{Kind, Server};
use crate::tasks::{Tally, usual};
use crate::verbs::{Verbs, add_all, run_all};

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    for concurrency in [10, 100] {
        bench
            .alternate("w2", async |side, server: &Server, scale| drain(side, server, scale, concurrency).await)
            .await?;
    }
    if !bench.kinds.contains(&Kind::Memory) {
        return Ok(());
    }
    let kinds = std::mem::replace(&mut bench.kinds, vec![Kind::Memory]);
    let measured = bench.alternate("w2", lives).await;
    bench.kinds = kinds;
    measured
}

/// How many tasks make a run of a second or more.
fn tasks(kind: Kind, concurrency: usize) -> usize {
    match (kind, concurrency) {
        (Kind::Memory, _) => 200_000,
        (Kind::Redis, ..50) => 20_000,
        (Kind::Redis, _) => 60_000,
        (Kind::Postgres, ..50) => 3_000,
        (Kind::Postgres, _) => 20_000,
    }
}

async fn drain(side: Side, server: &Server, scale: Scale, concurrency: usize) -> Outcome<Measured> {
    let count = scale.tasks(tasks(server.kind(), concurrency));
    let items = usual(count)?;
    let tally = Arc::new(Tally::of(count));
    let mut meter = Meter::on(server).await?;
    let verbs: Arc<dyn Verbs>;
    let (before, time);
    match side {
        Side::Docket => {
            let store = server.docket().await?;
            verbs = Arc::new(Docket::on(store.clone())?);
            add_all(&*verbs, &items, limits::BATCH_ITEMS_MAX, Duration::ZERO).await?;
            before = look(meter.as_mut()).await?;
            let start = Instant::now();
            let worker = Running::start(&store, &tally, at_once(concurrency))?;
            tally.reach(count).await;
            worker.stop().await?;
            time = start.elapsed();
        }
        Side::Floor => {
            verbs = floor::open(&server.url()).await?;
            add_all(&*verbs, &items, limits::BATCH_ITEMS_MAX, Duration::ZERO).await?;
            before = look(meter.as_mut()).await?;
            let start = Instant::now();
            floor::drain(&*verbs, concurrency, &tally).await?;
            time = start.elapsed();
        }
    }
    let spent = look(meter.as_mut()).await?.since(before);
    let mut measured = Measured { faults: tally.faults(), ..Measured::default() };
    measured.faults.add(Faults::of_count(0, verbs.unfinished().await? as u64));
    measured.figure(format!("drain, concurrency {concurrency}"), "tasks/s", rate(count, time));
    if server.kind() != Kind::Memory {
        let name = format!("server CPU, lease to ack, concurrency {concurrency}");
        measured.figure(name, "µs/task", share(spent.cpu * 1e6, count));
    }
    Ok(measured)
}

async fn look(meter: Option<&mut Meter>) -> Outcome<crate::meter::Look> {
    match meter {
        Some(meter) => meter.look().await,
        None => Ok(crate::meter::Look::default()),
    }
}

/// Add, lease and ack in batches of 1,000, one after another on this thread: for a store without a server.
async fn lives(side: Side, server: &Server, scale: Scale) -> Outcome<Measured> {
    let count = scale.tasks(500_000);
    let items = usual(count)?;
    let tally = Tally::of(count);
    let verbs: Arc<dyn Verbs> = match side {
        Side::Docket => Arc::new(Docket::on(server.docket().await?)?),
        Side::Floor => floor::open(&server.url()).await?,
    };
    let start = Instant::now();
    for some in items.chunks(limits::BATCH_ITEMS_MAX) {
        add_all(&*verbs, some, some.len(), Duration::ZERO).await?;
        run_all(&*verbs, some.len(), &tally).await?;
    }
    let time = start.elapsed();
    let mut measured = Measured { faults: tally.faults(), ..Measured::default() };
    measured.figure("lives on one core, bulk", "tasks/s", rate(count, time));
    Ok(measured)
}
