//! The model as a store: one lock, a clock that can be set, and a plain way to wait.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use docket_core::{
    Ack, AckReply, AddAnswer, Capabilities, Clock, DocketName, Error, Heartbeat, HeartbeatAnswer, LeaseReply,
    LeaseRequest, NewTask, Outcome, QueueBackend, Relocate, Result, ScheduleAnswer, Store, Swept, Timestamp,
};
use tokio::sync::Notify;

use super::bound;
use super::docket::Docket;
use super::lease::Look;
use crate::teeth::Fault;

/// Where the model's clock starts unless it is set: any time will do.
const EPOCH: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
/// How seldom [`Fault::Polls`] looks.
const POLL: Duration = Duration::from_secs(1);

/// The reference model, or a broken one, as a store. Handles share it.
#[derive(Clone)]
pub struct ModelStore {
    docket: DocketName,
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
    began: Instant,
    /// Of [`Fault::OneWaiterWatches`]: how long the wait of the one who watches was to last.
    watched_until: Mutex<Option<Instant>>,
    fault: Option<Fault>,
}

pub(super) struct State {
    pub(super) docket: Docket,
    pub(super) clock: Option<Timestamp>,
    pub(super) offset: Offset,
}

/// How far the docket's time is ahead of the server's clock.
#[derive(Clone, Copy, Default)]
pub(super) struct Offset {
    pub(super) ahead: Duration,
    pub(super) told: Clock,
}

impl fmt::Debug for ModelStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelStore").field("docket", &self.docket).field("fault", &self.shared.fault).finish()
    }
}

impl ModelStore {
    /// An empty docket; with a fault it breaks one rule.
    pub fn new(docket: DocketName, fault: Option<Fault>) -> Self {
        let state = State { docket: Docket::new(fault), clock: None, offset: Offset::default() };
        let shared = Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
            began: Instant::now(),
            watched_until: Mutex::default(),
            fault,
        };
        Self { docket, shared: Arc::new(shared) }
    }

    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Docket, Timestamp) -> T) -> T {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let running = if self.has(Fault::ClockStandsStill) { Duration::ZERO } else { self.shared.began.elapsed() };
        let now = state.clock.unwrap_or_else(|| EPOCH.plus(running)).ahead_by(state.offset.ahead);
        f(&mut state.docket, now)
    }

    /// How far the docket's time is ahead of the server's clock, as calls translate it.
    pub(super) fn offset(&self) -> Offset {
        let offset = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).offset;
        // Its own time is right all the same.
        if self.has(Fault::TranslatesNoMoment) { Offset { ahead: Duration::ZERO, ..offset } } else { offset }
    }

    fn placed(&self, tasks: &[NewTask]) -> Vec<NewTask> {
        let ahead = self.offset().ahead;
        tasks.iter().map(|task| NewTask { run_at: task.run_at.ahead_by(ahead), ..task.clone() }).collect()
    }

    /// As `with`, for changes after which something may be leasable: every waiter polls again.
    pub(super) fn change<T>(&self, f: impl FnOnce(&mut Docket, Timestamp) -> T) -> T {
        let answer = self.with(f);
        self.shared.changed.notify_waiters();
        answer
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.shared.fault == Some(fault)
    }

    /// Whether a waiter polls when the next task is due.
    fn may_watch(&self, until: Instant, is_watching: &mut bool) -> bool {
        if !self.has(Fault::OneWaiterWatches) || *is_watching {
            return true;
        }
        let mut watched_until = self.shared.watched_until.lock().unwrap_or_else(PoisonError::into_inner);
        *is_watching = watched_until.is_none_or(|until| Instant::now() >= until);
        if *is_watching {
            *watched_until = Some(until);
        }
        *is_watching
    }

    /// One poll of a lease call; every waiter polls again if this one changed something.
    fn look(&self, request: &LeaseRequest, look: Look, swept: &mut Swept) -> LeaseReply {
        let reply = self.with(|docket, now| {
            let dead_trimmed = docket.trim(0, now);
            let mut reply = docket.lease(request, look, now);
            reply.swept.dead_trimmed = dead_trimmed;
            reply
        });
        swept.crashed += reply.swept.crashed;
        swept.limited.extend_from_slice(&reply.swept.limited);
        swept.dead_trimmed += reply.swept.dead_trimmed;
        if !reply.leases.is_empty() || reply.swept.crashed > 0 {
            self.shared.changed.notify_waiters();
        }
        self.told(LeaseReply { swept: swept.clone(), ..reply })
    }

    /// By the server's clock.
    fn told(&self, reply: LeaseReply) -> LeaseReply {
        let Offset { ahead, told: clock } = self.offset();
        let leases = reply.leases.into_iter().map(|lease| lease.behind_by(ahead)).collect();
        LeaseReply { leases, clock, ..reply }
    }

    fn check(&self, task: &NewTask) -> Result<()> {
        let lenient = self.has(Fault::ZeroMeansInfinite) || self.has(Fault::CutsFarTimes);
        if lenient { Ok(()) } else { task.check() }
    }

    pub(super) fn items<T, A>(
        &self,
        tasks: &[T],
        payload: fn(&T) -> usize,
        mut one: impl FnMut(&T) -> Result<A>,
    ) -> Result<Vec<Result<A>>> {
        bound::batch(tasks.iter().map(payload))?;
        if tasks.is_empty() && self.has(Fault::RefusesAnEmptyBatch) {
            return Err(Error::invalid("take a call", "there is nothing in it"));
        }
        if self.has(Fault::OversizedItemSpoilsTheBatch) {
            tasks.iter().try_for_each(|task| bound::payload(payload(task)))?;
        }
        Ok(tasks.iter().map(|task| bound::payload(payload(task)).and_then(|()| one(task))).collect())
    }
}

#[async_trait]
impl QueueBackend for ModelStore {
    fn capabilities(&self) -> Capabilities {
        let docket = self.docket.clone();
        Capabilities { scheme: "model", docket, durable: false, shared: false, transactional_add: false }
    }

    fn fork(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn as_relocate(&self) -> Option<&dyn Relocate> {
        Some(self)
    }

    async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Result<AddAnswer>>> {
        let tasks = &self.placed(tasks)[..];
        let answers = self.with(|docket, now| {
            let lost = tasks.last().filter(|_| tasks.len() > 1 && docket.has(Fault::LosesATask));
            self.items(
                tasks,
                |task| task.args.len(),
                |task| {
                    self.check(task)?;
                    if lost == Some(task) { Ok(AddAnswer::Added) } else { docket.add(task, now) }
                },
            )
        });
        if !self.has(Fault::ForgetsTheWakeUp) {
            self.shared.changed.notify_waiters();
        }
        answers
    }

    async fn schedule(&self, tasks: &[NewTask]) -> Result<Vec<Result<ScheduleAnswer>>> {
        let tasks = &self.placed(tasks)[..];
        let place =
            |docket: &mut Docket, task: &NewTask, now| self.check(task).and_then(|()| docket.schedule(task, now));
        self.change(|docket, now| self.items(tasks, |task| task.args.len(), |task| place(docket, task, now)))
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        if !self.has(Fault::TakesAnyNumberOfLanes) {
            bound::request(request)?;
        }
        let called_at = Instant::now();
        let until = called_at + request.wait;
        let (mut swept, mut is_watching) = (Swept::default(), false);
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // Before the poll: changes during it are not missed.
            changed.as_mut().enable();
            let left = until.saturating_duration_since(Instant::now());
            let look = if left.is_zero() { Look::Last } else { Look::WithinAWait };
            let looked_at = if self.has(Fault::CountsTheWait) { called_at } else { Instant::now() };
            let looked_at = Some(looked_at);
            let reply = LeaseReply { looked_at, ..self.look(request, look, &mut swept) };
            if look == Look::Last || !reply.leases.is_empty() {
                return Ok(reply);
            }
            // A clock that is set moves nobody's next time nearer; moving it wakes everybody.
            let next = reply.next_visible.unwrap_or(left).max(Duration::from_millis(1));
            let next = if self.has(Fault::Polls) { POLL } else { next };
            let next = if self.may_watch(until, &mut is_watching) { next } else { left };
            let _ = tokio::time::timeout(left.min(next), changed).await;
        }
    }

    async fn heartbeat(&self, beat: &Heartbeat) -> Result<Vec<Result<HeartbeatAnswer>>> {
        bound::batch(beat.tokens.iter().map(|_| 0))?;
        Ok(self.with(|docket, now| docket.heartbeat(beat, now)).into_iter().map(Ok).collect())
    }

    async fn ack(&self, acks: &[Ack]) -> Result<AckReply> {
        let ahead = self.offset().ahead;
        let acks: Vec<Ack> = acks.iter().map(|ack| ahead_by(ack, ahead)).collect();
        let acks = &acks[..];
        self.change(|docket, now| {
            let answers = self.items(
                acks,
                |ack| bound::payload_of(&ack.outcome),
                |ack| {
                    if !self.has(Fault::GuessesAtNewOutcomes) {
                        bound::outcome(&ack.outcome)?;
                    }
                    docket.ack(ack, now)
                },
            )?;
            let swept = Swept { dead_trimmed: docket.trim(acks.len(), now), ..Swept::default() };
            Ok(AckReply { answers, swept })
        })
    }
}

/// An ack with its time in the docket's time.
fn ahead_by(ack: &Ack, ahead: Duration) -> Ack {
    let outcome = match ack.outcome.clone() {
        Outcome::Repeat { at, args } => Outcome::Repeat { at: at.ahead_by(ahead), args },
        outcome => outcome,
    };
    Ack { outcome, ..ack.clone() }
}
