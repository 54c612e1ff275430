//! Declarations of periodic tasks: of the definitions that workers declare, the one first seen last is in force.

use docket_core::{AddAnswer, Declared, DefinitionId, NewTask, Timestamp, limits};

use super::record::{Answer, Life, Record, Step, Work};
use crate::teeth::Fault;

/// The definitions of one task.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Definitions {
    /// The definition that the task follows.
    pub(super) applied: Option<DefinitionId>,
    /// In the order in which they were first seen.
    pub(super) known: Vec<Known>,
}

/// A definition, and until when it is declared.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Known {
    pub(super) id: DefinitionId,
    pub(super) until: Timestamp,
}

impl Definitions {
    fn note(&mut self, id: DefinitionId, until: Timestamp, step: &Step<'_>) {
        let alive = self.known.iter().any(|known| known.until > step.now);
        if let Some(applied) = self.applied.filter(|_| !alive && !step.has(Fault::OutageForgetsWhoLives)) {
            self.known.iter_mut().filter(|known| known.id == applied).for_each(|known| known.until = until);
        }
        if let Some(own) = self.known.iter_mut().find(|known| known.id == id) {
            own.until = own.until.max(until);
            return;
        }
        let gone = self.known.iter().position(|known| known.until <= step.now);
        if let Some(gone) = gone.filter(|_| self.known.len() >= limits::DEFINITIONS_MAX) {
            self.known.remove(gone);
        }
        if self.known.len() < limits::DEFINITIONS_MAX {
            self.known.push(Known { id, until });
        }
    }

    fn in_force(&self, now: Timestamp) -> Option<DefinitionId> {
        self.known.iter().rfind(|known| known.until > now).map(|known| known.id)
    }
}

impl Record {
    /// A life that an add begins: by its declaration, if it is one.
    pub(super) fn begin_as_declared(&mut self, task: &NewTask, now: Timestamp) {
        if let Some(ttl) = task.declared_for {
            let (id, until) = (DefinitionId::of(task), now.plus(ttl));
            self.definitions = Definitions { applied: Some(id), known: vec![Known { id, until }] };
        }
    }

    /// An add that declares and finds its key taken.
    pub(super) fn declare(&mut self, task: &NewTask, until: Timestamp, step: &Step<'_>) -> AddAnswer {
        if self.work.name != task.name || self.work.every.is_none() {
            return AddAnswer::Declared(Declared::Taken);
        }
        if !matches!(self.state, Life::Queued | Life::Leased) || self.cancelling {
            return AddAnswer::Exists(self.existing(step.now));
        }
        let id = DefinitionId::of(task);
        let failures = self.failures;
        self.definitions.note(id, until, step);
        let in_force = self.definitions.in_force(step.now) == Some(id) || step.has(Fault::LastSeedWins);
        if !in_force || step.has(Fault::SeedsChangeNothing) {
            return AddAnswer::Declared(Declared::Superseded { failures });
        }
        let work = Work { definition: Some(id), ..Work::of(task, step.now) };
        let declared = self.put_in_force(work, step);
        if declared == Declared::Redefined {
            self.remember(task.add_id.as_uuid(), Answer::Add(AddAnswer::Declared(declared)));
        }
        AddAnswer::Declared(declared)
    }

    fn put_in_force(&mut self, mut work: Work, step: &Step<'_>) -> Declared {
        let failures = self.failures;
        let same = self.work.queue == work.queue
            && self.work.args == work.args
            && self.work.every == work.every
            && self.work.overrides == work.overrides;
        if self.definitions.applied == work.definition || same {
            self.definitions.applied = work.definition;
            if self.successor.as_ref().is_some_and(|successor| successor.definition.is_some()) {
                self.successor = None;
            }
            return Declared::InForce { failures };
        }
        if self.state == Life::Queued || step.has(Fault::RedefinesARunningTask) {
            self.redefine(work, step);
            return Declared::Redefined;
        }
        match &self.successor {
            Some(successor) if successor.definition.is_none() => Declared::Superseded { failures },
            Some(successor) if successor.definition == work.definition => Declared::InForce { failures },
            _ => {
                work.visible_at = self.after_last_start(&work, step).unwrap_or(step.now);
                self.successor = Some(work);
                Declared::Redefined
            }
        }
    }

    /// The same task by another definition.
    pub(super) fn redefine(&mut self, work: Work, step: &Step<'_>) {
        let planned = self.work.visible_at;
        let sooner = self.after_last_start(&work, step).filter(|moment| *moment < planned);
        self.definitions.applied = work.definition;
        self.work = Work { definition: None, visible_at: planned, ..work };
        if let Some(moment) = sooner.filter(|_| !step.has(Fault::RedefinedWaitsForTheOldInterval)) {
            (self.work.visible_at, self.due_at) = (moment, moment);
        }
        self.zero_counts();
    }

    fn after_last_start(&self, work: &Work, step: &Step<'_>) -> Option<Timestamp> {
        let start = self.taken.as_ref()?.at;
        Some(start.plus(work.every?).max(step.now))
    }
}
