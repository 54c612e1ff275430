//! W4: how late scheduled tasks start, at two check intervals.
//!
//! Late against the delay counted from before the add was sent, so the way to the store counts as lateness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::{Client, Settings};

use crate::Outcome;
use crate::bench::{Bench, Scale, millis};
use crate::docket::Running;
use crate::floor;
use crate::report::{Measured, Side, percentile};
use crate::servers::Server;
use crate::tasks::{Note, Tally};
use crate::verbs::{add_all, serve};

/// The baseline has no check interval; it stands beside both.
const CHECK_INTERVALS: [Duration; 2] = [Duration::from_secs(15), Duration::from_millis(250)];
/// The first is due when all have been added.
const SOONEST: Duration = Duration::from_secs(1);
/// They are due one after another, this far apart on average.
const APART: Duration = Duration::from_millis(7);

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    for check_interval in CHECK_INTERVALS {
        bench
            .alternate("w4", async |side, server: &Server, scale| one_side(side, server, scale, check_interval).await)
            .await?;
    }
    Ok(())
}

async fn one_side(side: Side, server: &Server, scale: Scale, check_interval: Duration) -> Outcome<Measured> {
    let count = scale.tasks(200);
    let tally = Arc::new(Tally::of(count));
    // The same moments on both sides.
    let mut random = fastrand::Rng::with_seed(7);
    let reach = APART * u32::try_from(count)?;
    let delays: Vec<Duration> = (0..count).map(|_| SOONEST + reach.mul_f64(random.f64())).collect();
    let late = match side {
        Side::Docket => {
            let store = server.docket().await?;
            let client = Client::new(store.clone());
            let worker = Running::start(&store, &tally, Settings { check_interval, ..Settings::default() })?;
            let add = async |place, delay| {
                client.add(Note::usual(place)).after(delay).await?;
                Ok(())
            };
            let late = lateness(&delays, &tally, add).await?;
            worker.stop().await?;
            late
        }
        Side::Floor => {
            let adder = floor::open(&server.url()).await?;
            let worker = tokio::spawn(serve(adder.fork().await?, 10, tally.clone()));
            let add = async |place, delay| add_all(&*adder, &[Note::usual(place).item()?], 1, delay).await;
            let late = lateness(&delays, &tally, add).await?;
            worker.abort();
            late
        }
    };
    let mut measured = Measured { faults: tally.faults(), ..Measured::default() };
    let interval = docket_core::display_duration(check_interval);
    for percent in [50, 99] {
        let value = percentile(&late, percent).ok_or("nothing was added")?;
        measured.figure(format!("lateness, check interval {interval}, p{percent}"), "ms", value);
    }
    Ok(measured)
}

async fn lateness(
    delays: &[Duration],
    tally: &Tally,
    add: impl AsyncFn(usize, Duration) -> Outcome,
) -> Outcome<Vec<f64>> {
    let mut due = Vec::with_capacity(delays.len());
    for (place, delay) in delays.iter().enumerate() {
        due.push(Instant::now() + *delay);
        add(place, *delay).await?;
    }
    let patience = Duration::from_secs(30) + SOONEST + APART * u32::try_from(delays.len())?;
    tokio::time::timeout(patience, tally.reach(delays.len())).await?;
    let late = due.iter().enumerate().map(|(place, due)| {
        let started = tally.started(place).ok_or("all have started")?;
        match started.checked_duration_since(*due) {
            Some(late) => Ok(millis(late)),
            None => Err(format!("task {place} started {:?} before its time", due.duration_since(started)).into()),
        }
    });
    late.collect()
}
