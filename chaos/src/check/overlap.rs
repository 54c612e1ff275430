//! No two runs of a key are live longer than it takes to tell the earlier one.

use super::{Rules, Violation};
use crate::history::{History, Run};
use crate::time::Micros;

pub(super) fn check(history: &History, rules: &Rules) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (key, runs) in &history.runs {
        for (n, later) in runs.iter().enumerate() {
            for earlier in &runs[..n] {
                if let Some(late) = untold(history, rules, earlier, later) {
                    let what = format!(
                        "{key} ran in {} (fence {}) and from then on in {} (fence {}); the first was live and untold for \
                         {} ms beyond a lease",
                        earlier.process,
                        earlier.fence,
                        later.process,
                        later.fence,
                        late / 1_000
                    );
                    violations.push(Violation::new("overlap", what));
                }
            }
        }
    }
    violations
}

/// How much too long the earlier run was live while the later one ran, without being told to stop.
fn untold(history: &History, rules: &Rules, earlier: &Run, later: &Run) -> Option<Micros> {
    let last = history.end;
    let over = earlier.end.unwrap_or(last).min(earlier.told.unwrap_or(last)).min(later.end.unwrap_or(last));
    // A stopped process cannot be told, and can do no harm.
    let by = history.after(&earlier.process, later.start, rules.lease + rules.slack);
    (over > by).then(|| over - by)
}
