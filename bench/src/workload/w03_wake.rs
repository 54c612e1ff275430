//! W3: from `add` to the start of the run, on a worker that waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::Client;

use crate::Outcome;
use crate::bench::{Bench, Scale, millis};
use crate::docket::{Running, at_once};
use crate::floor;
use crate::report::{Measured, Side, percentile};
use crate::servers::Server;
use crate::tasks::{Note, Tally};
use crate::verbs::{add_all, serve};

/// Long enough for the worker to have settled the last task and to wait again.
const PAUSE: Duration = Duration::from_millis(5);
/// The first ones open connections and are not counted.
const FIRST: usize = 20;

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    bench.alternate("w3", one_side).await
}

async fn one_side(side: Side, server: &Server, scale: Scale) -> Outcome<Measured> {
    let count = FIRST + scale.tasks(500);
    let tally = Arc::new(Tally::of(count));
    let waits = match side {
        Side::Docket => {
            let store = server.docket().await?;
            let client = Client::new(store.clone());
            let worker = Running::start(&store, &tally, at_once(10))?;
            let add = async |place| {
                client.add(Note::usual(place)).await?;
                Ok(())
            };
            let waits = waits(count, &tally, add).await?;
            worker.stop().await?;
            waits
        }
        Side::Floor => {
            let adder = floor::open(&server.url()).await?;
            let worker = tokio::spawn(serve(adder.fork().await?, 10, tally.clone()));
            let add = async |place| add_all(&*adder, &[Note::usual(place).item()?], 1, Duration::ZERO).await;
            let waits = waits(count, &tally, add).await?;
            worker.abort();
            waits
        }
    };
    let mut measured = Measured { faults: tally.faults(), ..Measured::default() };
    for percent in [50, 99] {
        let value = percentile(&waits, percent).ok_or("nothing was added")?;
        measured.figure(format!("add to start, p{percent}"), "ms", value);
    }
    Ok(measured)
}

async fn waits(count: usize, tally: &Tally, add: impl AsyncFn(usize) -> Outcome) -> Outcome<Vec<f64>> {
    let mut waits = Vec::with_capacity(count);
    for place in 0..count {
        tokio::time::sleep(PAUSE).await;
        let added = Instant::now();
        add(place).await?;
        tokio::time::timeout(Duration::from_secs(20), tally.reach(place + 1)).await?;
        let started = tally.started(place).ok_or("it was just seen to start")?;
        if place >= FIRST {
            waits.push(millis(started.saturating_duration_since(added)));
        }
    }
    Ok(waits)
}
