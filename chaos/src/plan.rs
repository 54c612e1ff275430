//! From a seed to a schedule of faults.

use std::time::Duration;

use clap::ValueEnum;
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::store::Kind as Store;

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A worker gets SIGKILL.
    Kill,
    /// An adder gets SIGKILL.
    KillAdder,
    /// A worker is stopped for longer than its lease (SIGSTOP), then goes on.
    Pause,
    /// An adder is stopped, then goes on.
    PauseAdder,
    /// A worker behind `PgBouncer` is stopped, as likely as not between a statement and its COMMIT, then goes on.
    PausePooled,
    /// A service is stopped during a transaction of its own in which it has added a task, and
    /// resumed.
    PauseTransaction,
    /// Connections are reset, again and again.
    Reset,
    /// Connections are reset; new ones are accepted and never answered.
    Mute,
    /// Nothing passes either way, silently.
    Hang,
    /// Commands arrive and take effect; no answer comes back.
    HalfOpen,
    /// Everything takes a while.
    Slow,
    /// The store is killed, and started again after a while.
    Stop,
    /// The store is killed, and started again at once.
    Restart,
    /// The store is killed, and a copy takes over that is some seconds behind.
    Failover,
    /// The store has no room left.
    Full,
    /// The store has no connection left.
    Connections,
    /// The store takes no write.
    ReadOnly,
    /// The store forgets its scripts.
    Scripts,
    /// The store's clock is moved by five minutes, and back: a library of ours, loaded before the server's own.
    Clock,
    /// Half of the processes are replaced by a build with other args, queues and intervals, and then back.
    Deploy,
}

impl Kind {
    /// The faults of this store.
    pub fn of(store: Store) -> Vec<Self> {
        let but = |others: &[Self]| {
            Self::value_variants().iter().copied().filter(|kind| !others.contains(kind)).collect::<Vec<_>>()
        };
        match store {
            Store::Memory => vec![Self::Kill, Self::KillAdder, Self::Pause, Self::Deploy, Self::Full],
            Store::Redis => but(&[Self::PausePooled, Self::PauseTransaction]),
            Store::Postgres => but(&[Self::Scripts]),
        }
    }

    /// Whether the fault strikes processes, and not something that they share: then the others must
    /// continue.
    pub fn is_of_processes(self) -> bool {
        let is_pause = matches!(self, Self::Pause | Self::PauseAdder | Self::PausePooled | Self::PauseTransaction);
        is_pause || matches!(self, Self::Kill | Self::KillAdder | Self::Deploy)
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A fault to come.
#[derive(Clone, PartialEq, Debug)]
pub struct Planned {
    /// How long all is quiet before it.
    pub quiet: Duration,
    /// The loop.
    pub kind: Kind,
    /// How long it lasts, where that is ours to choose.
    pub lasts: Duration,
    /// Drawn, to choose whom it strikes.
    pub target: usize,
}

/// Draws faults without end. Every kind comes once before any comes again.
#[derive(Debug)]
pub struct Plan {
    rng: Rng,
    kinds: Vec<Kind>,
    bag: Vec<Kind>,
    lease: Duration,
}

impl Plan {
    /// The schedule of a seed.
    pub fn new(seed: u64, kinds: Vec<Kind>, lease: Duration) -> Self {
        Self { rng: Rng::with_seed(seed), kinds, bag: Vec::new(), lease }
    }
}

impl Iterator for Plan {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        if self.bag.is_empty() {
            self.bag.clone_from(&self.kinds);
            self.rng.shuffle(&mut self.bag);
        }
        let kind = self.bag.pop()?;
        let millis = |range| Duration::from_millis(range);
        let lasts = match kind {
            Kind::Pause | Kind::PausePooled | Kind::PauseTransaction => self.lease + millis(self.rng.u64(300..2_000)),
            _ => millis(self.rng.u64(500..6_000)),
        };
        Some(Planned { quiet: millis(self.rng.u64(500..2_500)), kind, lasts, target: self.rng.usize(0..1_000) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64) -> Vec<Planned> {
        Plan::new(seed, Kind::of(Store::Redis), Duration::from_millis(2_500)).take(40).collect()
    }

    #[test]
    fn a_seed_gives_one_schedule_and_another_seed_another() {
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn every_kind_comes_before_any_comes_again() {
        let kinds = Kind::of(Store::Redis);
        let mut drawn: Vec<Kind> = first(7).into_iter().take(kinds.len()).map(|planned| planned.kind).collect();
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn.len(), kinds.len());
    }
}
