//! The floor in memory: one lock around a map and ordered sets.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use docket_core::limits;
use tokio::sync::Notify;

use super::{held, until};
use crate::Outcome;
use crate::verbs::{Held, Item, LEASE, Verbs};

/// A handle on the same tasks as its forks.
#[derive(Clone, Default)]
pub(super) struct Memory {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    tasks: Mutex<Tasks>,
    wake: Notify,
}

#[derive(Default)]
struct Tasks {
    records: HashMap<Arc<str>, Record>,
    due: BTreeMap<(Instant, u64), Arc<str>>,
    run: BTreeMap<(Instant, u64), Arc<str>>,
    /// When each is trimmed: all of a run are kept equally long, so the oldest comes first.
    finished: VecDeque<(Instant, Arc<str>)>,
    seq: u64,
    fence: u64,
}

struct Record {
    args: Vec<u8>,
    seq: u64,
    /// 0: nobody holds it.
    fence: u64,
    visible_at: Instant,
}

impl Tasks {
    fn add(&mut self, item: &Item, at: Instant) -> bool {
        if self.records.contains_key(item.key.as_str()) {
            return false;
        }
        self.seq += 1;
        let key: Arc<str> = item.key.as_str().into();
        self.due.insert((at, self.seq), key.clone());
        let record = Record { args: item.args.clone(), seq: self.seq, fence: 0, visible_at: at };
        self.records.insert(key, record);
        true
    }

    fn look(&mut self, count: usize) -> Outcome<(Vec<Held>, Option<Duration>)> {
        let now = Instant::now();
        while let Some(entry) = self.run.first_entry().filter(|entry| entry.key().0 <= now) {
            let (place, key) = entry.remove_entry();
            self.due.insert(place, key);
        }
        let mut tasks = Vec::with_capacity(count.min(self.due.len()));
        while tasks.len() < count
            && let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now)
        {
            let key = entry.remove();
            let record = self.records.get_mut(&key).ok_or("a task without a record")?;
            self.fence += 1;
            record.fence = self.fence;
            record.visible_at = now + LEASE;
            tasks.push(held(&key, record.fence, &record.args)?);
            self.run.insert((record.visible_at, record.seq), key);
        }
        let next =
            [&self.due, &self.run].into_iter().filter_map(|index| index.keys().next()).map(|place| place.0).min();
        Ok((tasks, next.map(|next| next.saturating_duration_since(now))))
    }

    fn ack(&mut self, held: &Held, now: Instant, retention: Duration) -> bool {
        let Some(record) = self.records.get_mut(held.token.key.as_str()) else { return false };
        if record.fence != held.token.fence.0 {
            return false;
        }
        record.fence = 0;
        if let Some(key) = self.run.remove(&(record.visible_at, record.seq)) {
            self.finished.push_back((now + retention, key));
        }
        true
    }

    fn trim(&mut self, now: Instant, at_most: usize) {
        for _ in 0..at_most {
            let is_over = self.finished.front().is_some_and(|(expires, _)| *expires <= now);
            if !is_over && self.finished.len() <= limits::FINISHED_MAX {
                return;
            }
            if let Some((_, key)) = self.finished.pop_front() {
                self.records.remove(&key);
            }
        }
    }
}

impl Memory {
    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Verbs for Memory {
    async fn fork(&self) -> Outcome<Arc<dyn Verbs>> {
        Ok(Arc::new(self.clone()))
    }

    async fn add(&self, items: &[Item], delay: Duration) -> Outcome<usize> {
        let at = Instant::now() + delay;
        let mut tasks = self.tasks();
        let taken = items.iter().filter(|item| tasks.add(item, at)).count();
        drop(tasks);
        self.shared.wake.notify_one();
        Ok(taken)
    }

    async fn lease(&self, count: usize, wait: Duration) -> Outcome<Vec<Held>> {
        let end = Instant::now() + wait;
        loop {
            let (tasks, next) = self.tasks().look(count)?;
            let left = end.saturating_duration_since(Instant::now());
            if !tasks.is_empty() || left.is_zero() {
                return Ok(tasks);
            }
            // Over in time is as good as woken.
            let _ = tokio::time::timeout(until(next, left), self.shared.wake.notified()).await;
        }
    }

    async fn ack(&self, held: &[Held], retention: Duration) -> Outcome<usize> {
        let now = Instant::now();
        let mut tasks = self.tasks();
        let settled = held.iter().filter(|held| tasks.ack(held, now, retention)).count();
        tasks.trim(now, limits::TRIM_ITEMS_MAX + settled);
        Ok(settled)
    }

    async fn unfinished(&self) -> Outcome<usize> {
        let tasks = self.tasks();
        Ok(tasks.due.len() + tasks.run.len())
    }
}
