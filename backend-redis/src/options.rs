//! What can be set.

use std::time::Duration;

/// Settings of a [`crate::RedisBackend`]; the default suits production.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// How long connecting may take: name look-up, TCP, TLS and the handshake together. Default 2 s.
    pub connect: Duration,
    /// How long an answer may take, the sending of a full batch (8 MiB) included. A call's deadline is `connect` and
    /// `response` together. Default 2 s; raise it where the network is slow.
    pub response: Duration,
    /// Start even though the server may evict tasks. For managed servers whose settings one cannot change.
    pub accept_eviction: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), response: Duration::from_secs(2), accept_eviction: false }
    }
}
