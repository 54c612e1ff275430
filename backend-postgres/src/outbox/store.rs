//! The outbox as a store: the queue behind it, and one ability more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{
    Ack, AckReply, AddAnswer, CancelAnswer, CancelId, Capabilities, Control, Cursor, Fence, Finding, Heartbeat,
    HeartbeatAnswer, Inspect, LaneCounts, LeaseReply, LeaseRequest, ListFilter, NewTask, Page, QueueBackend, Relocate,
    RequeueAnswer, Result, ScheduleAnswer, Store, TaskKey, TaskView, WorkerView,
};

use super::Outbox;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl QueueBackend for Outbox {
    fn capabilities(&self) -> Capabilities {
        Capabilities { transactional_add: true, ..self.queue.capabilities() }
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(Self { queue: self.queue.fork(), table: self.table.clone() })
    }

    fn as_relocate(&self) -> Option<&dyn Relocate> {
        self.queue.as_relocate()
    }

    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        self.queue.add(tasks).await
    }

    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        self.queue.schedule(tasks).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        self.queue.lease(request).await
    }

    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>> {
        self.queue.heartbeat(beat).await
    }

    async fn ack(&self, acks: &[Ack]) -> Result<AckReply> {
        self.queue.ack(acks).await
    }

    async fn persist(&self) -> Result<()> {
        self.queue.persist().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Inspect for Outbox {
    async fn get(&self, key: &TaskKey) -> Result<Option<TaskView>> {
        self.queue.get(key).await
    }

    async fn list(&self, filter: &ListFilter, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        self.queue.list(filter, cursor, limit).await
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>> {
        self.queue.counts().await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>> {
        self.queue.workers().await
    }

    async fn audit(&self) -> Result<Vec<String>> {
        self.queue.audit().await
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let (queue, outbox) = tokio::join!(self.queue.examine(), self.finding());
        let mut findings = queue?;
        findings.push(outbox);
        Ok(findings)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Control for Outbox {
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer> {
        self.queue.cancel(key, id).await
    }

    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer> {
        self.queue.requeue(key, fence).await
    }

    /// The outbox first: its rows would otherwise arrive in the cleared queue.
    async fn clear(&self) -> Result<u64> {
        let rows = Box::pin(self.clear_rows()).await?;
        Ok(rows + self.queue.clear().await?)
    }

    async fn settle_clock(&self) -> Result<Duration> {
        self.queue.settle_clock().await
    }

    async fn join(&self, environment: Option<&str>) -> Result<()> {
        self.queue.join(environment).await
    }
}
