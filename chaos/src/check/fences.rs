//! A run that starts after another of its key has ended has the larger fence.

use super::Violation;
use crate::history::History;

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (key, runs) in &history.runs {
        for (n, later) in runs.iter().enumerate() {
            let before = runs[..n].iter().filter(|run| run.end.is_some_and(|end| end <= later.start));
            if let Some(earlier) = before.max_by_key(|run| run.fence).filter(|run| run.fence >= later.fence) {
                let what = format!("{key} ran under fence {}, and later under {}", earlier.fence, later.fence);
                violations.push(Violation::new("fence", what));
            }
        }
    }
    violations
}
