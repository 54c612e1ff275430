//! A docket as a table: the readable form of `docs/transitions.md`.
//!
//! It has no lock, no clock and no async: each transition takes the time and returns its answer.
//! Every change of a record goes through [`Table::change`], which removes the record from its index
//! before the change and inserts it again after, so that records and indexes agree.
//!
//! * [`record`]: the data of one key. [`life`]: the steps of its life. [`records`] (on [`slots`]):
//!   finds a record by its key. [`indexes`] (with [`lanes`], [`lane`], [`line`]): finds it by its
//!   time.
//! * [`add`], [`schedule`], [`lease`] (with [`asked`], [`sweep`], [`requests`]), [`heartbeat`],
//!   [`ack`], [`cancel`], [`requeue`], [`relocate`], [`trim`], [`clear`]: the transitions.
//! * [`list`], [`counts`], [`audit`], [`workers`]: the reads. [`clock`]: the docket's time.

mod ack;
mod add;
mod asked;
mod audit;
mod cancel;
mod clear;
mod clock;
mod counts;
mod definitions;
mod heartbeat;
mod indexes;
mod join;
mod lane;
mod lanes;
mod lease;
mod life;
mod line;
mod list;
mod record;
mod records;
mod relocate;
mod requests;
mod requeue;
mod schedule;
mod slots;
mod sweep;
#[cfg(test)]
mod tests;
mod trim;
mod workers;

use docket_core::{Destination, Error, ErrorKind, LeaseToken, NewTask, Result, Retryable, TaskKey, Timestamp};

pub(crate) use asked::Asked;
use indexes::Indexes;
pub(crate) use indexes::Wake;
pub(crate) use lease::{Look, Turn};
use life::{Counters, Moment};
use record::{Record, Work};
use records::{Records, Vacancy};
pub(crate) use relocate::Door;
use requests::Requests;
use slots::Slot;
use workers::Workers;

/// One docket.
#[derive(Debug)]
pub(crate) struct Table {
    records: Records,
    indexes: Indexes,
    counters: Counters,
    requests: Requests,
    workers: Workers,
    environment: Option<String>,
    /// The store that its tasks move to, if any.
    moving_to: Option<Destination>,
    max_tasks: usize,
    offset: clock::Offset,
}

impl Table {
    /// An empty docket that takes at most `max_tasks` unfinished tasks.
    pub(crate) fn new(max_tasks: usize) -> Self {
        Self {
            records: Records::default(),
            indexes: Indexes::default(),
            counters: Counters::default(),
            requests: Requests::default(),
            workers: Workers::default(),
            environment: None,
            moving_to: None,
            max_tasks,
            offset: clock::Offset::default(),
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn is_empty(&self) -> bool {
        self.records.len() == 0
    }

    pub(crate) fn unfinished_len(&self) -> usize {
        self.records.len() - self.indexes.finished_len()
    }

    /// The wake-ups for waiters since the last call.
    pub(crate) fn take_wakes(&mut self) -> Vec<Wake> {
        self.indexes.take_wakes()
    }

    /// There are no waiters, so there is nobody to wake.
    pub(crate) fn forget_wakes(&mut self) {
        self.indexes.forget_wakes();
    }

    /// Makes one step of the life of a record.
    // Invariant: an indexed record changes only here.
    fn change<T>(&mut self, slot: Slot, now: Timestamp, step: impl FnOnce(&mut Record, &mut Moment<'_>) -> T) -> T {
        let record = &mut self.records[slot];
        let before = record.holder();
        let counters = &mut self.counters;
        let answer = self.indexes.change(slot, record, now, |record| step(record, &mut Moment { now, counters }));
        if let Some((request, fence)) = before.filter(|_| record.holder() != before) {
            self.requests.let_go(request, fence);
        }
        answer
    }

    /// The record of a current token. Its request knows the slot, unless it was answered long ago.
    fn current(&self, token: &LeaseToken) -> Option<Slot> {
        let is_it = |slot: &Slot| self.records.at(*slot).is_some_and(|record| record.is_current(token));
        let near = self.requests.slot(token.request, token.fence).filter(is_it);
        near.or_else(|| self.records.find(&token.key).filter(is_it))
    }

    /// Gives a key without a record its first life.
    fn create(&mut self, key: &TaskKey, vacancy: Vacancy, work: Work, now: Timestamp) -> Slot {
        let record = Record::new(key.clone(), work, &mut Moment { now, counters: &mut self.counters });
        let slot = self.records.insert(vacancy, record);
        self.indexes.insert(slot, &mut self.records[slot], now);
        slot
    }

    /// Removes a record.
    fn remove(&mut self, slot: Slot) {
        let record = self.records.remove(slot);
        self.indexes.remove(&record);
    }

    /// The work of a new task.
    fn work(&self, task: &NewTask, now: Timestamp) -> Work {
        Work {
            lane: self.indexes.lanes.id(&task.queue, &task.name),
            args: task.args.clone(),
            every: task.every,
            overrides: task.overrides,
            at: task.run_at.ahead_by(self.offset.ahead).resolve(now),
        }
    }

    /// Rejects one more unfinished task if the docket is full.
    fn check_room(&self, operation: &'static str) -> Result<()> {
        if self.unfinished_len() < self.max_tasks {
            return Ok(());
        }
        let message = format!(
            "the memory docket is full: it holds {} unfinished tasks; run workers, raise max_tasks, or use a shared store",
            self.max_tasks
        );
        Err(Error::new(ErrorKind::Refused, operation, message).retryable(Retryable::Yes))
    }
}
