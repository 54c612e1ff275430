//! Tasks that workers have died under run one at a time, and none waits longer than the one before.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{
    LeaseOrder, LeaseRequest, LeaseSuspects, Queue, RequestId, Store, TaskName, TaskState, WorkerId, WorkerRecord,
    limits,
};

use crate::cases::{Scene, eventually, fast};
use crate::jobs::Slow;

/// The leases of workers that die at once.
const SHORT: Duration = Duration::from_millis(50);

/// Lets everything that waits run out of leases until it is a suspect: the look that counts the last crash takes one of
/// them, whose lease passes as well.
async fn make_suspects(scene: &Scene, count: usize) {
    let look = || LeaseRequest {
        request: RequestId::unique(),
        worker: WorkerRecord {
            id: WorkerId::new("doomed").unwrap(),
            queues: vec![Queue::default()],
            names: Vec::new(),
            concurrency: count,
            running: 0,
            settled: 0,
            ttl: SHORT,
        },
        queues: vec![Queue::default()],
        names: vec![docket_core::KnownName { name: TaskName::new("slow").unwrap(), max_crashes: 10 }],
        count,
        suspects: LeaseSuspects::Avoid,
        lease_for: SHORT,
        wait: Duration::ZERO,
        order: LeaseOrder::Precedence,
    };
    eventually("all are suspects", async || {
        scene.store.lease(&look()).await.unwrap();
        tokio::time::sleep(SHORT * 2).await;
        let crashes = async |key: &str| scene.view(key).await.crashes;
        (crashes("a").await >= limits::SUSPECT_CRASHES && crashes("b").await >= limits::SUSPECT_CRASHES).then_some(())
    })
    .await;
}

pub(crate) async fn a_suspect_starts_when_the_one_before_has_ended(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    for key in ["a", "b"] {
        scene.client.add(Slow { millis: 300, listens: true }).key(key).await.unwrap();
    }
    make_suspects(&scene, 2).await;
    // It polls every 15 s: the second must not wait for that.
    let worker = scene.start(fast());
    scene.until("a", TaskState::Completed).await;
    scene.until("b", TaskState::Completed).await;
    worker.stopped().await;
}
