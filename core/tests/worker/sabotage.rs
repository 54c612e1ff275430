//! A store that fails on demand, verb by verb, so that one loop of a worker can be broken and no other.
//!
//! The tests of incidents in `conformance-tests` use this file as well.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use docket_core::{
    Ack, AckReply, AddAnswer, CancelAnswer, CancelId, Capabilities, Control, Cursor, Error, ErrorKind, Fence, Finding,
    Heartbeat, HeartbeatAnswer, Inspect, LaneCounts, Lease, LeaseReply, LeaseRequest, LeaseToken, ListFilter, NewTask,
    Outcome, Page, QueueBackend, Relocate, RequestId, RequeueAnswer, Result, Retryable, ScheduleAnswer, Store, TaskKey,
    TaskView, WorkerView,
};

/// A verb that only one loop calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Verb {
    /// The fetch loop.
    Lease,
    /// The heartbeat.
    Heartbeat,
    /// The settling loop. Leases that are given back over the connection that they came on are not its.
    Ack,
    /// The watchdog.
    Counts,
    /// Seeding.
    Add,
    /// The beginning of the fetch loop.
    Join,
}

/// The behaviour of the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Panics,
    /// With an error that no list of harmless ones would have.
    Fails,
    /// As a docket answers that another build has taken over.
    OfAnotherBuild,
    NeverAnswers,
    /// It takes this much longer.
    Slow(Duration),
    /// One call takes effect, and its reply is lost.
    LosesOneReply,
    /// A heartbeat that renews nothing, and says that all is well.
    Lies,
}

/// The fences that the store drew, by key and request.
type RealFences = Arc<Mutex<HashMap<(TaskKey, RequestId), Fence>>>;

/// The store, and the faults that all its forks share.
#[derive(Clone, Debug)]
pub(crate) struct Sabotage {
    inner: Arc<dyn Store>,
    faults: Arc<Mutex<HashMap<Verb, Fault>>>,
    calls: Arc<Mutex<HashMap<Verb, usize>>>,
    /// For a store that draws one fence again and again: the real ones.
    fences: Option<RealFences>,
}

/// The one fence of a store that draws no other.
const ONE_FENCE: Fence = Fence(7);

impl Sabotage {
    pub(crate) fn of(inner: Arc<dyn Store>) -> Self {
        Self { inner, faults: Arc::default(), calls: Arc::default(), fences: None }
    }

    /// A store that draws the same fence for each lease.
    pub(crate) fn with_one_fence(inner: Arc<dyn Store>) -> Self {
        Self { fences: Some(Arc::default()), ..Self::of(inner) }
    }

    fn as_one_fence(&self, mut reply: LeaseReply) -> LeaseReply {
        if let Some(fences) = &self.fences {
            for Lease { token, .. } in &mut reply.leases {
                fences.lock().unwrap().insert((token.key.clone(), token.request), token.fence);
                token.fence = ONE_FENCE;
            }
        }
        reply
    }

    fn real(&self, token: &LeaseToken) -> LeaseToken {
        let fence = self.fences.as_ref().and_then(|fences| {
            let fences = fences.lock().unwrap();
            fences.get(&(token.key.clone(), token.request)).copied()
        });
        LeaseToken { fence: fence.unwrap_or(token.fence), ..token.clone() }
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

    /// How often the verb was called, faults included.
    pub(crate) fn calls(&self, verb: Verb) -> usize {
        self.calls.lock().unwrap().get(&verb).copied().unwrap_or_default()
    }

    async fn pass(&self, verb: Verb) -> Result<()> {
        *self.calls.lock().unwrap().entry(verb).or_default() += 1;
        let fault = self.faults.lock().unwrap().get(&verb).copied();
        match fault {
            None | Some(Fault::Lies | Fault::LosesOneReply) => Ok(()),
            Some(Fault::Panics) => panic!("sabotage of {verb:?}"),
            Some(Fault::Fails) => Err(Error::new(ErrorKind::Internal, "go on", format!("sabotage of {verb:?}"))),
            Some(Fault::OfAnotherBuild) => {
                Err(Error::new(ErrorKind::Conflict, "go on", "its layout is 9 and this build reads 2"))
            }
            Some(Fault::NeverAnswers) => pending().await,
            Some(Fault::Slow(more)) => {
                tokio::time::sleep(more).await;
                Ok(())
            }
        }
    }

    /// What happens to an answer on its way back.
    fn deliver<T>(&self, verb: Verb, answer: Result<T>) -> Result<T> {
        let mut faults = self.faults.lock().unwrap();
        if faults.get(&verb) != Some(&Fault::LosesOneReply) {
            return answer;
        }
        faults.remove(&verb);
        Err(Error::new(ErrorKind::Unavailable, "go on", "the reply was lost").retryable(Retryable::Yes))
    }
}

#[async_trait]
impl QueueBackend for Sabotage {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(Self { inner: self.inner.fork(), ..self.clone() })
    }

    fn as_relocate(&self) -> Option<&dyn Relocate> {
        self.inner.as_relocate()
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
        let reply = self.inner.lease(request).await.map(|reply| self.as_one_fence(reply));
        self.deliver(Verb::Lease, reply)
    }

    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>> {
        self.pass(Verb::Heartbeat).await?;
        if self.faults.lock().unwrap().get(&Verb::Heartbeat) == Some(&Fault::Lies) {
            return Ok(beat.tokens.iter().map(|_| Ok(HeartbeatAnswer::Held)).collect());
        }
        let tokens = beat.tokens.iter().map(|token| self.real(token)).collect();
        let answers = self.inner.heartbeat(&Heartbeat { tokens, ..beat.clone() }).await;
        self.deliver(Verb::Heartbeat, answers)
    }

    async fn ack(&self, acks: &[Ack]) -> Result<AckReply> {
        if acks.is_empty() || acks.iter().any(|ack| ack.outcome != Outcome::Release) {
            self.pass(Verb::Ack).await?;
        }
        let acks: Vec<Ack> = acks.iter().map(|ack| Ack { token: self.real(&ack.token), ..ack.clone() }).collect();
        let reply = self.inner.ack(&acks).await;
        self.deliver(Verb::Ack, reply)
    }
}

#[async_trait]
impl Inspect for Sabotage {
    async fn get(&self, key: &TaskKey) -> Result<Option<TaskView>> {
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
impl Control for Sabotage {
    async fn cancel(&self, key: &TaskKey, id: CancelId) -> Result<CancelAnswer> {
        self.inner.cancel(key, id).await
    }

    async fn requeue(&self, key: &TaskKey, fence: Option<Fence>) -> Result<RequeueAnswer> {
        self.inner.requeue(key, fence).await
    }

    async fn clear(&self) -> Result<u64> {
        self.inner.clear().await
    }

    async fn settle_clock(&self) -> Result<Duration> {
        self.inner.settle_clock().await
    }

    async fn join(&self, environment: Option<&str>) -> Result<()> {
        self.pass(Verb::Join).await?;
        self.inner.join(environment).await
    }
}
