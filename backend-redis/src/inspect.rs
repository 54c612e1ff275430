//! The calls that read.

use std::collections::BTreeMap;

use async_trait::async_trait;
use docket_core::{
    Clock, Cursor, Error, Finding, Inspect, LaneCounts, ListFilter, Page, Queue, Result, SuccessorView, TaskKey,
    TaskName, TaskState, TaskView, WorkerRecord, WorkerView, limits, words,
};
use redis::Value;

use crate::fields::Fields;
use crate::{RedisBackend, audit, examine, request, scripts};

/// Records examined by one script call: other callers wait for it.
const LOOK_CHUNK: usize = 100;

#[async_trait]
impl Inspect for RedisBackend {
    async fn get(&self, key: &TaskKey) -> Result<Option<TaskView>> {
        let operation = "look at a task";
        let mut call = self.call(&scripts::GET, 0);
        call.key(key);
        match self.commands.script(&call, operation).await? {
            Value::Nil => Ok(None),
            view @ Value::Array(_) => read_view(&mut Fields::of(view, operation)?).map(Some),
            _ => words::meaning("corrupt", operation, |_| None),
        }
    }

    async fn list(&self, filter: &ListFilter, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let mut at = Place::read(cursor)?;
        let (now, clock, mut indexes) = self.indexes().await?;
        indexes.retain(|index| may_hold(index, filter) && *index >= at.index);
        indexes.sort_unstable();
        let (mut page, mut looked, mut bytes, mut full) = (Page { now, clock, ..Page::default() }, 0, 0, false);
        let limit = limit.clamp(1, limits::BATCH_ITEMS_MAX);
        for index in indexes {
            if index != at.index {
                at = Place { index, score: String::new(), member: Vec::new() };
            }
            loop {
                if full || page.tasks.len() >= limit || looked >= limits::LIST_LOOK_MAX {
                    page.next = Some(at.cursor()?);
                    return Ok(page);
                }
                let room = limits::BATCH_BYTES_MAX.saturating_sub(bytes);
                let mut chunk = self.chunk(filter, &at, limit, &page, room).await?;
                page.tasks.append(&mut chunk.each(|list| read_view(&mut list.list()?))?);
                let here = chunk.count::<usize>()?;
                looked += here;
                bytes += chunk.count::<usize>()?;
                full = chunk.flag()?;
                if here > 0 || !full {
                    (at.score, at.member) = (chunk.text()?, chunk.bytes()?);
                }
                if at.score.is_empty() && !full {
                    break;
                }
            }
        }
        Ok(page)
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>> {
        let mut lanes = BTreeMap::new();
        let mut found = self.run(&self.call(&scripts::COUNTS, 0), "count tasks").await?;
        for (kind, lane, visible, later, oldest) in found.each(|list| {
            let mut line = list.list()?;
            Ok((line.text()?, line.text()?, line.count::<u64>()?, line.count::<u64>()?, line.optional_micros()?))
        })? {
            let counts = lane_counts(&mut lanes, &lane)?;
            if kind == "mov" {
                counts.moving += visible + later;
                continue;
            }
            counts.ready += visible;
            *(if kind.ends_with("run") { &mut counts.running } else { &mut counts.scheduled }) += later;
            counts.oldest_ready = counts.oldest_ready.max(oldest);
        }
        for (word, lane, count) in found.each(|list| {
            let mut line = list.list()?;
            Ok((line.text()?, line.text()?, line.count::<u64>()?))
        })? {
            let state = words::state(&word).ok_or_else(|| unreadable("count tasks", &word))?;
            *lane_counts(&mut lanes, &lane)?.of(state) += count;
        }
        Ok(lanes.into_values().collect())
    }

    async fn workers(&self) -> Result<Vec<WorkerView>> {
        let mut found = self.run(&self.call(&scripts::WORKERS, 0), "list workers").await?;
        let mut workers = Vec::new();
        while !found.is_empty() {
            let mut worker = found.list()?;
            let (json, leased_ago) = (worker.text()?, worker.optional_micros()?);
            match serde_json::from_str::<WorkerRecord>(&json) {
                Ok(record) => workers.push(WorkerView { record, leased_ago }),
                // A record that another build wrote must not hide the others.
                Err(error) => tracing::warn!(?error, "record of a worker cannot be read; left out"),
            }
        }
        Ok(workers)
    }

    async fn audit(&self) -> Result<Vec<String>> {
        audit::audit(self).await
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let mut findings = examine::examine(&self.commands, &self.keys).await?;
        match self.indexes().await {
            Ok((_, clock, _)) => findings.push(clock.finding()),
            // A docket of another layout: the finding says so, and our scripts do not run on it.
            Err(error) if error.kind() == docket_core::ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
        Ok(findings)
    }
}

impl RedisBackend {
    /// The server's clock, the docket's time relative to it, and the indexes that are not empty, in
    /// no order.
    pub(crate) async fn indexes(&self) -> Result<(docket_core::Timestamp, Clock, Vec<String>)> {
        let mut found = self.run(&self.call(&scripts::LANES, 0), "list the indexes").await?;
        Ok((found.timestamp()?, request::read_clock(&mut found.list()?)?, found.each(Fields::text)?))
    }

    async fn chunk(&self, filter: &ListFilter, at: &Place, limit: usize, page: &Page, room: usize) -> Result<Fields> {
        let mut call = self.call(&scripts::LIST, 0);
        call.text(&at.index).text(&at.score).bytes(&at.member);
        call.number(LOOK_CHUNK).number(limit - page.tasks.len()).number(room);
        call.number(i32::from(page.tasks.is_empty()));
        call.text(filter.state.map_or("", TaskState::as_str));
        call.text(filter.name.as_ref().map_or("", TaskName::as_str));
        call.text(filter.queue.as_ref().map_or("", Queue::as_str));
        self.run(&call, "list tasks").await
    }
}

/// Where a page ended: in which index, and after which entry (empty: before the first).
#[derive(Clone, Debug, Default)]
struct Place {
    index: String,
    score: String,
    member: Vec<u8>,
}

impl Place {
    fn read(cursor: Option<&Cursor>) -> Result<Self> {
        let Some(Cursor(text)) = cursor else { return Ok(Self::default()) };
        let (index, score, member) = serde_json::from_str(text)
            .map_err(|_| Error::invalid("list tasks", "invalid cursor: not from a page of this store"))?;
        Ok(Self { index, score, member })
    }

    fn cursor(&self) -> Result<Cursor> {
        serde_json::to_string(&(&self.index, &self.score, &self.member))
            .map(Cursor)
            .map_err(|error| unreadable("list tasks", &self.index).with_source(error))
    }
}

/// Whether an index can hold tasks that match the filter.
fn may_hold(index: &str, filter: &ListFilter) -> bool {
    use TaskState::{Cancelled, Completed, Dead, Moving, Ready, Running, Scheduled};
    let (kind, lane) = index.split_once(':').unwrap_or((index, ""));
    let states: &[TaskState] = match kind {
        "due" | "sus" => &[Scheduled, Ready],
        "run" | "srun" => &[Running, Ready],
        "mov" => &[Moving],
        "dead" => &[Dead],
        // Periodic tasks that ended: by a cancel, or completed while a cancel waited.
        _ => &[Completed, Cancelled],
    };
    let (queue, name) = lane.split_once('|').unwrap_or_default();
    let shelf = lane.is_empty();
    filter.state.is_none_or(|state| states.contains(&state))
        && (shelf || filter.queue.as_ref().is_none_or(|wanted| wanted.as_str() == queue))
        && (shelf || filter.name.as_ref().is_none_or(|wanted| wanted.as_str() == name))
}

/// The counts of the lane `QUEUE|NAME`.
fn lane_counts<'a>(lanes: &'a mut BTreeMap<String, LaneCounts>, lane: &str) -> Result<&'a mut LaneCounts> {
    let (queue, name) = lane.split_once('|').ok_or_else(|| unreadable("count tasks", lane))?;
    let empty = LaneCounts::empty(Queue::new(queue)?, TaskName::new(name)?);
    Ok(lanes.entry(lane.to_owned()).or_insert(empty))
}

fn unreadable(operation: &'static str, text: &str) -> Error {
    Error::new(docket_core::ErrorKind::Corrupt, operation, format!("the index {text:?} cannot be read"))
}

/// The result of `view` in show.lua.
fn read_view(fields: &mut Fields) -> Result<TaskView> {
    Ok(TaskView {
        key: fields.key()?,
        name: fields.parsed()?,
        queue: fields.parsed()?,
        state: {
            let word = fields.text()?;
            words::state(&word).ok_or_else(|| unreadable("look at a task", &word))?
        },
        args: fields.payload()?,
        attempts: fields.count()?,
        crashes: fields.count()?,
        fence: fields.optional_count()?.map(docket_core::Fence),
        visible_at: fields.timestamp()?,
        added_at: fields.timestamp()?,
        worker: fields.optional_text()?.map(docket_core::WorkerId::new).transpose()?,
        error: fields.optional_text()?,
        result: fields.optional_payload()?,
        every: fields.optional_micros()?,
        failures: fields.count()?,
        cancelling: fields.flag()?,
        successor: {
            let (args, visible_at) = (fields.optional_payload()?, fields.optional_number()?);
            args.zip(visible_at)
                .map(|(args, micros)| SuccessorView { args, visible_at: docket_core::Timestamp::from_micros(micros) })
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_looks_only_where_its_tasks_can_be() {
        let filter = |state, queue: Option<&str>| ListFilter {
            state,
            queue: queue.map(|queue| Queue::new(queue).unwrap()),
            name: None,
        };
        for (index, filter, held) in [
            ("due:media|scan", filter(None, None), true),
            ("due:media|scan", filter(Some(TaskState::Running), None), false),
            ("run:media|scan", filter(Some(TaskState::Ready), Some("media")), true),
            ("run:media|scan", filter(Some(TaskState::Ready), Some("default")), false),
            ("finished", filter(Some(TaskState::Completed), Some("default")), true),
            ("dead", filter(Some(TaskState::Completed), None), false),
            ("kept", filter(Some(TaskState::Cancelled), None), true),
        ] {
            assert_eq!(may_hold(index, &filter), held, "{index} {filter:?}");
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let place = Place { index: "due:a|b".into(), score: "12".into(), member: b"\0\xff\"|".to_vec() };
        let again = Place::read(Some(&place.cursor().unwrap())).unwrap();
        assert_eq!((again.index, again.score, again.member), (place.index, place.score, place.member));
        assert!(Place::read(Some(&Cursor("elsewhere".into()))).is_err());
    }
}
