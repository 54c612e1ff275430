//! The definitions of a periodic task that workers declare: the one that was first seen last is in force.

use docket_core::{AddAnswer, Declared, DefinitionId, NewTask, Timestamp, limits};

use super::Table;
use super::record::{Answered, CallId, Phase, Record, Successor, Work};
use super::slots::Slot;

/// The definitions of one task.
#[derive(Clone, Default, Debug)]
pub(crate) struct Definitions {
    /// The definition that the task follows.
    applied: Option<DefinitionId>,
    /// In the order in which they were first seen, each with the end of its declaration.
    known: Vec<(DefinitionId, Timestamp)>,
}

impl Definitions {
    /// For a task that begins by its declaration.
    pub(crate) fn first(id: DefinitionId, until: Timestamp) -> Self {
        Self { applied: Some(id), known: vec![(id, until)] }
    }

    /// Notes a declaration; returns whether it is of the definition in force.
    fn declare(&mut self, id: DefinitionId, until: Timestamp, now: Timestamp) -> bool {
        if self.known.iter().all(|(_, end)| *end <= now) {
            // Nobody has declared anything for a while, as after an outage: prolong the definition
            // in force until the live workers declare again.
            self.known.iter_mut().filter(|(known, _)| Some(*known) == self.applied).for_each(|(_, end)| *end = until);
        }
        if let Some((_, end)) = self.known.iter_mut().find(|(known, _)| *known == id) {
            *end = until.max(*end);
        } else {
            if self.known.len() == limits::DEFINITIONS_MAX
                && let Some(gone) = self.known.iter().position(|(_, end)| *end <= now)
            {
                self.known.remove(gone);
            }
            if self.known.len() < limits::DEFINITIONS_MAX {
                self.known.push((id, until));
            }
        }
        self.known.iter().rev().find(|(_, end)| *end > now).is_some_and(|(in_force, _)| *in_force == id)
    }
}

impl Table {
    /// An add that declares a periodic task whose key exists. Repeated: it declares the same again,
    /// or gets its first answer.
    pub(super) fn declare(&mut self, slot: Slot, task: &NewTask, until: Timestamp, now: Timestamp) -> AddAnswer {
        let record = &self.records[slot];
        if record.work.lane.name != task.name || record.work.every.is_none() {
            return AddAnswer::Declared(Declared::Taken);
        }
        if record.phase.is_finished() || record.phase == Phase::Moving || record.cancelling {
            return AddAnswer::Exists(record.existing(now));
        }
        let (work, id) = (self.work(task, now), DefinitionId::of(task));
        let declared = self.change(slot, now, |record, moment| record.declare(work, id, until, moment.now));
        if declared == Declared::Redefined {
            self.remember(slot, CallId::Add(task.add_id), Answered::Redefined);
        }
        AddAnswer::Declared(declared)
    }
}

impl Record {
    fn declare(&mut self, mut work: Work, id: DefinitionId, until: Timestamp, now: Timestamp) -> Declared {
        let failures = self.failures;
        let definitions = self.definitions.get_or_insert_default();
        if !definitions.declare(id, until, now) {
            return Declared::Superseded { failures };
        }
        if definitions.applied == Some(id) || self.work.is_defined_as(&work) {
            definitions.applied = Some(id);
            // The successor was another definition, which is no longer in force.
            self.successor.take_if(|successor| successor.definition.is_some());
            return Declared::InForce { failures };
        }
        if self.phase != Phase::Leased {
            self.redefine(work, id, now);
            return Declared::Redefined;
        }
        match self.successor.as_ref().map(|successor| successor.definition) {
            // A scheduled successor has precedence.
            Some(None) => Declared::Superseded { failures },
            Some(Some(pending)) if pending == id => Declared::InForce { failures },
            _ => {
                work.at = self.after_last_start(&work, now).unwrap_or(now);
                self.successor = Some(Box::new(Successor { work, definition: Some(id) }));
                Declared::Redefined
            }
        }
    }

    /// The same periodic task with another definition: its counters are reset, and its next run
    /// starts at most one interval after its latest start.
    pub(super) fn redefine(&mut self, work: Work, id: DefinitionId, now: Timestamp) {
        if let Some(at) = self.after_last_start(&work, now).filter(|at| *at < self.visible_at) {
            (self.visible_at, self.due_at) = (at, at);
        }
        self.definitions.get_or_insert_default().applied = Some(id);
        self.work = Work { at: self.visible_at, ..work };
        self.reset_counts();
    }

    /// The interval of `work` after the latest start; never earlier than now.
    fn after_last_start(&self, work: &Work, now: Timestamp) -> Option<Timestamp> {
        Some(self.held.as_ref()?.leased_at.plus(work.every?).max(now))
    }
}

impl Work {
    fn is_defined_as(&self, other: &Self) -> bool {
        self.lane == other.lane
            && self.args == other.args
            && self.every == other.every
            && self.overrides == other.overrides
    }
}
