//! The ledgers of one run together.

use std::collections::{BTreeMap, HashMap};

use crate::ledger::{Event, How, Line, Strike};
use crate::time::Micros;

/// The periodic task: nobody adds it, and each of its runs is followed by another.
pub const PERIODIC: &str = "tick";

/// One run of the store under faults.
#[derive(Debug, Default)]
pub struct History {
    /// The adds, by key.
    pub adds: BTreeMap<String, Add>,
    /// All runs of a key, in the order of their starts.
    pub runs: BTreeMap<String, Vec<Run>>,
    /// The faults.
    pub strikes: Vec<Strike>,
    /// The store's report at the end, for the keys it was asked about.
    pub found: BTreeMap<String, Option<String>>,
    /// Since when the periodic task is expected, and how long its interval is at most.
    pub periodic: Option<(Micros, Micros)>,
    /// Whether everything was worked off.
    pub drained: bool,
    /// The last line of all.
    pub end: Micros,
    /// The audit's report.
    pub defects: Vec<String>,
    /// When processes stood still.
    pub pauses: HashMap<String, Vec<(Micros, Micros)>>,
}

/// An add.
#[derive(Clone, PartialEq, Debug)]
pub struct Add {
    /// The delay it asked for.
    pub delay: Micros,
    /// When it was acknowledged, if it was.
    pub acknowledged: Option<Micros>,
    /// Whether its caller got an error.
    pub refused: bool,
}

impl Add {
    /// When an acknowledged task may run.
    pub fn due(&self) -> Option<Micros> {
        Some(self.acknowledged? + self.delay)
    }
}

/// A run.
#[derive(Clone, PartialEq, Debug)]
pub struct Run {
    /// Where.
    pub process: String,
    /// Its fence.
    pub fence: u64,
    /// When it started.
    pub start: Micros,
    /// When it was asked to stop.
    pub told: Option<Micros>,
    /// When it ended, with its process at the latest.
    pub end: Option<Micros>,
    /// How it ended.
    pub how: Option<How>,
}

impl History {
    /// Puts the ledgers together.
    pub fn of(files: &[(String, Vec<Line>)]) -> Self {
        let mut history = Self::default();
        let mut gone: HashMap<&str, Micros> = HashMap::new();
        let mut paused: HashMap<&str, Micros> = HashMap::new();
        for (process, lines) in files {
            let mut runs: HashMap<u64, (&str, Run)> = HashMap::new();
            for Line { at, event } in lines {
                history.end = history.end.max(*at);
                match event {
                    Event::Started { run, key, fence, .. } => {
                        let new = Run {
                            process: process.clone(),
                            fence: *fence,
                            start: *at,
                            told: None,
                            end: None,
                            how: None,
                        };
                        // The same run started twice stays visible as two.
                        if let Some((key, run)) = runs.insert(*run, (key, new)) {
                            history.runs.entry(key.to_owned()).or_default().push(run);
                        }
                    }
                    Event::Told { run } => {
                        if let Some((_, run)) = runs.get_mut(run) {
                            run.told.get_or_insert(*at);
                        }
                    }
                    Event::Ended { run, how } => {
                        if let Some((_, run)) = runs.get_mut(run) {
                            run.end.get_or_insert(*at);
                            run.how.get_or_insert(*how);
                        }
                    }
                    Event::Paused { process } => {
                        paused.insert(process, *at);
                    }
                    Event::Resumed { process } => {
                        if let Some(from) = paused.remove(process.as_str()) {
                            history.pauses.entry(process.clone()).or_default().push((from, *at));
                        }
                    }
                    Event::Gone { process } => {
                        gone.entry(process).or_insert(*at);
                    }
                    other => history.take(other, *at),
                }
            }
            for (key, run) in runs.into_values() {
                history.runs.entry(key.to_owned()).or_default().push(run);
            }
        }
        for runs in history.runs.values_mut() {
            for run in runs.iter_mut() {
                run.end = run.end.or_else(|| gone.get(run.process.as_str()).copied());
            }
            runs.sort_by_key(|run| run.start);
        }
        history.strikes.sort_by_key(|strike| strike.from);
        history
    }

    fn take(&mut self, event: &Event, at: Micros) {
        match event {
            Event::Adding { key, delay } => {
                let add = Add { delay: *delay, acknowledged: None, refused: false };
                self.adds.entry(key.clone()).or_insert(add);
            }
            Event::Added { key } => {
                if let Some(add) = self.adds.get_mut(key) {
                    add.acknowledged.get_or_insert(at);
                }
            }
            Event::Refused { key, .. } => {
                if let Some(add) = self.adds.get_mut(key) {
                    add.refused = true;
                }
            }
            Event::Fault(strike) => self.strikes.push(strike.clone()),
            Event::Begun { every } => self.periodic = Some((at, *every)),
            Event::Drained => self.drained = true,
            Event::Found { key, state } => {
                self.found.insert(key.clone(), state.clone());
            }
            Event::Defect { text } => self.defects.push(text.clone()),
            _ => {}
        }
    }

    /// The time at which this process has run for `amount` since `from`: while it is stopped, no
    /// time passes for it.
    pub fn after(&self, process: &str, from: Micros, amount: Micros) -> Micros {
        let mut end = from + amount;
        for &(stop, go) in self.pauses.get(process).into_iter().flatten() {
            if stop < end && go > from {
                end += go - stop.max(from);
            }
        }
        end
    }

    /// Whether this fault could harm that run: it was live, or its outcome still under way. `settling` is how long an
    /// outcome may take to reach the store when nothing is wrong; `leased` is how long a lease is good that was taken while
    /// the fault lasted.
    pub fn strikes(strike: &Strike, run: &Run, settling: Micros, leased: Micros) -> bool {
        let hits = strike.processes.as_ref().is_none_or(|processes| processes.contains(&run.process));
        let end = run.end.map_or(Micros::MAX, |end| end + settling);
        // A lagging copy has forgotten acks since then.
        let from = strike.lossy_since.unwrap_or(strike.from);
        hits && run.start <= strike.until + leased && end >= from
    }
}
