//! One measurement: both sides in turns on each store.

use crate::Outcome;
use crate::report::{Measured, Report, Side};
use crate::servers::{Kind, Server, Servers};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// How often each side.
    pub(crate) rounds: usize,
    /// A tenth of the tasks.
    pub(crate) quick: bool,
}

impl Scale {
    pub(crate) fn tasks(self, usual: usize) -> usize {
        if self.quick { (usual / 10).max(20) } else { usual }
    }
}

/// The arguments of the workloads.
pub(crate) struct Bench {
    pub(crate) scale: Scale,
    pub(crate) servers: Servers,
    pub(crate) report: Report,
    /// The stores to measure.
    pub(crate) kinds: Vec<Kind>,
}

impl Bench {
    /// Measures ours, the floor, ours, the floor …, each on a store with nothing in it.
    pub(crate) async fn alternate(
        &mut self,
        workload: &str,
        measure: impl AsyncFn(Side, &Server, Scale) -> Outcome<Measured>,
    ) -> Outcome {
        for kind in self.kinds.clone() {
            for round in 1..=self.scale.rounds {
                for side in Side::BOTH {
                    let server = self.servers.empty(kind).await?;
                    let measured = measure(side, &server, self.scale)
                        .await
                        .map_err(|error| format!("{workload} on {kind}, {side:?}, round {round}: {error}"))?;
                    self.report.take(workload, kind, side, measured);
                }
            }
        }
        Ok(())
    }
}

/// How many of something a second.
#[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
pub(crate) fn rate(count: usize, time: std::time::Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// So much of something for each of `count`.
#[expect(clippy::cast_precision_loss, reason = "a share is rounded anyway")]
pub(crate) fn share(amount: f64, count: usize) -> f64 {
    amount / count as f64
}

/// In milliseconds.
pub(crate) fn millis(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
