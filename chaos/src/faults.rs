//! The faults: one file each kind of thing that fails.

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::proxy::Proxy;

use crate::Outcome;
use crate::cast::Cast;
use crate::ledger::{Event, Ledger, Strike};
use crate::plan::{Kind, Planned};
use crate::store::Server;
use crate::time::{Micros, now};

mod deploy;
mod failover;
mod network;
mod pause;
mod process;
mod server;

/// All that a fault may touch.
#[derive(Debug)]
pub struct Stage {
    /// The processes.
    pub cast: Cast,
    /// The store.
    pub server: Server,
    /// On the way from the processes to the store.
    pub proxies: Vec<Proxy>,
    /// On the way from `PgBouncer` to the store.
    pub behind_the_pooler: Option<Proxy>,
    /// The conductor's own.
    pub ledger: Arc<Ledger>,
}

/// The target of a fault.
#[derive(Default)]
struct Struck {
    processes: Option<Vec<String>>,
    lossy_since: Option<Micros>,
    /// When it struck, if it took some preparation.
    from: Option<Micros>,
}

impl Struck {
    fn all() -> Self {
        Self::default()
    }

    fn only(processes: Vec<String>) -> Self {
        Self { processes: Some(processes), ..Self::default() }
    }
}

impl Stage {
    /// Plays one fault from its beginning to its end, and writes it down.
    pub async fn strike(&mut self, planned: &Planned) -> Outcome {
        let from = now();
        let struck = match planned.kind {
            Kind::Kill | Kind::KillAdder => process::kill(self, planned).await,
            Kind::Pause | Kind::PauseAdder | Kind::PausePooled | Kind::PauseTransaction => {
                pause::pause(self, planned).await
            }
            Kind::Reset | Kind::Mute | Kind::Hang | Kind::HalfOpen | Kind::Slow => network::cut(self, planned).await,
            Kind::Stop | Kind::Restart => server::stop(self, planned).await,
            Kind::Failover => failover::fail_over(self, planned).await,
            Kind::Full => server::fill(self, planned).await,
            Kind::Connections => server::bound_connections(self, planned).await,
            Kind::ReadOnly => server::refuse_writes(self, planned).await,
            Kind::Scripts => server::forget_scripts(self).await,
            Kind::Clock => server::move_clock(self, planned).await,
            Kind::Deploy => deploy::deploy(self, planned).await,
        };
        let Struck { processes, lossy_since, from: later } =
            struck.map_err(|error| format!("{} could not be played: {error}", planned.kind.name()))?;
        let from = later.unwrap_or(from);
        let strike = Strike { kind: planned.kind, from, until: now(), processes, lossy_since };
        self.ledger.write(Event::Fault(strike));
        Ok(())
    }

    /// Waits, and restarts holders that end in the meantime.
    pub async fn wait(&mut self, time: Duration) -> Outcome {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            self.cast.tend()?;
            let left = end - tokio::time::Instant::now();
            tokio::time::sleep(left.min(Duration::from_millis(50))).await;
        }
        self.cast.tend()
    }
}
