//! Ourselves, measured as the drivers measure the peers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::limits;

use super::Told;
use crate::Outcome;
use crate::bench::{Scale, rate};
use crate::docket::{Docket, Running, at_once};
use crate::servers::{Kind, Server};
use crate::tasks::{Tally, usual};
use crate::verbs::add_all;

pub(super) async fn drive(server: &Server, concurrency: usize, scale: Scale) -> Outcome<Told> {
    let tasks = match (server.kind(), concurrency) {
        (Kind::Postgres, ..50) => 5_000,
        (_, ..50) | (Kind::Postgres, _) => 20_000,
        _ => 60_000,
    };
    let tasks = scale.tasks(tasks);
    let items = usual(tasks)?;
    let tally = Arc::new(Tally::of(tasks));
    let store = server.docket().await?;
    let start = Instant::now();
    add_all(&Docket::on(store.clone())?, &items, limits::BATCH_ITEMS_MAX, Duration::ZERO).await?;
    let add = rate(tasks, start.elapsed());
    let start = Instant::now();
    let worker = Running::start(&store, &tally, at_once(concurrency))?;
    tally.reach(tasks).await;
    worker.stop().await?;
    let drain = rate(tasks, start.elapsed());
    let faults = tally.faults();
    Ok(Told { add, drain, lost: faults.lost, duplicates: faults.duplicates })
}
