//! The leases of this worker, as the loops see them.
//!
//! A run is identified by its whole token. A fence alone would not do: after a failover or a
//! restored snapshot a store may draw the same fence again, for another task or for a later lease
//! of the same one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::slots::Waiting;
use crate::{HeartbeatAnswer, Lease, LeaseSuspects, LeaseToken, TaskKey, limits};

/// Why a run should stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// Another worker may have the task by now.
    Lost,
    /// An operator cancelled it.
    Cancelled,
    /// It ran longer than its policy allows.
    Timeout,
    /// The worker shuts down.
    Shutdown,
}

/// The leases of this worker, from the lease call to the answered ack.
#[derive(Debug)]
pub(super) struct Held {
    /// The length of a lease.
    lease: Duration,
    entries: Mutex<Entries>,
    /// Notified when a lease runs out before the time that [`Held::next_end`] returned last.
    sooner: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<TaskKey, Entry>,
    /// Runs that went on while their key was leased again. They are lost and were told to stop;
    /// their leases are not renewed.
    replaced: Vec<Entry>,
    /// How many of all of them are suspects.
    suspects: usize,
    /// The last value of [`Held::next_end`].
    next_end: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    token: LeaseToken,
    suspect: bool,
    cancellation: CancellationToken,
    reason: Option<Reason>,
    /// When the call was sent whose answer last proved the lease. By this process's monotonic
    /// clock, which only ever makes it give a lease up early, never keep one.
    proved_at: Instant,
    /// An ack is under way: "lost" may only mean that it arrived.
    settling: bool,
}

impl Entry {
    fn stop(&mut self, reason: Reason) {
        self.reason.get_or_insert(reason);
        self.cancellation.cancel();
    }

    /// Whether it is given up once its lease has expired.
    fn must_be_proved(&self) -> bool {
        !self.settling && self.reason.is_none()
    }
}

impl Entries {
    fn find(&mut self, token: &LeaseToken) -> Option<&mut Entry> {
        match self.by_key.get_mut(&token.key) {
            Some(entry) if entry.token == *token => Some(entry),
            _ => self.replaced.iter_mut().find(|entry| entry.token == *token),
        }
    }

    fn remove(&mut self, token: &LeaseToken) -> Option<Entry> {
        if self.by_key.get(&token.key).is_some_and(|entry| entry.token == *token) {
            return self.by_key.remove(&token.key);
        }
        let at = self.replaced.iter().position(|entry| entry.token == *token)?;
        Some(self.replaced.swap_remove(at))
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.by_key.values_mut().chain(&mut self.replaced)
    }
}

impl Held {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, entries: Mutex::default(), sooner: Notify::new() }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // A panic under this lock cannot leave it half changed: no code under it can panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes leases that began at `proved_at` or later. The token of each fires when its run should
    /// stop. A run of the same key that still goes on has lost its lease, and is told to stop at
    /// once.
    pub(super) fn hold(&self, leases: Vec<Lease>, proved_at: Instant) -> impl Iterator<Item = Waiting> {
        let since = Instant::now();
        let (mut waiting, mut twice) = (Vec::with_capacity(leases.len()), Vec::new());
        let mut entries = self.entries();
        for lease in leases {
            if entries.find(&lease.token).is_some() {
                twice.push(lease.token.key);
                continue;
            }
            let suspect = lease.crashes >= limits::SUSPECT_CRASHES;
            let cancellation = CancellationToken::new();
            let entry = Entry {
                token: lease.token.clone(),
                suspect,
                cancellation: cancellation.clone(),
                reason: None,
                proved_at,
                settling: false,
            };
            entries.suspects += usize::from(suspect);
            if let Some(mut before) = entries.by_key.insert(lease.token.key.clone(), entry) {
                before.stop(Reason::Lost);
                entries.replaced.push(before);
            }
            waiting.push(Waiting { lease, cancellation, since });
        }
        let end = proved_at + self.lease;
        let is_sooner = !waiting.is_empty() && entries.next_end.is_none_or(|next| end < next);
        drop(entries);
        if is_sooner {
            self.sooner.notify_one();
        }
        for key in twice {
            tracing::error!(%key, "the store returned a lease that this worker already holds; no second run is started");
        }
        waiting.into_iter()
    }

    pub(super) fn len(&self) -> usize {
        let entries = self.entries();
        entries.by_key.len() + entries.replaced.len()
    }

    /// Whether the next request may lease a suspect.
    pub(super) fn suspects(&self) -> LeaseSuspects {
        if self.entries().suspects > 0 { LeaseSuspects::Avoid } else { LeaseSuspects::Allow }
    }

    /// Asks one run to stop. The first reason stays.
    pub(super) fn cancel(&self, token: &LeaseToken, reason: Reason) {
        if let Some(entry) = self.entries().find(token) {
            entry.stop(reason);
        }
    }

    /// Asks every run to stop.
    pub(super) fn cancel_all(&self, reason: Reason) {
        self.entries().all().for_each(|entry| entry.stop(reason));
    }

    /// Why the run was asked to stop, if it was.
    pub(super) fn reason(&self, token: &LeaseToken) -> Option<Reason> {
        self.entries().find(token).and_then(|entry| entry.reason)
    }

    /// An ack is on its way.
    pub(super) fn settling(&self, token: &LeaseToken) {
        if let Some(entry) = self.entries().find(token) {
            entry.settling = true;
        }
    }

    /// The ack was answered, or given up: the lease is no longer ours.
    pub(super) fn settled(&self, token: &LeaseToken) {
        let mut entries = self.entries();
        let ended = entries.remove(token);
        entries.suspects -= usize::from(ended.is_some_and(|entry| entry.suspect));
    }

    /// The tokens to renew.
    pub(super) fn tokens(&self) -> Vec<LeaseToken> {
        self.entries().by_key.values().map(|entry| entry.token.clone()).collect()
    }

    /// Applies the answer about one token to a heartbeat sent at `asked_at`.
    pub(super) fn answered(&self, token: &LeaseToken, answer: HeartbeatAnswer, asked_at: Instant) {
        let mut entries = self.entries();
        let Some(entry) = entries.find(token) else { return };
        match answer {
            HeartbeatAnswer::Held => entry.proved_at = entry.proved_at.max(asked_at),
            HeartbeatAnswer::Lost if entry.settling => {}
            HeartbeatAnswer::Lost => entry.stop(Reason::Lost),
            HeartbeatAnswer::Cancelled => {
                entry.proved_at = entry.proved_at.max(asked_at);
                entry.stop(Reason::Cancelled);
            }
        }
    }

    /// Stops each run at the end of its lease, unless a renewal was answered before; returns how
    /// many.
    pub(super) fn give_up_unproved(&self) -> usize {
        let mut count = 0;
        for entry in self.entries().all().filter(|entry| entry.must_be_proved()) {
            if entry.proved_at.elapsed() >= self.lease {
                entry.stop(Reason::Lost);
                count += 1;
            }
        }
        count
    }

    /// The first end of the leases that need proof.
    fn set_next_end(&self) -> Option<Instant> {
        let mut entries = self.entries();
        let first = entries.all().filter(|entry| entry.must_be_proved()).map(|entry| entry.proved_at).min();
        entries.next_end = first.map(|first| first + self.lease);
        entries.next_end
    }

    /// Waits until a lease may have expired without proof.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped at any time.
    pub(super) async fn next_end(&self) {
        loop {
            let Some(end) = self.set_next_end() else {
                self.sooner.notified().await;
                continue;
            };
            if end <= Instant::now() {
                return;
            }
            // The first of them may have been renewed or settled in the meantime.
            tokio::select! {
                () = tokio::time::sleep_until(end) => {}
                () = self.sooner.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fence, Overrides, Payload, Queue, RequestId, Timestamp};

    const LEASE: Duration = Duration::from_secs(10);

    fn lease(key: &str) -> Lease {
        let token = LeaseToken { key: TaskKey::new(key).unwrap(), fence: Fence(7), request: RequestId::unique() };
        Lease {
            token,
            name: "work".parse().unwrap(),
            queue: Queue::default(),
            args: Payload::default(),
            attempts: 0,
            crashes: limits::SUSPECT_CRASHES,
            deadline: Timestamp::default(),
            leased_at: Timestamp::default(),
            due_at: Timestamp::default(),
            every: None,
            overrides: Overrides::default(),
            undecodable_since: None,
        }
    }

    fn hold(held: &Held, leases: &[&Lease]) -> Vec<Waiting> {
        held.hold(leases.iter().map(|lease| (*lease).clone()).collect(), Instant::now()).collect()
    }

    #[test]
    fn two_tasks_with_one_fence_are_two_runs() {
        let held = Held::new(LEASE);
        let (a, b) = (lease("a"), lease("b"));
        let waiting = hold(&held, &[&a, &b]);
        held.cancel(&a.token, Reason::Timeout);
        assert_eq!((held.reason(&a.token), held.reason(&b.token)), (Some(Reason::Timeout), None));
        assert!(waiting[0].cancellation.is_cancelled() && !waiting[1].cancellation.is_cancelled());
        held.settled(&a.token);
        assert_eq!((held.len(), held.tokens()), (1, vec![b.token]));
    }

    #[test]
    fn a_run_whose_key_is_leased_again_is_told_and_is_no_part_of_the_next() {
        let held = Held::new(LEASE);
        let (earlier, later) = (lease("a"), lease("a"));
        let first = hold(&held, &[&earlier]).remove(0);
        let second = hold(&held, &[&later]).remove(0);
        assert!(first.cancellation.is_cancelled() && !second.cancellation.is_cancelled());
        assert_eq!((held.reason(&earlier.token), held.reason(&later.token)), (Some(Reason::Lost), None));
        // The fate of the earlier one says nothing about the later one.
        held.answered(&earlier.token, HeartbeatAnswer::Lost, Instant::now());
        held.settling(&earlier.token);
        held.settled(&earlier.token);
        assert_eq!((held.tokens(), held.reason(&later.token), held.len()), (vec![later.token.clone()], None, 1));
        held.settled(&later.token);
        assert_eq!((held.len(), held.suspects()), (0, LeaseSuspects::Allow));
    }

    #[test]
    fn a_lease_that_is_held_already_starts_no_second_run() {
        let held = Held::new(LEASE);
        let lease = lease("a");
        assert_eq!((hold(&held, &[&lease]).len(), hold(&held, &[&lease]).len(), held.len()), (1, 0, 1));
    }

    #[tokio::test]
    async fn the_end_of_a_lease_is_awaited_whenever_it_was_taken() {
        let held = Held::new(LEASE);
        let (first, second) = (lease("a"), lease("b"));
        let ago = |ago: Duration| Instant::now().checked_sub(ago).unwrap();
        let _ = held.hold(vec![first.clone()], ago(LEASE / 2));
        assert!(tokio::time::timeout(Duration::from_millis(20), held.next_end()).await.is_err());
        // It waits for the first one; the second ends before.
        let (ended, ()) = tokio::join!(tokio::time::timeout(LEASE / 4, held.next_end()), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let _ = held.hold(vec![second.clone()], ago(LEASE));
        });
        assert!(ended.is_ok());
        assert_eq!(held.give_up_unproved(), 1);
        assert_eq!((held.reason(&first.token), held.reason(&second.token)), (None, Some(Reason::Lost)));
    }
}
