//! The tasks that may run now, and those that were prefetched.
//!
//! A task that waits here is leased: it is renewed like a running one, and nobody else has it. So
//! only a few may wait, and briefly: as many as this worker has recently started in [`AHEAD_MIN`],
//! or in a few lease calls if these take longer; a task that has waited for [`PATIENCE`] is given
//! back. A worker of long tasks prefetches nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Lease;

/// How much work may wait: as much as was started in this time, and in [`AHEAD_CALLS`] lease calls,
/// so that a worker of short tasks never waits for one.
const AHEAD_MIN: Duration = Duration::from_millis(20);
/// A store with many workers answers each of them slowly: fewer and larger calls help it.
const AHEAD_CALLS: u32 = 4;
/// Prefetched tasks should start before they are given back.
const AHEAD_MAX: Duration = Duration::from_millis(80);
/// How long a task may wait for a slot before another worker may have it.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// A leased task that has not started.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) lease: Lease,
    pub(super) cancellation: CancellationToken,
    pub(super) since: Instant,
}

/// The slots of one worker, and the queue before them.
#[derive(Debug)]
pub(super) struct Slots {
    concurrency: usize,
    max_ahead: usize,
    state: Mutex<State>,
    /// Notified when a slot is free, and when the queue has run low.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    // Invariant: nothing waits while a slot is free, except between `line_up` and `start`.
    free: usize,
    line: VecDeque<Waiting>,
    /// The queue is low when this many are left.
    low: usize,
    pace: Pace,
}

/// The right to run one task at a time. Freed on drop, so that a panic cannot lose it.
#[derive(Debug)]
pub(super) struct Slot(Option<Arc<Slots>>);

/// Whether the worker can take more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    /// This many, at least one.
    For(usize),
    /// None until notified. The first queued task, if there is one, has waited since then.
    Full(Option<Instant>),
}

impl Slots {
    pub(super) fn new(concurrency: usize, max_ahead: usize) -> Self {
        let pace = Pace::new(Instant::now());
        let state = State { free: concurrency, line: VecDeque::new(), low: 0, pace };
        Self { concurrency, max_ahead, state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under this lock cannot leave it half changed: no code under it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tasks that run now.
    pub(super) fn running(&self) -> usize {
        self.concurrency - self.state().free
    }

    /// Whether every slot is taken.
    pub(super) fn is_full(&self) -> bool {
        self.state().free == 0
    }

    /// How many tasks should be prefetched, by the latest pace.
    pub(super) fn ahead(&self) -> usize {
        self.state().pace.ahead(Instant::now(), self.concurrency).min(self.max_ahead)
    }

    /// Notes how long the store took to answer a lease call that found work.
    pub(super) fn answered_in(&self, took: Duration) {
        self.state().pace.answered_in(took);
    }

    /// How many more can be taken if `ahead` may wait. Asks for several at once: a queue that is
    /// half full is left alone.
    pub(super) fn room(&self, ahead: usize) -> Room {
        let mut state = self.state();
        state.low = ahead / 2;
        let waiting = state.line.len();
        if state.free > 0 || (ahead > 0 && waiting <= state.low) {
            return Room::For((state.free + ahead).saturating_sub(waiting).max(1));
        }
        Room::Full(state.line.front().map(|first| first.since))
    }

    /// Waits until there may be room.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping it: the next [`Slots::room`] sees every change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Appends tasks to the queue. Order matters: they start in the order in which they were
    /// leased.
    pub(super) fn line_up(&self, tasks: impl Iterator<Item = Waiting>) {
        self.state().line.extend(tasks);
    }

    /// The next task to start, with a slot to run it in, while there are both.
    pub(super) fn start(self: &Arc<Self>) -> Option<(Slot, Waiting)> {
        let mut state = self.state();
        if state.free == 0 {
            return None;
        }
        let next = state.next()?;
        state.free -= 1;
        Some((Slot(Some(self.clone())), next))
    }

    /// Takes every task that has not started out of the queue, to be given back; for a while
    /// nothing is prefetched.
    pub(super) fn clear(&self) -> VecDeque<Waiting> {
        let mut state = self.state();
        state.pace.ahead = 0;
        std::mem::take(&mut state.line)
    }
}

impl State {
    fn next(&mut self) -> Option<Waiting> {
        let next = self.line.pop_front()?;
        self.pace.started += 1;
        Some(next)
    }
}

impl Slot {
    /// The next task to run in this slot; the slot is free if there is none.
    // Order matters: looking and freeing are one step, so that no task is queued unseen between
    // them.
    pub(super) fn next(mut self) -> Option<(Self, Waiting)> {
        let slots = self.0.take()?;
        let mut state = slots.state();
        let next = state.next();
        if next.is_none() {
            state.free += 1;
        }
        let tell = next.is_none() || state.line.len() == state.low;
        drop(state);
        if tell {
            slots.changed.notify_one();
        }
        next.map(|next| (Self(Some(slots)), next))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.0.take() {
            slots.state().free += 1;
            slots.changed.notify_one();
        }
    }
}

/// How many tasks were started recently.
#[derive(Debug)]
struct Pace {
    since: Instant,
    started: usize,
    ahead: usize,
    /// The recent duration of a lease call.
    call: Duration,
}

impl Pace {
    fn new(since: Instant) -> Self {
        Self { since, started: 0, ahead: 0, call: Duration::ZERO }
    }

    /// Smoothed: one slow answer says little.
    fn answered_in(&mut self, took: Duration) {
        self.call = (self.call * 3 + took) / 4;
    }

    /// The time for which work may be prefetched.
    fn reach(&self) -> Duration {
        (self.call * AHEAD_CALLS).clamp(AHEAD_MIN, AHEAD_MAX)
    }

    /// Tasks started per window of [`Pace::reach`], measured over at least one window, not counting
    /// the first task of each slot: after slots became free together, those say nothing about the
    /// duration of a task.
    fn ahead(&mut self, now: Instant, slots: usize) -> usize {
        let (elapsed, reach) = (now.duration_since(self.since), self.reach());
        if elapsed >= reach {
            let started = u128::try_from(self.started.saturating_sub(slots)).unwrap_or(u128::MAX);
            let ahead = started.saturating_mul(reach.as_nanos()) / elapsed.as_nanos();
            // Reduce by half at most: during a call there may have been nothing to start.
            self.ahead = usize::try_from(ahead).unwrap_or(usize::MAX).max(self.ahead / 2);
            self.since = now;
            self.started = 0;
        }
        self.ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fence, Lease, LeaseToken, Overrides, Payload, Queue, RequestId, TaskKey, Timestamp};

    fn waiting(fence: u64) -> Waiting {
        let token = LeaseToken { key: TaskKey::unique(), fence: Fence(fence), request: RequestId::unique() };
        let lease = Lease {
            token,
            name: "work".parse().unwrap(),
            queue: Queue::default(),
            args: Payload::default(),
            attempts: 0,
            crashes: 0,
            deadline: Timestamp::default(),
            leased_at: Timestamp::default(),
            due_at: Timestamp::default(),
            every: None,
            undecodable_since: None,
            overrides: Overrides::default(),
        };
        Waiting { lease, cancellation: CancellationToken::new(), since: Instant::now() }
    }

    fn fence(task: &(Slot, Waiting)) -> u64 {
        task.1.lease.token.fence.0
    }

    #[test]
    fn what_waits_starts_in_order_as_slots_come_free() {
        let slots = Arc::new(Slots::new(1, 500));
        slots.line_up([1, 2, 3].into_iter().map(waiting));
        let first = slots.start().unwrap();
        assert!(fence(&first) == 1 && slots.start().is_none() && slots.running() == 1);
        let second = first.0.next().unwrap();
        assert_eq!((fence(&second), slots.running()), (2, 1));
        // A run that panics does not lose its slot.
        drop(second);
        let third = slots.start().unwrap();
        assert!(fence(&third) == 3 && third.0.next().is_none() && slots.running() == 0);
    }

    #[test]
    fn a_line_is_filled_again_when_half_of_it_is_left() {
        let slots = Arc::new(Slots::new(2, 500));
        assert_eq!(slots.room(0), Room::For(2));
        assert_eq!(slots.room(8), Room::For(10));
        slots.line_up((1..=8).map(waiting));
        let (first, _second) = (slots.start().unwrap(), slots.start().unwrap());
        assert!(matches!(slots.room(8), Room::Full(Some(_))));
        assert!(matches!(slots.room(0), Room::Full(Some(_))));
        let _ = first.0.next().unwrap().0.next().unwrap();
        assert_eq!(slots.room(8), Room::For(5));
        slots.state().pace.ahead = 8;
        assert_eq!((slots.clear().len(), slots.ahead()), (4, 0));
        assert_eq!(slots.room(0), Room::For(1));
    }

    #[test]
    fn as_much_waits_as_was_lately_started() {
        let since = Instant::now();
        let mut pace = Pace { started: 104, ..Pace::new(since) };
        assert_eq!(pace.ahead(since + AHEAD_MIN / 2, 4), 0);
        assert_eq!(pace.ahead(since + AHEAD_MIN * 2, 4), 50);
        // One each; idle since. The value is halved.
        pace.started = 4;
        assert_eq!(pace.ahead(since + AHEAD_MIN * 4, 4), 25);
        assert_eq!(pace.ahead(since + AHEAD_MIN * 40, 4), 12);
    }

    #[test]
    fn where_a_lease_takes_long_more_waits_up_to_a_bound() {
        let since = Instant::now();
        let mut pace = Pace::new(since);
        let short = AHEAD_MIN / AHEAD_CALLS;
        (0..50).for_each(|_| pace.answered_in(short));
        assert_eq!(pace.reach(), AHEAD_MIN);
        (0..50).for_each(|_| pace.answered_in(short * 3));
        assert!(pace.reach() > AHEAD_MIN * 2 && pace.reach() <= AHEAD_MIN * 3, "{:?}", pace.reach());
        pace.answered_in(Duration::from_secs(10));
        assert_eq!(pace.reach(), AHEAD_MAX);
        // Slots that turn over slowly count, over a window in which they do.
        pace.started = 34;
        assert_eq!((pace.ahead(since + AHEAD_MIN, 10), pace.ahead(since + AHEAD_MAX, 10)), (0, 24));
        assert!(AHEAD_MAX < PATIENCE);
    }
}
