//! A store that somebody else could have written: it counts the calls of each verb, and has another store do the work.
//!
//! It knows docket-core and the public constructor of the store that it wraps, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{
    Ack, AckReply, AddAnswer, Arrival, CancelAnswer, CancelId, Capabilities, Control, Cursor, Destination, DocketName,
    Fence, Finding, Heartbeat, HeartbeatAnswer, Inspect, LaneCounts, LeaseReply, LeaseRequest, ListFilter, NewTask,
    Page, Parcel, ParcelId, QueueBackend, Relocate, RequeueAnswer, Result, ScheduleAnswer, Store, TakenOut, TaskKey,
    TaskView, TestStore, Ticket, Timestamp, WorkerView,
};
use docket_memory::MemoryBackend;

/// A store and the number of calls that wrote to it. Forks share both.
#[derive(Clone, Debug)]
pub(crate) struct MeteredStore {
    docket: MemoryBackend,
    writes: Arc<AtomicU64>,
}

impl MeteredStore {
    pub(crate) fn new(docket: DocketName) -> Self {
        Self { docket: MemoryBackend::new(docket), writes: Arc::default() }
    }

    fn write(&self) -> &MemoryBackend {
        self.writes.fetch_add(1, Ordering::Relaxed);
        &self.docket
    }
}

#[async_trait]
impl QueueBackend for MeteredStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { scheme: "metered", ..self.docket.capabilities() }
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn as_relocate(&self) -> Option<&dyn Relocate> {
        Some(self)
    }

    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        self.write().add(tasks).await
    }

    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        self.write().schedule(tasks).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        self.write().lease(request).await
    }

    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>> {
        self.write().heartbeat(beat).await
    }

    async fn ack(&self, acks: &[Ack]) -> Result<AckReply> {
        self.write().ack(acks).await
    }
}

#[async_trait]
impl Inspect for MeteredStore {
    async fn get(&self, key: &TaskKey) -> Result<Option<TaskView>> {
        self.docket.get(key).await
    }

    async fn list(&self, filter: &ListFilter, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        self.docket.list(filter, cursor, limit).await
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>> {
        self.docket.counts().await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>> {
        self.docket.workers().await
    }

    async fn audit(&self) -> Result<Vec<String>> {
        self.docket.audit().await
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        self.docket.examine().await
    }
}

#[async_trait]
impl Control for MeteredStore {
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer> {
        self.write().cancel(key, id).await
    }

    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer> {
        self.write().requeue(key, fence).await
    }

    async fn clear(&self) -> Result<u64> {
        self.write().clear().await
    }

    async fn settle_clock(&self) -> Result<Duration> {
        self.write().settle_clock().await
    }

    async fn join(&self, environment: Option<&str>) -> Result<()> {
        self.write().join(environment).await
    }
}

#[async_trait]
impl Relocate for MeteredStore {
    async fn take_out(&self, to: &Destination, id: ParcelId, limit: usize) -> Result<TakenOut> {
        self.write().take_out(to, id, limit).await
    }

    async fn take_in(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        self.write().take_in(parcels).await
    }

    async fn turn_away(&self, parcels: &[Parcel]) -> Result<Vec<Result<Arrival>>> {
        self.write().turn_away(parcels).await
    }

    async fn let_go(&self, tickets: &[Ticket]) -> Result<()> {
        self.write().let_go(tickets).await
    }

    async fn put_back(&self, tickets: &[Ticket]) -> Result<()> {
        self.write().put_back(tickets).await
    }
}

/// Only the suite needs it: in a crate of its own, a store keeps this behind a feature.
#[async_trait]
impl TestStore for MeteredStore {
    async fn set_clock(&self, now: Timestamp) -> Result<()> {
        self.docket.set_clock(now).await
    }
}
