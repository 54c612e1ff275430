//! A key starts again only after a failed attempt, or because a fault struck one of its leases.

use super::{Rules, Violation};
use crate::history::{History, Run};
use crate::ledger::How;

/// Starts beyond the first that no failed attempt explains.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Duplicates {
    /// How many there were.
    pub starts: usize,
    /// How many leases were live where a fault struck.
    pub leases: usize,
}

pub(super) fn check(history: &History, rules: &Rules) -> (Duplicates, Vec<Violation>) {
    let mut sum = Duplicates::default();
    let mut violations = Vec::new();
    for (key, runs) in history.runs.iter().filter(|(key, _)| history.adds.contains_key(*key)) {
        let failed = runs.iter().filter(|run| run.how == Some(How::Failed)).count();
        let starts = runs.len().saturating_sub(1 + failed);
        let struck =
            |run: &&Run| history.strikes.iter().any(|strike| History::strikes(strike, run, rules.slack, rules.lease));
        let leases = runs.iter().filter(struck).count();
        if starts > leases {
            let what = format!(
                "{key} started {} times; {failed} failed attempts and {leases} leases struck by a fault explain {}",
                runs.len(),
                1 + failed + leases
            );
            violations.push(Violation::new("duplicate", what));
        }
        sum.starts += starts;
        sum.leases += leases;
    }
    (sum, violations)
}
