//! How soon tasks run again after a fault.
//!
//! Two kinds of tasks are considered: those whose run was struck, until they start again, and those
//! that fell due while the fault lasted, until they start. The wait of a task counts from when it
//! could have run: for a fault of the store or the network, from the end of the fault; for a fault
//! of processes, from its beginning, because others are there.

use std::collections::BTreeMap;

use docket_core::limits;

use super::{Rules, Violation};
use crate::history::{History, Run};
use crate::ledger::{How, Strike};
use crate::plan::Kind;
use crate::time::Micros;

/// The waits after one kind of fault; without a kind, when nothing was wrong.
#[derive(Clone, PartialEq, Debug)]
pub struct Recovery {
    /// The kind.
    pub kind: Option<Kind>,
    /// How often it struck.
    pub strikes: usize,
    /// Tasks that waited for it.
    pub tasks: usize,
    /// The median wait.
    pub p50: Micros,
    /// 99 of 100 waited no longer.
    pub p99: Micros,
    /// The longest.
    pub max: Micros,
}

struct Wait<'a> {
    key: &'a str,
    /// A task that lost several leases waits until the worker runs no other such task.
    is_suspect: bool,
    strike: Option<&'a Strike>,
    from: Micros,
    to: Micros,
}

/// The waits by kind.
pub fn measure(history: &History, rules: &Rules) -> Vec<Recovery> {
    let mut by_kind: BTreeMap<Option<Kind>, Vec<Micros>> = BTreeMap::new();
    for wait in waits(history, rules) {
        let waits = by_kind.entry(wait.strike.map(|strike| strike.kind)).or_default();
        waits.push(wait.undisturbed(history));
    }
    for strike in &history.strikes {
        by_kind.entry(Some(strike.kind)).or_default();
    }
    let of = |(kind, mut waits): (Option<Kind>, Vec<Micros>)| {
        waits.sort_unstable();
        let at = |percent: usize| waits.get((waits.len() * percent).div_ceil(100).saturating_sub(1));
        let at = |percent| at(percent).copied().unwrap_or(0);
        let strikes = history.strikes.iter().filter(|strike| Some(strike.kind) == kind).count();
        Recovery { kind, strikes, tasks: waits.len(), p50: at(50), p99: at(99), max: at(100) }
    };
    by_kind.into_iter().map(of).collect()
}

/// No task waits for longer than a lease and the allowance. Suspects may: they run one at a time.
pub(super) fn check(history: &History, rules: &Rules) -> Vec<Violation> {
    let slow = waits(history, rules).filter(|wait| !wait.is_suspect).filter_map(|wait| {
        let waited = wait.undisturbed(history);
        (waited > rules.lease + rules.recovery).then(|| {
            let cause = wait.strike.map_or("nothing".to_owned(), |strike| strike.kind.name());
            Violation::new("recovery", format!("{} waited {} ms after {cause}", wait.key, waited / 1_000))
        })
    });
    slow.collect()
}

fn waits<'a>(history: &'a History, rules: &'a Rules) -> impl Iterator<Item = Wait<'a>> {
    let none = Vec::new();
    history.adds.iter().flat_map(move |(key, add)| {
        let runs = history.runs.get(key).unwrap_or(&none);
        let mut waits = Vec::new();
        if let (Some(due), Some(first)) = (add.due(), runs.first()) {
            let strike =
                history.strikes.iter().find(|strike| (strike.from..=strike.until + rules.slack).contains(&due));
            let from = strike.map_or(due, |strike| due.max(base(strike)));
            waits.push(Wait { key, is_suspect: false, strike, from, to: first.start.max(from) });
        }
        let mut losses = 0;
        for pair in runs.windows(2) {
            if let Some(strike) = broken(history, &pair[0]) {
                losses += 1;
                let from = base(strike).max(pair[0].start);
                let is_suspect = losses >= limits::SUSPECT_CRASHES;
                waits.push(Wait { key, is_suspect, strike: Some(strike), from, to: pair[1].start.max(from) });
            }
        }
        waits
    })
}

/// The fault that ended this run: of several the last, since it outlived the others.
fn broken<'a>(history: &'a History, run: &Run) -> Option<&'a Strike> {
    let is_whole = matches!(run.how, Some(How::Done | How::Failed));
    history.strikes.iter().rfind(|strike| !is_whole && History::strikes(strike, run, 0, 0))
}

/// When tasks could have run again.
fn base(strike: &Strike) -> Micros {
    if strike.kind.is_of_processes() { strike.from } else { strike.until }
}

impl Wait<'_> {
    /// Its length without the time in which another fault lasted.
    fn undisturbed(&self, history: &History) -> Micros {
        undisturbed(history, self.strike, self.from, self.to)
    }
}

/// The time between two moments in which no fault lasted but `own`.
pub(super) fn undisturbed(history: &History, own: Option<&Strike>, from: Micros, to: Micros) -> Micros {
    let others = history.strikes.iter().filter(|strike| own.is_none_or(|own| own != *strike));
    let overlap = |strike: &Strike| strike.until.min(to).saturating_sub(strike.from.max(from));
    to.saturating_sub(from).saturating_sub(others.map(overlap).sum())
}
