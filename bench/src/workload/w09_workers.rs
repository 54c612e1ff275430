//! W9: 1, 2, 4 and 8 workers on one docket: tasks a second, and how many wake when one task arrives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::{Settings, limits};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::bench::{Bench, Scale, rate, share};
use crate::docket::{Docket, Running, at_once};
use crate::floor;
use crate::meter::Meter;
use crate::report::{Faults, Measured, Side};
use crate::servers::{Kind, Server};
use crate::tasks::{Note, Tally, usual};
use crate::verbs::{Verbs, add_all, run_all, serve};

const WORKERS: [usize; 4] = [1, 2, 4, 8];
const CONCURRENCY: usize = 10;
/// Tasks that arrive one by one where nobody has anything to do.
const ARRIVALS: usize = 15;
/// Only work caused by a task is to be counted.
const RARELY: Duration = Duration::from_mins(5);
/// Longer than the time after which waiters that were not woken poll: they count too.
const PAUSE: Duration = Duration::from_millis(1_300);

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    for workers in WORKERS {
        bench.alternate("w9", async |side, server: &Server, scale| drain(side, server, scale, workers).await).await?;
    }
    for kind in bench.kinds.clone() {
        if kind == Kind::Memory {
            continue;
        }
        let server = Server::start_counting(kind).await?;
        for side in Side::BOTH {
            let measured = stampede(side, &server).await?;
            bench.report.take("w9", kind, side, measured);
        }
    }
    Ok(())
}

async fn drain(side: Side, server: &Server, scale: Scale, workers: usize) -> Outcome<Measured> {
    let count = scale.tasks(match server.kind() {
        Kind::Memory => 100_000,
        // So many that the workers' starts (connections, plans) do not dominate the server's cost.
        Kind::Redis => 50_000,
        Kind::Postgres => 40_000,
    });
    let items = usual(count)?;
    let tally = Arc::new(Tally::of(count));
    let (verbs, time): (Arc<dyn Verbs>, Duration);
    match side {
        Side::Docket => {
            let store = server.docket().await?;
            verbs = Arc::new(Docket::on(store.clone())?);
            add_all(&*verbs, &items, limits::BATCH_ITEMS_MAX, Duration::ZERO).await?;
            let start = Instant::now();
            let all = (0..workers).map(|_| Running::start(&store, &tally, at_once(CONCURRENCY)));
            let all = all.collect::<Outcome<Vec<_>>>()?;
            tally.reach(count).await;
            let mut stops: JoinSet<_> = all.into_iter().map(Running::stop).collect();
            while let Some(stop) = stops.join_next().await {
                stop??;
            }
            time = start.elapsed();
        }
        Side::Floor => {
            verbs = floor::open(&server.url()).await?;
            add_all(&*verbs, &items, limits::BATCH_ITEMS_MAX, Duration::ZERO).await?;
            let start = Instant::now();
            let mut all = JoinSet::new();
            for _ in 0..workers {
                let (verbs, tally) = (verbs.fork().await?, tally.clone());
                all.spawn(async move { run_all(&*verbs, CONCURRENCY, &tally).await });
            }
            while let Some(worker) = all.join_next().await {
                worker??;
            }
            time = start.elapsed();
        }
    }
    let mut measured = Measured { faults: tally.faults(), ..Measured::default() };
    measured.faults.add(Faults::of_count(0, verbs.unfinished().await? as u64));
    measured.figure(format!("drain, {workers} workers of concurrency {CONCURRENCY}"), "tasks/s", rate(count, time));
    Ok(measured)
}

/// How often eight workers poll, beyond one poll per task that arrives.
async fn stampede(side: Side, server: &Server) -> Outcome<Measured> {
    let mut measured = Measured::default();
    let mut sent = Vec::new();
    for workers in [1, 8] {
        let (commands, faults) = arrivals(side, server, workers).await?;
        sent.push(commands);
        measured.faults.add(faults);
    }
    let more = (sent[1] - sent[0]).max(0.0);
    measured.figure("workers that look when one task arrives, of 8", "workers", 1.0 + more);
    Ok(measured)
}

/// How many looks there are for each arrival.
async fn arrivals(side: Side, server: &Server, workers: usize) -> Outcome<(f64, Faults)> {
    let tally = Arc::new(Tally::of(ARRIVALS));
    let mut meter = Meter::on(server).await?.ok_or("memory has no server")?;
    let (mut running, mut floors) = (Vec::new(), JoinSet::new());
    let verbs: Arc<dyn Verbs> = match side {
        Side::Docket => {
            let store = server.docket().await?;
            for _ in 0..workers {
                running.push(Running::start(
                    &store,
                    &tally,
                    Settings { check_interval: RARELY, ..at_once(CONCURRENCY) },
                )?);
            }
            Arc::new(Docket::on(store)?)
        }
        Side::Floor => {
            let verbs = floor::open(&server.url()).await?;
            for _ in 0..workers {
                floors.spawn(serve(verbs.fork().await?, CONCURRENCY, tally.clone()));
            }
            verbs
        }
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = meter.look().await?;
    for place in 0..ARRIVALS {
        verbs.add(&[Note::usual(place).item()?], Duration::ZERO).await?;
        tokio::time::sleep(PAUSE).await;
    }
    tally.reach(ARRIVALS).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let spent = meter.look().await?.since(before);
    for worker in running {
        worker.stop().await?;
    }
    floors.shutdown().await;
    Ok((share(spent.looks, ARRIVALS), tally.faults()))
}
