//! Lease requests that were answered: a repetition gets its own leases again, and takes nothing new.

use std::collections::{HashMap, VecDeque};

use docket_core::{Fence, RequestId, Timestamp, limits};

use super::slots::Slot;

/// The requests answered in the last [`limits::REQUEST_MEMORY`], with their leases.
#[derive(Default, Debug)]
pub(crate) struct Requests {
    answered: HashMap<RequestId, Taken>,
    by_age: VecDeque<(Timestamp, RequestId)>,
}

#[derive(Debug)]
struct Taken {
    slots: Vec<Slot>,
    /// The fence of the first. A smaller one is of an earlier use of the same id, forgotten since.
    first: Fence,
    /// How many of them are still held by it.
    held: usize,
}

impl Requests {
    /// The leases of an answered request; `None` if it was not answered yet.
    pub(crate) fn taken_by(&self, request: RequestId) -> Option<Vec<Slot>> {
        self.answered.get(&request).map(|taken| taken.slots.clone())
    }

    /// Remembers an answered request, also one that leased nothing, with the slots of its leases;
    /// `first` is the fence of the first. Forgets some requests that are old enough.
    pub(crate) fn remember(&mut self, request: RequestId, slots: Vec<Slot>, first: Option<Fence>, now: Timestamp) {
        for _ in 0..limits::TRIM_ITEMS_MAX {
            let Some((answered_at, old)) = self.by_age.front() else { break };
            if answered_at.plus(limits::REQUEST_MEMORY) > now {
                break;
            }
            self.answered.remove(old);
            self.by_age.pop_front();
        }
        let first = first.unwrap_or(Fence(u64::MAX));
        self.answered.insert(request, Taken { held: slots.len(), slots, first });
        self.by_age.push_back((now, request));
    }

    /// The record of a lease that is still held, or may be. The slots are in the order of their
    /// fences, which were drawn one after another.
    pub(crate) fn slot(&self, request: RequestId, fence: Fence) -> Option<Slot> {
        let taken = self.answered.get(&request)?;
        let nth = fence.0.checked_sub(taken.first.0)?;
        taken.slots.get(usize::try_from(nth).ok()?).copied()
    }

    /// One of its leases has ended. With the last of them the slots are dropped, so that little
    /// more than the request's id is remembered.
    pub(crate) fn let_go(&mut self, request: RequestId, fence: Fence) {
        if let Some(taken) = self.answered.get_mut(&request).filter(|taken| taken.first <= fence) {
            taken.held -= 1;
            if taken.held == 0 {
                taken.slots = Vec::new();
            }
        }
    }

    /// Whether a lease is one of those remembered: for the audit.
    pub(crate) fn remembers(&self, request: RequestId, fence: Fence) -> bool {
        self.answered.get(&request).is_some_and(|taken| taken.first <= fence)
    }

    /// How many leases all of them hold, if both sides know the same requests: for the audit.
    pub(crate) fn held(&self) -> Option<usize> {
        let known = self.by_age.iter().all(|(_, request)| self.answered.contains_key(request));
        let sound = known && self.by_age.len() == self.answered.len();
        sound.then(|| self.answered.values().map(|taken| taken.held).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_forgets_its_slots_with_its_last_lease_and_not_that_it_was_answered() {
        let mut requests = Requests::default();
        let request = RequestId::unique();
        requests.remember(request, Vec::new(), None, Timestamp::default());
        assert_eq!(requests.taken_by(request).unwrap().len(), 0);
        let request = RequestId::unique();
        requests.remember(request, vec![Slot::default()], Some(Fence(7)), Timestamp::default());
        assert_eq!([6, 7, 8].map(|fence| requests.slot(request, Fence(fence))), [None, Some(Slot::default()), None]);
        // A lease of an earlier use of the same id.
        requests.let_go(request, Fence(6));
        assert_eq!(requests.taken_by(request).unwrap().len(), 1);
        requests.let_go(request, Fence(7));
        assert_eq!(requests.taken_by(request).unwrap().len(), 0);
    }

    #[test]
    fn answered_requests_are_forgotten_in_the_end() {
        let mut requests = Requests::default();
        let (old, young) = (RequestId::unique(), RequestId::unique());
        requests.remember(old, Vec::new(), None, Timestamp::default());
        requests.remember(young, Vec::new(), None, Timestamp::default().plus(limits::REQUEST_MEMORY));
        assert!(requests.taken_by(old).is_none() && requests.taken_by(young).is_some());
    }
}
