//! Acknowledged tasks run to their end, and tasks that run were added.

use super::Violation;
use crate::history::{Add, History, PERIODIC};
use crate::ledger::How;

pub(super) struct Lost {
    pub(super) violations: Vec<Violation>,
    /// Gone, as the store says it may be.
    pub(super) as_stated: usize,
}

pub(super) fn check(history: &History) -> Lost {
    let mut lost = Lost { violations: Vec::new(), as_stated: 0 };
    for (key, add) in &history.adds {
        let done = history.runs.get(key).is_some_and(|runs| runs.iter().any(|run| run.how == Some(How::Done)));
        let Some(found) = history.found.get(key) else {
            if add.acknowledged.is_some() && !done {
                lost.violations
                    .push(Violation::new("lost", format!("{key} was acknowledged, and never ran to its end")));
            }
            continue;
        };
        match found.as_deref() {
            Some("dead" | "cancelled") => {
                let what = format!("{key} is {}, and nothing asked for that", found.as_deref().unwrap_or_default());
                lost.violations.push(Violation::new("lost", what));
            }
            // The store reports an end that no run has reached.
            Some("completed") if !done => {
                lost.violations.push(Violation::new("lost", format!("{key} is completed, and no run of it was")));
            }
            None if !done && add.acknowledged.is_some() => {
                if may_be_lost(history, add) {
                    lost.as_stated += 1;
                } else {
                    lost.violations.push(Violation::new("lost", format!("{key} was acknowledged, and is gone")));
                }
            }
            // The rule about stuck tasks covers unfinished ones.
            _ => {}
        }
    }
    let strangers = history.runs.keys().filter(|key| key.as_str() != PERIODIC && !history.adds.contains_key(*key));
    lost.violations.extend(strangers.map(|key| Violation::new("lost", format!("{key} ran, and nobody added it"))));
    lost
}

fn may_be_lost(history: &History, add: &Add) -> bool {
    let within = |at| {
        history
            .strikes
            .iter()
            .any(|strike| strike.lossy_since.is_some_and(|since| (since..=strike.until).contains(&at)))
    };
    add.acknowledged.is_some_and(within)
}
