//! The leases this worker holds, as the loops see them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::slots::Waiting;
use crate::{Fence, HeartbeatAnswer, Lease, Suspects, Token, limits};

/// Why a run should stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// Somebody else may have the task by now.
    Lost,
    /// An operator cancelled it.
    Cancelled,
    /// It ran longer than its policy allows.
    Timeout,
    /// The worker shuts down.
    Shutdown,
}

/// What this worker holds, from the lease to the answered ack.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_fence: HashMap<Fence, Entry>,
    /// How many of them are suspects.
    suspects: usize,
}

#[derive(Debug)]
struct Entry {
    token: Token,
    suspect: bool,
    cancellation: CancellationToken,
    reason: Option<Reason>,
    /// When the request went out whose answer last proved the lease. By this process's monotonic clock, which only
    /// ever makes it give a lease up early, never keep one.
    proved_at: Instant,
    /// An ack is under way: "lost" may only mean that it arrived.
    settling: bool,
}

impl Held {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // A panic under this lock cannot leave it half changed: nothing in it can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the leases that a request sent at `asked_at` brought; the token of each fires when its run should stop.
    pub(super) fn hold(&self, leases: Vec<Lease>, asked_at: Instant) -> impl Iterator<Item = Waiting> {
        let since = Instant::now();
        let waiting = leases.into_iter().map(|lease| Waiting { lease, cancellation: CancellationToken::new(), since });
        let waiting: Vec<Waiting> = waiting.collect();
        let mut entries = self.entries();
        for Waiting { lease, cancellation, .. } in &waiting {
            let suspect = lease.crashes >= limits::SUSPECT_CRASHES;
            let entry = Entry {
                token: lease.token.clone(),
                suspect,
                cancellation: cancellation.clone(),
                reason: None,
                proved_at: asked_at,
                settling: false,
            };
            let before = entries.by_fence.insert(lease.token.fence, entry);
            entries.suspects += usize::from(suspect);
            entries.suspects -= usize::from(before.is_some_and(|before| before.suspect));
        }
        drop(entries);
        waiting.into_iter()
    }

    pub(super) fn len(&self) -> usize {
        self.entries().by_fence.len()
    }

    /// Whether the next request may bring a suspect.
    pub(super) fn suspects(&self) -> Suspects {
        if self.entries().suspects > 0 { Suspects::None } else { Suspects::One }
    }

    /// Asks one run to stop. The first reason stays.
    pub(super) fn cancel(&self, fence: Fence, reason: Reason) {
        if let Some(entry) = self.entries().by_fence.get_mut(&fence) {
            entry.reason.get_or_insert(reason);
            entry.cancellation.cancel();
        }
    }

    /// Asks every run to stop.
    pub(super) fn cancel_all(&self, reason: Reason) {
        for entry in self.entries().by_fence.values_mut() {
            entry.reason.get_or_insert(reason);
            entry.cancellation.cancel();
        }
    }

    /// Why the run was asked to stop, if it was.
    pub(super) fn reason(&self, fence: Fence) -> Option<Reason> {
        self.entries().by_fence.get(&fence).and_then(|entry| entry.reason)
    }

    /// An ack is on its way.
    pub(super) fn settling(&self, fence: Fence) {
        if let Some(entry) = self.entries().by_fence.get_mut(&fence) {
            entry.settling = true;
        }
    }

    /// The ack was answered, or given up: the lease is no longer ours to keep.
    pub(super) fn settled(&self, fence: Fence) {
        let mut entries = self.entries();
        let ended = entries.by_fence.remove(&fence);
        entries.suspects -= usize::from(ended.is_some_and(|entry| entry.suspect));
    }

    /// The tokens to renew.
    pub(super) fn tokens(&self) -> Vec<Token> {
        self.entries().by_fence.values().map(|entry| entry.token.clone()).collect()
    }

    /// Takes in the answer about one token to a heartbeat sent at `asked_at`.
    pub(super) fn answered(&self, fence: Fence, answer: HeartbeatAnswer, asked_at: Instant) {
        let mut entries = self.entries();
        let Some(entry) = entries.by_fence.get_mut(&fence) else { return };
        match answer {
            HeartbeatAnswer::Held => entry.proved_at = entry.proved_at.max(asked_at),
            HeartbeatAnswer::Lost if entry.settling => {}
            HeartbeatAnswer::Lost => {
                entry.reason.get_or_insert(Reason::Lost);
                entry.cancellation.cancel();
            }
            HeartbeatAnswer::Cancelled => {
                entry.proved_at = entry.proved_at.max(asked_at);
                entry.reason.get_or_insert(Reason::Cancelled);
                entry.cancellation.cancel();
            }
        }
    }

    /// Gives up what has not been proved for a lease length, and says how many.
    pub(super) fn give_up_unproved(&self, lease: Duration) -> usize {
        let mut count = 0;
        for entry in self.entries().by_fence.values_mut().filter(|entry| !entry.settling && entry.reason.is_none()) {
            if entry.proved_at.elapsed() >= lease {
                entry.reason = Some(Reason::Lost);
                entry.cancellation.cancel();
                count += 1;
            }
        }
        count
    }
}
