//! Reading: views, pages, counts, and whether the records make sense.

use std::collections::BTreeMap;

use docket_core::{
    Cursor, Error, LaneCounts, ListFilter, Page, Payload, Queue, Result, SuccessorView, TaskKey, TaskName, TaskState,
    TaskView, Timestamp, WorkerView, limits,
};

use super::docket::Docket;
use super::record::{Life, Record};
use crate::teeth::Fault;

/// How a cursor begins.
const AFTER: &str = "after:";

impl Docket {
    pub(super) fn get(&self, key: &TaskKey, now: Timestamp) -> Option<TaskView> {
        self.records.get(key).map(|record| view(record, now))
    }

    /// A page in the order of the keys; the cursor is the last key looked at.
    pub(super) fn list(
        &self,
        filter: &ListFilter,
        cursor: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page> {
        let after = match cursor.map(key_of).transpose() {
            Err(_) if self.has(Fault::StrangeCursorStartsOver) => None,
            after => after?,
        };
        let mut page = Page { now, ..Page::default() };
        let rest = self.records.values().filter(|record| after.is_none_or(|after| record.key.as_str() > after));
        for (looked, record) in rest.enumerate() {
            if page.tasks.len() == limit || looked == limits::LIST_LOOK_MAX {
                return Ok(page);
            }
            page.next = Some(Cursor(format!("{AFTER}{}", record.key)));
            if fits(record, filter, now) {
                page.tasks.push(view(record, now));
            }
        }
        page.next = None;
        Ok(page)
    }

    pub(super) fn counts(&self, now: Timestamp) -> Vec<LaneCounts> {
        let mut lanes: BTreeMap<(Queue, TaskName), LaneCounts> = BTreeMap::new();
        for record in self.records.values() {
            let (queue, name) = (record.work.queue.clone(), record.work.name.clone());
            let lane = lanes.entry((queue.clone(), name.clone())).or_insert_with(|| LaneCounts::empty(queue, name));
            let state = record.shown(now);
            *lane.of(state) += 1;
            if state == TaskState::Ready {
                lane.oldest_ready = lane.oldest_ready.max(Some(now.since(record.work.visible_at)));
            }
        }
        lanes.into_values().collect()
    }

    pub(super) fn workers(&self, now: Timestamp) -> Vec<WorkerView> {
        let live = self.workers.values().filter(|seen| seen.until > now);
        let view = |seen: &super::docket::Seen| WorkerView {
            record: seen.record.clone(),
            leased_ago: seen.leased_at.map(|at| now.since(at)),
        };
        live.map(view).collect()
    }

    /// Contradictions within records. The model has no index that could disagree with them.
    pub(super) fn audit(&self) -> Vec<String> {
        let mut defects = Vec::new();
        for (key, record) in &self.records {
            defects.extend(defects_of(record).into_iter().map(|defect| format!("{key}: {defect}")));
        }
        defects
    }

    /// Takes finished records away: those over their time, then the oldest beyond the bounds. Answers how many were dead.
    pub(super) fn trim(&mut self, settled: usize, now: Timestamp) -> u64 {
        if self.has(Fault::NeverTrims) {
            return 0;
        }
        let mut gone = self.over(|state| state != Life::Dead, limits::FINISHED_MAX, limits::FINISHED_BYTES_MAX, now);
        let dead = self.over(|state| state == Life::Dead, limits::DEAD_MAX, limits::DEAD_BYTES_MAX, now);
        let before = gone.len();
        gone.extend(dead);
        if !self.has(Fault::TrimsWithoutBound) {
            let settled = if self.has(Fault::TrimsOneCallsWorth) { 0 } else { settled };
            gone.truncate(limits::TRIM_ITEMS_MAX + settled);
        }
        for key in &gone {
            self.records.remove(key);
        }
        u64::try_from(gone.len().saturating_sub(before)).unwrap_or(u64::MAX)
    }

    fn over(&self, of: fn(Life) -> bool, kept_max: usize, bytes_max: usize, now: Timestamp) -> Vec<TaskKey> {
        let finished = self.records.values().filter(|record| record.is_finished() && of(record.state));
        let mut kept: Vec<(Timestamp, &TaskKey)> = finished
            .filter(|record| record.work.every.is_none())
            .filter_map(|record| record.expires.map(|expires| (expires, &record.key)))
            .collect();
        kept.sort();
        let beyond = kept.len().saturating_sub(kept_max);
        let mut bytes: usize = kept.iter().map(|(_, key)| kept_bytes(&self.records[*key])).sum();
        let mut beyond = beyond;
        for (at, (_, key)) in kept.iter().enumerate() {
            if bytes <= bytes_max || self.has(Fault::BoundsByNumberAlone) {
                break;
            }
            bytes -= kept_bytes(&self.records[*key]);
            beyond = beyond.max(at + 1);
        }
        let over = kept.iter().enumerate().filter(|(at, (expires, _))| *expires <= now || *at < beyond);
        over.map(|(_, (_, key))| (*key).clone()).collect()
    }
}

fn kept_bytes(record: &Record) -> usize {
    let (result, error) = (record.result.as_ref().map(Payload::len), record.error.as_ref().map(String::len));
    limits::kept_bytes(record.work.args.len(), result, error)
}

fn key_of(cursor: &Cursor) -> Result<&str> {
    let refused = || Error::invalid("list tasks", "the cursor is not one that a page gave");
    cursor.0.strip_prefix(AFTER).ok_or_else(refused)
}

fn fits(record: &Record, filter: &ListFilter, now: Timestamp) -> bool {
    filter.state.is_none_or(|state| state == record.shown(now))
        && filter.name.as_ref().is_none_or(|name| *name == record.work.name)
        && filter.queue.as_ref().is_none_or(|queue| *queue == record.work.queue)
}

fn view(record: &Record, now: Timestamp) -> TaskView {
    let work = &record.work;
    let taken = record.taken.as_ref();
    TaskView {
        key: record.key.clone(),
        name: work.name.clone(),
        queue: work.queue.clone(),
        state: record.shown(now),
        args: work.args.clone(),
        attempts: record.attempts,
        crashes: record.crashes,
        fence: record.fence(),
        visible_at: work.visible_at,
        added_at: record.added_at,
        worker: taken.map(|taken| taken.worker.clone()),
        error: record.error.clone(),
        result: record.result.clone(),
        every: work.every,
        failures: record.failures,
        cancelling: record.cancelling,
        successor: record
            .successor
            .as_ref()
            .map(|successor| SuccessorView { args: successor.args.clone(), visible_at: successor.visible_at }),
    }
}

fn defects_of(record: &Record) -> Vec<&'static str> {
    let finished = record.is_finished();
    let rules = [
        (
            finished != record.expires.is_some(),
            "only a finished record has a time at which it is trimmed, and each has",
        ),
        (finished && record.successor.is_some(), "a finished record has a successor"),
        (record.cancelling && record.state != Life::Leased, "a record that is not leased waits for a cancel"),
        (record.successor.is_some() && record.state != Life::Leased, "a record that is not leased has a successor"),
        (record.parcel.is_none() && record.state == Life::Moving, "a record that moves was taken out by nobody"),
        (record.taken.is_none() && record.state == Life::Leased, "a leased record has no token"),
    ];
    rules.into_iter().filter(|(broken, _)| *broken).map(|(_, rule)| rule).collect()
}
