//! Once the faults are over, everything is worked off.

use super::Violation;
use crate::history::History;

pub(super) fn check(history: &History) -> Vec<Violation> {
    let unfinished = history.found.iter().filter_map(|(key, state)| Some((key, state.as_deref()?)));
    let unfinished = unfinished.filter(|(_, state)| !matches!(*state, "completed" | "dead" | "cancelled"));
    let mut violations: Vec<Violation> =
        unfinished.map(|(key, state)| Violation::new("stuck", format!("{key} is still {state}"))).collect();
    if !history.drained {
        violations.push(Violation::new("stuck", "what was added has not been worked off in time".to_owned()));
    }
    violations
}
