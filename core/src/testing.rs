//! What the conformance suite needs of a backend and no service may use.

use async_trait::async_trait;

use crate::{Result, Store, Timestamp};

/// A store whose clock can be set, so that the suite moves time instead of sleeping.
#[async_trait]
pub trait TestStore: Store {
    /// Sets the server's clock, as this docket sees it. The first call needs an empty docket (else
    /// `ErrorKind::Conflict`); a later one that sets it back is a step back: the docket's time goes on from where it was.
    /// Every waiter wakes: `clock::moving_it_wakes_every_waiter`.
    async fn set_clock(&self, now: Timestamp) -> Result<()>;
}
