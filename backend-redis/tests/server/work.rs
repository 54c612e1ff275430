//! The verbs in short.

use std::time::Duration;

use docket_core::{
    Ack, DocketName, Error, KnownName, Lease, LeaseOrder, LeaseReply, LeaseRequest, LeaseSuspects, NewTask, Outcome,
    Payload, Queue, QueueBackend, RequestId, RunAt, TaskKey, TaskName, WorkerId, WorkerRecord, limits,
};
use docket_redis::{Options, RedisBackend};

use crate::server::Server;

pub(crate) const DOCKET: &str = "test";

pub(crate) async fn connect(server: &Server) -> RedisBackend {
    RedisBackend::connect(&server.url(), docket(), Options::default()).await.expect("the server is sound")
}

pub(crate) fn docket() -> DocketName {
    DocketName::new(DOCKET).expect("a docket name")
}

pub(crate) fn key(text: &str) -> TaskKey {
    TaskKey::new(text).expect("a key")
}

pub(crate) fn task(text: &str) -> NewTask {
    NewTask { key: key(text), ..NewTask::new(name(), Payload::new(text.to_owned())) }
}

pub(crate) fn later(text: &str, delay: Duration) -> NewTask {
    NewTask { run_at: RunAt::In(delay), ..task(text) }
}

fn name() -> TaskName {
    TaskName::new("work").expect("a name")
}

pub(crate) async fn add(store: &dyn QueueBackend, task: NewTask) -> Result<(), Error> {
    store.add(&[task]).await?.remove(0).map(drop)
}

/// A request for up to ten tasks.
pub(crate) fn ask(worker: &str, wait: Duration) -> LeaseRequest {
    let worker = WorkerRecord {
        id: WorkerId::new(worker).expect("a worker id"),
        queues: vec![Queue::default()],
        names: vec![(name(), Queue::default())],
        concurrency: 10,
        running: 0,
        settled: 0,
        ttl: Duration::from_secs(30),
    };
    LeaseRequest {
        request: RequestId::unique(),
        worker,
        queues: vec![Queue::default()],
        names: vec![KnownName { name: name(), max_crashes: limits::CRASHES_MAX }],
        count: 10,
        suspects: LeaseSuspects::Allow,
        lease_for: Duration::from_secs(10),
        wait,
        order: LeaseOrder::Precedence,
    }
}

pub(crate) async fn take(store: &dyn QueueBackend) -> Result<LeaseReply, Error> {
    store.lease(&ask("worker", Duration::ZERO)).await
}

pub(crate) fn keys(reply: &LeaseReply) -> Vec<&str> {
    reply.leases.iter().map(|lease| lease.token.key.as_str()).collect()
}

pub(crate) fn completed(lease: &Lease) -> Ack {
    completed_with(lease, None)
}

pub(crate) fn completed_with(lease: &Lease, result: Option<Payload>) -> Ack {
    let outcome = Outcome::Completed(result);
    Ack { token: lease.token.clone(), outcome, max_attempts: 1, retention: limits::RETENTION }
}
