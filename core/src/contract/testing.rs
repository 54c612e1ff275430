//! The functions that the conformance suite needs from a backend. A service must not use them.

use async_trait::async_trait;

use crate::contract::{Result, Store, Timestamp};

/// A store whose clock can be set, so that the suite moves time instead of sleeping.
#[async_trait]
pub trait TestStore: Store {
    /// Sets the server's clock for this docket. The first call needs an empty docket (else
    /// `ErrorKind::Conflict`). A later call with an earlier time is a step back: the docket's time
    /// goes on from where it was. Every waiter wakes: `clock::moving_it_wakes_every_waiter`.
    async fn set_clock(&self, now: Timestamp) -> Result<()>;
}
