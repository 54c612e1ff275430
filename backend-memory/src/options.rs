//! What can be set.

use docket_core::limits;

/// Settings of a [`crate::MemoryBackend`]; the default suits one service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Unfinished tasks, at most; what is added beyond is refused. Default 1,000,000.
    pub tasks_max: usize,
    /// Bytes of one task's args, and of its result, at most. Default [`limits::PAYLOAD_BYTES_MAX`].
    pub payload_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { tasks_max: 1_000_000, payload_bytes_max: limits::PAYLOAD_BYTES_MAX }
    }
}
