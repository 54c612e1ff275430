//! A store that fails on demand, verb by verb, so that one loop of a worker can be broken and no other.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use docket_core::{
    Ack, AckReply, AddAnswer, Arrival, CancelAnswer, CancelId, Capabilities, Control, Cursor, Destination, Error,
    ErrorKind, Fence, Finding, Heartbeat, HeartbeatAnswer, Inspect, Key, LaneCounts, LeaseReply, LeaseRequest,
    ListFilter, NewTask, Page, Parcel, ParcelId, QueueBackend, Relocate, RequeueAnswer, Result, ScheduleAnswer, Store,
    TaskView, Ticket, WorkerView,
};

/// What only one loop calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Verb {
    /// The fetch loop.
    Lease,
    /// The heartbeat.
    Heartbeat,
    /// The settling loop.
    Ack,
    /// The watchdog.
    Counts,
    /// Seeding.
    Add,
}

/// What the call does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Panics,
    /// With an error that no list of harmless ones would have.
    Fails,
    NeverAnswers,
}

/// The store, and the faults that all its forks share.
#[derive(Clone, Debug)]
pub(crate) struct Sabotage {
    inner: Arc<dyn Store>,
    faults: Arc<Mutex<HashMap<Verb, Fault>>>,
}

impl Sabotage {
    pub(crate) fn of(inner: Arc<dyn Store>) -> Self {
        Self { inner, faults: Arc::default() }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    pub(crate) fn set(&self, verb: Verb, fault: Fault) {
        self.faults.lock().unwrap().insert(verb, fault);
    }

    pub(crate) fn lift(&self) {
        self.faults.lock().unwrap().clear();
    }

    async fn pass(&self, verb: Verb) -> Result<()> {
        let fault = self.faults.lock().unwrap().get(&verb).copied();
        match fault {
            None => Ok(()),
            Some(Fault::Panics) => panic!("sabotage of {verb:?}"),
            Some(Fault::Fails) => Err(Error::new(ErrorKind::Internal, "go on", format!("sabotage of {verb:?}"))),
            Some(Fault::NeverAnswers) => pending().await,
        }
    }
}

#[async_trait]
impl QueueBackend for Sabotage {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(Self { inner: self.inner.fork(), faults: Arc::clone(&self.faults) })
    }

    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        self.pass(Verb::Add).await?;
        self.inner.add(tasks).await
    }

    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        self.inner.schedule(tasks).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        self.pass(Verb::Lease).await?;
        self.inner.lease(request).await
    }

    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>> {
        self.pass(Verb::Heartbeat).await?;
        self.inner.heartbeat(beat).await
    }

    async fn ack(&self, acks: &[Ack], next: Option<&LeaseRequest>) -> Result<AckReply> {
        self.pass(Verb::Ack).await?;
        self.inner.ack(acks, next).await
    }
}

#[async_trait]
impl Inspect for Sabotage {
    async fn get(&self, key: &Key) -> Result<Option<TaskView>> {
        self.inner.get(key).await
    }

    async fn list(&self, filter: &ListFilter, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        self.inner.list(filter, cursor, limit).await
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>> {
        self.pass(Verb::Counts).await?;
        self.inner.counts().await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>> {
        self.inner.workers().await
    }

    async fn audit(&self) -> Result<Vec<String>> {
        self.inner.audit().await
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        self.inner.examine().await
    }
}

#[async_trait]
impl Relocate for Sabotage {
    async fn take_out(&self, to: &Destination, id: ParcelId, limit: usize) -> Result<Vec<Parcel>> {
        self.inner.take_out(to, id, limit).await
    }

    async fn take_in(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        self.inner.take_in(parcels).await
    }

    async fn turn_away(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        self.inner.turn_away(parcels).await
    }

    async fn let_go(&self, tickets: &[Ticket]) -> Result<()> {
        self.inner.let_go(tickets).await
    }

    async fn put_back(&self, tickets: &[Ticket]) -> Result<()> {
        self.inner.put_back(tickets).await
    }
}

#[async_trait]
impl Control for Sabotage {
    async fn cancel(&self, key: &Key, id: CancelId) -> Result<CancelAnswer> {
        self.inner.cancel(key, id).await
    }

    async fn requeue(&self, key: &Key, fence: Option<Fence>) -> Result<RequeueAnswer> {
        self.inner.requeue(key, fence).await
    }

    async fn clear(&self) -> Result<u64> {
        self.inner.clear().await
    }

    async fn join(&self, environment: Option<&str>) -> Result<()> {
        self.inner.join(environment).await
    }
}
