//! The least that a store writes: 14 methods. What it lacks is refused, once for all callers.

use std::sync::Arc;

use async_trait::async_trait;
use docket_core::{
    Ack, AckReply, AddAnswer, CancelAnswer, CancelId, Capabilities, Control, Cursor, Destination, DocketName,
    ErrorKind, Fence, Heartbeat, HeartbeatAnswer, Inspect, LaneCounts, LeaseReply, LeaseRequest, ListFilter, NewTask,
    Page, ParcelId, QueueBackend, RequeueAnswer, Result, ScheduleAnswer, Store, TaskKey, TaskView, WorkerView,
};
use docket_memory::MemoryBackend;

#[derive(Clone, Debug)]
struct Least(MemoryBackend);

#[async_trait]
impl QueueBackend for Least {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        self.0.add(tasks).await
    }

    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        self.0.schedule(tasks).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        self.0.lease(request).await
    }

    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>> {
        self.0.heartbeat(beat).await
    }

    async fn ack(&self, acks: &[Ack]) -> Result<AckReply> {
        self.0.ack(acks).await
    }
}

#[async_trait]
impl Inspect for Least {
    async fn get(&self, key: &TaskKey) -> Result<Option<TaskView>> {
        self.0.get(key).await
    }

    async fn list(&self, filter: &ListFilter, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        self.0.list(filter, cursor, limit).await
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>> {
        self.0.counts().await
    }

    async fn workers(&self) -> Result<Vec<WorkerView>> {
        self.0.workers().await
    }
}

#[async_trait]
impl Control for Least {
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer> {
        self.0.cancel(key, id).await
    }

    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer> {
        self.0.requeue(key, fence).await
    }

    async fn clear(&self) -> Result<u64> {
        self.0.clear().await
    }
}

#[tokio::test]
async fn fourteen_methods_are_a_store_and_what_it_lacks_is_refused() {
    let store: Arc<dyn Store> = Arc::new(Least(MemoryBackend::new(DocketName::default())));
    let to = Destination::new("elsewhere").unwrap();
    let moved = store.take_out(&to, ParcelId::unique(), 1).await.unwrap_err();
    assert!(moved.kind() == ErrorKind::Unsupported && moved.to_string().contains("memory"), "{moved}");
    assert_eq!(store.audit().await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.join(Some("staging")).await.unwrap_err().kind(), ErrorKind::Unsupported);
    store.join(None).await.unwrap();
    assert!(store.examine().await.unwrap().is_empty() && store.settle_clock().await.unwrap().is_zero());
}
