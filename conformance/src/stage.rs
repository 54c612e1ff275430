//! The helpers of a case: one docket, a clock that stops, and the verbs in short.
//!
//! Every helper expects the call itself to succeed; the case checks the answer.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docket_core::{
    Ack, AckAnswer, AckReply, AddAnswer, CancelAnswer, CancelId, DocketName, ErrorKind, Heartbeat, HeartbeatAnswer,
    Lease, LeaseReply, LeaseRequest, LeaseToken, NewTask, Outcome, Payload, RequeueAnswer, RunAt, ScheduleAnswer,
    Store, TaskState, TaskView, TestStore, Timestamp, limits,
};

use crate::runner::Factory;

mod draft;
mod mover;
mod waiter;

pub(crate) use draft::{Ask, Draft, Edit, ask, key, task};
pub(crate) use mover::{elsewhere, place};
pub(crate) use waiter::{LONG_WAIT, Waiter};

/// The lease length of every case that does not say otherwise.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// The attempt limit of every ack that does not say otherwise.
pub(crate) const ATTEMPTS_MAX: u32 = 3;
/// How long something that happens at once may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// A second, the unit of most cases.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// The smallest step of every store's clock.
pub(crate) const MICRO: Duration = Duration::from_micros(1);

/// 2026-01-01 00:00:00 UTC: where every set clock starts. Ahead of it a real clock would give the case away.
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// One docket, and the clock of it. Clones share both.
#[derive(Clone)]
pub struct Stage {
    store: Arc<dyn TestStore>,
    docket: DocketName,
    now: Arc<AtomicI64>,
    factory: Arc<dyn Factory>,
    opened: Opened,
}

type Opened = Arc<Mutex<Vec<(DocketName, Arc<dyn TestStore>)>>>;

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("docket", &self.docket).field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Stage {
    pub(crate) async fn open(factory: Arc<dyn Factory>, docket: DocketName) -> Self {
        let opened = Opened::default();
        let stage = Self::unset(factory, docket, opened).await;
        stage.store.set_clock(START).await.expect("the clock of an empty docket can be set");
        stage
    }

    async fn unset(factory: Arc<dyn Factory>, docket: DocketName, opened: Opened) -> Self {
        let store = factory.fresh(docket.clone()).await;
        opened.lock().expect("nothing panics here").push((docket.clone(), Arc::clone(&store)));
        Self { store, docket, now: Arc::new(AtomicI64::new(START.as_micros())), factory, opened }
    }

    /// Every docket the case has opened.
    pub(crate) fn opened(&self) -> Vec<(DocketName, Arc<dyn TestStore>)> {
        self.opened.lock().expect("nothing panics here").clone()
    }

    /// Another docket of the same store, its clock at the start.
    pub(crate) async fn neighbour(&self) -> Self {
        let other = self.with_running_clock().await;
        other.store.set_clock(START).await.expect("the clock of an empty docket can be set");
        other
    }

    /// Another docket of the same store, on the store's own clock: for cases that need real time.
    pub(crate) async fn with_running_clock(&self) -> Self {
        let count = self.opened().len();
        let docket = DocketName::new(format!("{}.{count}", self.docket)).expect("a docket name with a number");
        Self::unset(Arc::clone(&self.factory), docket, Arc::clone(&self.opened)).await
    }

    /// The store itself, for calls without a helper.
    pub(crate) fn store(&self) -> &dyn TestStore {
        self.store.as_ref()
    }

    /// A handle of its own, as another process would have it.
    pub(crate) fn fork(&self) -> Arc<dyn Store> {
        self.store.fork()
    }

    pub(crate) fn docket(&self) -> &DocketName {
        &self.docket
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.load(Ordering::SeqCst))
    }

    pub(crate) async fn advance(&self, step: Duration) {
        let now = self.now().plus(step);
        self.now.store(now.as_micros(), Ordering::SeqCst);
        self.store.set_clock(now).await.expect("the clock can be moved forward");
    }

    /// Sets the server's clock back: from here on `now` is what that clock says.
    pub(crate) async fn step_back(&self, step: Duration) {
        let now = self.now().behind_by(step);
        self.now.store(now.as_micros(), Ordering::SeqCst);
        self.store.set_clock(now).await.expect("a server's clock can be set back");
    }

    pub(crate) async fn add(&self, draft: impl Draft) -> AddAnswer {
        let answers = self.add_all(&[draft.draft()]).await;
        *answers.first().expect("one answer per task")
    }

    /// Adds a batch of tasks that all pass the limits.
    pub(crate) async fn add_all(&self, tasks: &[NewTask]) -> Vec<AddAnswer> {
        let answers = self.store.add(tasks).await.expect("an add is answered");
        assert_eq!(answers.len(), tasks.len(), "one answer per task");
        answers.into_iter().map(|answer| answer.expect("the task is taken")).collect()
    }

    /// Adds `work-0000` and so on, in as many batches as it takes.
    pub(crate) async fn add_many(&self, count: usize) {
        let tasks: Vec<NewTask> = (0..count).map(|n| task(&format!("work-{n:05}"))).collect();
        for batch in tasks.chunks(limits::BATCH_ITEMS_MAX) {
            self.add_all(batch).await;
        }
    }

    pub(crate) async fn schedule(&self, draft: impl Draft) -> ScheduleAnswer {
        let answers = self.store.schedule(&[draft.draft()]).await.expect("a schedule is answered");
        assert_eq!(answers.len(), 1, "one answer per task");
        answers.into_iter().next().expect("one answer").expect("the task is taken")
    }

    pub(crate) async fn lease(&self, request: &LeaseRequest) -> LeaseReply {
        self.store.lease(request).await.expect("a lease is answered")
    }

    /// Leases up to `count` tasks of the usual name.
    pub(crate) async fn take(&self, count: usize) -> Vec<Lease> {
        self.lease(&ask(count)).await.leases
    }

    /// Leases the one task that can be leased.
    pub(crate) async fn take_one(&self) -> Lease {
        let mut leases = self.take(10).await;
        assert_eq!(leases.len(), 1, "one task can be leased, not {:?}", keys(&leases));
        leases.remove(0)
    }

    /// Adds a task and leases it.
    pub(crate) async fn running(&self, draft: impl Draft) -> Lease {
        let task = draft.draft();
        assert_eq!(self.add(&task).await, AddAnswer::Added);
        let leases = self.lease(&ask(1).names(&[task.name.as_str()]).queues(&[task.queue.as_str()])).await.leases;
        assert_eq!(keys(&leases), [task.key.as_str()]);
        leases.into_iter().next().expect("it was just counted")
    }

    pub(crate) async fn nothing_to_lease(&self) {
        let leases = self.take(10).await;
        assert!(leases.is_empty(), "nothing can be leased, yet {:?} came", keys(&leases));
    }

    /// Leases the one task that can be leased, and lets its deadline pass as a worker that died would.
    pub(crate) async fn crash(&self) -> Lease {
        let lease = self.take_one().await;
        self.advance(LEASE).await;
        lease
    }

    pub(crate) async fn heartbeat(&self, lease: &Lease) -> HeartbeatAnswer {
        let answers = self.heartbeat_all(std::slice::from_ref(&lease.token)).await;
        *answers.first().expect("one answer per token")
    }

    pub(crate) async fn heartbeat_all(&self, tokens: &[LeaseToken]) -> Vec<HeartbeatAnswer> {
        let beat = Heartbeat { worker: ask(1).worker, tokens: tokens.to_vec(), lease_for: LEASE };
        let answers = self.store.heartbeat(&beat).await.expect("a heartbeat is answered");
        assert_eq!(answers.len(), tokens.len(), "one answer per token");
        answers.into_iter().map(|answer| answer.expect("a token is judged")).collect()
    }

    pub(crate) async fn ack(&self, lease: &Lease, outcome: Outcome) -> AckAnswer {
        self.ack_one(&settle(lease, outcome)).await
    }

    pub(crate) async fn ack_one(&self, ack: &Ack) -> AckAnswer {
        let reply = self.ack_all(std::slice::from_ref(ack)).await;
        *reply.answers.first().expect("one answer per ack").as_ref().expect("an ack is judged")
    }

    pub(crate) async fn ack_all(&self, acks: &[Ack]) -> AckReply {
        let reply = self.store.ack(acks).await.expect("an ack is answered");
        assert_eq!(reply.answers.len(), acks.len(), "one answer per ack");
        reply
    }

    /// Acks that must settle.
    pub(crate) async fn settle(&self, lease: &Lease, outcome: Outcome) {
        assert_eq!(self.ack(lease, outcome).await, AckAnswer::Settled);
    }

    pub(crate) async fn complete(&self, lease: &Lease) {
        self.settle(lease, Outcome::Completed(None)).await;
    }

    pub(crate) async fn retry(&self, lease: &Lease, after: Duration) {
        self.settle(lease, retry(after)).await;
    }

    pub(crate) async fn die(&self, lease: &Lease) {
        self.settle(lease, dead()).await;
    }

    pub(crate) async fn get(&self, name: &str) -> Option<TaskView> {
        self.store.get(&key(name)).await.expect("a task can be looked at")
    }

    /// The record of a key that must be there.
    pub(crate) async fn view(&self, name: &str) -> TaskView {
        self.get(name).await.unwrap_or_else(|| panic!("there is a record of {name}"))
    }

    pub(crate) async fn state(&self, name: &str) -> TaskState {
        self.view(name).await.state
    }

    pub(crate) async fn cancel(&self, name: &str) -> CancelAnswer {
        self.cancel_as(name, CancelId::unique()).await
    }

    pub(crate) async fn cancel_as(&self, name: &str, id: CancelId) -> CancelAnswer {
        self.store.cancel(&key(name), id).await.expect("a cancel is answered")
    }

    /// Requeues the death that the record shows.
    pub(crate) async fn requeue(&self, name: &str) -> RequeueAnswer {
        let fence = self.get(name).await.and_then(|view| view.fence);
        self.store.requeue(&key(name), fence).await.expect("a requeue is answered")
    }

    /// Takes everything away; answers how many tasks that were.
    pub(crate) async fn clear(&self) -> u64 {
        self.store.clear().await.expect("a docket can be cleared")
    }

    /// Trims finished records: any lease call does so, even one that leases nothing.
    pub(crate) async fn trim(&self) -> LeaseReply {
        self.lease(&ask(1).names(&["nobody"])).await
    }
}

/// One step of the clock less than `delay`.
pub(crate) fn almost(delay: Duration) -> Duration {
    delay.saturating_sub(MICRO)
}

/// The ack of a lease, with the usual limits.
pub(crate) fn settle(lease: &Lease, outcome: Outcome) -> Ack {
    Ack { token: lease.token.clone(), outcome, max_attempts: ATTEMPTS_MAX, retention: limits::RETENTION }
}

pub(crate) fn completed() -> Outcome {
    Outcome::Completed(None)
}

pub(crate) fn retry(after: Duration) -> Outcome {
    Outcome::Retry { after, error: "it failed".to_owned() }
}

pub(crate) fn dead() -> Outcome {
    Outcome::Dead { error: "it is hopeless".to_owned() }
}

pub(crate) fn snooze(after: Duration) -> Outcome {
    Outcome::Snooze { after }
}

pub(crate) fn undecodable(after: Duration) -> Outcome {
    Outcome::Undecodable { after, error: "the args do not decode".to_owned() }
}

pub(crate) fn repeat_in(after: Duration) -> Outcome {
    Outcome::Repeat { at: RunAt::In(after), args: None }
}

pub(crate) fn keys(leases: &[Lease]) -> Vec<&str> {
    leases.iter().map(|lease| lease.token.key.as_str()).collect()
}

pub(crate) fn tokens(leases: &[Lease]) -> Vec<LeaseToken> {
    leases.iter().map(|lease| lease.token.clone()).collect()
}

/// One ack per lease, all completed.
pub(crate) fn completions(leases: &[Lease]) -> Vec<Ack> {
    leases.iter().map(|lease| settle(lease, completed())).collect()
}

pub(crate) fn payload(text: &str) -> Payload {
    Payload::new(text.to_owned())
}

/// The kind of a refused item's error.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: &docket_core::Result<T>) -> ErrorKind {
    answer.as_ref().expect_err("this is refused").kind()
}
