//! How a lease call waits: until it is woken, until the next due time it knows of, or until its
//! wait ends.
//!
//! Polling and registering happen under one lock, so no wake-up is lost between them. A task that
//! becomes visible wakes one waiter that could lease it, and only if no waiter would poll in time
//! anyway. A waiter that leaves (it is answered, its wait ends, or its call is dropped) passes its
//! wake-up on to another.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use docket_core::{LeaseReply, Swept, Timestamp, limits};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::backend::{Shared, notify};
use crate::table::{Asked, Look, Turn, Wake};

/// Leases, waiting as long as the request says.
///
/// # Cancel safety
///
/// Dropped while it waits, it has taken nothing, and a wake-up meant for it goes to another waiter.
pub(crate) async fn lease(shared: &Arc<Shared>, asked: Asked) -> LeaseReply {
    let end = Instant::now() + asked.wait.min(limits::DELAY_MAX);
    let mut seat = Seat { shared, asked: Arc::new(asked), waiter: None };
    let mut swept = Swept::default();
    loop {
        // A request for nothing is answered at once.
        let turn = if seat.asked.count == 0 || Instant::now() >= end { Turn::Last } else { Turn::MayWait };
        let looked_at = Some(Instant::now().into_std());
        let (Look { reply, answered }, rest) = seat.look(turn);
        absorb(&mut swept, &reply.swept);
        let Some((_, told)) = seat.waiter.as_ref().filter(|_| !answered) else {
            return LeaseReply { swept, looked_at, ..reply };
        };
        let due = rest.map_or(end, |rest| end.min(Instant::now() + rest));
        tokio::select! {
            () = told.notified() => {}
            () = sleep_until(due) => {}
        }
    }
}

/// Adds the crashes of one poll to the answer of the call.
fn absorb(all: &mut Swept, look: &Swept) {
    all.crashed += look.crashed;
    all.limited.extend_from_slice(&look.limited);
    all.dead_trimmed += look.dead_trimmed;
}

/// A lease call's registration as a waiter, from its first poll that found nothing.
struct Seat<'a> {
    shared: &'a Arc<Shared>,
    asked: Arc<Asked>,
    waiter: Option<(WaiterId, Arc<Notify>)>,
}

impl Seat<'_> {
    /// Polls, and registers or leaves; returns the time until the next due task, if the clock runs.
    fn look(&mut self, turn: Turn) -> (Look, Option<Duration>) {
        let mut docket = self.shared.lock();
        let now = docket.clock.now();
        let look = docket.table.lease(&self.asked, turn, now);
        // Order matters: before notifying, so that a waiter does not wake itself.
        if look.answered {
            if let Some((id, _)) = self.waiter.take() {
                docket.waiters.remove(id);
            }
        } else {
            let armed = look.reply.next_visible.map(|rest| now.plus(rest));
            let (id, told) = self.waiter.get_or_insert_with(|| docket.waiters.sit_down());
            docket.waiters.arm(*id, Waiter { asked: self.asked.clone(), armed, notify: told.clone(), told: false });
        }
        let rest = look.reply.next_visible.filter(|_| !docket.clock.is_set());
        let told = docket.tell(now);
        drop(docket);
        notify(&told);
        (look, rest)
    }
}

impl Drop for Seat<'_> {
    /// Dropped during its wait: another waiter must look instead.
    fn drop(&mut self) {
        if let Some((id, _)) = self.waiter.take() {
            // A docket broken by a panic has no waiters left to wake, and a second panic would end
            // the process.
            let Some(mut docket) = self.shared.lock_if_sound() else { return };
            docket.waiters.remove(id);
            docket.table.hand_over(&self.asked);
            let now = docket.clock.now();
            let told = docket.tell(now);
            drop(docket);
            notify(&told);
        }
    }
}

/// The waiters, the longest first.
#[derive(Default, Debug)]
pub(crate) struct Waiters {
    waiting: BTreeMap<WaiterId, Waiter>,
    seats: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct WaiterId(u64);

#[derive(Debug)]
struct Waiter {
    asked: Arc<Asked>,
    /// When it will poll without being woken.
    armed: Option<Timestamp>,
    notify: Arc<Notify>,
    /// It was woken and has not polled yet.
    told: bool,
}

impl Waiters {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The waiter to wake for a task that becomes visible, unless one polls in time anyway.
    pub(crate) fn choose(&mut self, wake: &Wake, now: Timestamp) -> Option<Arc<Notify>> {
        let wants = |waiter: &&mut Waiter| waiter.asked.wants(&wake.lane, wake.kind);
        let looks_in_time = |waiter: &mut Waiter| waiter.told || waiter.armed.is_some_and(|armed| armed <= wake.at);
        if wake.at > now && self.waiting.values_mut().filter(wants).any(looks_in_time) {
            return None;
        }
        let waiter = self.waiting.values_mut().filter(wants).find(|waiter| !waiter.told)?;
        waiter.told = true;
        Some(waiter.notify.clone())
    }

    /// All waiters, after time itself was moved.
    #[cfg(feature = "testing")]
    pub(crate) fn choose_all(&mut self) -> Vec<Arc<Notify>> {
        self.waiting.values().map(|waiter| waiter.notify.clone()).collect()
    }

    fn sit_down(&mut self) -> (WaiterId, Arc<Notify>) {
        self.seats += 1;
        (WaiterId(self.seats), Arc::default())
    }

    fn arm(&mut self, id: WaiterId, waiter: Waiter) {
        self.waiting.insert(id, waiter);
    }

    fn remove(&mut self, id: WaiterId) {
        self.waiting.remove(&id);
    }
}
