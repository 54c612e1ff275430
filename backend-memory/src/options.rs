//! The options.

use docket_core::{Error, Result, limits};

/// Settings of a [`crate::MemoryBackend`]; the default suits one service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Unfinished tasks, at most; what is added beyond is refused. Default 1,000,000.
    pub tasks_max: usize,
    /// The most bytes of one task's args, and of its result: 1 to [`limits::BATCH_BYTES_MAX`], so
    /// that a batch can hold one. Default [`limits::PAYLOAD_BYTES_MAX`].
    pub payload_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { tasks_max: 1_000_000, payload_bytes_max: limits::PAYLOAD_BYTES_MAX }
    }
}

impl Options {
    /// Refuses options that cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        if (1..=limits::BATCH_BYTES_MAX).contains(&self.payload_bytes_max) {
            return Ok(());
        }
        let why =
            format!("payload_bytes_max is {}; it must be 1 to {}", self.payload_bytes_max, limits::BATCH_BYTES_MAX);
        Err(Error::config("open the docket", why))
    }
}
