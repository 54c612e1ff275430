//! A docket as a table: the readable form of `docs/transitions.md`.
//!
//! No lock, no clock, no async: each transition takes the time and gives its answer. Every change of a record passes
//! through [`Books::change`], which takes it out of its index before and puts it back after, so that records and
//! indexes cannot come apart.
//!
//! * [`record`]: what is known of one key. [`life`]: the steps of its life. [`indexes`] (with [`lane`], [`line`]): where to
//!   find it by its time.
//! * [`add`], [`schedule`], [`lease`] (with [`asked`], [`sweep`], [`requests`]), [`heartbeat`], [`ack`], [`cancel`],
//!   [`requeue`], [`relocate`], [`trim`], [`clear`]: the transitions.
//! * [`list`], [`counts`], [`audit`], [`workers`]: what can be read.

mod ack;
mod add;
mod asked;
mod audit;
mod cancel;
mod clear;
mod counts;
mod heartbeat;
mod indexes;
mod join;
mod lane;
mod lease;
mod life;
mod line;
mod list;
mod record;
mod relocate;
mod requests;
mod requeue;
mod schedule;
mod sweep;
#[cfg(test)]
mod tests;
mod trim;
mod workers;

use std::collections::HashMap;

use docket_core::{Destination, Error, ErrorKind, Key, Result, Retryable, Timestamp};

pub(crate) use asked::Asked;
use indexes::Indexes;
pub(crate) use indexes::Wake;
pub(crate) use lease::{Look, Turn};
use life::{Counters, Moment};
use record::{Record, Work};
pub(crate) use relocate::Door;
use requests::Requests;
use workers::Workers;

/// One docket.
#[derive(Debug)]
pub(crate) struct Table {
    /// Boxed, so that growing the map moves pointers.
    records: HashMap<Key, Box<Record>>,
    indexes: Indexes,
    counters: Counters,
    requests: Requests,
    workers: Workers,
    environment: Option<String>,
    /// Where its tasks move to, if any do.
    moving_to: Option<Destination>,
    tasks_max: usize,
}

impl Table {
    /// An empty docket that takes at most `tasks_max` unfinished tasks.
    pub(crate) fn new(tasks_max: usize) -> Self {
        Self {
            records: HashMap::new(),
            indexes: Indexes::default(),
            counters: Counters::default(),
            requests: Requests::default(),
            workers: Workers::default(),
            environment: None,
            moving_to: None,
            tasks_max,
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn unfinished_len(&self) -> usize {
        self.records.len() - self.indexes.finished_len()
    }

    /// What those who wait should be told, since the last call.
    pub(crate) fn take_wakes(&mut self) -> Vec<Wake> {
        self.indexes.take_wakes()
    }

    /// Nobody waits, so nobody is to be told.
    pub(crate) fn forget_wakes(&mut self) {
        self.indexes.forget_wakes();
    }

    /// A record, with all that must be told of its change.
    fn find(&mut self, key: &Key) -> Option<(&mut Record, Books<'_>)> {
        let Self { records, indexes, counters, requests, .. } = self;
        records.get_mut(key).map(|record| (record.as_mut(), Books { indexes, counters, requests }))
    }

    /// Makes one step of the life of `key`, which must exist.
    fn change<T>(&mut self, key: &Key, now: Timestamp, step: impl FnOnce(&mut Record, &mut Moment<'_>) -> T) -> T {
        let (record, books) = self.find(key).expect("only keys with a record are changed");
        books.change(record, now, step)
    }

    /// Gives a key without a record its first life.
    fn create(&mut self, key: &Key, work: Work, now: Timestamp) -> &mut Record {
        let record = Record::new(key.clone(), work, &mut Moment { now, counters: &mut self.counters });
        self.indexes.insert(&record, now);
        self.records.entry(key.clone()).insert_entry(Box::new(record)).into_mut()
    }

    /// Takes a record away.
    fn remove(&mut self, key: &Key) {
        if let Some(record) = self.records.remove(key) {
            self.indexes.remove(&record);
        }
    }

    /// Refuses one more unfinished task where there is no room for it.
    fn check_room(&self, operation: &'static str) -> Result<()> {
        if self.unfinished_len() < self.tasks_max {
            return Ok(());
        }
        let message = format!(
            "the memory docket is full: it holds {} unfinished tasks; run workers, raise tasks_max, or use a shared store",
            self.tasks_max
        );
        Err(Error::new(ErrorKind::Refused, operation, message).retryable(Retryable::Yes))
    }
}

/// What must be told of every change of a record.
struct Books<'a> {
    indexes: &'a mut Indexes,
    counters: &'a mut Counters,
    requests: &'a mut Requests,
}

impl Books<'_> {
    /// Makes one step of the life of `record`.
    // Invariant: the only way in which a record that is indexed changes.
    fn change<T>(self, record: &mut Record, now: Timestamp, step: impl FnOnce(&mut Record, &mut Moment<'_>) -> T) -> T {
        let before = record.holder();
        let counters = self.counters;
        let answer = self.indexes.change(record, now, |record| step(record, &mut Moment { now, counters }));
        if let Some((request, fence)) = before.filter(|_| record.holder() != before) {
            self.requests.let_go(request, fence);
        }
        answer
    }
}
