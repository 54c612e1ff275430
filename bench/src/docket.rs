//! Our side: Docket's own calls, and workers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use docket_core::worker::Stop;
use docket_core::{
    Ack, AckAnswer, AddAnswer, Client, KnownName, LeaseOrder, LeaseRequest, LeaseSuspects, NewTask, Payload, Queue,
    RequestId, RunAt, Settings, Store, Task, TaskKey, TaskName, Worker, WorkerId, WorkerRecord, limits,
};
use docket_core::{Outcome as Ending, Policy};
use tokio::task::JoinHandle;

use crate::Outcome;
use crate::tasks::{Note, Tally, busy, track};
use crate::verbs::{Held, Item, LEASE, Verbs};

/// The five verbs as a worker and a client use them, without either's loops.
pub(crate) struct Docket {
    client: Client,
    worker: WorkerRecord,
    names: Vec<KnownName>,
}

impl Docket {
    pub(crate) fn on(store: Arc<dyn Store>) -> Outcome<Self> {
        let name = TaskName::new(Note::NAME)?;
        let worker = WorkerRecord {
            id: WorkerId::new("bench")?,
            queues: vec![Queue::default()],
            names: vec![(name.clone(), Queue::default())],
            concurrency: limits::BATCH_ITEMS_MAX,
            running: 0,
            settled: 0,
            ttl: Duration::from_mins(1),
        };
        let names = vec![KnownName { name, max_crashes: limits::CRASHES_MAX }];
        Ok(Self { client: Client::new(store), worker, names })
    }
}

#[async_trait]
impl Verbs for Docket {
    async fn fork(&self) -> Outcome<Arc<dyn Verbs>> {
        Ok(Arc::new(Self::on(self.client.store().fork())?))
    }

    async fn add(&self, items: &[Item], delay: Duration) -> Outcome<usize> {
        let run_at = if delay.is_zero() { RunAt::Now } else { RunAt::In(delay) };
        let tasks = items.iter().map(|item| {
            let task =
                NewTask::keyed(TaskKey::new(&item.key)?, TaskName::new(Note::NAME)?, Payload::new(item.args.clone()));
            Ok(NewTask { run_at, ..task })
        });
        let tasks = tasks.collect::<docket_core::Result<Vec<_>>>()?;
        let answers = self.client.add_all(&tasks).await?;
        Ok(answers.iter().filter(|answer| matches!(answer, Ok(AddAnswer::Added))).count())
    }

    async fn lease(&self, count: usize, wait: Duration) -> Outcome<Vec<Held>> {
        let request = LeaseRequest {
            request: RequestId::unique(),
            worker: self.worker.clone(),
            queues: self.worker.queues.clone(),
            names: self.names.clone(),
            count,
            suspects: LeaseSuspects::Allow,
            lease_for: LEASE,
            wait,
            order: LeaseOrder::Precedence,
        };
        let reply = self.client.store().lease(&request).await?;
        let held = |lease: docket_core::Lease| Held { track: track(lease.args.as_bytes()), token: lease.token };
        Ok(reply.leases.into_iter().map(held).collect())
    }

    async fn ack(&self, held: &[Held], retention: Duration) -> Outcome<usize> {
        let policy = Policy::default();
        let acks = held.iter().map(|held| Ack {
            token: held.token.clone(),
            outcome: Ending::Completed(None),
            max_attempts: policy.max_attempts,
            retention,
        });
        let acks: Vec<Ack> = acks.collect();
        let reply = self.client.store().ack(&acks).await?;
        Ok(reply.answers.iter().filter(|answer| matches!(answer, Ok(AckAnswer::Settled))).count())
    }

    async fn unfinished(&self) -> Outcome<usize> {
        let lanes = self.client.store().counts().await?;
        let unfinished: u64 = lanes.iter().map(|lane| lane.scheduled + lane.ready + lane.running).sum();
        Ok(usize::try_from(unfinished)?)
    }
}

/// Default settings but for how much is run at once.
pub(crate) fn at_once(concurrency: usize) -> Settings {
    Settings { concurrency, ..Settings::default() }
}

/// A worker that runs until it is told to stop.
pub(crate) struct Running {
    stop: Stop,
    run: JoinHandle<docket_core::Result<()>>,
}

impl Running {
    pub(crate) fn start(store: &Arc<dyn Store>, tally: &Arc<Tally>, settings: Settings) -> Outcome<Self> {
        let worker = Worker::builder(store.fork()).registry(busy()?).state(tally.clone()).settings(settings).build()?;
        let stop = worker.stop_handle();
        Ok(Self { stop, run: tokio::spawn(worker.run()) })
    }

    /// Returns when every ack is answered.
    pub(crate) async fn stop(self) -> Outcome {
        self.stop.stop();
        Ok(self.run.await??)
    }
}
