//! W10: payloads of 100 B to 1 MiB: added and drained by one worker of concurrency 10.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::limits;

use crate::Outcome;
use crate::bench::{Bench, Scale, rate};
use crate::docket::{Docket, Running, at_once};
use crate::floor;
use crate::report::{Faults, Measured, Side};
use crate::servers::Server;
use crate::tasks::{Note, Tally};
use crate::verbs::{Verbs, add_all};

/// Bytes of the args, and how many tasks.
const PAYLOADS: [(usize, usize, &str); 5] = [
    (100, 2_000, "100 B"),
    (1 << 10, 2_000, "1 KiB"),
    (10 << 10, 1_000, "10 KiB"),
    (100 << 10, 200, "100 KiB"),
    (1 << 20, 40, "1 MiB"),
];
const CONCURRENCY: usize = 10;
/// Below what one call may carry.
const BATCH_BYTES: usize = limits::BATCH_BYTES_MAX / 2;

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    for payload in PAYLOADS {
        bench
            .alternate("w10", async |side, server: &Server, scale| one_side(side, server, scale, payload).await)
            .await?;
    }
    Ok(())
}

async fn one_side(side: Side, server: &Server, scale: Scale, payload: (usize, usize, &str)) -> Outcome<Measured> {
    let (bytes, count, name) = payload;
    let count = scale.tasks(count);
    let items = (0..count).map(|place| Note::of_bytes(place, bytes)?.item());
    let items = items.collect::<serde_json::Result<Vec<_>>>()?;
    let batch = (BATCH_BYTES / bytes).clamp(1, limits::BATCH_ITEMS_MAX);
    let tally = Arc::new(Tally::of(count));
    let (verbs, time): (Arc<dyn Verbs>, Duration);
    match side {
        Side::Docket => {
            let store = server.docket().await?;
            verbs = Arc::new(Docket::on(store.clone())?);
            let start = Instant::now();
            add_all(&*verbs, &items, batch, Duration::ZERO).await?;
            let worker = Running::start(&store, &tally, at_once(CONCURRENCY))?;
            tally.reach(count).await;
            worker.stop().await?;
            time = start.elapsed();
        }
        Side::Floor => {
            verbs = floor::open(&server.url()).await?;
            let start = Instant::now();
            add_all(&*verbs, &items, batch, Duration::ZERO).await?;
            floor::drain(&*verbs, CONCURRENCY, &tally).await?;
            time = start.elapsed();
        }
    }
    let mut measured = Measured { faults: tally.faults(), ..Measured::default() };
    measured.faults.add(Faults::of_count(0, verbs.unfinished().await? as u64));
    measured.figure(format!("lives, payload {name}"), "tasks/s", rate(count, time));
    Ok(measured)
}
