//! The workers of this docket. A record expires unless it is written again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use docket_core::{Timestamp, WorkerId, WorkerRecord, WorkerView};

use super::Table;

/// Which call writes a worker's record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sign {
    /// A lease call: the sign of life.
    Lease,
    /// A heartbeat: it keeps the record, but is not a sign of life.
    Heartbeat,
}

/// The workers of a docket.
#[derive(Default, Debug)]
pub(crate) struct Workers {
    entries: HashMap<WorkerId, Entry>,
    until: BTreeSet<(Timestamp, WorkerId)>,
}

#[derive(Debug)]
struct Entry {
    record: Arc<WorkerRecord>,
    until: Timestamp,
    leased_at: Option<Timestamp>,
}

impl Workers {
    /// Writes a record, or removes it if its ttl is zero; removes expired records too.
    pub(crate) fn write(&mut self, record: &Arc<WorkerRecord>, sign: Sign, now: Timestamp) {
        while let Some((until, _)) = self.until.first()
            && *until <= now
            && let Some((_, id)) = self.until.pop_first()
        {
            self.entries.remove(&id);
        }
        let before = self.entries.remove(&record.id);
        if let Some(entry) = &before {
            self.until.remove(&(entry.until, record.id.clone()));
        }
        if record.ttl.is_zero() {
            return;
        }
        let until = now.plus(record.ttl);
        let leased_at = if sign == Sign::Lease { Some(now) } else { before.and_then(|entry| entry.leased_at) };
        self.until.insert((until, record.id.clone()));
        self.entries.insert(record.id.clone(), Entry { record: Arc::clone(record), until, leased_at });
    }

    /// Whether both sides know the same workers: for the audit.
    pub(crate) fn is_sound(&self) -> bool {
        let known =
            |(until, id): &(Timestamp, WorkerId)| self.entries.get(id).is_some_and(|entry| entry.until == *until);
        self.entries.len() == self.until.len() && self.until.iter().all(known)
    }
}

impl Table {
    /// The workers that have not expired, in order of expiry.
    pub(crate) fn workers(&self, now: Timestamp) -> Vec<WorkerView> {
        let alive = self.workers.until.iter().filter(|(until, _)| *until > now);
        let entries = alive.filter_map(|(_, id)| self.workers.entries.get(id));
        let view = |entry: &Entry| WorkerView {
            record: WorkerRecord::clone(&entry.record),
            leased_ago: entry.leased_at.map(|at| now.since(at)),
        };
        entries.map(view).collect()
    }
}
