//! Lease requests that were answered: a repetition gets its own leases again, and takes nothing new.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use docket_core::{Key, RequestId, Timestamp, limits};

/// The requests answered in the last [`limits::REQUEST_MEMORY`], with what each took.
#[derive(Default, Debug)]
pub(crate) struct Requests {
    taken: HashMap<RequestId, Arc<[Key]>>,
    by_age: VecDeque<(Timestamp, RequestId)>,
}

impl Requests {
    /// What an answered request took; `None` for one that was not answered yet.
    pub(crate) fn taken_by(&self, request: RequestId) -> Option<Arc<[Key]>> {
        self.taken.get(&request).cloned()
    }

    /// Remembers an answered request, those that took nothing as well, and forgets some that are old enough.
    pub(crate) fn remember(&mut self, request: RequestId, taken: Vec<Key>, now: Timestamp) {
        for _ in 0..limits::TRIM_ITEMS_MAX {
            let Some((answered_at, old)) = self.by_age.front() else { break };
            if answered_at.plus(limits::REQUEST_MEMORY) > now {
                break;
            }
            self.taken.remove(old);
            self.by_age.pop_front();
        }
        self.taken.insert(request, taken.into());
        self.by_age.push_back((now, request));
    }

    /// Whether both sides know the same requests: for the audit.
    pub(crate) fn is_sound(&self) -> bool {
        self.taken.len() == self.by_age.len() && self.by_age.iter().all(|(_, request)| self.taken.contains_key(request))
    }
}
