//! A periodic task keeps coming, whichever builds are there.

use super::recovery::undisturbed;
use super::{Rules, Violation};
use crate::history::{History, PERIODIC};

pub(super) fn check(history: &History, rules: &Rules) -> Vec<Violation> {
    let Some((since, every)) = history.periodic else { return Vec::new() };
    let starts = history.runs.get(PERIODIC).into_iter().flatten().map(|run| run.start);
    let moments: Vec<_> = [since].into_iter().chain(starts).chain([history.end]).collect();
    let bound = every + rules.lease + rules.recovery;
    let gaps = moments.windows(2).map(|pair| (pair[0], undisturbed(history, None, pair[0], pair[1])));
    let long = gaps.filter(|(_, gap)| *gap > bound);
    long.map(|(from, gap)| {
        let at = (from - since) / 1_000_000;
        Violation::new("periodic", format!("{PERIODIC} did not start for {} ms from second {at} on", gap / 1_000))
    })
    .collect()
}
