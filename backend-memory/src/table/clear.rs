//! Any → absent; fence, seq and environment stay.

use super::Table;

impl Table {
    /// Removes all records. Returns them, so that the caller can drop them after it has released
    /// the lock.
    pub(crate) fn clear(&mut self) -> Self {
        let fresh =
            Self { counters: self.counters, environment: self.environment.clone(), ..Self::new(self.max_tasks) };
        std::mem::replace(self, fresh)
    }

    /// How many records there are, finished ones included.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }
}
