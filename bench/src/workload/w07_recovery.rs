//! W7: how soon the tasks of a killed worker run again, with a second worker there.
//!
//! The baseline: leases of the same length that nobody renews, and a second minimal worker that
//! waits for their deadline. The time depends on settings, not on work: so all runs are at the same
//! time, ours on a docket each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::{Client, DocketName, Settings, TaskState};
use tokio::task::JoinSet;

use super::process::{Process, Role};
use crate::Outcome;
use crate::bench::Bench;
use crate::docket::{Running, at_once};
use crate::floor;
use crate::report::{Faults, Measured, Side};
use crate::servers::{Kind, Server, open};
use crate::tasks::{Hold, Tally, usual};
use crate::verbs::{add_all, serve};

const TASKS: usize = 10;
const HEARTBEAT_INTERVALS: [Duration; 2] = [Duration::from_secs(2), Duration::from_millis(500)];

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    let mut runs = JoinSet::new();
    for kind in bench.kinds.clone() {
        // The memory of a killed process is gone with it.
        if kind == Kind::Memory {
            continue;
        }
        let server = bench.servers.empty(kind).await?;
        for round in 0..bench.scale.rounds {
            for interval in HEARTBEAT_INTERVALS {
                let docket: DocketName = format!("run-{round}-{}", interval.as_millis()).parse()?;
                let server = server.clone();
                runs.spawn(async move {
                    let measured = docket_side(&server, docket, interval).await?;
                    Outcome::Ok((kind, Side::Docket, vec![measured]))
                });
            }
        }
        let rounds = bench.scale.rounds;
        runs.spawn(async move { Ok((kind, Side::Floor, floor_side(&server, rounds).await?)) });
    }
    while let Some(run) = runs.join_next().await {
        let (kind, side, all) = run??;
        for measured in all {
            bench.report.take("w7", kind, side, measured);
        }
    }
    Ok(())
}

fn name(interval: Duration) -> String {
    format!("kill -9, heartbeat_interval={}, all restarted", docket_core::display_duration(interval))
}

async fn docket_side(server: &Server, docket: DocketName, interval: Duration) -> Outcome<Measured> {
    let mut first = Process::start(Role::Busy, &server.url(), &docket, interval)?;
    let store = open(&server.url(), docket).await?;
    let client = Client::new(store.clone());
    let mut keys = Vec::new();
    for place in 0..TASKS {
        keys.push(client.add(Hold::at(place)).await?.key);
    }
    until_running(&client).await?;

    let tally = Arc::new(Tally::of(TASKS));
    let settings = Settings { heartbeat_interval: interval, ..at_once(2 * TASKS) };
    let second = Running::start(&store, &tally, settings)?;
    // Into the middle of a renewal's time, so that no run has the best or the worst of it.
    tokio::time::sleep(Duration::from_secs(1) + interval.mul_f64(fastrand::f64())).await;
    let killed = Instant::now();
    first.kill()?;
    tokio::time::timeout(Duration::from_mins(2), tally.reach(TASKS)).await?;
    let last = (0..TASKS).filter_map(|place| tally.started(place)).max().ok_or("nothing started")?;

    let mut measured = Measured { faults: tally.faults(), ..Measured::default() };
    for key in &keys {
        let view = store.get(key).await?;
        // One crash each: no lease but the killed worker's has passed.
        if !view.is_some_and(|view| view.crashes == 1 && view.state == TaskState::Running) {
            measured.faults.add(Faults { lost: 1, duplicates: 0 });
        }
    }
    tally.end();
    second.stop().await?;
    measured.figure(name(interval), "s", last.saturating_duration_since(killed).as_secs_f64());
    Ok(measured)
}

async fn until_running(client: &Client) -> Outcome {
    for _ in 0..300 {
        let counts = client.store().counts().await?;
        if counts.iter().map(|lane| lane.running).sum::<u64>() == TASKS as u64 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("the first worker did not start the tasks within 30 s".into())
}

/// Its lease is that of the default settings. One round after another: its tasks have no docket of
/// their own.
async fn floor_side(server: &Server, rounds: usize) -> Outcome<Vec<Measured>> {
    let verbs = floor::open(&server.url()).await?;
    let mut all = Vec::new();
    for _ in 0..rounds {
        add_all(&*verbs, &usual(TASKS)?, TASKS, Duration::ZERO).await?;
        let leased = verbs.lease(TASKS, Duration::ZERO).await?.len();
        let killed = Instant::now();
        let tally = Arc::new(Tally::of(TASKS));
        let second = tokio::spawn(serve(verbs.fork().await?, 2 * TASKS, tally.clone()));
        tokio::time::timeout(Duration::from_mins(2), tally.reach(leased)).await?;
        let last = (0..TASKS).filter_map(|place| tally.started(place)).max().ok_or("nothing started")?;
        // Its acks are sent before it goes.
        tokio::time::sleep(Duration::from_millis(200)).await;
        second.abort();
        let mut measured = Measured { faults: tally.faults(), ..Measured::default() };
        let seconds = last.saturating_duration_since(killed).as_secs_f64();
        measured.figure(name(HEARTBEAT_INTERVALS[0]), "s", seconds);
        all.push(measured);
    }
    Ok(all)
}
