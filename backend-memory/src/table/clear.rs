//! Any → absent; fence, seq and environment stay.

use super::Table;

impl Table {
    /// Takes everything away. Answers what was there, for the caller to drop where nobody waits for it.
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
