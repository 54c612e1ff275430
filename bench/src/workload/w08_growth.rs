//! W8: the cost of a lease as the docket grows: 10³ to 10⁶ pending tasks, and as many scheduled
//! beside them.
//!
//! Both sides grow at the same time, and at each size they alternate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_core::limits;

use crate::Outcome;
use crate::bench::Bench;
use crate::docket::Docket;
use crate::floor;
use crate::report::{Faults, Measured, Side, median};
use crate::servers::{Kind, Server};
use crate::tasks::usual;
use crate::verbs::{Verbs, add_all};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Tasks taken by one lease call.
const TAKEN: usize = 10;
/// Lease calls of one run; the figure is their median.
const CALLS: usize = 100;
/// Later than anybody looks.
const SCHEDULED: Duration = Duration::from_hours(10);

/// One side, and its number of tasks.
struct Growing {
    side: Side,
    verbs: Arc<dyn Verbs>,
    /// Keeps the store alive.
    _server: Server,
    /// Pending ones, and as many that are scheduled.
    size: usize,
}

pub(crate) async fn measure(bench: &mut Bench) -> Outcome {
    let sizes = if bench.scale.quick { &SIZES[..3] } else { &SIZES[..] };
    for kind in bench.kinds.clone() {
        let shared = bench.servers.empty(kind).await?;
        let mut both = Vec::new();
        for side in Side::BOTH {
            // A Postgres has a schema for each; a Redis is one for each.
            let server = if kind == Kind::Postgres { shared.clone() } else { Server::start(kind).await };
            let verbs: Arc<dyn Verbs> = match side {
                Side::Docket => Arc::new(Docket::on(server.docket().await?)?),
                Side::Floor => floor::open(&server.url()).await?,
            };
            both.push(Growing { side, verbs, _server: server, size: 0 });
        }
        for size in sizes {
            let [ours, floor] = both.as_mut_slice() else { return Err("there are two sides".into()) };
            tokio::try_join!(ours.grow(*size), floor.grow(*size))?;
            for _ in 0..bench.scale.rounds {
                for one in &both {
                    bench.report.take("w8", kind, one.side, one.calls(*size).await?);
                }
            }
        }
        for one in &both {
            let faults = Faults::of_count(2 * one.size as u64, one.verbs.unfinished().await? as u64);
            bench.report.take("w8", kind, one.side, Measured { faults, ..Measured::default() });
        }
    }
    Ok(())
}

/// The name of the figure at `size`.
pub(crate) fn name(size: usize) -> String {
    format!("lease of {TAKEN} at {size} pending, as many scheduled")
}

impl Growing {
    async fn grow(&mut self, size: usize) -> Outcome {
        let more = size - self.size;
        tokio::try_join!(add(&*self.verbs, more, Duration::ZERO), add(&*self.verbs, more, SCHEDULED))?;
        self.size = size;
        Ok(())
    }

    /// Only the lease calls are timed; their tasks are settled and replaced.
    async fn calls(&self, size: usize) -> Outcome<Measured> {
        let mut times = Vec::with_capacity(CALLS);
        let mut measured = Measured::default();
        for _ in 0..CALLS {
            let start = Instant::now();
            let held = self.verbs.lease(TAKEN, Duration::ZERO).await?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
            measured.faults.add(Faults::of_count(TAKEN as u64, held.len() as u64));
            self.verbs.ack(&held, limits::RETENTION).await?;
            add_all(&*self.verbs, &usual(TAKEN)?, TAKEN, Duration::ZERO).await?;
        }
        measured.figure(name(size), "µs", median(&times).ok_or("no call was made")?);
        Ok(measured)
    }
}

async fn add(verbs: &dyn Verbs, mut left: usize, delay: Duration) -> Outcome {
    while left > 0 {
        let some = left.min(limits::BATCH_ITEMS_MAX);
        add_all(verbs, &usual(some)?, some, delay).await?;
        left -= some;
    }
    Ok(())
}
