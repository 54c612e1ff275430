//! W1: how fast tasks are added: one by one, ten at once, in batches of 1,000.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::limits;

use crate::Outcome;
use crate::bench::{Bench, Scale, rate};
use crate::docket::Docket;
use crate::floor;
use crate::report::{Faults, Measured, Side};
use crate::servers::{Kind, Server};
use crate::tasks::usual;
use crate::verbs::{Item, Verbs, add_all};

/// How many add at once.
const ADDERS: usize = 10;

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    bench.alternate("w1", one_side).await
}

async fn one_side(side: Side, server: &Server, scale: Scale) -> Outcome<Measured> {
    let verbs: Arc<dyn Verbs> = match side {
        Side::Docket => Arc::new(Docket::on(server.docket().await?)?),
        Side::Floor => floor::open(&server.url()).await?,
    };
    let (single, bulk) = if server.kind() == Kind::Postgres { (1_000, 20_000) } else { (5_000, 50_000) };
    let (single, bulk) = (scale.tasks(single), scale.tasks(bulk));
    let mut measured = Measured::default();
    // The first opens connections, and a Postgres plans.
    let first = usual(ADDERS)?;
    add_all(&*verbs, &first, 1, Duration::ZERO).await?;

    let items = usual(single)?;
    let start = Instant::now();
    add_all(&*verbs, &items, 1, Duration::ZERO).await?;
    measured.figure("add one by one", "tasks/s", rate(single, start.elapsed()));

    let items = usual(single)?;
    let start = Instant::now();
    at_once(&verbs, items).await?;
    measured.figure("add, ten at once", "tasks/s", rate(single, start.elapsed()));

    let items = usual(bulk)?;
    let start = Instant::now();
    add_all(&*verbs, &items, limits::BATCH_ITEMS_MAX, Duration::ZERO).await?;
    measured.figure("bulk add", "tasks/s", rate(bulk, start.elapsed()));

    let expected = ADDERS + 2 * single + bulk;
    measured.faults = Faults::of_count(expected as u64, verbs.unfinished().await? as u64);
    Ok(measured)
}

/// All over the connections of one handle.
async fn at_once(verbs: &Arc<dyn Verbs>, items: Vec<Item>) -> Outcome {
    let mut adders = Vec::new();
    for some in items.chunks(items.len().div_ceil(ADDERS)) {
        let (verbs, some) = (verbs.clone(), some.to_vec());
        adders.push(tokio::spawn(async move { add_all(&*verbs, &some, 1, Duration::ZERO).await }));
    }
    for adder in adders {
        adder.await??;
    }
    Ok(())
}
