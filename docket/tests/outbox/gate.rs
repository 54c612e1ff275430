//! A queue that notes what it is sent, and can fail at a chosen moment.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use docket_core::*;
use tokio::sync::Notify;

/// What happens to the next batch.
pub(crate) enum Fault {
    /// It never arrives.
    HangBefore,
    /// It arrives, and the answer does not.
    HangAfter,
    /// The sender panics.
    Panic,
    /// It arrives, and before the answer does, this is done.
    Then(Box<dyn FnOnce() + Send>),
}

/// What the queue says when it is asked for its disk.
#[derive(Clone, Copy, Default)]
pub(crate) enum Disk {
    /// What it says itself.
    #[default]
    Own,
    /// Nothing, for now.
    Silent,
    /// Once, that it does not know.
    Lost,
}

#[derive(Default)]
pub(crate) struct Seen {
    /// Every task sent, in order, as often as it was.
    pub(crate) sent: Mutex<Vec<NewTask>>,
    fault: Mutex<Option<Fault>>,
    /// A key that the queue cannot take now.
    busy: Mutex<Option<TaskKey>>,
    pub(crate) reached: Notify,
    disk: Mutex<Disk>,
}

impl Seen {
    pub(crate) fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    pub(crate) fn disk(&self, disk: Disk) {
        *self.disk.lock().unwrap() = disk;
    }

    /// Whether the queue itself may answer for its disk.
    async fn persisted(&self) -> Result<()> {
        loop {
            let disk = *self.disk.lock().unwrap();
            match disk {
                Disk::Own => return Ok(()),
                Disk::Silent => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                Disk::Lost => {
                    self.disk(Disk::Own);
                    return Err(Error::new(ErrorKind::Unavailable, "wait for the disk", "it was started anew"));
                }
            }
        }
    }

    pub(crate) fn sent(&self) -> Vec<NewTask> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn busy(&self, key: Option<TaskKey>) {
        *self.busy.lock().unwrap() = key;
    }

    async fn pass<A>(
        &self,
        tasks: &[NewTask],
        send: impl AsyncFnOnce(&[NewTask]) -> Result<Vec<Result<A>>>,
    ) -> Result<Vec<Result<A>>> {
        let busy = self.busy.lock().unwrap().clone();
        let at = tasks.iter().position(|task| Some(&task.key) == busy.as_ref());
        let mut passed = tasks.to_vec();
        if let Some(at) = at {
            passed.remove(at);
        }
        let mut answers = if passed.is_empty() { Vec::new() } else { self.send(&passed, send(&passed)).await? };
        if let Some(at) = at {
            answers.insert(at, Err(Error::new(ErrorKind::Unavailable, "add a task", "somebody holds it")));
        }
        Ok(answers)
    }

    async fn send<A>(&self, tasks: &[NewTask], send: impl Future<Output = Result<A>>) -> Result<A> {
        let fault = self.fault.lock().unwrap().take();
        self.sent.lock().unwrap().extend_from_slice(tasks);
        match fault {
            None => send.await,
            Some(Fault::HangBefore) => {
                self.reached.notify_one();
                std::future::pending().await
            }
            Some(Fault::HangAfter) => {
                send.await?;
                self.reached.notify_one();
                std::future::pending().await
            }
            Some(Fault::Panic) => panic!("on purpose"),
            Some(Fault::Then(act)) => {
                let answer = send.await;
                act();
                answer
            }
        }
    }
}

/// In front of a real queue. Forks share what was seen.
pub(crate) struct Gate {
    pub(crate) queue: Arc<dyn Store>,
    pub(crate) seen: Arc<Seen>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("queue", &self.queue).finish_non_exhaustive()
    }
}

#[async_trait]
impl QueueBackend for Gate {
    fn capabilities(&self) -> Capabilities {
        self.queue.capabilities()
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(Self { queue: self.queue.fork(), seen: self.seen.clone() })
    }

    fn as_relocate(&self) -> Option<&dyn Relocate> {
        self.queue.as_relocate()
    }

    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        self.seen.pass(tasks, async |tasks| self.queue.add(tasks).await).await
    }

    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        self.seen.pass(tasks, async |tasks| self.queue.schedule(tasks).await).await
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
        self.seen.persisted().await?;
        self.queue.persist().await
    }
}

#[async_trait]
impl Inspect for Gate {
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
        self.queue.examine().await
    }
}

#[async_trait]
impl Control for Gate {
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer> {
        self.queue.cancel(key, id).await
    }

    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer> {
        self.queue.requeue(key, fence).await
    }

    async fn clear(&self) -> Result<u64> {
        self.queue.clear().await
    }

    async fn settle_clock(&self) -> Result<Duration> {
        self.queue.settle_clock().await
    }

    async fn join(&self, environment: Option<&str>) -> Result<()> {
        self.queue.join(environment).await
    }
}
