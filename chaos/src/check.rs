//! The rules that must hold, whatever failed. Pure: a history in, violations out.

use std::time::Duration;

use crate::history::History;
use crate::time::{Micros, micros};

mod audit;
mod duplicates;
mod fences;
mod lost;
mod overlap;
mod periodic;
pub mod recovery;
mod stuck;
#[cfg(test)]
mod tests;

pub use duplicates::Duplicates;
pub use recovery::Recovery;

/// The assumptions of the checks.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The length of a lease.
    pub lease: Micros,
    /// How long a step may take that nothing hinders, on a busy machine.
    pub slack: Micros,
    /// How long a task may wait once nothing is wrong any more, beside a lease.
    pub recovery: Micros,
}

impl Rules {
    /// For workers with leases of this length.
    pub fn new(lease: Duration) -> Self {
        Self { lease: micros(lease), slack: 1_000_000, recovery: 15_000_000 }
    }
}

/// A rule that did not hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Violation {
    /// The loop.
    pub rule: &'static str,
    /// The observation.
    pub what: String,
}

impl Violation {
    fn new(rule: &'static str, what: String) -> Self {
        Self { rule, what }
    }
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Verdict {
    /// Empty on a sound store.
    pub violations: Vec<Violation>,
    /// Tasks whose add was acknowledged.
    pub added: usize,
    /// Adds that failed.
    pub refused: usize,
    /// Runs started.
    pub started: usize,
    /// Acknowledged tasks that are gone, within the stated limits of the store.
    pub lost_as_stated: usize,
    /// Starts that a fault explains, and how many there could have been.
    pub duplicates: Duplicates,
    /// Waits, by kind of fault.
    pub recovery: Vec<Recovery>,
}

/// Checks a run.
pub fn check(history: &History, rules: &Rules) -> Verdict {
    let lost = lost::check(history);
    let (duplicates, unexplained) = duplicates::check(history, rules);
    let recovery = recovery::measure(history, rules);
    let mut violations = [
        lost.violations,
        overlap::check(history, rules),
        unexplained,
        fences::check(history),
        stuck::check(history),
        periodic::check(history, rules),
        recovery::check(history, rules),
        audit::check(history),
    ]
    .concat();
    violations.sort();
    Verdict {
        violations,
        added: history.adds.values().filter(|add| add.acknowledged.is_some()).count(),
        refused: history.adds.values().filter(|add| add.refused).count(),
        started: history.runs.values().map(Vec::len).sum(),
        lost_as_stated: lost.as_stated,
        duplicates,
        recovery,
    }
}
