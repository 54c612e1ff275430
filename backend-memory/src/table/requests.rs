//! Lease requests that were answered: a repetition gets its own leases again, and takes nothing new.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use docket_core::{Fence, Key, Lease, RequestId, Timestamp, limits};

/// The requests answered in the last [`limits::REQUEST_MEMORY`], with what each took.
#[derive(Default, Debug)]
pub(crate) struct Requests {
    answered: HashMap<RequestId, Taken>,
    by_age: VecDeque<(Timestamp, RequestId)>,
}

#[derive(Debug)]
struct Taken {
    keys: Arc<[Key]>,
    /// The fence of the first. A smaller one is of an earlier use of the same id, forgotten since.
    first: Fence,
    /// How many of them are still held by it.
    held: usize,
}

impl Requests {
    /// What an answered request took; `None` for one that was not answered yet.
    pub(crate) fn taken_by(&self, request: RequestId) -> Option<Arc<[Key]>> {
        self.answered.get(&request).map(|taken| taken.keys.clone())
    }

    /// Remembers an answered request, those that took nothing as well, and forgets some that are old enough.
    pub(crate) fn remember(&mut self, request: RequestId, leases: &[Lease], now: Timestamp) {
        for _ in 0..limits::TRIM_ITEMS_MAX {
            let Some((answered_at, old)) = self.by_age.front() else { break };
            if answered_at.plus(limits::REQUEST_MEMORY) > now {
                break;
            }
            self.answered.remove(old);
            self.by_age.pop_front();
        }
        let keys = leases.iter().map(|lease| lease.token.key.clone()).collect();
        let first = leases.first().map_or(Fence(u64::MAX), |lease| lease.token.fence);
        self.answered.insert(request, Taken { keys, first, held: leases.len() });
        self.by_age.push_back((now, request));
    }

    /// One of its leases has ended. With the last of them the keys go, so that what is remembered of a busy worker is
    /// little more than the request's id.
    pub(crate) fn let_go(&mut self, request: RequestId, fence: Fence) {
        if let Some(taken) = self.answered.get_mut(&request).filter(|taken| taken.first <= fence) {
            taken.held -= 1;
            if taken.held == 0 {
                taken.keys = Arc::default();
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
    fn a_request_forgets_its_keys_with_its_last_lease_and_not_that_it_was_answered() {
        let mut requests = Requests::default();
        let request = RequestId::unique();
        requests.remember(request, &[], Timestamp::default());
        assert_eq!(requests.taken_by(request).unwrap().len(), 0);
        requests.answered.insert(request, Taken { keys: [Key::unique()].into(), first: Fence(7), held: 1 });
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
        requests.remember(old, &[], Timestamp::default());
        requests.remember(young, &[], Timestamp::default().plus(limits::REQUEST_MEMORY));
        assert!(requests.taken_by(old).is_none() && requests.taken_by(young).is_some());
    }
}
