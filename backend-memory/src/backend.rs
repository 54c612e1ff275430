//! One lock around a table, and the five verbs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use docket_core::{
    Ack, AckReply, AddAnswer, Capabilities, DocketName, Heartbeat, HeartbeatAnswer, LeaseReply, LeaseRequest, NewTask,
    QueueBackend, Relocate, Result, ScheduleAnswer, Store, Swept, Timestamp,
};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::table::{Asked, Table};
use crate::wait::{self, Waiters};
use crate::{Options, check};

/// A docket in memory. Cheap to clone; clones and forks are handles on the same docket.
#[derive(Clone)]
pub struct MemoryBackend {
    shared: Arc<Shared>,
}

/// State shared by all handles of one docket.
pub(crate) struct Shared {
    pub(crate) name: DocketName,
    pub(crate) options: Options,
    docket: Mutex<Docket>,
}

/// Everything that the lock guards.
pub(crate) struct Docket {
    pub(crate) table: Table,
    pub(crate) clock: Clock,
    pub(crate) waiters: Waiters,
}

impl MemoryBackend {
    /// An empty docket. Two calls make two dockets, even with the same name.
    pub fn new(name: DocketName) -> Self {
        Self::open(name, Options::default())
    }

    /// An empty docket with settings of its own.
    ///
    /// # Errors
    ///
    /// `Config` for an option out of bounds.
    pub fn with_options(name: DocketName, options: Options) -> Result<Self> {
        options.check()?;
        Ok(Self::open(name, options))
    }

    fn open(name: DocketName, options: Options) -> Self {
        let docket =
            Docket { table: Table::new(options.max_tasks), clock: Clock::start(), waiters: Waiters::default() };
        Self { shared: Arc::new(Shared { name, options, docket: Mutex::new(docket) }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// One answer per task, each judged alone.
    fn each_task<T>(
        &self,
        operation: &'static str,
        tasks: &[NewTask],
        step: impl Fn(&mut Table, &NewTask, Timestamp) -> Result<T>,
    ) -> Result<Vec<Result<T>>> {
        let bytes_max = self.shared.options.max_payload_bytes;
        check::batch(operation, tasks.iter().map(|task| task.args.len()), bytes_max)?;
        Ok(self.shared.write(|table, now| {
            let one = |task| check::task(operation, task, bytes_max).and_then(|()| step(table, task, now));
            tasks.iter().map(one).collect()
        }))
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Docket> {
        self.docket.lock().expect("no transition panics, so the lock is never poisoned")
    }

    /// The docket, unless a transition has panicked.
    pub(crate) fn lock_if_sound(&self) -> Option<MutexGuard<'_, Docket>> {
        self.docket.lock().ok()
    }

    /// Reads at the docket's time.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Table, Timestamp) -> T) -> T {
        let mut docket = self.lock();
        let now = docket.clock.now();
        look(&docket.table, now)
    }

    /// Runs a transition at the docket's time, and wakes the waiters that it concerns.
    pub(crate) fn write<T>(&self, step: impl FnOnce(&mut Table, Timestamp) -> T) -> T {
        let mut docket = self.lock();
        let now = docket.clock.now();
        let answer = step(&mut docket.table, now);
        let told = docket.tell(now);
        drop(docket);
        notify(&told);
        answer
    }
}

impl Docket {
    /// Chooses the waiters to wake for what has become visible earlier. The caller notifies them
    /// after it has released the lock.
    pub(crate) fn tell(&mut self, now: Timestamp) -> Vec<Arc<Notify>> {
        if self.waiters.is_empty() {
            self.table.forget_wakes();
            return Vec::new();
        }
        let wakes = self.table.take_wakes();
        wakes.iter().filter_map(|wake| self.waiters.choose(wake, now)).collect()
    }
}

pub(crate) fn notify(told: &[Arc<Notify>]) {
    for waiter in told {
        waiter.notify_one();
    }
}

#[async_trait]
impl QueueBackend for MemoryBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            scheme: "memory",
            docket: self.shared.name.clone(),
            durable: false,
            shared: false,
            transactional_add: false,
        }
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn as_relocate(&self) -> Option<&dyn Relocate> {
        Some(self)
    }

    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        self.each_task("add tasks", tasks, Table::add)
    }

    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        self.each_task("schedule tasks", tasks, Table::schedule)
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        check::request(request)?;
        Ok(wait::lease(&self.shared, Asked::new(request)).await)
    }

    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>> {
        check::batch("renew leases", beat.tokens.iter().map(|_| 0), 0)?;
        Ok(self.shared.write(|table, now| {
            table.beat(&beat.worker, now);
            beat.tokens.iter().map(|token| Ok(table.extend(token, beat.lease_for, now))).collect()
        }))
    }

    async fn ack(&self, acks: &[Ack]) -> Result<AckReply> {
        let bytes_max = self.shared.options.max_payload_bytes;
        check::batch("settle tasks", acks.iter().map(check::ack_bytes), bytes_max)?;
        Ok(self.shared.write(|table, now| {
            let one = |ack| check::ack(ack, bytes_max).and_then(|()| table.ack(ack, now));
            let answers = acks.iter().map(one).collect();
            let swept = Swept { dead_trimmed: table.trim(acks.len(), now), ..Swept::default() };
            AckReply { answers, swept }
        }))
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").field("docket", &self.shared.name).finish_non_exhaustive()
    }
}
