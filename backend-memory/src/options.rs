//! The options.

use docket_core::{Error, Result, limits};

/// Settings of a [`crate::MemoryBackend`]; the default suits one service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The most unfinished tasks; the docket rejects more. Default 1,000,000.
    pub max_tasks: usize,
    /// The most bytes of one task's args, and of its result: 1 to [`limits::BATCH_BYTES_MAX`], so
    /// that a batch can hold one. Default [`limits::PAYLOAD_BYTES_MAX`].
    pub max_payload_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_tasks: 1_000_000, max_payload_bytes: limits::PAYLOAD_BYTES_MAX }
    }
}

impl Options {
    /// Rejects options that cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        if (1..=limits::BATCH_BYTES_MAX).contains(&self.max_payload_bytes) {
            return Ok(());
        }
        let why =
            format!("max_payload_bytes is {}; it must be 1 to {}", self.max_payload_bytes, limits::BATCH_BYTES_MAX);
        Err(Error::config("open the docket", why))
    }
}
