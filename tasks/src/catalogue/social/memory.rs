//! Likes, comments and plays that live in this process: for the demo and for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use docket_core::Result;

use super::{Comment, Confirmed, Like, Played, Record, Row, Social, Wanted};
use crate::{AtUri, Tid};

/// [`Social`] in memory. Lost with the process.
#[derive(Debug, Default)]
pub struct MemorySocial(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    slots: BTreeMap<Record, Slot>,
    rows: BTreeMap<Record, Row>,
    played: BTreeMap<i64, Played>,
    uris: BTreeMap<Record, AtUri>,
}

#[derive(Debug)]
struct Slot {
    did: String,
    rkey: Tid,
    revision: i64,
    written: i64,
}

impl MemorySocial {
    /// The user likes the track.
    pub fn put_like(&self, did: &str, track_id: i64, like: Like) {
        self.put(Record::Like { did: did.to_owned(), track_id }, did, Row::Like(like));
    }

    /// The user comments, or changes the comment.
    pub fn put_comment(&self, did: &str, id: i64, comment: Comment) {
        self.put(Record::Comment { id }, did, Row::Comment(comment));
    }

    /// The user takes the like or the comment back.
    pub fn remove(&self, record: &Record) {
        let mut tables = self.tables();
        if tables.rows.remove(record).is_some()
            && let Some(slot) = tables.slots.get_mut(record)
        {
            slot.revision += 1;
        }
    }

    /// The row and its slot, in one step.
    fn put(&self, record: Record, did: &str, row: Row) {
        let new = || Slot { did: did.to_owned(), rkey: Tid::new(), revision: 0, written: 0 };
        let mut tables = self.tables();
        tables.slots.entry(record.clone()).or_insert_with(new).revision += 1;
        tables.rows.insert(record, row);
    }

    /// A track as its plays are reported.
    pub fn put_played(&self, track_id: i64, played: Played) {
        self.tables().played.insert(track_id, played);
    }

    /// The record key of a slot, while there is one.
    pub fn rkey(&self, record: &Record) -> Option<Tid> {
        self.tables().slots.get(record).map(|slot| slot.rkey)
    }

    /// The address kept in a row.
    pub fn uri(&self, record: &Record) -> Option<AtUri> {
        self.tables().uris.get(record).cloned()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Social for MemorySocial {
    async fn wanted(&self, record: &Record) -> Result<Option<Wanted>> {
        let tables = self.tables();
        let wanted = tables.slots.get(record).map(|Slot { did, rkey, revision, .. }| Wanted {
            did: did.clone(),
            rkey: *rkey,
            revision: *revision,
            row: tables.rows.get(record).cloned(),
        });
        Ok(wanted)
    }

    async fn confirm(&self, record: &Record, revision: i64, uri: &AtUri) -> Result<Confirmed> {
        let mut tables = self.tables();
        let is_there = tables.rows.contains_key(record);
        let Some(slot) = tables.slots.get_mut(record) else { return Ok(Confirmed::Settled) };
        slot.written = slot.written.max(revision);
        if slot.revision != revision {
            return Ok(Confirmed::Changed);
        }
        if is_there {
            tables.uris.insert(record.clone(), uri.clone());
        } else {
            tables.uris.remove(record);
            tables.slots.remove(record);
        }
        Ok(Confirmed::Settled)
    }

    async fn unconfirmed(&self, did: &str, limit: usize) -> Result<Vec<Record>> {
        let tables = self.tables();
        let behind = tables.slots.iter().filter(|(_, slot)| slot.did == did && slot.written < slot.revision);
        let mut behind: Vec<(&Record, Tid)> = behind.map(|(record, slot)| (record, slot.rkey)).collect();
        behind.sort_by_key(|(_, rkey)| *rkey);
        Ok(behind.into_iter().take(limit).map(|(record, _)| record.clone()).collect())
    }

    async fn played(&self, _did: &str, track_id: i64) -> Result<Option<Played>> {
        Ok(self.tables().played.get(&track_id).cloned())
    }
}
