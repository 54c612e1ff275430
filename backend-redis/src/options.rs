//! The options.

use std::time::Duration;

use docket_core::{Error, Result, limits};

/// Settings of a [`crate::RedisBackend`]; the default suits production.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// How long connecting may take: name look-up, TCP, TLS and the handshake together. Default 2 s.
    pub connect: Duration,
    /// How long an answer may take, including the sending of a full batch (8 MiB). A call's
    /// deadline is `connect` plus `response`. Default 2 s; raise it if the network is slow.
    pub response: Duration,
    /// Start even if the server may evict tasks. For managed servers whose settings cannot be
    /// changed.
    pub accept_eviction: bool,
    /// The most bytes of one task's args, and of its result: 1 to [`limits::BATCH_BYTES_MAX`], so
    /// that a batch can hold one. Default [`limits::PAYLOAD_BYTES_MAX`]. While the server handles a
    /// large one, other callers wait.
    pub max_payload_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            response: Duration::from_secs(2),
            accept_eviction: false,
            max_payload_bytes: limits::PAYLOAD_BYTES_MAX,
        }
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
